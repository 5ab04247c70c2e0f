//! Each alert and its cause, one after the other; between them all is well.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use harness::cluster::{Alert, Prometheus, Seen, eventually};
use harness::mock_ghes::{FaultKind, FaultRule};
use harness::{Context, expect, expect_equal};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::files::{ALERTS, ALERTS_TEST, RuleFile};
use crate::fleet::{self, name_of};
use crate::metrics::labels;
use crate::outage::RUNNER_REGISTRATION;
use crate::quickstart::follow;
use crate::scaling;
use crate::visit::visit;

/// Runners while all is well.
const FEW: usize = 2;
const LIMIT: u64 = 40;
/// The name of the objects that come while GHES takes no runner.
const LATE: &str = "late";
const QUOTA: &str = "quota";

/// An eye on Prometheus's alerts.
struct Watch {
    context: Context,
    prometheus: Prometheus,
    /// Those that have fired as awaited.
    fired: BTreeSet<String>,
    /// The manifest of the autoscaler that is looked at.
    scaler: Value,
    /// Its name as a label.
    scaler_label: BTreeMap<String, String>,
    /// The path of ARC's list of the enterprise's runners.
    runners: String,
}

pub(super) async fn alerts(context: Context) -> anyhow::Result<()> {
    await_promtool(&context).await?;
    let prometheus = context.prometheus(&RuleFile::read()?.at_once()?).await?;
    let mut scaler = scaling::autoscaler(&context);
    scaler["spec"]["scaleDownDelaySecondsAfterScaleOut"] = json!(0);
    let name = name_of(&scaler);
    let mut watch = Watch {
        prometheus,
        fired: BTreeSet::new(),
        scaler_label: labels(&[("horizontalrunnerautoscaler", &name)]),
        scaler,
        runners: format!("/api/v3/{}/actions/runners", context.tenant().enterprise()),
        context,
    };
    watch.context.apply(&watch.context.runner_deployment()?).await?;
    watch.bound(FEW).await?;
    fleet::await_idle(&watch.context, FEW).await?;
    watch.quiet("all is well").await?;

    watch.jobs().await?;
    watch.registration().await?;
    watch.removal().await?;
    watch.quota().await?;
    watch.refusal().await?;
    watch.hang().await?;
    watch.rate_limit().await?;
    watch.death().await?;

    let file = RuleFile::read()?;
    let all: BTreeSet<String> = file.rules().map(|rule| rule.alert.clone()).collect();
    expect_equal("alerts that have fired for their cause", &all, &watch.fired)?;
    watch
        .context
        .observe(format!("{} alerts fired, each for its cause", all.len()));
    Ok(())
}

/// promtool must find the shipped rules as their tests say, waits included.
async fn await_promtool(context: &Context) -> anyhow::Result<()> {
    let files = [("alerts.yaml", ALERTS), ("alerts_test.yaml", ALERTS_TEST)];
    let words = context
        .promtool(&files, &["test", "rules", "alerts_test.yaml"])
        .await?;
    expect(
        "promtool test rules: success",
        words.is_ok(),
        words.unwrap_or_else(|words| words),
    )?;
    Ok(())
}

impl Watch {
    /// More jobs than runners that the autoscalers may make.
    async fn jobs(&mut self) -> anyhow::Result<()> {
        for manifest in super::queue(&self.context, 1)? {
            self.context.apply(&manifest).await?;
        }
        let desk = self.context.desk().await?;
        let repository = self.context.tenant().repository();
        let run = visit(&self.context, &repository, &desk, &["1", "2", "3"]).await?;
        desk.waiting(FEW, fleet::DEADLINE).await?;
        let scaler = self.scaler_label.clone();
        self.fires("ArcRunnersExhausted", &scaler, Some(2.0)).await?;
        let queue = labels(&[("horizontalrunnerautoscaler", super::QUEUE)]);
        self.fires("ArcQueueAboveMaximum", &queue, Some(3.0)).await?;
        desk.let_all_go();
        follow(&self.context, run).await?;
        self.quiet("all jobs are done").await
    }

    /// GHES takes no further runner: of four two are there, of a new autoscaler's none.
    async fn registration(&mut self) -> anyhow::Result<()> {
        self.fault("POST", RUNNER_REGISTRATION, FaultKind::Status(503));
        self.bound(2 * FEW).await?;
        let mut deployment = self.context.runner_deployment()?;
        deployment["metadata"]["name"] = json!(LATE);
        let mut late = bounded(&self.scaler, 1);
        late["metadata"]["name"] = json!(LATE);
        late["spec"]["scaleTargetRef"]["name"] = json!(LATE);
        self.context.apply(&deployment).await?;
        self.context.apply(&late).await?;
        let scaler = self.scaler_label.clone();
        self.fires("ArcRunnersNotRegistered", &scaler, Some(0.5)).await?;
        let late = labels(&[("horizontalrunnerautoscaler", LATE)]);
        self.fires("ArcNoRunnerRegistered", &late, Some(0.0)).await?;
        self.end(RUNNER_REGISTRATION).await?;
        self.quiet("GHES takes runners").await
    }

    /// GHES does not let idle runners go: first with an error, then as if they were busy.
    async fn removal(&mut self) -> anyhow::Result<()> {
        let (first, second) = (format!("{}/*", self.runners), format!("{}*", self.runners));
        self.fault("DELETE", &first, FaultKind::Status(500));
        self.bound(1).await?;
        let controller = labels(&[("controller", "runnerpod-controller")]);
        self.fires("ArcReconcileErrors", &controller, None).await?;
        // The second rule is there before the first goes, so that nobody slips through.
        self.fault("DELETE", &second, FaultKind::Status(422));
        self.end(&first).await?;
        let scaler = self.scaler_label.clone();
        self.fires("ArcRunnersStuck", &scaler, None).await?;
        self.end(&second).await?;
        // ARC does not ask again: it waits until each has done a job. So there are jobs for all, and more.
        let tickets: Vec<String> = (0..3 * FEW).map(|ticket| ticket.to_string()).collect();
        let desk = self.context.desk().await?;
        desk.let_all_go();
        let repository = self.context.tenant().repository();
        let run = visit(&self.context, &repository, &desk, &tickets).await?;
        follow(&self.context, run).await?;
        self.quiet("the runners have done their last job").await
    }

    /// The namespace may have no further Runner.
    async fn quota(&mut self) -> anyhow::Result<()> {
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": QUOTA },
            "spec": { "hard": { "count/runners.actions.summerwind.dev": "1" } },
        });
        self.context.apply(&quota).await?;
        self.bound(1 + FEW).await?;
        let deployment = name_of(&self.context.runner_deployment()?);
        self.fires("ArcTooFewRunners", &labels(&[("name", &deployment)]), Some(2.0))
            .await?;
        let quotas: Api<ResourceQuota> =
            Api::namespaced(self.context.client().clone(), self.context.namespace());
        let gone = quotas.delete(QUOTA, &DeleteParams::default()).await;
        gone.context("delete the quota")?;
        self.quiet("there is no quota").await
    }

    /// GHES refuses ARC its lists, as with a token that is revoked.
    async fn refusal(&mut self) -> anyhow::Result<()> {
        let runners = self.runners.clone();
        self.fault("GET", &runners, FaultKind::Status(401));
        let controller = labels(&[("controller", "horizontalrunnerautoscaler-controller")]);
        self.fires("ArcAutoscalingFails", &controller, None).await?;
        self.end(&runners).await?;
        self.quiet("GHES gives lists").await
    }

    /// GHES takes ARC's requests and does not answer.
    async fn hang(&mut self) -> anyhow::Result<()> {
        let runners = self.runners.clone();
        self.fault("GET", &runners, FaultKind::Hang);
        let controller = labels(&[("controller", "horizontalrunnerautoscaler-controller")]);
        self.fires("ArcReconcileHangs", &controller, None).await?;
        self.context.hand().clear_faults();
        self.quiet("GHES answers").await
    }

    /// Somebody uses up the rate limit of ARC's token. It lasts for an hour.
    async fn rate_limit(&mut self) -> anyhow::Result<()> {
        self.context.hand().limit_rate(Some(LIMIT)).await?;
        let enterprise = self.context.tenant().enterprise();
        for _ in 0..LIMIT {
            // How the last of these is answered is for the limit to say.
            let _refused = self.context.ghes().runners(&enterprise).await;
        }
        self.fires("ArcRateLimitLow", &BTreeMap::new(), Some(0.0)).await?;
        self.fires("ArcRateLimitExhausted", &BTreeMap::new(), Some(0.0))
            .await
    }

    /// The manager dies.
    async fn death(&mut self) -> anyhow::Result<()> {
        self.context.kill_manager(0).await;
        self.fires("ArcNotReconciling", &BTreeMap::new(), Some(1.0))
            .await?;
        self.fires("ArcTargetDown", &BTreeMap::new(), Some(0.0)).await
    }

    /// Has the autoscaler want exactly so many runners.
    async fn bound(&self, count: usize) -> anyhow::Result<()> {
        self.context.apply(&bounded(&self.scaler, count)).await?;
        Ok(())
    }

    fn fault(&self, method: &str, target: &str, kind: FaultKind) {
        self.context
            .hand()
            .fault(FaultRule::standing(method, target, kind));
    }

    async fn end(&self, target: &str) -> anyhow::Result<()> {
        let ended = self.context.hand().clear_fault(target).await;
        ended.context("end the fault")
    }

    /// Waits until this alert fires with these labels and this value, and tells what it is about.
    async fn fires(
        &mut self,
        name: &str,
        labels: &BTreeMap<String, String>,
        value: Option<f64>,
    ) -> anyhow::Result<()> {
        let shown = value.map(|value| format!(" at {value}")).unwrap_or_default();
        let awaited = format!("alert {name} = firing{shown} for {labels:?}");
        let wanted = |alert: &Alert| {
            let named = alert.labels.get("alertname").is_some_and(|of| of == name);
            let ours = labels
                .iter()
                .all(|(label, value)| alert.labels.get(label) == Some(value));
            let value = value.is_none_or(|value| alert.value.parse() == Ok(value));
            named && ours && value && alert.state == "firing"
        };
        let alert = eventually(&awaited, fleet::DEADLINE, || async {
            match self.prometheus.alerts().await {
                Ok(alerts) => match alerts.iter().find(|alert| wanted(alert)) {
                    Some(alert) => Seen::Yes(alert.clone()),
                    None => Seen::NotYet(told(&alerts)),
                },
                Err(error) => Seen::NotYet(format!("{:#}", anyhow::Error::from(error))),
            }
        })
        .await?;
        for (annotation, text) in &alert.annotations {
            expect(
                format!("{annotation} of {name}, filled in"),
                !text.contains("<no value>") && !text.contains("error expanding template"),
                text,
            )?;
        }
        self.fired.insert(name.to_owned());
        Ok(())
    }

    /// Waits until no alert fires.
    async fn quiet(&self, since: &str) -> anyhow::Result<()> {
        eventually(
            &format!("once {since}, alerts = none"),
            fleet::DEADLINE,
            || async {
                match self.prometheus.alerts().await {
                    Ok(alerts) if alerts.is_empty() => Seen::Yes(()),
                    Ok(alerts) => Seen::NotYet(told(&alerts)),
                    Err(error) => Seen::NotYet(format!("{:#}", anyhow::Error::from(error))),
                }
            },
        )
        .await?;
        Ok(())
    }
}

/// The autoscaler with this count as minimum and maximum.
fn bounded(scaler: &Value, count: usize) -> Value {
    let mut scaler = scaler.clone();
    scaler["spec"]["minReplicas"] = json!(count);
    scaler["spec"]["maxReplicas"] = json!(count);
    scaler
}

/// Alerts in a line: each with its labels and value.
fn told(alerts: &[Alert]) -> String {
    let one = |alert: &Alert| {
        let name = alert.labels.get("alertname").cloned().unwrap_or_default();
        format!("{name} {} at {} for {:?}", alert.state, alert.value, alert.labels)
    };
    match alerts {
        [] => "none".to_owned(),
        some => some.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}
