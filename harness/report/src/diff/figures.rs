//! Timings and what the runs measured, where both have a figure.

use harness_model::{Measurement, Verdict};

use super::{Difference, Noise, Section};
use crate::Summary;
use crate::text::{amount, count};

/// A figure of both runs.
struct Pair {
    name: String,
    before: f64,
    after: f64,
    unit: String,
    noise: Noise,
}

/// Durations of the run, its phases and its checks. A check that is not green took as long as its deadline: that says nothing.
pub(super) fn timings(before: &Summary, after: &Summary) -> Section {
    let seconds = |name: &str, before: std::time::Duration, after: std::time::Duration, noise| Pair {
        name: name.to_owned(),
        before: before.as_secs_f64(),
        after: after.as_secs_f64(),
        unit: "s".to_owned(),
        noise,
    };
    let mut pairs = Vec::new();
    if !before.killed && !after.killed {
        pairs.push(seconds(
            "the run",
            before.duration,
            after.duration,
            Noise::RUN_SECONDS,
        ));
    }
    for phase in &after.phases {
        let known = before.phases.iter().find(|known| known.name == phase.name);
        if let (Some(one), Some(other)) = (known.and_then(|known| known.duration), phase.duration) {
            pairs.push(seconds(
                &format!("phase {}", phase.name),
                one,
                other,
                Noise::RUN_SECONDS,
            ));
        }
    }
    let passed = |verdict| matches!(verdict, Verdict::Pass | Verdict::Flaky);
    for check in after.checks.iter().filter(|check| passed(check.verdict)) {
        let id = &check.check.id;
        let known = before.checks.iter().find(|known| known.check.id == *id);
        if let Some(known) = known.filter(|known| passed(known.verdict)) {
            pairs.push(seconds(
                id,
                known.duration(),
                check.duration(),
                Noise::CHECK_SECONDS,
            ));
        }
    }
    let scope = format!(
        "{}; a change counts beyond {}, of the run and its phases beyond {}",
        count(pairs.len(), "duration"),
        Noise::CHECK_SECONDS.words(" s"),
        Noise::RUN_SECONDS.words(" s"),
    );
    compared("Timings", scope, pairs)
}

/// What the run and its checks measured.
pub(super) fn section(before: &Summary, after: &Summary) -> Section {
    let mut pairs = Vec::new();
    let mut take = |id: &str, one: &[Measurement], other: &[Measurement], seconds| {
        for measured in other {
            let Some(known) = one
                .iter()
                .find(|m| m.name == measured.name && m.unit == measured.unit)
            else {
                continue;
            };
            pairs.push(Pair {
                name: format!("{id}{}", measured.name),
                before: known.value,
                after: measured.value,
                unit: measured.unit.clone(),
                noise: if measured.unit == "s" {
                    seconds
                } else {
                    Noise::OTHER
                },
            });
        }
    };
    take("", &before.measurements, &after.measurements, Noise::RUN_SECONDS);
    for check in &after.checks {
        let id = &check.check.id;
        if let Some(known) = before.checks.iter().find(|known| known.check.id == *id) {
            let prefix = format!("{id}: ");
            take(
                &prefix,
                &known.measurements,
                &check.measurements,
                Noise::CHECK_SECONDS,
            );
        }
    }
    let scope = format!(
        "{}; in seconds as above, others beyond {}",
        count(pairs.len(), "figure"),
        Noise::OTHER.words("")
    );
    compared("Figures", scope, pairs)
}

/// The pairs that differ, the largest change first.
fn compared(title: &'static str, scope: String, mut pairs: Vec<Pair>) -> Section {
    let factor = |pair: &Pair| (pair.after.max(pair.before)) / pair.after.min(pair.before).max(f64::EPSILON);
    pairs.sort_by(|one, other| factor(other).total_cmp(&factor(one)));
    let (beyond, within): (Vec<Pair>, Vec<Pair>) = pairs
        .into_iter()
        .partition(|pair| pair.noise.exceeded(pair.before, pair.after));
    let mut section = Section::new(title, scope, beyond.iter().map(told).collect());
    section.within_noise = within
        .iter()
        .map(told)
        .filter(|told| told.values[0] != told.values[1])
        .collect();
    section
}

fn told(pair: &Pair) -> Difference {
    let value = |value| {
        amount(&Measurement {
            name: String::new(),
            value,
            unit: pair.unit.clone(),
        })
    };
    Difference::changed(&pair.name, value(pair.before), value(pair.after))
}
