//! What each seeded defect changes: the mock, a manifest, the mock's answers, the chart. Programs' environment: `world.rs`.

use jiff::{SignedDuration, Timestamp};
use mock_ghes::{FaultKind, FaultRule};
use serde_json::{Value, json};

use super::{Defect, rows};
use crate::environment::Tenant;

impl Defect {
    /// The mock's own part, if it is one.
    pub(crate) fn in_mock(self) -> Option<mock_ghes::Defect> {
        match self {
            Defect::DropLabel => Some(mock_ghes::Defect::DropLabel),
            Defect::KeepEphemeral => Some(mock_ghes::Defect::KeepEphemeral),
            Defect::DropOutputs => Some(mock_ghes::Defect::DropOutputs),
            Defect::StaleCheckout => Some(mock_ghes::Defect::StaleCheckout),
            Defect::StuckOutage
            | Defect::StuckRunnerOutage
            | Defect::StuckFlapping
            | Defect::StuckRegistration
            | Defect::StuckDeleted
            | Defect::StillTooOld => Some(mock_ghes::Defect::StuckOutage),
            Defect::ThirdIdle => Some(mock_ghes::Defect::ThirdIdle),
            Defect::WideRepository => Some(mock_ghes::Defect::WideRepository),
            Defect::WideOrganization => Some(mock_ghes::Defect::WideOrganization),
            Defect::FewBusy => Some(mock_ghes::Defect::FewBusy),
            Defect::RepeatLeg => Some(mock_ghes::Defect::RepeatLeg),
            Defect::LostCompleted => Some(mock_ghes::Defect::LostCompleted),
            Defect::DoubleDeliveries => Some(mock_ghes::Defect::DoubleDeliveries),
            Defect::SilentRerun => Some(mock_ghes::Defect::SilentRerun),
            Defect::LostQueued => Some(mock_ghes::Defect::LostQueued),
            Defect::ForgedDeliveries => Some(mock_ghes::Defect::ForgedDeliveries),
            Defect::WideGroups => Some(mock_ghes::Defect::WideGroups),
            Defect::ShortTokens => Some(mock_ghes::Defect::ShortTokens),
            Defect::LongTokens | Defect::EnduringTokens => Some(mock_ghes::Defect::LongTokens),
            Defect::NoLinks => Some(mock_ghes::Defect::NoLinks),
            Defect::NoCaching => Some(mock_ghes::Defect::NoCaching),
            Defect::SilentLimit => Some(mock_ghes::Defect::SilentLimit),
            Defect::UnrevokedTokens => Some(mock_ghes::Defect::UnrevokedTokens),
            _ => None,
        }
    }

    /// Changes a manifest that the scenario of its check applies.
    pub(crate) fn in_fixture(self, manifest: &mut Value) {
        let kind = manifest["kind"].as_str().unwrap_or_default();
        match self {
            Defect::EffectiveTimePast | Defect::Unreplaced if kind == "RunnerDeployment" => {
                manifest["spec"]["effectiveTime"] = json!("2020-01-01T00:00:00Z");
            }
            Defect::NoGrace | Defect::ShortGrace if kind == "RunnerDeployment" => {
                manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
            }
            Defect::LongGrace if kind == "RunnerDeployment" => {
                manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(3600);
            }
            Defect::AbsentSidecar if kind == "RunnerDeployment" => {
                manifest["spec"]["template"]["spec"]["sidecarContainers"][0]["image"] = json!("absent");
            }
            Defect::HeldDeployment | Defect::HeldPending if kind == "RunnerDeployment" => {
                manifest["metadata"]["finalizers"] = json!(["ghes-harness/held"]);
            }
            Defect::GroupLost => lose(manifest, "/spec/template/spec", "group"),
            Defect::TolerationLost => lose(manifest, "/spec/template/spec", "tolerations"),
            Defect::FsGroupLost => lose(manifest, "/spec/template/spec", "securityContext"),
            Defect::DockerMountLost => lose(manifest, "/spec/template/spec", "dockerVolumeMounts"),
            Defect::DaemonBeside => lose(manifest, "/spec/template/spec", "dockerdWithinRunnerContainer"),
            Defect::WideMtu if kind == "RunnerDeployment" => {
                manifest["spec"]["template"]["spec"]["dockerMTU"] = json!(1500);
            }
            Defect::OlderUbuntu if kind == "RunnerDeployment" => {
                let image = &mut manifest["spec"]["template"]["spec"]["image"];
                *image = json!(image.as_str().unwrap_or_default().replace("22.04", "20.04"));
            }
            Defect::PresetToken if kind == "RunnerSet" => {
                let variables = manifest.pointer_mut("/spec/template/spec/containers/0/env");
                if let Some(variables) = variables.and_then(Value::as_array_mut) {
                    variables.push(json!({ "name": "RUNNER_TOKEN", "value": "of-another-day" }));
                }
            }
            Defect::LastingRunner if kind == "RunnerSet" => {
                manifest["spec"]["ephemeral"] = json!(false);
            }
            Defect::LowCeiling if kind == "HorizontalRunnerAutoscaler" => {
                manifest["spec"]["maxReplicas"] = json!(3);
            }
            Defect::LargeAdjustment if kind == "HorizontalRunnerAutoscaler" => {
                if let Some(adjustment) = manifest.pointer_mut("/spec/metrics/0/scaleDownAdjustment") {
                    *adjustment = json!(3);
                }
            }
            Defect::HigherMinimum if kind == "HorizontalRunnerAutoscaler" => {
                if let Some(min) = manifest["spec"]["minReplicas"].as_i64() {
                    manifest["spec"]["minReplicas"] = json!(min + 1);
                }
            }
            Defect::Tolerant if kind == "RunnerDeployment" => {
                let tolerations = manifest.pointer_mut("/spec/template/spec/tolerations");
                for toleration in tolerations.and_then(Value::as_array_mut).into_iter().flatten() {
                    if let Some(toleration) = toleration.as_object_mut() {
                        toleration.remove("tolerationSeconds");
                    }
                }
            }
            Defect::OneShort if kind == "RunnerDeployment" => {
                let replicas = manifest["spec"]["replicas"].as_u64().unwrap_or(1);
                manifest["spec"]["replicas"] = json!(replicas - 1);
            }
            Defect::OneOff if kind == "HorizontalRunnerAutoscaler" => {
                if let Some(entry) = manifest
                    .pointer_mut("/spec/scheduledOverrides/0")
                    .and_then(Value::as_object_mut)
                {
                    entry.remove("recurrenceRule");
                }
            }
            Defect::LapsedOverride if kind == "HorizontalRunnerAutoscaler" => {
                let until = Timestamp::now() + SignedDuration::from_hours(183 * 24);
                if let Some(rule) = manifest.pointer_mut("/spec/scheduledOverrides/0/recurrenceRule") {
                    rule["untilTime"] = json!(until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
                }
            }
            Defect::HighThreshold if kind == "HorizontalRunnerAutoscaler" => {
                if let Some(threshold) = manifest.pointer_mut("/spec/metrics/0/scaleUpThreshold") {
                    *threshold = json!("0.51");
                }
            }
            Defect::WideThreshold if kind == "HorizontalRunnerAutoscaler" => {
                if let Some(threshold) = manifest.pointer_mut("/spec/metrics/0/scaleDownThreshold") {
                    *threshold = json!("0.26");
                }
            }
            Defect::FloorOfOne if kind == "HorizontalRunnerAutoscaler" => {
                manifest["spec"]["minReplicas"] = json!(1);
            }
            Defect::NoDangling if manifest["metadata"]["name"] == "dangles" => {
                let other = fixtures::horizontal_runner_autoscaler();
                manifest["spec"]["scaleTargetRef"] = other["spec"]["scaleTargetRef"].clone();
            }
            Defect::UncountedLabel if kind == "RunnerDeployment" => {
                let labels = manifest.pointer_mut("/spec/template/spec/labels");
                if let Some(labels) = labels.and_then(Value::as_array_mut) {
                    labels.retain(|label| label != "linux");
                }
            }
            Defect::MetricGone if kind == "HorizontalRunnerAutoscaler" => {
                if let Some(spec) = manifest["spec"].as_object_mut() {
                    spec.remove("metrics");
                }
            }
            Defect::LongReservation if kind == "HorizontalRunnerAutoscaler" => {
                manifest["spec"]["scaleUpTriggers"][0]["duration"] = json!("30m");
            }
            Defect::LostCredentials if manifest.pointer("/spec/template/spec/repository").is_some() => {
                lose(manifest, "/spec/template/spec", "githubAPICredentialsFrom");
            }
            Defect::BroadToken if manifest.pointer("/spec/template/spec/enterprise").is_some() => {
                lose(manifest, "/spec/template/spec", "githubAPICredentialsFrom");
            }
            Defect::PlainHttp if kind == "Secret" && manifest["metadata"]["name"] == "spelling-1" => {
                let url = manifest["stringData"]["github_enterprise_url"].as_str();
                let url = url.unwrap_or_default().replacen("https:", "http:", 1);
                manifest["stringData"]["github_enterprise_url"] = json!(url);
            }
            Defect::OtherInstallation if kind == "Secret" => {
                manifest["stringData"]["github_app_installation_id"] = json!("71");
            }
            Defect::EagerAutoscaler if kind == "HorizontalRunnerAutoscaler" => {
                if let Some(threshold) = manifest.pointer_mut("/spec/metrics/0/scaleUpThreshold") {
                    *threshold = json!("0.5");
                }
            }
            Defect::TrustingRunner if kind == "RunnerDeployment" => {
                let trusting = &fixtures::runner_deployment()["spec"]["template"]["spec"]["env"];
                manifest["spec"]["template"]["spec"]["env"] = trusting.clone();
            }
            Defect::ClaimOfMany if kind == "RunnerDeployment" => {
                let claim = manifest.pointer_mut("/spec/template/spec/workVolumeClaimTemplate");
                if let Some(claim) = claim {
                    claim["accessModes"] = json!(["ReadWriteMany"]);
                }
            }
            Defect::WorkUnmounted => lose(manifest, "/spec/template/spec", "volumeMounts"),
            Defect::SetAmiss if kind == "RunnerSet" => lose(manifest, "/spec", "labels"),
            Defect::OneTrigger if manifest["metadata"]["name"] == "second" => {
                if let Some(spec) = manifest["spec"].as_object_mut() {
                    spec.remove("scaleUpTriggers");
                }
            }
            _ if kind == "HorizontalRunnerAutoscaler" => rows::in_autoscaler(self, &mut manifest["spec"]),
            _ => {}
        }
    }

    /// The mock's fault, if it is one: of its check's own enterprise alone, since ARC asks for the same in any check.
    pub(crate) fn in_answers(self) -> Option<FaultRule> {
        let tenant = Tenant::of(self.turns_red());
        let runners = format!("{}/actions/runners", tenant.enterprise());
        let (target, method, kind) = match self {
            Defect::BusyForbidden => (format!("{runners}/*"), "DELETE", FaultKind::Status(403)),
            // Not 403, which ARC takes for a runner that is already gone.
            Defect::StuckRollout | Defect::StuckRemoval => {
                (format!("{runners}/*"), "DELETE", FaultKind::Status(500))
            }
            // The first rule that matches applies, so that the check's own never does.
            Defect::LeakyOutage => (
                format!("{runners}/registration-token"),
                "POST",
                FaultKind::Delay(0),
            ),
            Defect::RunsForbidden => (
                format!("repos/{}/actions/runs", tenant.repository()),
                "GET",
                FaultKind::Status(403),
            ),
            _ => return None,
        };
        Some(FaultRule::standing(method, format!("/api/v3/{target}"), kind))
    }

    /// Changes a manifest of ARC's chart, definitions included. May give further manifests to install with it.
    pub(crate) fn in_manifest(self, manifest: &mut Value) -> Vec<Value> {
        let kind = manifest["kind"].as_str().unwrap_or_default();
        match self {
            Defect::ShortNameGone
                if manifest.pointer("/spec/names/kind") == Some(&json!("RunnerDeployment")) =>
            {
                manifest["spec"]["names"]["shortNames"] = json!([]);
            }
            Defect::NoElection | Defect::TwoLeaders if kind == "Deployment" => {
                let arguments = manifest.pointer_mut("/spec/template/spec/containers/0/args");
                if let Some(arguments) = arguments.and_then(Value::as_array_mut) {
                    arguments.retain(|argument| argument != "--enable-leader-election");
                }
            }
            Defect::UnguardedWebhooks if kind == "Deployment" => {
                let environment = manifest.pointer_mut("/spec/template/spec/containers/0/env");
                if let Some(environment) = environment.and_then(Value::as_array_mut) {
                    environment.retain(|variable| variable["name"] != "GITHUB_WEBHOOK_SECRET_TOKEN");
                }
            }
            Defect::OtherIssuer if kind == "Certificate" => {
                manifest["spec"]["issuerRef"]["name"] = json!("another-issuer");
            }
            Defect::OtherIssuer if kind == "Issuer" => {
                let mut other = manifest.clone();
                other["metadata"]["name"] = json!("another-issuer");
                return vec![other];
            }
            Defect::Relabelled if kind == "ServiceAccount" => {
                if let Some(label) = manifest.pointer_mut("/metadata/labels/helm.sh~1chart") {
                    *label = json!("actions-runner-controller-0.0.0");
                }
            }
            Defect::UnaskedWebhook => unask(manifest, "runnerdeployment"),
            Defect::UnaskedSets => unask(manifest, "runnerreplicaset"),
            _ => {}
        }
        Vec::new()
    }
}

/// Takes a field of an object away, wherever the manifest has it.
fn lose(manifest: &mut Value, pointer: &str, field: &str) {
    if let Some(object) = manifest.pointer_mut(pointer).and_then(Value::as_object_mut) {
        object.remove(field);
    }
}

/// Takes one kind's webhook out of the validating configuration.
fn unask(manifest: &mut Value, kind: &str) {
    let name = format!("validate.{kind}.actions.summerwind.dev");
    if manifest["kind"] != "ValidatingWebhookConfiguration" {
        return;
    }
    if let Some(webhooks) = manifest["webhooks"].as_array_mut() {
        webhooks.retain(|webhook| webhook["name"] != name);
    }
}
