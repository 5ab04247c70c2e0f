//! A GHES whose certificate the controller or the runner does not trust: of an unknown authority, expired, for another name.
//!
//! Source: ARC's documentation on GHES: a certificate authority of one's own must be given to the controller. Not covered: git
//! and jobs that do not trust it.

use std::collections::BTreeSet;

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Seen, eventually};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, GhesCertificate, Scenario, expect};

use crate::{fleet, outage};

pub(crate) const CONTROLLER: Scenario = Scenario {
    check: || {
        Check {
        id: "trust::controller".into(),
        claim: "a controller without the certificate authority of GHES sends it no request, makes no pod, and puts a Warning event on the \
                Runner"
            .into(),
        grounds: "ARC's documentation on GHES: its certificate authority must be given to the controller; event FailedUpdateRegistrationToken"
            .into(),
        not_covered: "that the event tells the reason: it does not, only ARC's log does; a runner that does not trust GHES".into(),
        profile: Profile::Core,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::OwnArc(OwnArc {
            // Go reads the authorities of this file alone, besides those that the system's folder has.
            env: [("SSL_CERT_FILE".to_owned(), "/dev/null".to_owned())].into(),
            ..OwnArc::default()
        }),
        pains: vec![18],
    }
    },
    run: |context| controller(context).boxed(),
};

pub(crate) const EXPIRED: Scenario = Scenario {
    check: || {
        Check {
        id: "trust::expired".into(),
        claim: "while the certificate of GHES is expired the controller sends it no request and makes no pod, the Runner has a Warning event, \
                and ARC's log says why; once GHES has a good one the runner comes by itself"
            .into(),
        not_covered: "that the event tells the reason: it does not; a certificate that expires while connections stand; a runner's own connections".into(),
        ..of_a_bad_certificate()
    }
    },
    run: |context| {
        mended(
            context,
            GhesCertificate::Expired,
            "x509: certificate has expired or is not yet valid",
        )
        .boxed()
    },
};

pub(crate) const OTHER_HOST: Scenario = Scenario {
    check: || {
        Check {
        id: "trust::other-host".into(),
        claim: "the same while the certificate of GHES is for another host name".into(),
        not_covered: "that the event tells the reason: it does not; a certificate without alternative names; a runner's own connections".into(),
        ..of_a_bad_certificate()
    }
    },
    run: |context| {
        mended(
            context,
            GhesCertificate::OtherHost,
            "x509: certificate is valid for elsewhere.test, not ",
        )
        .boxed()
    },
};

pub(crate) const RUNNER: Scenario = Scenario {
    check: || {
        Check {
        id: "trust::runner".into(),
        claim: "a runner that is not given the certificate authority of GHES runs, is registered nowhere, gives up and is replaced; with the \
                authority in its RunnerDeployment its successor registers"
            .into(),
        grounds: "ARC's documentation on GHES: a runner image must trust its certificate authority; the runner image's startup script: ten tries, \
                  then the container ends"
            .into(),
        not_covered: "git and the programs of jobs, each of which must be told as well; Docker".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::SharedArc,
        pains: vec![18],
    }
    },
    run: |context| runner(context).boxed(),
};

/// What checks of a certificate that GHES shows for a while have in common.
fn of_a_bad_certificate() -> Check {
    Check {
        id: String::new(),
        claim: String::new(),
        grounds: "RFC 2818 and RFC 5280: a client must not talk to a server whose certificate is over or names another host; ARC's event \
                  FailedUpdateRegistrationToken, and another try at each resync"
            .into(),
        not_covered: String::new(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods, Capability::Ledger],
        claims: Claim::OwnArc(OwnArc::default()),
        pains: vec![18],
    }
}

/// So many lines of ARC's log are looked at.
const LINES: usize = 400;

const EVENT: &str = "FailedUpdateRegistrationToken";

async fn controller(context: Context) -> anyhow::Result<()> {
    context.apply(&context.runner_deployment()?).await?;

    let message = await_event(&context).await?;
    context.observe(format!(
        "the event {EVENT} says {message:?}: not why, which ARC's log alone tells"
    ));
    nothing_done(&context).await
}

/// GHES shows a bad certificate, then its good one.
async fn mended(context: Context, bad: GhesCertificate, reason: &str) -> anyhow::Result<()> {
    context.show_certificate(bad)?;
    context.apply(&context.runner_deployment()?).await?;

    await_event(&context).await?;
    await_in_log(&context, reason).await?;
    nothing_done(&context).await?;
    context.show_certificate(GhesCertificate::Good)?;
    fleet::await_another(&context, &BTreeSet::new()).await?;
    Ok(())
}

async fn runner(context: Context) -> anyhow::Result<()> {
    let trusting = context.runner_deployment()?;
    let mut blind = trusting.clone();
    if let Some(variables) = blind["spec"]["template"]["spec"]["env"].as_array_mut() {
        variables.retain(|variable| variable["name"] != AUTHORITY);
    }
    context.apply(&blind).await?;

    let first = outage::await_phase(&context, "Running").await?;
    outage::await_replaced(&context, &first).await?;
    let listed = context.ghes().runners(&context.tenant().enterprise()).await;
    let listed = listed.context("list the runners")?;
    expect(
        format!("no runner registered without {AUTHORITY}"),
        listed.is_empty(),
        fleet::described(&listed),
    )?;
    context.apply(&trusting).await?;
    fleet::await_another(&context, &BTreeSet::from([first])).await?;
    Ok(())
}

/// The variable that names the file with a runner's certificate authorities.
const AUTHORITY: &str = "SSL_CERT_FILE";

/// Waits until ARC's log has these words.
async fn await_in_log(context: &Context, words: &str) -> anyhow::Result<()> {
    eventually(&format!("{words:?} in ARC's log"), fleet::DEADLINE, || async {
        let logs: Vec<String> = context
            .managers()
            .iter()
            .map(|manager| manager.tail(LINES))
            .collect();
        let mut lines = logs.iter().flat_map(|log| log.lines());
        if lines.any(|line| line.contains(words)) {
            return Seen::Yes(());
        }
        let mut lines = logs.iter().flat_map(|log| log.lines());
        let other = lines.rfind(|line| line.contains("x509"));
        Seen::NotYet(other.unwrap_or("no line about x509").to_owned())
    })
    .await?;
    Ok(())
}

/// No pod, and no request of ARC to GHES.
async fn nothing_done(context: &Context) -> anyhow::Result<()> {
    let names = fleet::pod_names(context).await?;
    expect("no pod", names.is_empty(), format!("{names:?}"))?;
    let records = context.hand().ledger().recent();
    let asked: Vec<String> = records
        .iter()
        .filter(|record| fleet::is_of_arc(record))
        .map(|record| format!("{} {}", record.method, record.path))
        .collect();
    expect(
        "no request of ARC to GHES",
        asked.is_empty(),
        format!("{asked:?}"),
    )?;
    Ok(())
}

/// The message of the event, once a Runner has it.
pub(crate) async fn await_event(context: &Context) -> anyhow::Result<String> {
    await_event_of(context, "").await
}

/// The message of the event, once a Runner has it whose name begins so.
pub(crate) async fn await_event_of(context: &Context, prefix: &str) -> anyhow::Result<String> {
    let message = eventually(
        format!("an event Warning {EVENT} on a Runner {prefix}").trim_end(),
        fleet::DEADLINE,
        || async {
            let runners = match fleet::runner_objects(context).await {
                Ok(runners) => runners,
                Err(error) => return Seen::NotYet(format!("{error:#}")),
            };
            let mut seen = Vec::new();
            for runner in runners.iter().filter(|name| name.starts_with(prefix)) {
                match context.events_on("Runner", runner).await {
                    Ok(events) => seen.extend(events),
                    Err(error) => return Seen::NotYet(format!("{error:#}")),
                }
            }
            let failed = seen.iter().find(|event| {
                event.type_.as_deref() == Some("Warning") && event.reason.as_deref() == Some(EVENT)
            });
            match failed {
                Some(event) => Seen::Yes(event.message.clone().unwrap_or_default()),
                None => Seen::NotYet(format!(
                    "{:?}",
                    seen.iter().map(|event| &event.reason).collect::<Vec<_>>()
                )),
            }
        },
    )
    .await?;
    Ok(message)
}
