//! The engine as the server uses it: a file in, plans and messages out.

mod delivery;
mod files;
mod planning;
mod waiting;

use indexmap::IndexMap;
use serde_json::json;

use super::*;

const QUICKSTART: &str = include_str!("quickstart.yml");
const FULL: &str = include_str!("full.yml");

fn workflow(yaml: &str) -> Workflow {
    Workflow::parse(".github/workflows/ci.yml", yaml).expect("the workflow is valid")
}

/// A workflow of jobs alone.
fn jobs(yaml: &str) -> Workflow {
    workflow(&format!("on: push\njobs:\n{yaml}"))
}

fn mistake(yaml: &str) -> String {
    Workflow::parse("ci.yml", yaml)
        .expect_err("the workflow is not valid")
        .to_string()
}

fn run() -> RunContext {
    RunContext {
        repository: "dogecompany/quickstart".to_owned(),
        owner: "dogecompany".to_owned(),
        actor: "doge".to_owned(),
        event_name: "workflow_dispatch".to_owned(),
        event: json!({"inputs": null, "ref": "refs/heads/main", "list": [1, {"a": true}]}),
        ref_: "refs/heads/main".to_owned(),
        sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        run_id: 11,
        run_number: 3,
        run_attempt: 1,
        server_url: "https://ghes.test".to_owned(),
        api_url: "https://ghes.test/api/v3".to_owned(),
        workflow: "GitHub Actions Demo".to_owned(),
        inputs: IndexMap::new(),
        vars: IndexMap::from([("REGION".to_owned(), "kr".to_owned())]),
    }
}

fn planned(workflow: &Workflow) -> Vec<JobPlan> {
    plan(workflow, &run()).expect("the workflow can be planned")
}

fn outcome(conclusion: Conclusion, outputs: &[(&str, &str)]) -> JobOutcome {
    let outputs = outputs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    JobOutcome { conclusion, outputs }
}

fn map(entries: &[(&str, &str)]) -> IndexMap<String, String> {
    entries
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
