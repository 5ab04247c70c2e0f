//! Jobs that go to the scenario's desk: runners are busy with them for real, for as long as the scenario wants.

use anyhow::Context as _;
use harness::ghes::{Repo, RunId};
use harness::{Context, Desk};
use serde_json::json;

/// Queues a run with a job for each ticket.
pub(crate) async fn visit<T: AsRef<str>>(
    context: &Context,
    repository: &Repo,
    desk: &Desk,
    tickets: &[T],
) -> anyhow::Result<RunId> {
    let tickets = json!(tickets.iter().map(AsRef::as_ref).collect::<Vec<&str>>()).to_string();
    let inputs = [("desk", desk.address()), ("tickets", tickets)];
    let inputs = inputs.each_ref().map(|(name, value)| (*name, value.as_str()));
    let run = context
        .ghes()
        .dispatch(repository, "desk.yml", "main", &inputs)
        .await;
    run.with_context(|| format!("dispatch desk.yml in {repository}"))
}
