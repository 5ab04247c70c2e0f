//! What GHES says of a case: lists of runners, of workflow runs and of their jobs, staged in the mock.
//!
//! What it is not: anything that GHES knows. No such company, runner or run exists there.

use harness::mock_ghes::Hand;
use harness::model::Scope;
use serde_json::{Value, json};

use super::case::{Case, REPOSITORIES, WorkflowJob, WorkflowRun};

/// Stages what GHES says of a case at this moment.
pub(super) fn stage(hand: &Hand, case: &Case, moment: usize, autoscaler: &str, company: &str) {
    let listed = case.listed(moment, autoscaler);
    let runners: Vec<Value> = listed
        .iter()
        .zip(1..)
        .map(|(runner, id)| json!({ "id": id, "name": runner.name, "os": "linux", "status": "online", "busy": runner.busy }))
        .collect();
    let scope = case.flavour.scope(company);
    hand.stage(
        &format!("/api/v3/{scope}/actions/runners"),
        "",
        json!({ "total_count": runners.len(), "runners": runners }),
    );
    for repository in REPOSITORIES {
        let runs = Scope::Repository {
            owner: company.to_owned(),
            name: repository.to_owned(),
        };
        let path = format!("/api/v3/{runs}/actions/runs");
        let of_repository = || {
            case.moments[moment]
                .load
                .runs
                .iter()
                .filter(|run| run.repository == repository)
        };
        // ARC asks for two statuses, and looks at each run's own: a run may have gone on meanwhile.
        let listed = |queued: bool| {
            let runs: Vec<Value> = of_repository()
                .filter(|run| (run.status == "queued") == queued)
                .map(WorkflowRun::to_json)
                .collect();
            json!({ "total_count": runs.len(), "workflow_runs": runs })
        };
        hand.stage(&path, "status=queued", listed(true));
        hand.stage(&path, "status=in_progress", listed(false));
        for run in of_repository() {
            if let Some(jobs) = &run.jobs {
                let jobs: Vec<Value> = jobs.iter().map(WorkflowJob::to_json).collect();
                hand.stage(
                    &format!("{path}/{}/jobs", run.id),
                    "",
                    json!({ "total_count": jobs.len(), "jobs": jobs }),
                );
            }
        }
    }
}
