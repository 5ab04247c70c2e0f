//! The pod that ARC makes of a RunnerDeployment: what a runner is told in its environment, and what of the manifest reaches it.
//!
//! Source: ARC's documentation on RunnerDeployments and on IAM roles for service accounts; the names of the variables are those that the
//! runner images' startup script reads. Not covered: what a container makes of it. Docker: `pod_docker`.

use anyhow::Context as _;
use futures::FutureExt as _;
use harness::arc::resources;
use harness::model::{Check, Claim, Profile};
use harness::{Context, Scenario, expect, expect_equal};
use kube::ResourceExt as _;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::pod_shape::{Facts, TOKEN, await_pod, made, runners, variable};

pub(crate) const ENVIRONMENT: Scenario = Scenario {
    check: || {
        Check {
        id: "pod::environment".into(),
        claim: "for an enterprise, an organization and a repository the runner container is told scope, labels, group, GHES's address, \
                folder, whether it is ephemeral, its name and the registration token of its Runner, and nothing else"
            .into(),
        grounds: "the runner image's startup script reads these variables; ARC's documentation: labels, group, workDir and ephemeral of a runner"
            .into(),
        not_covered: "that the group exists; what the runner makes of it".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![16],
    }
    },
    run: |context| environment(context).boxed(),
};

pub(crate) const OVERRIDES: Scenario = Scenario {
    check: || {
        Check {
        id: "pod::overrides".into(),
        claim: "what a RunnerDeployment says of image, resources, variables, volumes, placement, sidecars, network and time to end \
                reaches the pod as it stands there; a selector of labels and expressions is its RunnerReplicaSet's too"
            .into(),
        grounds: "ARC's documentation: additional tweaks of a RunnerDeployment's pods".into(),
        not_covered: "a runtime class and a priority class, which must exist; what Kubernetes makes of it".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![16],
    }
    },
    run: |context| overrides(context).boxed(),
};

pub(crate) const ROLE: Scenario = Scenario {
    check: || {
        Check {
        id: "pod::role".into(),
        claim: "a runner with a service account of its own has it, with fsGroup for the token's file; runner and docker container both get \
                the account's token, and the projected one for a role as well"
            .into(),
        grounds: "ARC's documentation on IRSA: serviceAccountName and fsGroup; what EKS's webhook adds to pods of such an account, by hand"
            .into(),
        not_covered: "EKS's webhook itself; whether the runner's user can read the file; containers that a job starts".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![23],
    }
    },
    run: |context| role(context).boxed(),
};

/// What a runner without Docker is told, in the order of the alphabet.
const VARIABLES: [&str; 14] = [
    "DOCKERD_IN_RUNNER",
    "DOCKER_ENABLED",
    "GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT",
    "GITHUB_URL",
    "RUNNER_ENTERPRISE",
    "RUNNER_EPHEMERAL",
    "RUNNER_GROUP",
    "RUNNER_LABELS",
    "RUNNER_NAME",
    "RUNNER_ORG",
    "RUNNER_REPO",
    "RUNNER_STATUS_UPDATE_HOOK",
    "RUNNER_TOKEN",
    "RUNNER_WORKDIR",
];

/// The image that the chart names, where no manifest does.
const IMAGE: &str = "summerwind/actions-runner:latest";

async fn environment(context: Context) -> anyhow::Result<()> {
    let (name, login) = (&context.tenant().name, context.tenant().login());
    let repository = context.tenant().repository().to_string();
    let of_enterprise = json!({
        "enterprise": name, "dockerEnabled": false, "group": "builders", "labels": ["t3a.large", "ubuntu-20.04"],
    });
    let of_organization = json!({ "organization": login, "dockerEnabled": false });
    let of_repository = json!({
        "repository": repository, "dockerEnabled": false, "ephemeral": false, "workDir": "/work",
    });
    let (enterprise, organization, of_repository) = futures::try_join!(
        made(&context, "of-enterprise", of_enterprise),
        made(&context, "of-organization", of_organization),
        made(&context, "of-repository", of_repository),
    )?;
    let address = context.ghes().api().to_string();
    let address = address.trim_end_matches('/').trim_end_matches("api/v3");

    for facts in [&enterprise, &organization, &of_repository] {
        let told = facts.under("runner.env.");
        expect_equal(
            "variables of the runner container",
            &VARIABLES.map(str::to_owned).to_vec(),
            &told,
        )?;
        facts.expect(&[
            ("containers", json!(["runner"])),
            ("runner.image", json!(IMAGE)),
            ("runner.privileged", Value::Null),
            ("runner.env.GITHUB_URL", json!(address)),
            ("runner.env.DOCKER_ENABLED", json!("false")),
            ("runner.env.DOCKERD_IN_RUNNER", json!("false")),
            ("runner.env.RUNNER_STATUS_UPDATE_HOOK", json!("false")),
            ("runner.mount./runner", json!("runner")),
            ("volume.runner", json!({ "emptyDir": {} })),
            ("spec.restartPolicy", json!("Never")),
        ])?;
    }
    enterprise.expect(&[
        ("runner.env.RUNNER_ENTERPRISE", json!(name)),
        ("runner.env.RUNNER_ORG", json!("")),
        ("runner.env.RUNNER_REPO", json!("")),
        ("runner.env.RUNNER_LABELS", json!("t3a.large,ubuntu-20.04")),
        ("runner.env.RUNNER_GROUP", json!("builders")),
        ("runner.env.RUNNER_EPHEMERAL", json!("true")),
        ("runner.env.RUNNER_WORKDIR", json!("/runner/_work")),
    ])?;
    organization.expect(&[
        ("runner.env.RUNNER_ENTERPRISE", json!("")),
        ("runner.env.RUNNER_ORG", json!(login)),
        ("runner.env.RUNNER_REPO", json!("")),
        ("runner.env.RUNNER_LABELS", json!("")),
        ("runner.env.RUNNER_GROUP", json!("")),
    ])?;
    of_repository.expect(&[
        ("runner.env.RUNNER_ENTERPRISE", json!("")),
        ("runner.env.RUNNER_ORG", json!("")),
        ("runner.env.RUNNER_REPO", json!(repository)),
        ("runner.env.RUNNER_EPHEMERAL", json!("false")),
        ("runner.env.RUNNER_WORKDIR", json!("/work")),
    ])?;
    name_and_token(&context, "of-enterprise").await
}

/// A pod is named as its Runner, and has the token that ARC keeps in the Runner's status.
async fn name_and_token(context: &Context, deployment: &str) -> anyhow::Result<()> {
    let pod = await_pod(context, deployment).await?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let runner = context
        .objects(&resources::runner())
        .get(name)
        .await
        .with_context(|| format!("read the Runner {name}"))?;
    let kept = runner
        .data
        .pointer("/status/registration/token")
        .and_then(Value::as_str);
    let given = variable(&pod, TOKEN);
    let seen = match (given, given == kept) {
        (None | Some(""), _) => "none",
        (_, true) => "the Runner's",
        (_, false) => "another",
    };
    expect_equal("RUNNER_TOKEN of the pod", &"the Runner's", &seen)?;
    let told = variable(&pod, "RUNNER_NAME").unwrap_or_default();
    expect_equal("RUNNER_NAME of the pod", &name, &told)?;
    Ok(())
}

async fn overrides(context: Context) -> anyhow::Result<()> {
    let toleration =
        json!({ "key": "builders", "operator": "Equal", "value": "yes", "effect": "NoSchedule" });
    let affinity = json!({ "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [
        { "weight": 1, "preference": { "matchExpressions": [{ "key": "disk", "operator": "In", "values": ["ssd"] }] } },
    ] } });
    let spread = json!([{ "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": { "matchLabels": { "app": "builders" } } }]);
    let resources = json!({ "limits": { "cpu": "1500m", "memory": "6Gi" }, "requests": { "cpu": "500m", "memory": "1Gi" } });
    let dns = json!({ "nameservers": ["192.0.2.1"], "searches": ["dogecompany.test"] });
    let spec = json!({
        "dockerEnabled": false,
        "image": "summerwind/actions-runner:v2.309.0-ubuntu-22.04",
        "resources": resources,
        "env": [
            { "name": "PROXY", "value": "http://proxy.test:3128" },
            { "name": "NODE", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "spec.nodeName" } } },
        ],
        "envFrom": [{ "configMapRef": { "name": "settings" } }],
        "volumes": [{ "name": "cache", "emptyDir": { "sizeLimit": "1Gi" } }],
        "volumeMounts": [{ "name": "cache", "mountPath": "/cache" }],
        "volumeStorageMedium": "Memory",
        "volumeSizeLimit": "2Gi",
        "initContainers": [{ "name": "first", "image": "busybox" }],
        "sidecarContainers": [{ "name": "beside", "image": "busybox" }],
        "tolerations": [toleration],
        "affinity": affinity,
        "topologySpreadConstraints": spread,
        "imagePullSecrets": [{ "name": "registry" }],
        "hostAliases": [{ "ip": "192.0.2.2", "hostnames": ["ghes.dogecompany.test"] }],
        "dnsPolicy": "None",
        "dnsConfig": dns,
        "terminationGracePeriodSeconds": 110,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
    });

    let facts = made(&context, "tweaked", spec).await?;

    facts.expect(&[
        ("containers", json!(["runner", "beside"])),
        ("init containers", json!(["first"])),
        (
            "runner.image",
            json!("summerwind/actions-runner:v2.309.0-ubuntu-22.04"),
        ),
        ("runner.resources", resources),
        ("runner.env.PROXY", json!("http://proxy.test:3128")),
        (
            "runner.env.NODE",
            json!({ "fieldRef": { "apiVersion": "v1", "fieldPath": "spec.nodeName" } }),
        ),
        (
            "runner.env-from",
            json!([{ "configMapRef": { "name": "settings" } }]),
        ),
        ("runner.mount./cache", json!("cache")),
        ("volume.cache", json!({ "emptyDir": { "sizeLimit": "1Gi" } })),
        (
            "volume.runner",
            json!({ "emptyDir": { "medium": "Memory", "sizeLimit": "2Gi" } }),
        ),
        ("spec.nodeSelector", json!({ "ghes-harness/node": "none" })),
        ("spec.affinity", affinity),
        ("spec.topologySpreadConstraints", spread),
        ("spec.imagePullSecrets", json!([{ "name": "registry" }])),
        (
            "spec.hostAliases",
            json!([{ "ip": "192.0.2.2", "hostnames": ["ghes.dogecompany.test"] }]),
        ),
        ("spec.dnsPolicy", json!("None")),
        ("spec.dnsConfig", dns),
        ("spec.terminationGracePeriodSeconds", json!(110)),
        ("spec.automountServiceAccountToken", json!(false)),
        ("spec.enableServiceLinks", json!(false)),
    ])?;
    // The API server adds two of its own.
    let tolerations = facts.get("spec.tolerations");
    let all = tolerations.as_array().cloned().unwrap_or_default();
    let awaited = format!("spec.tolerations in the pod of tweaked, among them {toleration}");
    expect(awaited, all.contains(&toleration), tolerations)?;
    selected(&context).await
}

/// A RunnerDeployment that says by labels and expressions which runners are its own.
async fn selected(context: &Context) -> anyhow::Result<()> {
    let mut deployment = runners(context, "selected", json!({ "dockerEnabled": false }));
    deployment["spec"]["selector"] = json!({
        "matchLabels": { "team": "builders" },
        "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["ci"] }],
    });
    deployment["spec"]["template"]["metadata"] = json!({ "labels": { "team": "builders", "tier": "ci" } });
    context.apply(&deployment).await?;
    await_pod(context, "selected").await?;
    let sets = context.objects(&resources::runner_replica_set());
    let sets = sets
        .list(&ListParams::default())
        .await
        .context("list the RunnerReplicaSets")?;
    let mut of_it = sets
        .items
        .iter()
        .filter(|set| set.name_any().starts_with("selected-"));
    let selector = of_it
        .next()
        .map_or(&Value::Null, |set| &set.data["spec"]["selector"]);
    expect_equal(
        "the expressions of the selector of its RunnerReplicaSet",
        &deployment["spec"]["selector"]["matchExpressions"],
        &selector["matchExpressions"],
    )?;
    expect_equal(
        "the team that the selector of its RunnerReplicaSet names",
        &json!("builders"),
        &selector["matchLabels"]["team"],
    )?;
    Ok(())
}

/// Where EKS's webhook puts a role's token.
const ROLE_FOLDER: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";

async fn role(context: Context) -> anyhow::Result<()> {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {
            "name": "builders", "namespace": context.namespace(),
            "annotations": { "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/builders" },
        },
    });
    context.apply(&account).await?;
    let token = json!({ "projected": { "defaultMode": 420, "sources": [
        { "serviceAccountToken": { "audience": "sts.amazonaws.com", "expirationSeconds": 86_400, "path": "token" } },
    ] } });
    let mut volume = token.clone();
    volume["name"] = json!("aws-iam-token");
    let variables = json!([
        { "name": "AWS_ROLE_ARN", "value": "arn:aws:iam::123456789012:role/builders" },
        { "name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{ROLE_FOLDER}/token") },
    ]);
    let mounts = json!([{ "name": "aws-iam-token", "mountPath": ROLE_FOLDER, "readOnly": true }]);
    let spec = json!({
        "image": "summerwind/actions-runner:v2.309.0-ubuntu-22.04",
        "serviceAccountName": "builders",
        "securityContext": { "fsGroup": 1001 },
        "volumes": [volume],
        "env": variables, "volumeMounts": mounts,
        "dockerEnv": variables, "dockerVolumeMounts": mounts,
    });

    let facts = made(&context, "with-a-role", spec).await?;

    facts.expect(&[
        ("containers", json!(["runner", "docker"])),
        ("spec.serviceAccountName", json!("builders")),
        ("spec.securityContext", json!({ "fsGroup": 1001 })),
        ("volume.aws-iam-token", token),
    ])?;
    for container in ["runner", "docker"] {
        let of = |fact: &str| format!("{container}.{fact}");
        facts.expect(&[
            (
                &of("env.AWS_ROLE_ARN"),
                json!("arn:aws:iam::123456789012:role/builders"),
            ),
            (
                &of("env.AWS_WEB_IDENTITY_TOKEN_FILE"),
                json!(format!("{ROLE_FOLDER}/token")),
            ),
            (&of(&format!("mount.{ROLE_FOLDER}")), json!("aws-iam-token")),
        ])?;
        own_token(&facts, container)?;
    }
    Ok(())
}

/// Kubernetes mounts the account's own token into each container of a pod, under a name of its choice.
fn own_token(facts: &Facts, container: &str) -> anyhow::Result<()> {
    let name = format!("{container}.mount./var/run/secrets/kubernetes.io/serviceaccount");
    let mounted = facts.get(&name);
    expect(format!("{name}: a volume"), mounted.is_string(), &mounted)?;
    Ok(())
}
