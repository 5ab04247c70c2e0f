//! `report.yaml`: what was tested, how, and what held, for machines and for diffs.
//!
//! Block style, always in this order; every key is always there except those marked *(if any)*:
//!
//! ```yaml
//! format: 1                  # REPORT_FORMAT; grows when a key changes its meaning or goes
//! run: 20261124-101500-4f2a  # the run's id
//! outcome: green             # green | red | broken | interrupted | killed: never under the key `verdict`
//! exit: 0                    # the exit code of the run
//! command: cargo xtask e2e
//! started: 2026-11-24T10:15:00Z
//! duration: 31.2             # seconds
//! profile: core
//! clock: real                # real | controlled
//! seed: 42
//! cluster:
//!   name: local              # local | kind | existing
//!   reason: no Docker engine answers
//! ghes: mock                 # mock, or the address of the real one
//! subject:                   # every part under or around the test: version and origin of each
//!   arc-manager:
//!     version: v0.27.6
//!     origin: Go module github.com/actions/actions-runner-controller@v0.27.6
//! settings:                  # what changes the meaning of the run: name to value
//!   runner list max-age: 0 s
//! phases:                    # bring-up and tear-down
//! - name: control plane
//!   duration: 2.41           # seconds; (if any) absent if the phase never ended
//! figures:                   # what the run measured
//! - name: plane usable
//!   value: 6.9
//!   unit: s
//! guide_versions:            # what the guide names beside what was tested
//! - part: cert-manager
//!   guide: v1.8.2
//!   tested: v1.17.2
//!   reason: the oldest that supports this Kubernetes
//! deviations:                # every departure of the fixtures from the guide
//! - what: runnerdeployment.yaml spec.template.spec.dockerEnabled
//!   guide: 'true'
//!   ours: 'false'
//!   reason: no Docker on the local cluster
//! broken: []                 # what broke, one text each
//! gate:                      # (if any) absent if no gate was asked
//!   file: gate.toml
//!   broken: []               # a sentence for each line of it that the run broke
//! notes: []
//! totals:                    # checks by verdict
//!   checks: 8
//!   passed: 8
//!   failed: 0
//!   expected_failures: 0
//!   flaky: 0
//!   skipped: 0
//!   unsupported: 0
//!   errors: 0
//! checks:
//! - id: registration::enterprise
//!   verdict: pass            # pass | fail | expected-failure | flaky | skipped | unsupported | error; the only key of this name
//!   reason: …                # (if any) why it is not simply pass
//!   duration: 3.402          # seconds over all attempts; 0 if it did not run
//!   attempts: 1              # attempts begun
//!   profile: core
//!   pains: [2, 7]            # (as a block list) the users' pains it guards against
//!   claim: …                 # the sentence that is true if it passed
//!   grounds: …               # who promises it
//!   not_covered: …           # what it does not show
//!   awaited: …               # (if any) of the last attempt that did not pass
//!   last_seen: …             # (if any)
//!   detail: …                # (if any) the whole error chain
//!   evidence: evidence/…     # (if any) relative to the run's folder
//!   rerun: cargo xtask …     # (if any) absent if no attempt ended
//!   figures: []              # what it measured, as above
//! ```
//!
//! Published as `docs/schema/report.schema.json`. `grep -c '^  verdict: pass$' report.yaml` counts the passed checks.

use std::time::Duration;

use harness_model::{Measurement, Verdict};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{CheckResult, Deviation, GateAnswer, GuideVersion, Outcome, ReportError, Summary};

/// The version of the report's shape; its first key.
pub const REPORT_FORMAT: u32 = 1;

/// The text of `report.yaml`.
///
/// # Errors
/// [`ReportError::Yaml`] if a value has no YAML form.
pub fn report_yaml(summary: &Summary) -> Result<String, ReportError> {
    harness_yaml::to_string(&report(summary)).map_err(ReportError::Yaml)
}

#[derive(Serialize)]
struct Report<'a> {
    format: u32,
    run: &'a str,
    outcome: Outcome,
    exit: u8,
    command: &'a str,
    started: Timestamp,
    #[serde(serialize_with = "in_seconds")]
    duration: Duration,
    profile: &'a str,
    clock: &'a str,
    seed: u64,
    cluster: Cluster<'a>,
    ghes: &'a str,
    #[serde(serialize_with = "as_map")]
    subject: Vec<(&'a str, Origin<'a>)>,
    #[serde(serialize_with = "as_map")]
    settings: Vec<(&'a str, &'a str)>,
    phases: Vec<Phase<'a>>,
    figures: &'a [Measurement],
    guide_versions: &'a [GuideVersion],
    deviations: &'a [Deviation],
    broken: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<&'a GateAnswer>,
    notes: &'a [String],
    totals: Totals,
    checks: Vec<Check<'a>>,
}

#[derive(Serialize)]
struct Cluster<'a> {
    name: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct Origin<'a> {
    version: &'a str,
    origin: String,
}

#[derive(Serialize)]
struct Phase<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_seconds_if_any")]
    duration: Option<Duration>,
}

#[derive(Serialize)]
struct Totals {
    checks: usize,
    passed: usize,
    failed: usize,
    expected_failures: usize,
    flaky: usize,
    skipped: usize,
    unsupported: usize,
    errors: usize,
}

#[derive(Serialize)]
struct Check<'a> {
    id: &'a str,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(serialize_with = "in_seconds")]
    duration: Duration,
    attempts: usize,
    profile: harness_model::Profile,
    pains: &'a [u8],
    claim: &'a str,
    grounds: &'a str,
    not_covered: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    awaited: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rerun: Option<&'a str>,
    figures: &'a [Measurement],
}

fn report(summary: &Summary) -> Report<'_> {
    Report {
        format: REPORT_FORMAT,
        run: &summary.run_id,
        outcome: summary.outcome,
        exit: summary.exit,
        command: &summary.command,
        started: summary.started,
        duration: summary.duration,
        profile: &summary.profile,
        clock: &summary.clock,
        seed: summary.seed,
        cluster: Cluster {
            name: &summary.cluster,
            reason: &summary.cluster_reason,
        },
        ghes: &summary.ghes,
        subject: summary
            .parts
            .iter()
            .map(|p| {
                (
                    p.name.as_str(),
                    Origin {
                        version: &p.version,
                        origin: p.origin.to_string(),
                    },
                )
            })
            .collect(),
        settings: summary
            .settings
            .iter()
            .map(|s| (s.name.as_str(), s.value.as_str()))
            .collect(),
        phases: summary
            .phases
            .iter()
            .map(|p| Phase {
                name: &p.name,
                duration: p.duration,
            })
            .collect(),
        figures: &summary.measurements,
        guide_versions: &summary.guide_versions,
        deviations: &summary.deviations,
        broken: summary.broken.iter().map(|b| b.message.as_str()).collect(),
        gate: summary.gate.as_ref(),
        notes: &summary.notes,
        totals: Totals {
            checks: summary.checks.len(),
            passed: summary.count(Verdict::Pass),
            failed: summary.count(Verdict::Fail),
            expected_failures: summary.count(Verdict::ExpectedFailure),
            flaky: summary.count(Verdict::Flaky),
            skipped: summary.count(Verdict::Skipped),
            unsupported: summary.count(Verdict::Unsupported),
            errors: summary.count(Verdict::Error),
        },
        checks: summary.checks.iter().map(check).collect(),
    }
}

fn check(result: &CheckResult) -> Check<'_> {
    let failure = result.failure();
    Check {
        id: &result.check.id,
        verdict: result.verdict,
        reason: result.reason.as_deref(),
        duration: result.duration(),
        attempts: result.attempts.len(),
        profile: result.check.profile,
        pains: &result.check.pains,
        claim: &result.check.claim,
        grounds: &result.check.grounds,
        not_covered: &result.check.not_covered,
        awaited: failure.map(|f| f.awaited.as_str()),
        last_seen: failure.map(|f| f.last_seen.as_str()),
        detail: failure.and_then(|f| f.detail.as_deref()),
        evidence: result.evidence(),
        rerun: result.rerun(),
        figures: &result.measurements,
    }
}

fn in_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn in_seconds_if_any<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|d| d.as_secs_f64()).serialize(serializer)
}

/// A mapping in the order given.
fn as_map<S: Serializer, V: Serialize>(entries: &[(&str, V)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entries.iter().map(|(name, value)| (name, value)))
}
