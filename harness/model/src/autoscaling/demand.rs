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
    /// Its jobs; none if GHES did not answer, which ARC only logs.
    pub jobs: Vec<Job>,
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
pub fn necessary_replicas(runs: &[Run], target_labels: &[String]) -> i64 {
    let open = |status: &str| ["queued", "in_progress"].contains(&status);
    let ours = |job: &&Job| {
        let known = |label: &String| label == SELF_HOSTED || target_labels.contains(label);
        open(&job.status) && !job.labels.is_empty() && job.labels.iter().all(known)
    };
    let jobs = runs
        .iter()
        .filter(|run| run.id != 0 && open(&run.status))
        .flat_map(|run| run.jobs.iter().filter(ours));
    i64::try_from(jobs.count()).unwrap_or(i64::MAX)
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
            jobs,
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
                necessary_replicas(&runs, &labels),
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
        ];

        assert_eq!(necessary_replicas(&runs, &[]), 1);
    }
}
