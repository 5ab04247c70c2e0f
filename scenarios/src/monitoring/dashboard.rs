//! The dashboard's queries against what GHES and the API server know.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use harness::arc::resources;
use harness::cluster::{Point, Prometheus, Seen, eventually};
use harness::{Context, expect, expect_equal};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::expressions::metrics;
use super::files::{ALERTS, Query, RuleFile, queries};
use crate::fleet::{self, name_of};
use crate::metrics::labels;
use crate::quickstart::follow;
use crate::scaling::{autoscale, autoscaler};
use crate::visit::visit;

const RUNNERS: usize = 4;
const BUSY: usize = 3;
/// Three of four busy lie under this threshold, so that nothing scales.
const SCALE_UP_THRESHOLD: &str = "0.8";
/// Requests in an hour, more than ARC needs.
const LIMIT: u64 = 5_000;
/// Whose token ARC has.
const ADMINISTRATOR: &str = "arc-admin";

type Labels = BTreeMap<String, String>;

/// What one series of a query must be.
#[derive(Debug, Clone, PartialEq)]
struct Truth {
    /// Which: the series that has these labels.
    labels: Labels,
    least: f64,
    most: f64,
}

impl Truth {
    fn exactly(labels: &Labels, value: f64) -> Truth {
        Truth::between(labels, value, value)
    }

    fn between(labels: &Labels, least: f64, most: f64) -> Truth {
        let labels = labels.clone();
        Truth { labels, least, most }
    }

    fn holds(&self, points: &[Point]) -> bool {
        let ours = points.iter().filter(|point| {
            self.labels
                .iter()
                .all(|(name, value)| point.labels.get(name) == Some(value))
        });
        let values: Vec<f64> = ours.map(|point| point.value).collect();
        matches!(values[..], [value] if (self.least..=self.most).contains(&value))
    }
}

impl std::fmt::Display for Truth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.least == self.most {
            write!(f, "{}", self.least)?;
        } else {
            write!(f, "{} to {}", self.least, self.most)?;
        }
        match self.labels.is_empty() {
            true => Ok(()),
            false => write!(f, " for {:?}", self.labels),
        }
    }
}

pub(super) async fn dashboard(context: Context) -> anyhow::Result<()> {
    context.hand().limit_rate(Some(LIMIT)).await?;
    let deployment = context.runner_deployment()?;
    let mut scaler = autoscaler(&context);
    scaler["spec"]["minReplicas"] = json!(RUNNERS);
    scaler["spec"]["metrics"][0]["scaleUpThreshold"] = json!(SCALE_UP_THRESHOLD);
    let queue = super::queue(&context, BUSY)?;
    let prometheus = context.prometheus(ALERTS).await?;
    for manifest in queue.iter().chain([&deployment]) {
        context.apply(manifest).await?;
    }
    let trail = autoscale(&context, &scaler).await?;
    trail.reaches(i64::try_from(RUNNERS)?, fleet::DEADLINE).await?;
    fleet::await_idle(&context, RUNNERS).await?;
    let desk = context.desk().await?;
    let tickets: Vec<String> = (1..=BUSY).map(|ticket| ticket.to_string()).collect();
    let run = visit(&context, &context.tenant().repository(), &desk, &tickets).await?;
    desk.waiting(BUSY, fleet::DEADLINE).await?;

    let subjects = Subjects {
        deployment: name_of(&deployment),
        scaler: name_of(&scaler),
        queue: super::QUEUE.to_owned(),
    };
    let queries = queries()?;
    for query in &queries {
        await_truth(&context, &prometheus, &subjects, query).await?;
    }
    context.observe(format!("{} queries of the dashboard as awaited", queries.len()));
    expect_equal(
        "metrics that the rules name and ARC does not show",
        &BTreeSet::new(),
        &unknown(&prometheus).await?,
    )?;
    desk.let_all_go();
    follow(&context, run).await?;
    Ok(())
}

/// The metrics in the alert rules that Prometheus has got from nobody: an alert on one would never fire.
async fn unknown(prometheus: &Prometheus) -> anyhow::Result<BTreeSet<String>> {
    let known = prometheus
        .query(r#"group by (__name__) ({__name__=~".+"})"#)
        .await?;
    let known: BTreeSet<&String> = known
        .iter()
        .filter_map(|point| point.labels.get("__name__"))
        .collect();
    let rules = RuleFile::read()?;
    let named = rules.rules().flat_map(|rule| metrics(&rule.expr));
    Ok(named.filter(|name| !known.contains(name)).collect())
}

/// The names of what is looked at.
struct Subjects {
    deployment: String,
    scaler: String,
    queue: String,
}

/// Waits until a query returns what is known to be true; one of which nothing particular is known must return something.
async fn await_truth(
    context: &Context,
    prometheus: &Prometheus,
    subjects: &Subjects,
    query: &Query,
) -> anyhow::Result<()> {
    let known = truth(context, subjects, &query.name).await?;
    let what = known.map_or("something".to_owned(), |truth| truth.to_string());
    let awaited = format!("{} = {what}", query.name);
    let asked = query.asked();
    let answered = eventually(&awaited, fleet::DEADLINE, || async {
        let truth = match truth(context, subjects, &query.name).await {
            Ok(truth) => truth,
            Err(error) => return Seen::NotYet(format!("{error:#}")),
        };
        match prometheus.query(&asked).await {
            Ok(points) if points.is_empty() => Seen::NotYet("nothing".to_owned()),
            Ok(points) if truth.is_none_or(|truth| truth.holds(&points)) => Seen::Yes(points),
            Ok(points) => Seen::NotYet(told(&points)),
            Err(error) => Seen::NotYet(format!("{:#}", anyhow::Error::from(error))),
        }
    })
    .await?;
    expect(
        format!("{} = numbers", query.name),
        answered.iter().any(|point| point.value.is_finite()),
        told(&answered),
    )?;
    Ok(())
}

fn told(points: &[Point]) -> String {
    let one = |point: &Point| format!("{} for {:?}", point.value, point.labels);
    points.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// What a query must return by the manifests, the API server and GHES; none: nothing particular is known.
async fn truth(context: &Context, subjects: &Subjects, query: &str) -> anyhow::Result<Option<Truth>> {
    let live = async |kind, name: &str| -> anyhow::Result<DynamicObject> {
        let object = context.objects(&kind).get(name).await;
        object.with_context(|| format!("read {name}"))
    };
    let number = |object: &DynamicObject, pointer: &str| {
        let value = object.data.pointer(pointer).and_then(Value::as_f64);
        value.unwrap_or(f64::NAN)
    };
    let scaler = live(resources::horizontal_runner_autoscaler(), &subjects.scaler).await?;
    let deployment = live(resources::runner_deployment(), &subjects.deployment).await?;
    let objects = fleet::runner_objects(context).await?;
    let objects = objects.iter().filter(|name| !name.starts_with(&subjects.queue));
    let listed = context.ghes().runners(&context.tenant().enterprise()).await;
    let listed = listed.context("list the runners")?;
    let busy = listed.iter().filter(|runner| runner.busy).count();
    let (runners, registered, busy) = (count(objects.count()), count(listed.len()), count(busy));
    // Prometheus knows it as it was a moment ago, when more was left.
    let left = context.hand().rate_of(ADMINISTRATOR).await?;
    let left = left.map_or(0, |(_, left)| left) as f64;
    let limit = LIMIT as f64;

    let none = Labels::new();
    let namespace = context.namespace();
    let of = |name: &str, value: &str| labels(&[(name, value), ("namespace", namespace)]);
    let ours = of("horizontalrunnerautoscaler", &subjects.scaler);
    let queue = of("horizontalrunnerautoscaler", &subjects.queue);
    let controller = labels(&[("controller", "horizontalrunnerautoscaler-controller")]);
    let mut succeeded = controller.clone();
    succeeded.extend(labels(&[("result", "success")]));
    Ok(Some(match query {
        "autoscaler" => Truth::exactly(&labels(&[("horizontalrunnerautoscaler", &subjects.scaler)]), 1.0),
        "Managers that lead: leading" => Truth::exactly(&none, 1.0),
        "Runners registered: registered" => Truth::exactly(&none, registered / runners),
        "Busy runners: busy" => Truth::exactly(&none, busy / registered),
        "Busy ratio: busy" => Truth::exactly(&ours, busy / registered),
        "Rate limit left: left" => Truth::between(&none, left / limit, (limit - 1.0) / limit),
        "Rate limit: limit" => Truth::exactly(&none, limit),
        "Rate limit: left" => Truth::between(&none, left, limit - 1.0),
        "Desired, minimum, maximum: desired" => {
            Truth::exactly(&ours, number(&scaler, "/status/desiredReplicas"))
        }
        "Desired, minimum, maximum: min" => Truth::exactly(&ours, number(&scaler, "/spec/minReplicas")),
        "Desired, minimum, maximum: max" => Truth::exactly(&ours, number(&scaler, "/spec/maxReplicas")),
        // Between the thresholds the metric suggests what is there.
        "Desired, minimum, maximum: suggested" => Truth::exactly(&ours, count(RUNNERS)),
        "Registration: runners" => Truth::exactly(&ours, runners),
        "Registration: registered" => Truth::exactly(&ours, registered),
        "Registration: busy" => Truth::exactly(&ours, busy),
        "Registration: stuck" => Truth::exactly(&ours, 0.0),
        "Queue: necessary" | "Queue: progress" => Truth::exactly(&queue, count(BUSY)),
        "Queue: queued" => Truth::exactly(&queue, 0.0),
        "RunnerDeployments: replicas" => Truth::exactly(
            &of("runnerdeployment", &subjects.deployment),
            number(&deployment, "/spec/replicas"),
        ),
        "Reconciles: reconciles" => Truth::between(&succeeded, f64::MIN_POSITIVE, f64::MAX),
        "Reconciles that fail: errors" => Truth::exactly(&controller, 0.0),
        "Duration of a reconcile: p95" => Truth::between(&controller, f64::MIN_POSITIVE, f64::MAX),
        _ => return Ok(None),
    }))
}

/// A small count as metrics have it.
fn count(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(name: &str, value: f64) -> Point {
        Point {
            labels: labels(&[("name", name), ("more", "x")]),
            value,
        }
    }

    #[test]
    fn a_truth_is_of_one_series_alone() {
        let truth = Truth::between(&labels(&[("name", "a")]), 1.0, 2.0);

        assert!(truth.holds(&[point("a", 2.0), point("b", 9.0)]));
        assert!(!truth.holds(&[point("a", 3.0)]));
        assert!(!truth.holds(&[point("a", f64::NAN)]));
        assert!(!truth.holds(&[point("b", 1.0)]));
        assert!(!truth.holds(&[point("a", 1.0), point("a", 1.0)]));
        assert_eq!(truth.to_string(), r#"1 to 2 for {"name": "a"}"#);
    }
}
