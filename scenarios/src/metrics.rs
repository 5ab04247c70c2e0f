//! The metrics that ARC's manager exposes of an autoscaler.
//!
//! Source: ARC's documentation on metrics; names and labels are those of ARC's source. Not covered: the proxy with TLS and RBAC before
//! them, GitHub's rate limits, and the metrics of other types of autoscaling.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::cluster::{Sample, Seen, eventually};
use harness::model::{Capability, Check, Claim, Profile};
use harness::{Context, Scenario, Unmet, expect, expect_equal};
use jiff::{SignedDuration, Timestamp};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::fleet;
use crate::quickstart::follow;
use crate::visit::visit;

pub(crate) const PERCENTAGE_RUNNERS_BUSY: Scenario = Scenario {
    check: || {
        Check {
        id: "metrics::percentage-runners-busy".into(),
        claim: "with 4 runners of which 3 are busy, and again with none busy, every metric of the autoscaler has the name, labels and \
                value that GHES and the API server give"
            .into(),
        grounds: "ARC's documentation: the manager exposes metrics of each HorizontalRunnerAutoscaler; the guide: PercentageRunnersBusy".into(),
        not_covered: "the proxy with TLS and RBAC before the metrics; rate limits; runners that end while busy".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods],
        claims: Claim::SharedArc,
        pains: vec![25],
    }
    },
    run: |context| percentage_runners_busy(context).boxed(),
};

const RUNNERS: usize = 4;
const BUSY: usize = 3;

/// Three of four busy lie under this threshold, so that nothing scales.
const SCALE_UP_THRESHOLD: &str = "0.8";

/// A metric: its name and labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

async fn percentage_runners_busy(context: Context) -> anyhow::Result<()> {
    let deployment = context.runner_deployment()?;
    // The guide's weekend, where it is not now.
    let later = Timestamp::now() + SignedDuration::from_hours(24);
    let mut autoscaler = context.horizontal_runner_autoscaler(
        &later.to_string(),
        &(later + SignedDuration::from_hours(24)).to_string(),
    );
    autoscaler["spec"]["minReplicas"] = json!(RUNNERS);
    autoscaler["spec"]["metrics"][0]["scaleUpThreshold"] = json!(SCALE_UP_THRESHOLD);
    context.apply(&deployment).await?;
    context.apply(&autoscaler).await?;
    fleet::await_idle(&context, RUNNERS).await?;

    let desk = context.desk().await?;
    let tickets: Vec<String> = (1..=BUSY).map(|ticket| ticket.to_string()).collect();
    let run = visit(&context, &context.tenant().repository(), &desk, &tickets).await?;
    let visits = desk.waiting(BUSY, fleet::DEADLINE).await?;
    let busy: BTreeSet<String> = visits.into_iter().map(|visit| visit.runner).collect();
    expect_equal("runners with a job in progress", &BUSY, &busy.len())?;
    let busy_state = State {
        busy,
        suggested: RUNNERS,
    };
    let metrics = await_metrics(&context, &deployment, &autoscaler, &busy_state).await?;
    context.observe(format!(
        "{metrics} metrics as awaited with {BUSY} of {RUNNERS} runners busy"
    ));

    desk.let_all_go();
    follow(&context, run).await?;
    fleet::await_idle(&context, RUNNERS).await?;
    // Half of four, which the minimum then overrules.
    let idle_state = State {
        busy: BTreeSet::new(),
        suggested: RUNNERS / 2,
    };
    await_metrics(&context, &deployment, &autoscaler, &idle_state).await?;
    Ok(())
}

/// How many reconciles a controller has ended, by these metrics.
pub(crate) fn reconciles_of(samples: &[Sample], controller: &str) -> f64 {
    let counted = samples.iter().filter(|sample| {
        let of = sample.labels.get("controller");
        sample.name == "controller_runtime_reconcile_total" && of.is_some_and(|name| name == controller)
    });
    counted.map(|sample| sample.value).sum()
}

/// Waits until ARC's first manager has ended so many reconciles of a controller.
pub(crate) async fn await_reconciles(context: &Context, controller: &str, count: f64) -> anyhow::Result<()> {
    let awaited = format!("{count} reconciles of {controller}");
    eventually(&awaited, fleet::DEADLINE, || async {
        match context.arc_metrics(0).await {
            Ok(samples) => match reconciles_of(&samples, controller) {
                seen if seen >= count => Seen::Yes(()),
                seen => Seen::NotYet(seen.to_string()),
            },
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;
    Ok(())
}

/// What the metrics must show besides what GHES and the API server say.
struct State {
    /// The runners with a job in progress.
    busy: BTreeSet<String>,
    /// What the metric alone suggests, before minimum and maximum.
    suggested: usize,
}

/// Waits until every metric of this autoscaler and its RunnerDeployment is as GHES and the API server say; gives their number.
async fn await_metrics(
    context: &Context,
    deployment: &Value,
    autoscaler: &Value,
    state: &State,
) -> anyhow::Result<usize> {
    let awaited = format!(
        "metrics of {} busy runners in {}",
        state.busy.len(),
        context.namespace()
    );
    let compared = async || {
        let samples = context.arc_metrics(0).await?;
        let expected = expected(context, deployment, autoscaler, state).await?;
        anyhow::Ok((expected, of_namespace(&samples, context.namespace())))
    };
    let found = eventually(&awaited, fleet::DEADLINE, || async {
        match compared().await {
            Ok((expected, seen)) if expected == seen => Seen::Yes(seen.len()),
            Ok((expected, seen)) => Seen::NotYet(differences(&expected, &seen)),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await;
    match found {
        Ok(found) => Ok(found),
        // The first that differs, as a value: all of them are in the wait's words.
        Err(error) => {
            let (expected, seen) = compared().await?;
            first_difference(&expected, &seen).with_context(|| error.to_string())?;
            Err(error.into())
        }
    }
}

/// Every metric about autoscaling in this namespace.
fn of_namespace(samples: &[Sample], namespace: &str) -> BTreeMap<Series, String> {
    let ours = samples.iter().filter(|sample| {
        let about = ["horizontalrunnerautoscaler_", "runnerdeployment_"]
            .iter()
            .any(|p| sample.name.starts_with(p));
        about && sample.labels.get("namespace").is_some_and(|n| n == namespace)
    });
    ours.map(|s| ((s.name.clone(), s.labels.clone()), s.value.to_string()))
        .collect()
}

/// What the metrics must be by the manifest, the API server and GHES.
async fn expected(
    context: &Context,
    deployment: &Value,
    autoscaler: &Value,
    state: &State,
) -> anyhow::Result<BTreeMap<Series, String>> {
    let name = |manifest: &Value| {
        manifest["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let (deployment, scaler) = (name(deployment), name(autoscaler));
    let get = async |kind, name: &str| -> anyhow::Result<DynamicObject> {
        context
            .objects(&kind)
            .get(name)
            .await
            .with_context(|| format!("read {name}"))
    };
    let live = get(resources::horizontal_runner_autoscaler(), &scaler).await?;
    let target = get(resources::runner_deployment(), &deployment).await?;
    let objects = fleet::runner_objects(context).await?;
    let listed = context
        .ghes()
        .runners(&context.tenant().enterprise())
        .await
        .context("list the runners")?;
    let registered = listed.iter().filter(|r| objects.contains(&r.name)).count();
    let busy = listed
        .iter()
        .filter(|r| objects.contains(&r.name) && state.busy.contains(&r.name))
        .count();

    let namespace = context.namespace();
    let short = labels(&[("horizontalrunnerautoscaler", &scaler), ("namespace", namespace)]);
    let mut long = short.clone();
    let (enterprise, kind) = (&context.tenant().name, "runnerdeployment");
    long.extend(labels(&[
        ("enterprise", enterprise),
        ("organization", ""),
        ("repository", ""),
        ("kind", kind),
        ("name", &deployment),
    ]));
    let of_target = labels(&[("runnerdeployment", &deployment), ("namespace", namespace)]);
    let series = |name: &str, labels: &BTreeMap<String, String>, value: String| {
        ((name.to_owned(), labels.clone()), value)
    };
    let number = |object: &DynamicObject, pointer: &str| {
        object
            .data
            .pointer(pointer)
            .map(Value::to_string)
            .unwrap_or_default()
    };
    Ok(BTreeMap::from([
        series(
            "horizontalrunnerautoscaler_spec_min_replicas",
            &short,
            number(&live, "/spec/minReplicas"),
        ),
        series(
            "horizontalrunnerautoscaler_spec_max_replicas",
            &short,
            number(&live, "/spec/maxReplicas"),
        ),
        series(
            "horizontalrunnerautoscaler_status_desired_replicas",
            &short,
            number(&live, "/status/desiredReplicas"),
        ),
        series(
            "horizontalrunnerautoscaler_replicas_desired",
            &long,
            state.suggested.to_string(),
        ),
        series(
            "horizontalrunnerautoscaler_runners",
            &long,
            objects.len().to_string(),
        ),
        series(
            "horizontalrunnerautoscaler_runners_registered",
            &long,
            registered.to_string(),
        ),
        series("horizontalrunnerautoscaler_runners_busy", &long, busy.to_string()),
        series(
            "horizontalrunnerautoscaler_terminating_busy",
            &long,
            "0".to_owned(),
        ),
        series(
            "runnerdeployment_spec_replicas",
            &of_target,
            number(&target, "/spec/replicas"),
        ),
    ]))
}

/// Labels by name.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Every series that is not as awaited, with both values.
pub(crate) fn differences(expected: &BTreeMap<Series, String>, seen: &BTreeMap<Series, String>) -> String {
    let all: BTreeSet<&Series> = expected.keys().chain(seen.keys()).collect();
    let differing = all
        .into_iter()
        .filter(|series| expected.get(series) != seen.get(series));
    let value = |map: &BTreeMap<Series, String>, series: &Series| {
        map.get(series).cloned().unwrap_or("absent".to_owned())
    };
    differing
        .map(|series| {
            format!(
                "{}{:?}: {}, awaited {}",
                series.0,
                series.1,
                value(seen, series),
                value(expected, series)
            )
        })
        .collect::<Vec<_>>()
        .join("; ")
}

/// The first series that is not as awaited, by its value; by its labels if it has others.
fn first_difference(
    expected: &BTreeMap<Series, String>,
    seen: &BTreeMap<Series, String>,
) -> Result<(), Unmet> {
    let value = |map: &BTreeMap<Series, String>, series: &Series| {
        map.get(series).cloned().unwrap_or("absent".to_owned())
    };
    for series in expected.keys().chain(seen.keys()) {
        let (name, labels) = series;
        let mut others = seen
            .keys()
            .filter(|other| &other.0 == name && !expected.contains_key(*other));
        match others.next().filter(|_| !seen.contains_key(series)) {
            Some(other) => expect_equal(&format!("labels of {name}"), labels, &other.1)?,
            None => {
                let (expected, seen) = (value(expected, series), value(seen, series));
                let holds = expected == seen;
                expect(format!("{name}{labels:?} = {expected}"), holds, seen)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_series_and_both_values() {
        let series = ("busy".to_owned(), labels(&[("namespace", "a")]));
        let expected = BTreeMap::from([(series.clone(), "3".to_owned())]);

        let text = differences(&expected, &BTreeMap::from([(series, "0".to_owned())]));

        assert_eq!(text, r#"busy{"namespace": "a"}: 0, awaited 3"#);
        assert_eq!(differences(&expected, &expected), "");
    }

    #[test]
    fn a_difference_is_one_of_value_or_of_labels() {
        let series = |kind: &str| ("busy".to_owned(), labels(&[("kind", kind)]));
        let expected = BTreeMap::from([(series("a"), "3".to_owned())]);
        let first = |series: Series, value: &str| {
            let unmet = first_difference(&expected, &BTreeMap::from([(series, value.to_owned())]));
            unmet.expect_err("the series differ")
        };

        let (by_value, by_label) = (first(series("a"), "0"), first(series("b"), "3"));

        assert_eq!(by_value.awaited, r#"busy{"kind": "a"} = 3"#);
        assert_eq!(by_value.seen, "0");
        assert_eq!(by_label.awaited, r#"labels of busy = {"kind": "a"}"#);
        assert_eq!(by_label.seen, r#"{"kind": "b"}"#);
    }
}
