//! The suite's proof of itself: a run for each seeded defect, which must turn exactly its check red, and name what was awaited. The page of
//! each run must lead from red to cause on its first screen.

use std::process::ExitCode;

use harness::FirstScreen;

/// What the first screen shows of a defect's failure, in the words of the values and of what stands behind them.
const fn shows(
    defect: &'static str,
    [awaited, last_seen]: [&'static str; 2],
    behind: &'static [&'static str],
) -> FirstScreen {
    FirstScreen {
        defect,
        awaited,
        last_seen,
        behind,
    }
}

const FIRST_SCREENS: [FirstScreen; 21] = [
    shows(
        "drop-label",
        ["v2.306.0", "x64"],
        &["POST", "/agents", "v2.306.0"],
    ),
    shows(
        "keep-ephemeral",
        ["in GHES: false", "in GHES: true"],
        &["DELETE", "/sessions/", "200"],
    ),
    shows(
        "drop-outputs",
        ["tag_git_hash=", "tag_git_hash="],
        &["Request", "tag_git_hash"],
    ),
    shows(
        "stale-checkout",
        ["tag_git_hash=", "tag_git_hash="],
        &["Request", "tag_git_hash"],
    ),
    shows(
        "short-name-gone",
        ["rdeploy", "runnerdeployments"],
        &["CustomResourceDefinition", "runnerdeployments"],
    ),
    shows(
        "other-issuer",
        ["selfsigned-issuer", "another-issuer"],
        &["Certificate", "spec.issuerRef.name: \"another-issuer\""],
    ),
    shows(
        "relabelled",
        [
            "actions-runner-controller-0.23.5",
            "actions-runner-controller-0.0.0",
        ],
        &[
            "ServiceAccount",
            "helm.sh/chart: \"actions-runner-controller-0.0.0\"",
        ],
    ),
    shows(
        "one-off",
        ["(2, \"min=1 time=", "(2, \"\")"],
        &[
            "HorizontalRunnerAutoscaler",
            "status.scheduledOverridesSummary: ",
            "→ absent",
        ],
    ),
    shows(
        "eager-autoscaler",
        ["horizontalrunnerautoscaler_replicas_desired", "8"],
        &["HorizontalRunnerAutoscaler", "status.desiredReplicas: 4 → 8"],
    ),
    shows(
        "stuck-outage",
        ["a runner online in GHES", "[]"],
        &["POST", "/registration-token", "503"],
    ),
    shows(
        "wide-repository",
        ["queued", "completed"],
        &["Request", "completed"],
    ),
    shows(
        "wide-organization",
        ["queued", "completed"],
        &["Request", "completed"],
    ),
    shows(
        "few-busy",
        ["/status/desiredReplicas = 16", "8"],
        &["HorizontalRunnerAutoscaler", "status.desiredReplicas: 4 → 8"],
    ),
    shows(
        "large-adjustment",
        ["fallen from 8 = one of [6, 4, 2]", "5"],
        &["HorizontalRunnerAutoscaler", "status.desiredReplicas: 8 → 5"],
    ),
    shows(
        "busy-forbidden",
        ["422", "403"],
        &["DELETE", "/actions/runners/", "403"],
    ),
    shows(
        "leaky-outage",
        ["FailedUpdateRegistrationToken", "RegistrationTokenUpdated"],
        &["POST", "/registration-token", "201"],
    ),
    shows(
        "third-idle",
        ["horizontalrunnerautoscaler_runners_busy", "2"],
        &["GET", "/actions/runners", "200"],
    ),
    shows(
        "lapsed-override",
        ["schedule: Some(\"min=1 time=", "schedule: None"],
        &[
            "HorizontalRunnerAutoscaler",
            "status.scheduledOverridesSummary: ",
            "→ absent",
        ],
    ),
    shows(
        "zone-lost",
        ["schedule: Some(", "+0000 UTC"],
        &[
            "HorizontalRunnerAutoscaler",
            "status.scheduledOverridesSummary: ",
            "+0000 UTC",
        ],
    ),
    // These two have a GHES, and so a ledger, of their own.
    shows(
        "stuck-runner-outage",
        ["a runner online in GHES", "[]"],
        &["POST", "/api/v3/actions/runner-registration", "503"],
    ),
    shows(
        "same-release",
        [
            "actions-runner-controller/v0.27.3",
            "actions-runner-controller/v0.27.6",
        ],
        &["Request", "actions-runner-controller/v0.27.6"],
    ),
];

fn main() -> ExitCode {
    harness::self_proof(scenarios::CATALOGUE, &FIRST_SCREENS)
}
