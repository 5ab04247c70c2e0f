//! The metric `TotalNumberOfQueuedAndInProgressWorkflowRuns`: which jobs count.
//!
//! What it is not: the requests. ARC lists a repository's runs by the statuses queued and in_progress, so runs that wait for an approval or for
//! a concurrency group are not among them.

const SELF_HOSTED: &str = "self-hosted";

/// A workflow run that ARC was told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id; ARC passes over 0.
    pub id: i64,
    /// `queued`, `in_progress` and so on, at the time of the answer.
    pub status: String,
    /// Its jobs; absent if GHES did not answer, which ARC only logs.
    pub jobs: Option<Vec<Job>>,
}

/// What ARC makes of a run whose jobs GHES does not know yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunWithoutJobs {
    /// It counts as one job: ARC up to 0.27.3.
    Counts,
    /// It is passed over.
    #[default]
    PassedOver,
}

impl RunWithoutJobs {
    /// As this version of ARC (`v0.27.6`) has it; the newest way if it is no version.
    #[must_use]
    pub fn of_arc(version: &str) -> RunWithoutJobs {
        let version = semver::Version::parse(version.strip_prefix('v').unwrap_or(version));
        match version {
            Ok(version) if version <= semver::Version::new(0, 27, 3) => RunWithoutJobs::Counts,
            _ => RunWithoutJobs::PassedOver,
        }
    }
}

/// A job of such a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// `queued`, `in_progress` and so on.
    pub status: String,
    /// What it runs on.
    pub labels: Vec<String>,
}

/// How many runners the runs need: their queued and running jobs of which every label but `self-hosted` is literally among the target's labels.
/// A job without labels is nobody's.
#[must_use]
pub fn necessary_replicas(runs: &[Run], target_labels: &[String], without_jobs: RunWithoutJobs) -> i64 {
    let open = |status: &str| ["queued", "in_progress"].contains(&status);
    let ours = |job: &&Job| {
        let known = |label: &String| label == SELF_HOSTED || target_labels.contains(label);
        open(&job.status) && !job.labels.is_empty() && job.labels.iter().all(known)
    };
    let needs = |run: &Run| match &run.jobs {
        _ if run.id == 0 => usize::from(without_jobs == RunWithoutJobs::Counts),
        Some(jobs) if jobs.is_empty() => usize::from(without_jobs == RunWithoutJobs::Counts),
        jobs => jobs.iter().flatten().filter(ours).count(),
    };
    let open_runs = runs.iter().filter(|run| open(&run.status));
    i64::try_from(open_runs.map(needs).sum::<usize>()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(status: &str, labels: &[&str]) -> Job {
        Job {
            status: status.to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        }
    }

    fn run(id: i64, status: &str, jobs: Vec<Job>) -> Run {
        Run {
            id,
            status: status.to_owned(),
            jobs: Some(jobs),
        }
    }

    #[test]
    fn open_jobs_whose_labels_the_target_has_count() {
        let labels = ["linux-large".to_owned(), "gpu".to_owned()];
        for (status, job_labels, counts) in [
            ("queued", &["linux-large"][..], 1),
            ("in_progress", &["self-hosted", "gpu"], 1),
            ("queued", &["self-hosted"], 1),
            ("queued", &["linux-large", "gpu", "self-hosted"], 1),
            ("completed", &["gpu"], 0),
            ("waiting", &["gpu"], 0),
            ("queued", &[], 0),
            ("queued", &["GPU"], 0),
            ("queued", &["Self-Hosted"], 0),
            ("queued", &["gpu", "arm64"], 0),
        ] {
            let runs = [run(1, "queued", vec![job(status, job_labels)])];

            assert_eq!(
                necessary_replicas(&runs, &labels, RunWithoutJobs::PassedOver),
                counts,
                "{status} {job_labels:?}"
            );
        }
    }

    #[test]
    fn runs_that_are_over_or_have_no_id_do_not_count() {
        let jobs = || vec![job("queued", &["self-hosted"])];
        let runs = [
            run(0, "queued", jobs()),
            run(1, "completed", jobs()),
            run(2, "in_progress", jobs()),
            run(3, "queued", Vec::new()),
            Run {
                jobs: None,
                ..run(4, "queued", Vec::new())
            },
        ];

        assert_eq!(necessary_replicas(&runs, &[], RunWithoutJobs::PassedOver), 1);
        assert_eq!(necessary_replicas(&runs, &[], RunWithoutJobs::Counts), 3);
    }

    #[test]
    fn runs_without_jobs_count_up_to_0_27_3() {
        let ways = ["v0.27.1", "v0.27.3", "v0.27.6", "of-ones-own"].map(RunWithoutJobs::of_arc);

        let (counts, passed_over) = (RunWithoutJobs::Counts, RunWithoutJobs::PassedOver);
        assert_eq!(ways, [counts, counts, passed_over, passed_over]);
    }
}
