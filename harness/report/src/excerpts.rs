//! What a run's folder holds for each check, read for the page: excerpts of bounded size, counts of what was left out.
//!
//! Read as it lies on disk, already redacted by whoever wrote it. What it is not: a judge, and never a reason to fail:
//! what cannot be read is told as a gap. Nothing outside the run's folder is read, whatever the log says.

mod files;
mod ledger;
mod objects;

use std::collections::{HashMap, HashSet};

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::{Claim, Verdict};
use jiff::Timestamp;

pub(crate) use files::{Excerpt, ProgramLine};
pub(crate) use ledger::Request;
pub(crate) use objects::{Change, ClusterEvent, FieldChange, Scaler};

use crate::words::differing_words;
use crate::{CheckResult, MANIFESTS_FILE, Summary};

/// Checks that are read in detail; of further ones only the files are named.
const MOST_DETAILED: usize = 24;
/// Files that are named of one check.
const MOST_FILES: usize = 60;

/// A number over time: each value holds until the next.
pub(crate) type Series = Vec<(Timestamp, i64)>;

/// Excerpts of a run's evidence.
#[derive(Debug, Clone, Default)]
pub struct Excerpts {
    /// In the order of [`Summary::checks`].
    pub(crate) checks: Vec<CheckEvidence>,
    /// Runner objects in phase Running, over all checks.
    pub(crate) runners: Series,
    /// Jobs between their first and their last request, over all checks.
    pub(crate) jobs: Series,
    /// Objects as they were installed.
    pub(crate) installed: Vec<Change>,
    /// What could not be read.
    pub(crate) gaps: Vec<String>,
}

/// What there is of one check.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckEvidence {
    /// Path in the run's folder and size in bytes.
    pub(crate) files: Vec<(Utf8PathBuf, u64)>,
    /// Files beyond those.
    pub(crate) more_files: usize,
    /// The autoscalers of its namespaces, by name.
    pub(crate) scalers: Vec<(String, Scaler)>,
    /// Its Runner objects in phase Running.
    pub(crate) runners: Series,
    /// Its jobs between their first and their last request.
    pub(crate) jobs: Series,
    /// Events of its namespaces, oldest first.
    pub(crate) events: Vec<ClusterEvent>,
    /// What changed in its objects, oldest first; the newest if there are too many.
    pub(crate) changes: Vec<Change>,
    /// Changes before those.
    pub(crate) more_changes: usize,
    /// Requests of its runners and of its part of GHES, oldest first; the newest if there are too many.
    pub(crate) requests: Vec<Request>,
    /// Related requests before those.
    pub(crate) more_requests: usize,
    /// Logs, ARC's first.
    pub(crate) logs: Vec<Excerpt>,
    /// Objects as they were when it failed.
    pub(crate) objects: Vec<Excerpt>,
    /// The last line of a program's log that names what differs.
    pub(crate) program_line: Option<ProgramLine>,
    /// The line with which a program told that it crashed.
    pub(crate) crash: Option<ProgramLine>,
}

impl Excerpts {
    /// Reads what the folder of this run holds. Checks that are not green are read in detail.
    #[must_use]
    pub fn read(run_dir: &Utf8Path, summary: &Summary) -> Excerpts {
        let mut evidence = Excerpts::default();
        let pods = files::pod_logs(run_dir, &mut evidence.gaps);
        let programs = match summary.checks.iter().any(wants_detail) {
            true => files::program_logs(run_dir, &mut evidence.gaps),
            false => Vec::new(),
        };
        let mut owners = HashMap::new();
        let mut own = Vec::new();
        let mut wanted = Vec::new();
        let mut ordinary = HashSet::new();
        let mut detailed = 0;
        for (index, check) in summary.checks.iter().enumerate() {
            let in_detail = wants_detail(check) && detailed < MOST_DETAILED;
            detailed += usize::from(in_detail);
            let folder = Folder {
                run_dir,
                since: summary.started,
                pods: &pods,
                programs: &programs,
            };
            let detail_until = in_detail.then(|| check.failed_at().unwrap_or(Timestamp::MAX));
            let (of_check, known) = folder.check(check, detail_until, &mut evidence.gaps);
            wanted.extend(detail_until.and_then(|until| wanted_requests(index, check, until)));
            owners.extend(known.names.into_iter().map(|name| (name, index)));
            if check.verdict == Verdict::Pass {
                ordinary.extend(known.warnings);
            }
            if has_own_ghes(check) {
                let namespaces = check.attempts.iter().map(|attempt| attempt.namespace.clone());
                own.extend(namespaces.map(|namespace| (namespace, index)));
            }
            evidence.checks.push(of_check);
        }
        own.dedup();
        for event in evidence.checks.iter_mut().flat_map(|check| &mut check.events) {
            event.is_ordinary = ordinary.contains(&event.reason);
        }
        let passed =
            |(index, check): (usize, &CheckResult)| (check.verdict == Verdict::Pass).then_some(index);
        let checks = ledger::Checks {
            since: summary.started,
            owners,
            own,
            green: summary.checks.iter().enumerate().filter_map(passed).collect(),
            wanted: &wanted,
        };
        let ledger = ledger::read(run_dir, &checks, &mut evidence.gaps);
        for (index, series) in ledger.jobs_by_check {
            evidence.checks[index].jobs = series;
        }
        for (index, around) in ledger.around {
            evidence.checks[index].requests = around.related;
            evidence.checks[index].more_requests = around.before;
        }
        if detailed > 0 {
            evidence.installed = objects::installed(&run_dir.join(MANIFESTS_FILE), &mut evidence.gaps);
        }
        evidence.jobs = ledger.jobs;
        evidence.runners = sum(evidence.checks.iter().map(|check| &check.runners));
        evidence
    }
}

/// From the beginning of the attempt that failed, else of the last.
fn wanted_requests(index: usize, check: &CheckResult, until: Timestamp) -> Option<ledger::Wanted> {
    let begun = |attempt: &&crate::Attempt| attempt.started <= until;
    let attempt = check.attempts.iter().rev().find(begun)?;
    let namespace = attempt.namespace.as_str();
    Some(ledger::Wanted {
        check: index,
        slug: namespace.strip_prefix("e2e-").unwrap_or(namespace).to_owned(),
        since: attempt.started,
        until,
    })
}

fn wants_detail(check: &CheckResult) -> bool {
    let begun = !check.attempts.is_empty();
    begun && matches!(check.verdict, Verdict::Fail | Verdict::Error | Verdict::Flaky)
}

/// Behind an ARC of a check's own is a GHES of its own.
fn has_own_ghes(check: &CheckResult) -> bool {
    matches!(check.check.claims, Claim::OwnArc(_))
}

/// What is known of a check from the history of its objects.
#[derive(Default)]
struct Known {
    /// Names of its runners.
    names: HashSet<String>,
    /// Reasons of its warnings.
    warnings: HashSet<String>,
}

struct Folder<'a> {
    run_dir: &'a Utf8Path,
    since: Timestamp,
    pods: &'a HashMap<String, Vec<(Utf8PathBuf, u64)>>,
    /// The programs' logs.
    programs: &'a [Excerpt],
}

impl Folder<'_> {
    /// The evidence of one check, and what its objects tell.
    fn check(
        &self,
        check: &CheckResult,
        detail_until: Option<Timestamp>,
        gaps: &mut Vec<String>,
    ) -> (CheckEvidence, Known) {
        let mut evidence = CheckEvidence::default();
        let mut known = Known::default();
        let mut namespaces: Vec<&str> = check.attempts.iter().map(|a| a.namespace.as_str()).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        for namespace in namespaces {
            self.namespace(namespace, detail_until, &mut evidence, &mut known, gaps);
        }
        let folders = check.attempts.iter().filter_map(|attempt| {
            let folder = attempt.end.as_ref()?.evidence.as_deref()?;
            files::inside(Utf8Path::new(folder))
        });
        let mut folders: Vec<&Utf8Path> = folders.collect();
        folders.dedup();
        for folder in &folders {
            evidence.files.extend(files::listing(self.run_dir, folder, gaps));
        }
        if let Some(last) = folders.last().filter(|_| detail_until.is_some()) {
            let namespace = check.attempts.last().map_or("", |a| a.namespace.as_str());
            self.failure(last, namespace, &mut evidence, gaps);
            if let Some(failure) = check.failure() {
                let words = differing_words(failure);
                let own = has_own_ghes(check).then_some(namespace);
                evidence.program_line = files::line_that_names(self.programs, &words, own);
                evidence.crash = files::crash(self.programs, own);
            }
        }
        evidence.more_files = evidence.files.len().saturating_sub(MOST_FILES);
        evidence.files.truncate(MOST_FILES);
        (evidence, known)
    }

    /// The history of a namespace and the logs of its pods.
    fn namespace(
        &self,
        namespace: &str,
        detail_until: Option<Timestamp>,
        evidence: &mut CheckEvidence,
        known: &mut Known,
        gaps: &mut Vec<String>,
    ) {
        if !files::is_name(namespace) {
            return;
        }
        let history = Utf8PathBuf::from(format!("evidence/objects/{namespace}.jsonl"));
        if let Some(size) = files::size(&self.run_dir.join(&history)) {
            match objects::read(&self.run_dir.join(&history), self.since, detail_until) {
                Ok(read) => {
                    evidence.scalers.extend(read.scalers);
                    evidence.runners = sum([&evidence.runners, &read.runners]);
                    evidence.events.extend(read.events);
                    evidence.changes.extend(read.changes);
                    evidence.more_changes += read.more_changes;
                    known.names.extend(read.names);
                    known.warnings.extend(read.warnings);
                }
                Err(error) => gaps.push(error.to_string()),
            }
            evidence.files.push((history, size));
        }
        let logs = self.pods.get(namespace).map(Vec::as_slice).unwrap_or_default();
        if detail_until.is_some() {
            evidence.logs.extend(files::newest_logs(self.run_dir, logs, gaps));
        }
        evidence.files.extend(logs.iter().cloned());
    }

    /// What was kept at the moment of the failure.
    fn failure(
        &self,
        folder: &Utf8Path,
        namespace: &str,
        evidence: &mut CheckEvidence,
        gaps: &mut Vec<String>,
    ) {
        let folder = self.run_dir.join(folder);
        if let Some(log) = files::lines_about(&folder.join("arc-manager.log"), namespace, gaps) {
            evidence.logs.insert(0, log);
        }
        evidence.objects = files::objects(&folder, gaps);
    }
}

/// The sum of numbers over time; before its first value a number is nothing.
fn sum<'a>(all: impl IntoIterator<Item = &'a Series>) -> Series {
    let mut steps: Vec<(Timestamp, i64)> = Vec::new();
    for series in all {
        let mut last = 0;
        for (at, value) in series {
            steps.push((*at, value - last));
            last = *value;
        }
    }
    running(steps)
}

/// Adds up differences, in the order of time.
fn running(mut steps: Vec<(Timestamp, i64)>) -> Series {
    steps.sort_by_key(|(at, _)| *at);
    let mut series: Series = Vec::new();
    let mut value = 0;
    for (at, difference) in steps {
        value += difference;
        match series.last_mut() {
            Some(last) if last.0 == at => last.1 = value,
            _ => series.push((at, value)),
        }
    }
    series
}
