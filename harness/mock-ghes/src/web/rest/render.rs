//! REST's objects, with the fields that typed clients insist on.

use serde_json::{Value, json};

use super::access::Repository;
use crate::digest::stable_id;
use crate::engine::Conclusion;
use crate::view::{CommitView, JobView, RunView, RunnerView, Status};
use crate::{RepositoryName, clock};

/// An opaque identifier as GraphQL knows it.
fn node_id(kind: &str, id: u64) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(format!("0:{kind}{id}"))
}

/// The number of a user or an organization.
pub(super) fn account_id(login: &str) -> u64 {
    stable_id(&format!("account/{}", login.to_lowercase()))
}

/// A user or an organization.
pub(super) fn account(base: &str, login: &str, kind: &str) -> Value {
    let id = account_id(login);
    let api = format!("{base}/api/v3/users/{login}");
    json!({
        "login": login,
        "id": id,
        "node_id": node_id(kind, id),
        "avatar_url": format!("{base}/avatars/u/{id}"),
        "gravatar_id": "",
        "url": if kind == "Organization" { format!("{base}/api/v3/orgs/{login}") } else { api.clone() },
        "html_url": format!("{base}/{login}"),
        "followers_url": format!("{api}/followers"),
        "following_url": format!("{api}/following{{/other_user}}"),
        "gists_url": format!("{api}/gists{{/gist_id}}"),
        "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{api}/subscriptions"),
        "organizations_url": format!("{api}/orgs"),
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events{{/privacy}}"),
        "received_events_url": format!("{api}/received_events"),
        "type": kind,
        "site_admin": false,
    })
}

/// A repository in full.
pub(super) fn repository(base: &str, repository: &Repository) -> Value {
    let mut object = short_repository(base, repository);
    object["visibility"] = json!(if repository.public { "public" } else { "private" });
    object["default_branch"] = json!(repository.default_branch);
    object["clone_url"] = json!(format!("{base}/{}.git", repository.name));
    object["permissions"] = json!({"admin": true, "push": true, "pull": true});
    object
}

/// A repository's number.
pub(super) fn repository_id(name: &RepositoryName) -> u64 {
    stable_id(&format!("repository/{}", name.to_string().to_lowercase()))
}

/// A repository inside another object.
pub(super) fn short_repository(base: &str, repository: &Repository) -> Value {
    let name = &repository.name;
    let owner_kind = if repository.owned_by_organization {
        "Organization"
    } else {
        "User"
    };
    let id = repository_id(name);
    json!({
        "id": id,
        "node_id": node_id("Repository", id),
        "name": name.name,
        "full_name": name.to_string(),
        "private": !repository.public,
        "owner": account(base, &name.owner, owner_kind),
        "html_url": format!("{base}/{name}"),
        "description": null,
        "fork": false,
        "url": format!("{base}/api/v3/repos/{name}"),
    })
}

/// A commit, as `/commits/REF` and branches show it.
pub(super) fn commit(base: &str, name: &RepositoryName, commit: &CommitView) -> Value {
    let api = format!("{base}/api/v3/repos/{name}");
    let who = json!({"name": commit.author, "email": commit.email, "date": commit.date});
    let parents: Vec<Value> = commit
        .parents
        .iter()
        .map(|sha| json!({"sha": sha, "url": format!("{api}/commits/{sha}")}))
        .collect();
    json!({
        "sha": commit.sha,
        "node_id": node_id("Commit", stable_id(&commit.sha)),
        "url": format!("{api}/commits/{}", commit.sha),
        "html_url": format!("{base}/{name}/commit/{}", commit.sha),
        "commit": {
            "author": who,
            "committer": who,
            "message": commit.message,
            "tree": {"sha": commit.tree, "url": format!("{api}/git/trees/{}", commit.tree)},
            "url": format!("{api}/git/commits/{}", commit.sha),
            "comment_count": 0,
        },
        "author": null,
        "committer": null,
        "parents": parents,
    })
}

/// A self-hosted runner.
pub(super) fn runner(runner: &RunnerView) -> Value {
    let labels: Vec<Value> = runner
        .labels
        .iter()
        .map(|label| {
            let kind = if label.system { "read-only" } else { "custom" };
            json!({"id": label.id, "name": label.name, "type": kind})
        })
        .collect();
    json!({
        "id": runner.id,
        "name": runner.name,
        "os": runner.os,
        "status": if runner.online { "online" } else { "offline" },
        "busy": runner.busy,
        "labels": labels,
    })
}

/// A workflow run.
pub(super) fn run(base: &str, run: &RunView, repository: &Repository) -> Value {
    let api = format!("{base}/api/v3/repos/{}", run.repository);
    let url = format!("{api}/actions/runs/{}", run.id);
    let previous = (run.attempt > 1).then(|| format!("{url}/attempts/{}", run.attempt - 1));
    let actor = account(base, &run.actor, "User");
    let repository = short_repository(base, repository);
    let who = json!({"name": run.commit.author, "email": run.commit.email});
    json!({
        "id": run.id,
        "name": run.name,
        "node_id": node_id("WorkflowRun", run.id),
        "head_branch": run.head_branch,
        "head_sha": run.commit.sha,
        "path": run.path,
        "display_title": run.display_title,
        "run_number": run.number,
        "event": run.event,
        "status": run.status.as_str(),
        "conclusion": run.conclusion.map(Conclusion::as_str),
        "workflow_id": run.workflow_id,
        "check_suite_id": run.id,
        "check_suite_node_id": node_id("CheckSuite", run.id),
        "url": url,
        "html_url": format!("{base}/{}/actions/runs/{}", run.repository, run.id),
        "pull_requests": [],
        "created_at": clock::rest(run.created_at),
        "updated_at": clock::rest(run.updated_at),
        "actor": actor,
        "run_attempt": run.attempt,
        "referenced_workflows": [],
        "run_started_at": clock::rest(run.started_at),
        "triggering_actor": actor,
        "jobs_url": format!("{url}/jobs"),
        "logs_url": format!("{url}/logs"),
        "check_suite_url": format!("{api}/check-suites/{}", run.id),
        "artifacts_url": format!("{url}/artifacts"),
        "cancel_url": format!("{url}/cancel"),
        "rerun_url": format!("{url}/rerun"),
        "previous_attempt_url": previous,
        "workflow_url": format!("{api}/actions/workflows/{}", run.workflow_id),
        "head_commit": {
            "id": run.commit.sha,
            "tree_id": run.commit.tree,
            "message": run.commit.message,
            "timestamp": run.commit.date,
            "author": who,
            "committer": who,
        },
        "repository": repository,
        "head_repository": repository,
    })
}

/// A job of a run.
pub(super) fn job(base: &str, job: &JobView) -> Value {
    let api = format!("{base}/api/v3/repos/{}", job.repository);
    let steps: Vec<Value> = job
        .steps
        .iter()
        .map(|step| {
            json!({
                "name": step.name,
                "status": step.status.as_str(),
                "conclusion": step.conclusion.map(Conclusion::as_str),
                "number": step.number,
                "started_at": step.started_at.map(clock::rest),
                "completed_at": step.completed_at.map(clock::rest),
            })
        })
        .collect();
    // A job that never ran still has a start in REST: its creation.
    let started = job.started_at.unwrap_or(job.created_at);
    let has_ended_unassigned = job.status == Status::Completed && job.runner.is_none();
    let runner_name = match &job.runner {
        Some(runner) => json!(runner.name),
        None if has_ended_unassigned => json!(""),
        None => Value::Null,
    };
    json!({
        "id": job.id,
        "run_id": job.run_id,
        "workflow_name": job.workflow_name,
        "head_branch": job.head_branch,
        "run_url": format!("{api}/actions/runs/{}", job.run_id),
        "run_attempt": job.attempt,
        "node_id": node_id("CheckRun", job.id),
        "head_sha": job.head_sha,
        "url": format!("{api}/actions/jobs/{}", job.id),
        "html_url": format!("{base}/{}/actions/runs/{}/job/{}", job.repository, job.run_id, job.id),
        "status": job.status.as_str(),
        "conclusion": job.conclusion.map(Conclusion::as_str),
        "created_at": clock::rest(job.created_at),
        "started_at": clock::rest(started),
        "completed_at": job.completed_at.map(clock::rest),
        "name": job.name,
        "steps": steps,
        "check_run_url": format!("{api}/check-runs/{}", job.id),
        "labels": job.labels,
        "runner_id": job.runner.as_ref().map(|runner| runner.id),
        "runner_name": runner_name,
        "runner_group_id": job.runner.as_ref().map(|_| 1),
        "runner_group_name": job.runner.as_ref().map(|runner| &runner.group),
    })
}
