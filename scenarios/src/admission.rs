//! ARC's admission webhook, reached by the API server with its certificate verified.
//!
//! Source: ARC's validating webhook; the guide: exactly one of enterprise, organization and repository. Not covered: the webhook for pods
//! (`runner_set`).

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::cluster::{Applier, ApplyError, Seen, eventually};
use harness::model::{Capability, Check, Claim, OwnArc, Profile};
use harness::{Context, Scenario, Unmet, expect};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};

use crate::fleet;

pub(crate) const TWO_SCOPES: Scenario = Scenario {
    check: || Check {
        id: "admission::two-scopes".into(),
        claim: "a RunnerDeployment with two scopes is refused by the webhook, with its reason".into(),
        grounds: "the guide: `3 valid runner scope options`, of which one is set; ARC's validating webhook"
            .into(),
        not_covered: "HorizontalRunnerAutoscaler and RunnerSet, which no webhook validates".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![22],
    },
    run: |context| two_scopes(context).boxed(),
};

pub(crate) const OTHER_KINDS: Scenario = Scenario {
    check: || {
        Check {
        id: "admission::other-kinds".into(),
        claim: "a Runner and a RunnerReplicaSet with two scopes or with none are refused as well, and so is the change of one that is there to \
                two; one with a single scope is admitted as it is"
            .into(),
        grounds: "the guide: `3 valid runner scope options`, of which one is set; ARC's validating webhooks, asked on CREATE and UPDATE".into(),
        not_covered: "a RunnerDeployment, which has a check of its own; HorizontalRunnerAutoscaler and RunnerSet, which no webhook validates"
            .into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![22],
    }
    },
    run: |context| other_kinds(context).boxed(),
};

pub(crate) const CERTIFICATE_RENEWED: Scenario = Scenario {
    check: || {
        Check {
        id: "admission::certificate-renewed".into(),
        claim: "when the serving certificate's Secret is deleted, cert-manager issues another, the webhook configurations vouch for it alone, \
                and the manager serves it without a restart: a RunnerDeployment is admitted again"
            .into(),
        grounds: "ARC's documentation on installing with cert-manager; cert-manager's documentation: a Certificate whose Secret is gone is issued again"
            .into(),
        not_covered: "a certificate that has expired; the time in between, in which admission fails".into(),
        profile: Profile::Extended,
        needs: vec![Capability::RunPods],
        claims: Claim::OwnArc(OwnArc::default()),
        pains: vec![22],
    }
    },
    run: |context| certificate_renewed(context).boxed(),
};

/// What the webhook says to two scopes, and to none.
const TWO: &str = "Spec cannot have many fields defined";
const NONE: &str = "Spec needs enterprise, organization or repository";

async fn two_scopes(context: Context) -> anyhow::Result<()> {
    let manifest = fixtures::in_namespace(fixtures::two_scopes(), context.namespace());
    refused(&context, &manifest, TWO).await
}

async fn other_kinds(context: Context) -> anyhow::Result<()> {
    let one = json!({ "enterprise": context.tenant().name, "nodeSelector": { "ghes-harness/node": "none" } });
    let mut two = one.clone();
    two["organization"] = json!(context.tenant().login());
    let mut none = one.clone();
    if let Some(spec) = none.as_object_mut() {
        spec.remove("enterprise");
    }
    for kind in ["Runner", "RunnerReplicaSet"] {
        let object = |name: &str, spec: &Value| object(&context, kind, name, spec);
        refused(&context, &object("new", &two), TWO).await?;
        refused(&context, &object("new", &none), NONE).await?;
        context.apply(&object("there", &one)).await?;
        refused(&context, &object("there", &two), TWO).await?;
    }
    Ok(())
}

/// A Runner of this spec, or a RunnerReplicaSet that wants none of it.
fn object(context: &Context, kind: &str, name: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "actions.summerwind.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": format!("{name}-{}", kind.to_lowercase()), "namespace": context.namespace() },
        "spec": spec,
    });
    if kind == "RunnerReplicaSet" {
        object["spec"] = json!({
            "replicas": 0,
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": spec },
        });
    }
    object
}

/// The manifest is refused (in a dry run), and for this reason.
async fn refused(context: &Context, manifest: &Value, reason: &str) -> anyhow::Result<()> {
    let kind = manifest["kind"].as_str().unwrap_or_default();
    let awaited = format!("a refusal of the {kind} that says `{reason}`");

    let answer = Applier::new(context.client().clone())
        .dry_run(manifest, context.namespace())
        .await;

    match answer {
        Ok(_) => {
            context.observe(format!(
                "the API server admitted this {kind} (dry run): {}",
                manifest["spec"]
            ));
            Err(Unmet {
                awaited,
                seen: "admitted".into(),
            }
            .into())
        }
        Err(ApplyError::Refused { reason: said, .. }) => {
            expect(awaited, said.contains(reason), &said)?;
            context.observe(said);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// cert-manager first sees that the Secret is gone, then signs, then its cainjector looks; each takes a second or two.
const RENEWED_WITHIN: Duration = Duration::from_secs(60);

/// What ARC's chart has in the annotation by which cainjector finds its certificate.
const INJECT: &str = "cert-manager.io/inject-ca-from";

async fn certificate_renewed(context: Context) -> anyhow::Result<()> {
    let configuration = own_configuration(&context).await?;
    let certificate = configuration
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(INJECT));
    let certificate = certificate.context("the chart's configuration names its certificate")?;
    let (namespace, name) = certificate
        .split_once('/')
        .context("a certificate is NAMESPACE/NAME")?;
    let secrets: Api<Secret> = Api::namespaced(context.client().clone(), namespace);
    let all = secrets
        .list(&ListParams::default())
        .await
        .context("list the Secrets")?;
    let secret = all.items.into_iter().find(|secret| {
        let annotations = secret.metadata.annotations.as_ref();
        annotations
            .and_then(|all| all.get("cert-manager.io/certificate-name"))
            .is_some_and(|of| of == name)
    });
    let secret = secret.with_context(|| format!("a Secret of the certificate {name}"))?;
    let (old, secret) = (authority(&secret), secret.metadata.name.unwrap_or_default());
    let start = Instant::now();

    secrets
        .delete(&secret, &DeleteParams::default())
        .await
        .with_context(|| format!("delete the Secret {secret}"))?;

    let new = eventually(
        &format!("another certificate in the Secret {secret}"),
        RENEWED_WITHIN,
        || async {
            match secrets.get_opt(&secret).await {
                Ok(Some(secret)) => match authority(&secret) {
                    new if new.is_some() && new != old => Seen::Yes(new),
                    _ => Seen::NotYet("the old one".to_owned()),
                },
                Ok(None) => Seen::NotYet("no Secret".to_owned()),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        },
    )
    .await?;
    await_vouched(&context, new.as_ref()).await?;
    await_admitted(&context).await?;
    context.measure(
        "Secret of the serving certificate deleted to admission with another",
        start.elapsed().as_secs_f64(),
        "s",
    );
    let ended: Vec<String> = context
        .managers()
        .iter()
        .filter_map(|manager| Some(format!("{} {}", manager.name(), manager.exited()?)))
        .collect();
    expect(
        "the manager that was there",
        ended.is_empty(),
        format!("{ended:?}"),
    )?;
    Ok(())
}

/// The validating webhooks that ask the scenario's own ARC.
async fn own_configuration(context: &Context) -> anyhow::Result<ValidatingWebhookConfiguration> {
    let all: Api<ValidatingWebhookConfiguration> = Api::all(context.client().clone());
    let all = all
        .list(&ListParams::default())
        .await
        .context("list the webhook configurations")?;
    let own = all.items.into_iter().find(|configuration| {
        let webhooks = configuration.webhooks.iter().flatten();
        let mut selectors =
            webhooks.filter_map(|webhook| webhook.namespace_selector.as_ref()?.match_labels.as_ref());
        selectors.any(|labels| labels.values().any(|value| value == context.namespace()))
    });
    own.context("a webhook configuration for the scenario's namespace")
}

fn authority(secret: &Secret) -> Option<ByteString> {
    secret.data.as_ref()?.get("ca.crt").cloned()
}

/// Waits until every validating webhook is vouched for by this authority and no other.
async fn await_vouched(context: &Context, authority: Option<&ByteString>) -> anyhow::Result<()> {
    eventually(
        "the new certificate's authority in every validating webhook",
        RENEWED_WITHIN,
        || async {
            let configuration = match own_configuration(context).await {
                Ok(configuration) => configuration,
                Err(error) => return Seen::NotYet(format!("{error:#}")),
            };
            let webhooks = configuration.webhooks.unwrap_or_default();
            let old = webhooks
                .iter()
                .filter(|webhook| webhook.client_config.ca_bundle.as_ref() != authority);
            match old.count() {
                0 => Seen::Yes(()),
                old => Seen::NotYet(format!("another in {old} of {}", webhooks.len())),
            }
        },
    )
    .await?;
    Ok(())
}

/// Waits until a RunnerDeployment is admitted (a dry run).
async fn await_admitted(context: &Context) -> anyhow::Result<()> {
    let manifest = context.runner_deployment()?;
    let applier = Applier::new(context.client().clone());
    eventually("a RunnerDeployment admitted", fleet::DEADLINE, || {
        let mut applier = applier.clone();
        let manifest = &manifest;
        async move {
            match applier.dry_run(manifest, context.namespace()).await {
                Ok(_) => Seen::Yes(()),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        }
    })
    .await?;
    Ok(())
}
