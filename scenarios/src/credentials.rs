//! What checks of ARC's credentials share: tokens in Secrets, objects that name them, and what ARC asked GHES, and as whom.
//!
//! What it is not: no check of its own.

use anyhow::Context as _;
use harness::Context;
use harness::cluster::{Seen, eventually};
use harness::mock_ghes::Record;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::fleet;

/// OAuth scopes for runners of organizations and repositories.
pub(crate) const ORGANIZATION_SCOPES: [&str; 2] = ["repo", "admin:org"];

/// The scope for runners of an enterprise besides.
pub(crate) const ENTERPRISE_SCOPE: &str = "manage_runners:enterprise";

/// A new token of this user.
pub(crate) async fn token(context: &Context, user: &str, scopes: &[&str]) -> anyhow::Result<SecretString> {
    let token = context.hand().issue_token(user, scopes).await?;
    token.with_context(|| format!("GHES has no user {user}"))
}

/// Puts these into a Secret of the scenario's namespace, in place of what stood there.
pub(crate) async fn secret(context: &Context, name: &str, data: &[(&str, &str)]) -> anyhow::Result<()> {
    let data: serde_json::Map<String, Value> = data
        .iter()
        .map(|&(key, value)| (key.to_owned(), json!(value)))
        .collect();
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": context.namespace() },
        "stringData": data,
    });
    context.apply(&manifest).await?;
    Ok(())
}

/// As [`secret`], with this token.
pub(crate) async fn token_secret(context: &Context, name: &str, token: &SecretString) -> anyhow::Result<()> {
    secret(context, name, &[("github_token", token.expose_secret())]).await
}

/// The scenario's RunnerDeployment under this name, whose runners are managed with the credentials of this Secret.
pub(crate) fn deployment_with(mut deployment: Value, name: &str, secret: &str) -> Value {
    deployment["metadata"]["name"] = json!(name);
    deployment["spec"]["template"]["spec"]["githubAPICredentialsFrom"] = credentials_from(secret);
    deployment
}

/// The autoscaler of this RunnerDeployment, with the credentials of this Secret: it does not take over those of its target.
pub(crate) fn autoscaler_with(mut autoscaler: Value, target: &str, secret: &str) -> Value {
    autoscaler["spec"]["scaleTargetRef"]["name"] = json!(target);
    autoscaler["spec"]["githubAPICredentialsFrom"] = credentials_from(secret);
    autoscaler
}

fn credentials_from(secret: &str) -> Value {
    json!({ "secretRef": { "name": secret } })
}

/// Lets an ARC of the scenario's own read the Secrets of its namespace. The chart does not: with `scope.singleNamespace` it gives that right in
/// the release's namespace alone.
pub(crate) async fn let_arc_read_secrets(context: &Context) -> anyhow::Result<()> {
    const NAME: &str = "arc-reads-secrets";
    let metadata = json!({ "name": NAME, "namespace": context.namespace() });
    let group = "rbac.authorization.k8s.io";
    let accounts = format!("system:serviceaccounts:{}", harness::arc::NAMESPACE);
    context
        .apply(&json!({
            "apiVersion": format!("{group}/v1"),
            "kind": "Role",
            "metadata": metadata,
            "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"] }],
        }))
        .await?;
    context
        .apply(&json!({
            "apiVersion": format!("{group}/v1"),
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": { "apiGroup": group, "kind": "Role", "name": NAME },
            "subjects": [{ "apiGroup": group, "kind": "Group", "name": accounts }],
        }))
        .await?;
    Ok(())
}

/// ARC's requests on this path or below it, oldest first.
pub(crate) fn requests_below(context: &Context, path: &str) -> Vec<Record> {
    let mut records = context.hand().ledger().recent();
    records.retain(|record| {
        let rest = record.path.strip_prefix(path);
        fleet::is_of_arc(record) && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    records
}

/// Where ARC asks for registration tokens of a scope, as REST has it.
pub(crate) fn registration_path(scope: &str) -> String {
    format!("/api/v3/{scope}/actions/runners/registration-token")
}

/// Waits until GHES gave ARC a registration token at this path as this user.
pub(crate) async fn await_registration(context: &Context, path: &str, user: &str) -> anyhow::Result<()> {
    let as_whom = format!("user {user}");
    eventually(
        &format!("POST {path} as {as_whom}, answered 201"),
        fleet::DEADLINE,
        || async {
            let posts = requests_below(context, path);
            let got = |record: &Record| record.identity == as_whom && record.status == Some(201);
            if posts.iter().any(got) {
                return Seen::Yes(());
            }
            Seen::NotYet(told(&posts))
        },
    )
    .await?;
    Ok(())
}

/// Requests in a line: as whom, and the answer.
pub(crate) fn told(records: &[Record]) -> String {
    let one = |record: &Record| {
        format!(
            "{} {} as {} → {}",
            record.method,
            record.path,
            record.identity,
            record.status.unwrap_or_default()
        )
    };
    let mut lines: Vec<String> = records.iter().map(one).collect();
    lines.dedup();
    if lines.is_empty() {
        "no request".to_owned()
    } else {
        lines.join(", ")
    }
}
