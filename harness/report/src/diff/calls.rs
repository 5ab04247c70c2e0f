//! Requests by route, metrics by name, events by kind and reason.

use std::collections::{BTreeMap, BTreeSet};

use super::{Noise, Section};
use crate::evidence::{Call, EventKind};
use crate::text::count;

/// A route that one run alone called fewer times than this is a race: whether ARC or a runner takes an ephemeral runner off a list, say.
const ROUTE_FROM: u64 = 5;

/// A route that one run alone called differs from [`ROUTE_FROM`] on; an answer's number differs beyond its noise.
pub(super) fn requests(before: &BTreeMap<Call, u64>, after: &BTreeMap<Call, u64>) -> Section {
    let (one, other) = (by_route(before), by_route(after));
    let mut differences = only_in_one(&one, &other, ROUTE_FROM, |(route, method)| {
        format!("{method} {route}")
    });

    let mut counts = Vec::new();
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
        counts.extend(changed(
            &name,
            before.get(call).copied(),
            after.get(call).copied(),
        ));
    }
    differences.extend(counts);
    let scope = format!(
        "{}; one of one run alone counts from {ROUTE_FROM}×, {}",
        count(other.len(), "route"),
        rule("the number of an answer")
    );
    Section::new("API calls", scope, differences)
}

/// Any name and any label that one run alone has differs.
pub(super) fn metrics(
    before: &BTreeMap<String, BTreeSet<String>>,
    after: &BTreeMap<String, BTreeSet<String>>,
) -> Section {
    let mut differences = Vec::new();
    for (name, labels) in before {
        match after.get(name) {
            None => differences.push(format!("{name}: only in the first run")),
            Some(now) if now != labels => {
                let gone = labels.difference(now).map(|label| format!("−{label}"));
                let new = now.difference(labels).map(|label| format!("+{label}"));
                let labels: Vec<String> = gone.chain(new).collect();
                differences.push(format!("{name}: labels {}", labels.join(" ")));
            }
            Some(_) => {}
        }
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        differences.push(format!("{name}: only in the second run"));
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
    let mut differences = only_in_one(before, after, 1, name);
    for (event, number) in before {
        if let Some(now) = after.get(event) {
            differences.extend(changed(&name(event), Some(*number), Some(*now)));
        }
    }
    let scope = format!(
        "{} by kind and reason; {}",
        count(after.len(), "sort"),
        rule("a number")
    );
    Section::new("Events", scope, differences)
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

fn only_in_one<K: Ord>(
    before: &BTreeMap<K, u64>,
    after: &BTreeMap<K, u64>,
    from: u64,
    name: impl Fn(&K) -> String,
) -> Vec<String> {
    let new = after
        .iter()
        .filter(|(key, number)| **number >= from && !before.contains_key(key));
    let gone = before
        .iter()
        .filter(|(key, number)| **number >= from && !after.contains_key(key));
    let new = new.map(|(key, number)| format!("{}: only in the second run, {number}×", name(key)));
    let gone = gone.map(|(key, number)| format!("{}: only in the first run, {number}×", name(key)));
    new.chain(gone).collect()
}

fn changed(name: &str, before: Option<u64>, after: Option<u64>) -> Option<String> {
    let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
    // Counts of one run are far below where a double loses whole numbers.
    #[expect(clippy::cast_precision_loss, reason = "a run's counts are small")]
    let exceeded = Noise::TIMES.exceeded(before as f64, after as f64);
    exceeded.then(|| format!("{name}: {before}× → {after}×"))
}

fn rule(what: &str) -> String {
    format!("{what} counts beyond {}", Noise::TIMES.words("×"))
}
