//! Requests by route, metrics by name, events by kind and reason.

use std::collections::{BTreeMap, BTreeSet};

use super::{Difference, Noise, Section};
use crate::evidence::{Call, EventKind};
use crate::text::count;

/// A route that one run alone called fewer times than this is a race: whether ARC or a runner takes an ephemeral runner off a list, say.
const ROUTE_FROM: u64 = 5;

/// A route that one run alone called differs from [`ROUTE_FROM`] on; an answer's number differs beyond its noise.
pub(super) fn requests(before: &BTreeMap<Call, u64>, after: &BTreeMap<Call, u64>) -> Section {
    let (one, other) = (by_route(before), by_route(after));
    let mut found = only_in_one(&one, &other, ROUTE_FROM, |(route, method)| {
        format!("{method} {route}")
    });
    let calls: BTreeSet<&Call> = before.keys().chain(after.keys()).collect();
    for call in calls {
        let route = (call.route.as_str(), call.method.as_str());
        if !one.contains_key(&route) || !other.contains_key(&route) {
            continue;
        }
        let status = call
            .status
            .map_or("no answer".to_owned(), |status| status.to_string());
        let name = format!("{} {} {status}", call.method, call.route);
        found.count(&name, before.get(call).copied(), after.get(call).copied());
    }
    let scope = format!(
        "{}; one of one run alone counts from {ROUTE_FROM}×, {}",
        count(other.len(), "route"),
        rule("the number of an answer")
    );
    found.section("API calls", scope)
}

/// Any name and any label that one run alone has differs.
pub(super) fn metrics(
    before: &BTreeMap<String, BTreeSet<String>>,
    after: &BTreeMap<String, BTreeSet<String>>,
) -> Section {
    let mut differences = Vec::new();
    for (name, labels) in before {
        match after.get(name) {
            None => differences.push(Difference::only_first(name, "")),
            Some(now) if now != labels => {
                let gone = labels.difference(now).map(|label| format!("−{label}"));
                let new = now.difference(labels).map(|label| format!("+{label}"));
                let moved: Vec<String> = gone.chain(new).collect();
                let listed = |labels: &BTreeSet<String>| {
                    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
                    format!("labels {}", labels.join(", "))
                };
                differences.push(Difference {
                    line: format!("{name}: labels {}", moved.join(" ")),
                    ..Difference::changed(name, listed(labels), listed(now))
                });
            }
            Some(_) => {}
        }
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        differences.push(Difference::only_second(name, ""));
    }
    let scope = format!(
        "{} of ARC's manager, by name and labels",
        count(after.len(), "metric")
    );
    Section::new("Metrics", scope, differences)
}

/// A kind of event that one run alone had differs however often; a number differs beyond its noise.
pub(super) fn events(before: &BTreeMap<EventKind, u64>, after: &BTreeMap<EventKind, u64>) -> Section {
    let name = |event: &EventKind| format!("{} {} of a {}", event.class, event.reason, event.kind);
    let mut found = only_in_one(before, after, 1, name);
    for (event, number) in before {
        if let Some(now) = after.get(event) {
            found.count(&name(event), Some(*number), Some(*now));
        }
    }
    let scope = format!(
        "{} by kind and reason; {}",
        count(after.len(), "sort"),
        rule("a number")
    );
    found.section("Events", scope)
}

fn by_route(calls: &BTreeMap<Call, u64>) -> BTreeMap<(&str, &str), u64> {
    let mut routes = BTreeMap::new();
    for (call, number) in calls {
        *routes
            .entry((call.route.as_str(), call.method.as_str()))
            .or_default() += number;
    }
    routes
}

/// What differs, as far as it matters and beyond.
#[derive(Default)]
struct Found {
    differences: Vec<Difference>,
    within_noise: Vec<Difference>,
}

impl Found {
    fn add(&mut self, matters: bool, difference: Difference) {
        let list = if matters {
            &mut self.differences
        } else {
            &mut self.within_noise
        };
        list.push(difference);
    }

    /// A number of both runs; what is not there came no time.
    fn count(&mut self, name: &str, before: Option<u64>, after: Option<u64>) {
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        if before == after {
            return;
        }
        // Counts of one run are far below where a double loses whole numbers.
        #[expect(clippy::cast_precision_loss, reason = "a run's counts are small")]
        let exceeded = Noise::TIMES.exceeded(before as f64, after as f64);
        let difference = Difference::changed(name, format!("{before}×"), format!("{after}×"));
        self.add(exceeded, difference);
    }

    fn section(self, title: &'static str, scope: String) -> Section {
        let mut section = Section::new(title, scope, self.differences);
        section.within_noise = self.within_noise;
        section
    }
}

fn only_in_one<K: Ord>(
    before: &BTreeMap<K, u64>,
    after: &BTreeMap<K, u64>,
    from: u64,
    name: impl Fn(&K) -> String,
) -> Found {
    let mut found = Found::default();
    for (key, number) in after.iter().filter(|(key, _)| !before.contains_key(key)) {
        let difference = Difference::only_second(name(key), format!("{number}×"));
        found.add(*number >= from, difference);
    }
    for (key, number) in before.iter().filter(|(key, _)| !after.contains_key(key)) {
        let difference = Difference::only_first(name(key), format!("{number}×"));
        found.add(*number >= from, difference);
    }
    found
}

fn rule(what: &str) -> String {
    format!("{what} counts beyond {}", Noise::TIMES.words("×"))
}
