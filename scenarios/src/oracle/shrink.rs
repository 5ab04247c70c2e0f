//! Simpler cases of a case that disagrees: whoever reads of a disagreement should see the three fields that make it, not thirty.
//!
//! What it is not: a proof of minimality, and nothing is played here.

use serde_json::{Value, json};

use super::case::{Case, Load};

/// Cases that are simpler than this one by one step, the largest steps first.
pub(super) fn simpler(case: &Case) -> Vec<Case> {
    let mut found: Vec<Case> = Vec::new();
    let mut add = |change: &dyn Fn(&mut Case)| {
        let mut simpler = case.clone();
        change(&mut simpler);
        if size(&simpler) < size(case) && !found.contains(&simpler) {
            found.push(simpler);
        }
    };
    let last = case.moments.len() - 1;
    add(&|case| drop(case.moments.drain(..last)));
    add(&|case| case.moments.truncate(1));
    for moment in 0..=last {
        if last > 0 {
            add(&|case| drop(case.moments.remove(moment)));
        }
    }
    add(&|case| case.refused.clear());
    add(&|case| {
        let first = case.moments[0].spec.clone();
        case.moments
            .iter_mut()
            .for_each(|moment| moment.spec = first.clone());
    });
    add(&|case| {
        case.moments
            .iter_mut()
            .for_each(|moment| moment.load = Load::default())
    });
    add(&|case| {
        case.moments
            .iter_mut()
            .for_each(|moment| moment.load.runs.clear())
    });
    add(&|case| {
        case.moments
            .iter_mut()
            .for_each(|moment| moment.load.strangers = 0)
    });
    add(&|case| case.moments.iter_mut().for_each(|moment| moment.load.idle = 0));
    add(&|case| case.moments.iter_mut().for_each(|moment| moment.edited = None));
    add(&|case| case.replicas = Some(1));
    let mut paths: Vec<String> = Vec::new();
    for moment in &case.moments {
        for path in paths_of(&moment.spec, "") {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    // Those near the root take the most away.
    paths.sort_by_key(|path| path.matches('/').count());
    for path in &paths {
        add(&|case| each_spec(case, |spec| remove(spec, path)));
    }
    for path in &paths {
        for number in [0, 1, 2] {
            add(&|case| each_spec(case, |spec| lower(spec, path, number)));
        }
    }
    for moment in 0..=last {
        for path in paths_of(&case.moments[moment].spec, "") {
            add(&|case| remove(&mut case.moments[moment].spec, &path));
        }
    }
    for moment in 0..=last {
        add(&|case| case.moments[moment].load.busy = 0);
        add(&|case| case.moments[moment].load.busy /= 2);
        for run in 0..case.moments[moment].load.runs.len() {
            add(&|case| drop(case.moments[moment].load.runs.remove(run)));
        }
    }
    found
}

/// Each step makes it less, so that shrinking ends.
pub(super) fn size(case: &Case) -> usize {
    let numbers: i64 = case.moments.iter().map(|moment| magnitude(&moment.spec)).sum();
    let loads: usize = case
        .moments
        .iter()
        .map(|moment| moment.load.busy + moment.load.idle + moment.load.strangers)
        .sum();
    let replicas = case.replicas.map_or(2, |replicas| replicas.abs_diff(1));
    let text = serde_json::to_string(case).map_or(0, |text| text.len());
    text * 1_000 + usize::try_from(numbers).unwrap_or(0) + loads + usize::try_from(replicas).unwrap_or(0)
}

fn magnitude(value: &Value) -> i64 {
    match value {
        Value::Number(number) => number
            .as_i64()
            .map_or(0, |number| number.clamp(-1_000, 1_000).abs()),
        Value::Array(items) => items.iter().map(magnitude).sum(),
        Value::Object(fields) => fields.values().map(magnitude).sum(),
        _ => 0,
    }
}

fn each_spec(case: &mut Case, change: impl Fn(&mut Value)) {
    case.moments
        .iter_mut()
        .for_each(|moment| change(&mut moment.spec));
}

/// A JSON pointer to each field and item below.
fn paths_of(value: &Value, path: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    children
        .into_iter()
        .flat_map(|(name, value)| {
            let path = format!("{path}/{name}");
            let below = paths_of(value, &path);
            std::iter::once(path).chain(below)
        })
        .collect()
}

/// Without this field or item, if it has it. What the definition demands stays.
fn remove(spec: &mut Value, path: &str) {
    let Some((parent, name)) = path.rsplit_once('/') else {
        return;
    };
    if ["startTime", "endTime", "type"].contains(&name) {
        return;
    }
    match spec.pointer_mut(parent) {
        Some(Value::Object(fields)) => drop(fields.shift_remove(name)),
        Some(Value::Array(items)) => {
            if let Some(index) = name.parse().ok().filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// With a smaller number at this place, if there is one.
fn lower(spec: &mut Value, path: &str, number: i64) {
    if let Some(value) = spec.pointer_mut(path)
        && value.as_i64().is_some_and(|old| old.abs() > number)
    {
        *value = json!(number);
    }
}

#[cfg(test)]
mod tests {
    use harness::model::autoscaling::RunWithoutJobs;

    use super::super::case::{Flavour, Moment};
    use super::*;

    fn moment(spec: Value, busy: usize) -> Moment {
        Moment {
            at: jiff::Timestamp::UNIX_EPOCH,
            spec,
            edited: None,
            load: Load {
                busy,
                ..Load::default()
            },
        }
    }

    fn case() -> Case {
        let spec = json!({
            "minReplicas": 2, "maxReplicas": 16, "scaleDownDelaySecondsAfterScaleOut": 300,
            "metrics": [{ "type": "PercentageRunnersBusy", "scaleUpFactor": "2" }],
            "scheduledOverrides": [{ "startTime": "2030-01-01T00:00:00Z", "endTime": "2030-01-02T00:00:00Z" }],
        });
        Case {
            number: 1,
            flavour: Flavour::ALL[0],
            replicas: Some(4),
            refused: Vec::new(),
            moments: vec![moment(spec.clone(), 4), moment(spec, 8)],
            run_without_jobs: RunWithoutJobs::default(),
        }
    }

    /// Takes the first simpler case that still fails, until none does.
    fn shrunk(mut case: Case, fails: impl Fn(&Case) -> bool) -> Case {
        while let Some(next) = simpler(&case).into_iter().find(|case| fails(case)) {
            case = next;
        }
        case
    }

    #[test]
    fn only_what_makes_the_disagreement_is_left() {
        let fails = |case: &Case| {
            case.moments.iter().any(|moment| {
                moment.spec["minReplicas"].as_i64().is_some_and(|min| min >= 1) && moment.load.busy >= 3
            })
        };

        let shrunk = shrunk(case(), fails);

        assert_eq!(shrunk.moments.len(), 1);
        assert_eq!(shrunk.moments[0].spec, json!({ "minReplicas": 1 }));
        assert_eq!((shrunk.moments[0].load.busy, shrunk.replicas), (4, Some(1)));
    }

    #[test]
    fn every_step_makes_a_case_simpler_and_leaves_a_moment() {
        for simpler in simpler(&case()) {
            assert!(size(&simpler) < size(&case()), "{simpler:?}");
            assert!(!simpler.moments.is_empty());
            assert!(simpler.moments.iter().all(|moment| {
                let entries = moment.spec["scheduledOverrides"].as_array().into_iter().flatten();
                entries.into_iter().all(|entry| entry["startTime"].is_string())
            }));
        }
    }
}
