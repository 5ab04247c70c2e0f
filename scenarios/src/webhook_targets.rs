//! Which autoscaler a job's event reserves a runner of: by scope, labels, runner group, kind of target and trigger.
//!
//! Source: ARC's documentation on webhook driven scaling; what it leaves open is its source. Every autoscaler has a label of its own, and no runner
//! comes: what is compared is what ARC's webhook server answers and reserves. Not covered: two autoscalers that match, and groups that GHES shows to
//! some repositories, of which `webhook::ambiguous` and `webhook::groups` are.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::ghes::Scope;
use harness::model::{ArcServer, Check};
use harness::{Context, Scenario, expect_equal};
use serde_json::{Value, json};

use crate::fleet;
use crate::runner_set::runner_set;
use crate::webhook::{LONG, Scaled, autoscaler, deployment, job_event, of_webhooks, scaled};
use crate::webhook_rules::tell;

pub(crate) const TARGETS: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::targets".into(),
        claim: "a queued job reserves a runner of the autoscaler that has all its labels, in whatever case, for its own enterprise, organization or \
                repository, in a runner group or in none, of a RunnerDeployment or a RunnerSet; without such a one, or if that has no trigger or \
                two or one for another event, it reserves none"
            .into(),
        grounds: "ARC's documentation on webhook driven scaling: githubEvent.workflowJob, and labels of RunnerDeployment and RunnerSet".into(),
        not_covered: "runners; labels that every runner has, which ARC does not know of".into(),
        ..of_webhooks(vec![5, 21])
    }
    },
    run: |context| targets(context).boxed(),
};

/// An autoscaler and its target: they are called as the label that they alone have.
struct Member {
    kind: Kind,
    name: &'static str,
    scope: fn(&Context) -> Scope,
    /// What else there is to its target's spec.
    spec: fn(&mut Value),
    triggers: fn() -> Value,
}

/// What an autoscaler's target may be.
#[derive(Clone, Copy)]
enum Kind {
    RunnerDeployment,
    RunnerSet,
}

const ENTERPRISE: fn(&Context) -> Scope = |context| context.tenant().enterprise();
const ORGANIZATION: fn(&Context) -> Scope = |context| context.tenant().organization();
const REPOSITORY: fn(&Context) -> Scope = |context| Scope::from(&context.tenant().repository());
const ELSEWHERE: fn(&Context) -> Scope = |_| Scope::Organization("elsewhere".to_owned());

const NOTHING: fn(&mut Value) = |_| {};
const IN_A_GROUP: fn(&mut Value) = |spec| spec["group"] = json!("builders");

const JOBS: fn() -> Value = || json!([{ "githubEvent": { "workflowJob": {} }, "duration": LONG }]);
const NONE: fn() -> Value = || json!([]);
const PUSHES: fn() -> Value = || json!([{ "githubEvent": { "push": {} }, "duration": LONG }]);
const TWO: fn() -> Value = || json!([JOBS()[0], JOBS()[0]]);

const MEMBERS: [Member; 14] = {
    const fn member(name: &'static str, scope: fn(&Context) -> Scope) -> Member {
        Member {
            kind: Kind::RunnerDeployment,
            name,
            scope,
            spec: NOTHING,
            triggers: JOBS,
        }
    }
    const fn set(name: &'static str, scope: fn(&Context) -> Scope) -> Member {
        Member {
            kind: Kind::RunnerSet,
            ..member(name, scope)
        }
    }
    [
        set("set-of-enterprise", ENTERPRISE),
        set("set-of-organization", ORGANIZATION),
        set("set-of-repository", REPOSITORY),
        Member {
            spec: IN_A_GROUP,
            ..set("set-in-group-of-enterprise", ENTERPRISE)
        },
        Member {
            spec: IN_A_GROUP,
            ..set("set-in-group-of-organization", ORGANIZATION)
        },
        member("of-enterprise", ENTERPRISE),
        member("of-organization", ORGANIZATION),
        member("of-repository", REPOSITORY),
        member("of-another", ELSEWHERE),
        Member {
            spec: IN_A_GROUP,
            ..member("group-of-enterprise", ENTERPRISE)
        },
        Member {
            spec: IN_A_GROUP,
            ..member("group-of-organization", ORGANIZATION)
        },
        Member {
            triggers: NONE,
            ..member("without-trigger", REPOSITORY)
        },
        Member {
            triggers: PUSHES,
            ..member("for-pushes", REPOSITORY)
        },
        Member {
            triggers: TWO,
            ..member("two-triggers", REPOSITORY)
        },
    ]
};

/// A job's labels, what its event says besides, and whose runner it reserves.
struct Row {
    labels: &'static [&'static str],
    event: fn(&mut Value),
    reserves: Option<&'static str>,
}

const AS_IT_IS: fn(&mut Value) = |_| {};
const OF_A_USER: fn(&mut Value) = |event| event["repository"]["owner"]["type"] = json!("User");
const WITHOUT_ENTERPRISE: fn(&mut Value) = |event| event["enterprise"] = Value::Null;
const ANOTHER_ENTERPRISE: fn(&mut Value) = |event| event["enterprise"]["slug"] = json!("elsewhere");
const ANOTHER_ORGANIZATION: fn(&mut Value) = |event| event["repository"]["owner"]["login"] = json!("nowhere");
const ANOTHER_REPOSITORY: fn(&mut Value) = |event| event["repository"]["name"] = json!("another");

const ROWS: [Row; 30] = {
    const fn row(labels: &'static [&'static str], reserves: Option<&'static str>) -> Row {
        varied(labels, AS_IT_IS, reserves)
    }
    const fn varied(
        labels: &'static [&'static str],
        event: fn(&mut Value),
        reserves: Option<&'static str>,
    ) -> Row {
        Row {
            labels,
            event,
            reserves,
        }
    }
    [
        row(&["self-hosted", "of-enterprise"], Some("of-enterprise")),
        row(
            &["self-hosted", "linux", "of-organization"],
            Some("of-organization"),
        ),
        row(&["of-repository"], Some("of-repository")),
        row(&["group-of-enterprise"], Some("group-of-enterprise")),
        row(&["group-of-organization"], Some("group-of-organization")),
        row(
            &["self-hosted", "linux", "set-of-enterprise"],
            Some("set-of-enterprise"),
        ),
        row(&["set-of-organization"], Some("set-of-organization")),
        row(&["set-of-repository"], Some("set-of-repository")),
        row(
            &["set-in-group-of-enterprise"],
            Some("set-in-group-of-enterprise"),
        ),
        row(
            &["set-in-group-of-organization"],
            Some("set-in-group-of-organization"),
        ),
        row(&["self-hosted", "Of-Enterprise"], Some("of-enterprise")),
        row(&["SET-OF-ENTERPRISE"], Some("set-of-enterprise")),
        row(&["self-hosted", "of-enterprise", "gpu"], None),
        row(&["self-hosted", "set-of-enterprise", "gpu"], None),
        row(&["self-hosted", "gpu"], None),
        row(&["of-another"], None),
        row(&["without-trigger"], None),
        row(&["for-pushes"], None),
        row(&["two-triggers"], None),
        varied(&["of-repository"], OF_A_USER, Some("of-repository")),
        varied(&["of-organization"], OF_A_USER, None),
        varied(&["of-organization"], WITHOUT_ENTERPRISE, Some("of-organization")),
        varied(&["of-enterprise"], WITHOUT_ENTERPRISE, None),
        varied(&["of-enterprise"], ANOTHER_ENTERPRISE, None),
        varied(&["of-enterprise"], ANOTHER_ORGANIZATION, Some("of-enterprise")),
        varied(&["of-organization"], ANOTHER_ORGANIZATION, None),
        varied(&["set-of-enterprise"], ANOTHER_ENTERPRISE, None),
        varied(&["set-of-repository"], ANOTHER_REPOSITORY, None),
        varied(&["of-repository"], ANOTHER_REPOSITORY, None),
        varied(&["of-organization"], ANOTHER_REPOSITORY, Some("of-organization")),
    ]
};

async fn targets(context: Context) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for member in &MEMBERS {
        all.push(made(&context, member).await?);
    }
    let organization = context.tenant().organization();
    let hook = context.hook(&organization, ArcServer::GithubWebhook).await?;
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for row in &ROWS {
        let mut event = job_event(&context, "queued", &json!({ "labels": row.labels }));
        (row.event)(&mut event);
        let told = tell(&context, hook, &event).await?;
        let wanted = row.reserves.map_or_else(
            || "no horizontalrunnerautoscaler to scale for this github event".to_owned(),
            |name| format!("scaled {name} by 1"),
        );
        expect_equal(
            &format!(
                "the answer to a job of {:?} in {} of {}",
                row.labels, event["repository"], event["enterprise"]
            ),
            &(Some(200), wanted),
            &(told.status, told.answer.trim().to_owned()),
        )?;
        *counts.entry(row.reserves.unwrap_or_default()).or_default() += 1;
    }
    for scaled in all {
        let count = counts.get(scaled.name.as_str()).copied().unwrap_or_default();
        scaled.reserved.reaches(count, fleet::DEADLINE).await?;
    }
    Ok(())
}

async fn made(context: &Context, member: &Member) -> anyhow::Result<Scaled> {
    let (target, place) = match member.kind {
        Kind::RunnerDeployment => (deployment(context)?, "/spec/template/spec"),
        Kind::RunnerSet => (runner_set(context, 0), "/spec"),
    };
    let mut target = fixtures::for_scope(target, &(member.scope)(context));
    target["metadata"]["name"] = json!(member.name);
    let spec = target.pointer_mut(place).context("a target without a spec")?;
    match spec["labels"].as_array_mut() {
        Some(labels) => labels.push(json!(member.name)),
        None => spec["labels"] = json!(["linux", member.name]),
    }
    (member.spec)(spec);
    let mut follower = follower(context, member.name);
    follower["spec"]["scaleTargetRef"]["kind"] = target["kind"].clone();
    follower["spec"]["scaleUpTriggers"] = (member.triggers)();
    scaled(context, &target, &follower, 0).await
}

/// An autoscaler of this name and target. It may reserve what it wants, but gets no runner.
fn follower(context: &Context, name: &str) -> Value {
    let mut follower = autoscaler(context, 0, LONG);
    follower["metadata"]["name"] = json!(name);
    follower["spec"]["scaleTargetRef"]["name"] = json!(name);
    follower
}
