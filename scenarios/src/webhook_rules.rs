//! Which job's event reserves a runner where, and which gives one back: by conclusion, by runner group, at a second attempt, in a burst, and where two
//! autoscalers match.
//!
//! Source: ARC's documentation on webhook driven scaling and on runner groups; what it leaves open is its source. No runner comes: what is compared is
//! what ARC's webhook server answers and reserves. Not covered: runner groups of an enterprise.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::ghes::{Repo, Scope};
use harness::mock_ghes::Signature;
use harness::mock_ghes::view::DeliveryView;
use harness::model::{ArcServer, Check, Claim, OwnArc};
use harness::{Context, Scenario, expect, expect_equal};
use serde_json::{Value, json};

use crate::fleet;
use crate::visit::visit;
use crate::webhook::{
    LONG, Scaled, answered, autoscaler, await_deliveries, deployment, is_one_hill, job_event, of_webhooks,
    scaled,
};

pub(crate) const CONCLUSIONS: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::conclusions".into(),
        claim: "a completed job gives a reservation back whether it failed, was cancelled, timed out or succeeded on a runner; one that was \
                skipped, or succeeded on no self-hosted runner, gives none back"
            .into(),
        grounds: "ARC's documentation on webhook driven scaling: the job's end removes a reservation; actions/actions-runner-controller issues \
                  2118 and 2520"
            .into(),
        not_covered: "that GHES really sends such events; webhook::scale-up-and-down and webhook::hostile have real jobs".into(),
        ..of_webhooks(vec![6])
    }
    },
    run: |context| conclusions(context).boxed(),
};

pub(crate) const AMBIGUOUS: Scenario = Scenario {
    check: || Check {
        id: "webhook::ambiguous".into(),
        claim: "an event of a job that two autoscalers' runners could do is ignored".into(),
        grounds:
            "ARC's documentation on webhook driven scaling: with more than one match, the event is ignored; \
                  actions/actions-runner-controller issue 2798"
                .into(),
        not_covered: "runners of two scopes".into(),
        ..of_webhooks(vec![7])
    },
    run: |context| ambiguous(context).boxed(),
};

pub(crate) const RERUN: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::rerun".into(),
        claim: "a job that was cancelled in the queue gives its reservation back, and reserves again when its run is run again".into(),
        grounds: "GitHub's documentation: a job of a second attempt is queued as the first one's was; actions/actions-runner-controller issue 4315"
            .into(),
        not_covered: "running failed jobs alone again".into(),
        ..of_webhooks(vec![8])
    }
    },
    run: |context| rerun(context).boxed(),
};

pub(crate) const BURST: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::burst".into(),
        claim: "of 20 jobs that are queued at once each reserves a runner, of which maxReplicas are wanted; cancelled at once, each gives its \
                reservation back"
            .into(),
        grounds: "ARC's documentation on webhook driven scaling: jobs beyond maxReplicas keep their reservations; ARC's source: events are \
                  collected for three seconds"
            .into(),
        not_covered: "more than 100 events in a moment, at which ARC's queue is full".into(),
        ..of_webhooks(vec![5, 8])
    }
    },
    run: |context| burst(context).boxed(),
};

pub(crate) const GROUPS: Scenario = Scenario {
    check: || {
        Check {
        id: "webhook::groups".into(),
        claim: "with useRunnerGroupsVisibility a job scales the autoscaler of the runner group that its repository may use and not that of \
                another, whose labels are the same; ARC asks GHES which groups each repository may use"
            .into(),
        grounds: "ARC's documentation on runner groups: useRunnerGroupsVisibility of the webhook server".into(),
        not_covered: "runners in the group; the group Default, which ARC looks at first; groups of an enterprise; runs-on with a group".into(),
        claims: Claim::OwnArc(OwnArc {
            servers: vec![ArcServer::GithubWebhook],
            values: json!({ "githubWebhookServer": { "useRunnerGroupsVisibility": true } }),
            ..OwnArc::default()
        }),
        ..of_webhooks(vec![21])
    }
    },
    run: |context| groups(context).boxed(),
};

/// The scenario's autoscaler, whose runners no node takes, and its organization's webhook.
async fn watched(context: &Context, max: u32) -> anyhow::Result<(Scaled, u64)> {
    let deployment = fleet::without_a_node(deployment(context)?);
    let scaled = scaled(context, &deployment, &autoscaler(context, max, LONG), 0).await?;
    let organization = context.tenant().organization();
    let hook = context.hook(&organization, ArcServer::GithubWebhook).await?;
    Ok((scaled, hook))
}

/// Has GHES tell of a job.
pub(crate) async fn tell(context: &Context, hook: u64, event: &Value) -> anyhow::Result<DeliveryView> {
    let told = context
        .hand()
        .tell(hook, "workflow_job", &event.to_string(), Signature::Good)
        .await?;
    told.context("GHES has lost the webhook")
}

/// Conclusion, whether a runner is named, and whether a reservation is given back.
const TABLE: [(&str, bool, bool); 12] = [
    ("success", true, true),
    ("success", false, false),
    ("cancelled", true, true),
    ("cancelled", false, true),
    ("failure", true, true),
    ("failure", false, true),
    ("timed_out", true, true),
    ("neutral", true, true),
    ("action_required", false, true),
    ("startup_failure", false, true),
    ("skipped", false, false),
    ("skipped", true, false),
];

async fn conclusions(context: Context) -> anyhow::Result<()> {
    // One runner is as good as many: what is counted is reservations.
    let (scaled, hook) = watched(&context, 1).await?;
    let by_one = format!("scaled {} by 1", scaled.name);
    let queued = job_event(&context, "queued", &json!({}));
    for _ in TABLE {
        answered(
            &tell(&context, hook, &queued).await?,
            "as every job",
            200,
            &by_one,
        )?;
    }
    let all = i64::try_from(TABLE.len())?;
    scaled.reserved.reaches(all, fleet::DEADLINE).await?;

    for (conclusion, on_a_runner, frees) in TABLE {
        let runner = if on_a_runner { json!(7) } else { Value::Null };
        let more = json!({ "conclusion": conclusion, "runner_id": runner });
        let told = tell(&context, hook, &job_event(&context, "completed", &more)).await?;
        let wanted = if frees {
            format!("scaled {} by -1", scaled.name)
        } else {
            String::new()
        };
        expect_equal(
            &format!("the answer to {conclusion}, with a runner: {on_a_runner}"),
            &(Some(200), wanted),
            &(told.status, told.answer.trim().to_owned()),
        )?;
    }
    let freed = TABLE.iter().filter(|(_, _, frees)| *frees).count();
    scaled
        .reserved
        .reaches(all - i64::try_from(freed)?, fleet::DEADLINE)
        .await?;
    Ok(())
}

/// So many events to one of two show that the other gets none.
const MANY: usize = 120;

async fn ambiguous(context: Context) -> anyhow::Result<()> {
    let (first, hook) = watched(&context, 1).await?;
    let (mut twin, mut rival) = (
        fleet::without_a_node(deployment(&context)?),
        autoscaler(&context, 1, LONG),
    );
    for (manifest, name) in [(&mut twin, "twin"), (&mut rival, "second")] {
        manifest["metadata"]["name"] = json!(name);
    }
    rival["spec"]["scaleTargetRef"]["name"] = json!("twin");
    let second = scaled(&context, &twin, &rival, 0).await?;
    let queued = job_event(&context, "queued", &json!({}));
    let names = [&first.name, &second.name].map(|name| format!("scaled {name} by 1"));
    let mut counts = BTreeMap::from(names.map(|name| (name, 0_i64)));

    for _ in 0..MANY {
        let told = tell(&context, hook, &queued).await?;
        expect_equal("the answer to an event for one of two", &Some(200), &told.status)?;
        // What is answered otherwise has scaled neither.
        let Some(count) = counts.get_mut(told.answer.trim()) else {
            break;
        };
        *count += 1;
        if counts.values().all(|count| *count > 0) {
            break;
        }
    }
    context.observe(format!("{counts:?}"));
    for scaled in [&first, &second] {
        let count = counts.get(&format!("scaled {} by 1", scaled.name));
        let count = count.copied().unwrap_or_default();
        scaled.reserved.reaches(count, fleet::DEADLINE).await?;
    }
    let made: i64 = counts.values().sum();
    expect(
        format!("of at most {MANY} events one at least for each of two, or none for either"),
        made == 0 || counts.values().all(|count| *count > 0),
        format!("{counts:?}"),
    )?;
    expect_equal("reservations by events for one of two", &0, &made)?;
    Ok(())
}

async fn rerun(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let (scaled, _) = watched(&context, 4).await?;
    let repository = context.tenant().repository();
    let run = visit(&context, &repository, &desk, &["1"]).await?;
    scaled.reserved.reaches(1, fleet::DEADLINE).await?;
    let cancelled = context.ghes().cancel(&repository, run).await;
    cancelled.context("cancel the run")?;
    scaled.reserved.reaches(0, fleet::DEADLINE).await?;

    let again = context.ghes().rerun(&repository, run).await;
    again.context("run the run again")?;
    scaled.reserved.reaches(1, fleet::DEADLINE).await?;
    scaled.desired.reaches(1, fleet::DEADLINE).await?;

    let queued = await_deliveries(&context, "queued", 2).await?;
    let by_one = format!("scaled {} by 1", scaled.name);
    for (delivery, attempt) in queued.iter().zip(["first attempt", "second attempt"]) {
        answered(delivery, attempt, 200, &by_one)?;
    }
    expect_equal("reservations", &vec![0, 1, 0, 1], &scaled.reserved.values())?;
    Ok(())
}

async fn burst(context: Context) -> anyhow::Result<()> {
    const COUNT: usize = 20;
    const MAX: u32 = 3;
    let desk = context.desk().await?;
    let (scaled, _) = watched(&context, MAX).await?;
    let repository = context.tenant().repository();
    let tickets: Vec<String> = (1..=COUNT).map(|ticket| ticket.to_string()).collect();
    context.hand().hold_deliveries().await?;
    let run = visit(&context, &repository, &desk, &tickets).await?;
    eventually("20 queued jobs in GHES", fleet::DEADLINE, || async {
        match context.hand().jobs().await {
            Ok(jobs) if jobs.len() == COUNT => Seen::Yes(()),
            Ok(jobs) => Seen::NotYet(jobs.len().to_string()),
            Err(error) => Seen::NotYet(error.to_string()),
        }
    })
    .await?;

    context.hand().release_deliveries().await?;
    let count = i64::try_from(COUNT)?;
    scaled.reserved.reaches(count, fleet::DEADLINE).await?;
    scaled.desired.reaches(i64::from(MAX), fleet::DEADLINE).await?;
    let cancelled = context.ghes().cancel(&repository, run).await;
    cancelled.context("cancel the run")?;
    scaled.reserved.reaches(0, fleet::DEADLINE).await?;
    scaled.desired.reaches(0, fleet::DEADLINE).await?;

    let values = scaled.reserved.values();
    expect(
        "a rise to 20 and a fall to 0",
        values.iter().max() == Some(&count) && is_one_hill(&values),
        format!("{values:?}"),
    )?;
    Ok(())
}

async fn groups(context: Context) -> anyhow::Result<()> {
    let desk = context.desk().await?;
    let tenant = context.tenant();
    let organization = tenant.organization();
    let members = [
        ("chosen", tenant.second_repository()),
        ("others", tenant.repository()),
    ];
    let hook = context.hook(&organization, ArcServer::GithubWebhook).await?;
    for (group, repository) in &members {
        let of_group = std::slice::from_ref(repository);
        let made = context
            .ghes()
            .create_runner_group(&organization, group, of_group)
            .await;
        made.with_context(|| format!("make the runner group {group}"))?;
        member(&context, group).await?;
        await_found(&context, hook, group, repository).await?;
    }

    for (group, repository) in members.iter().rev() {
        let before = context.hand().deliveries().await?.len();
        visit(&context, repository, &desk, &["1"]).await?;
        let told = await_answer(&context, before).await?;
        let by_one = format!("scaled {group} by 1");
        answered(&told, &format!("a job of {repository}"), 200, &by_one)?;
    }
    expect_asked(&context, &organization, members.map(|(_, repository)| repository))
}

/// An autoscaler of the organization's runners in this group, called as it, with that as a label of its own by which it can be found.
async fn member(context: &Context, group: &str) -> anyhow::Result<Scaled> {
    let organization = context.tenant().organization();
    let mut target = fixtures::for_scope(deployment(context)?, &organization);
    target = fleet::without_a_node(target);
    target["metadata"]["name"] = json!(group);
    let spec = &mut target["spec"]["template"]["spec"];
    if let Some(labels) = spec["labels"].as_array_mut() {
        labels.push(json!(group));
    }
    spec["group"] = json!(group);
    let mut follower = autoscaler(context, 2, LONG);
    follower["metadata"]["name"] = json!(group);
    follower["spec"]["scaleTargetRef"]["name"] = json!(group);
    scaled(context, &target, &follower, 0).await
}

/// Waits until the webhook server finds this autoscaler by the label that it alone has.
async fn await_found(context: &Context, hook: u64, name: &str, repository: &Repo) -> anyhow::Result<()> {
    let mut event = job_event(context, "queued", &json!({ "labels": ["self-hosted", name] }));
    event["repository"]["name"] = json!(repository.name);
    let wanted = format!("scaled {name} by 1");
    let awaited = format!("the answer {wanted:?} to a job of {repository} with the label {name}");
    eventually(&awaited, fleet::DEADLINE, || async {
        match tell(context, hook, &event).await {
            Ok(told) if told.answer.contains(&wanted) => Seen::Yes(()),
            Ok(told) => Seen::NotYet(format!("{:?} {:?}", told.status, told.answer)),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        }
    })
    .await?;
    Ok(())
}

/// The answer to the first delivery of a queued job after so many deliveries.
async fn await_answer(context: &Context, before: usize) -> anyhow::Result<DeliveryView> {
    let answered = eventually("an answer to a queued job", fleet::DEADLINE, || async {
        let all = match context.hand().deliveries().await {
            Ok(all) => all,
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let queued = |delivery: &DeliveryView| delivery.action.as_deref() == Some("queued");
        let news: Vec<DeliveryView> = all.into_iter().skip(before).filter(queued).collect();
        match news.into_iter().next() {
            Some(delivery) if delivery.answered => Seen::Yes(delivery),
            other => Seen::NotYet(format!("{other:?}")),
        }
    })
    .await?;
    Ok(answered)
}

/// Holds that ARC asked GHES for the groups that each of these repositories may use.
fn expect_asked(context: &Context, organization: &Scope, repositories: [Repo; 2]) -> anyhow::Result<()> {
    let path = format!("/api/v3/{organization}/actions/runner-groups");
    let requests = context.hand().ledger().requests_to(&path);
    let asked: Vec<String> = requests
        .into_iter()
        .filter(|request| request.method == "GET" && request.status == Some(200))
        .filter_map(|request| request.query)
        .collect();
    for repository in repositories {
        let wanted = format!("visible_to_repository={}", repository.name);
        expect(
            format!("a request for {path} with {wanted}"),
            asked.iter().any(|query| query.contains(&wanted)),
            format!("{asked:?}"),
        )?;
    }
    Ok(())
}
