//! The work folder's volume, and runners whose jobs are pods of their own (`containerMode: kubernetes`).
//!
//! Source: ARC's documentation on the container mode kubernetes and on custom volume mounts. Not covered: the hooks that make a job's pod, and
//! volumes that somebody provides: these pods have no node.

use futures::FutureExt as _;
use harness::model::{Check, Claim, Profile};
use harness::{Context, Scenario, expect_equal};
use serde_json::{Value, json};

use crate::pod_shape::{Facts, made};

pub(crate) const KUBERNETES: Scenario = Scenario {
    check: || {
        Check {
        id: "pod::kubernetes-mode".into(),
        claim: "in the container mode kubernetes a pod has no docker container, also if the manifest has one; it is told of the hooks and whether \
                jobs must be on its node, and has the claimed volume for its work folder"
            .into(),
        grounds: "ARC's documentation: containerMode kubernetes with workVolumeClaimTemplate; the README of the runner's container hooks: their \
                  variables"
            .into(),
        not_covered: "the hooks themselves, which make a job's pod; the service account that ARC makes where a manifest names none, for which its \
                      chart gives no right unless the status hook is on"
            .into(),
        ..of_a_pod()
    }
    },
    run: |context| kubernetes(context).boxed(),
};

pub(crate) const WORK_VOLUME: Scenario = Scenario {
    check: || {
        Check {
        id: "pod::work-volume".into(),
        claim: "a volume and a mount with the name work take the place of ARC's own for runner and docker container; without them it is an empty folder, \
                and the runner's own folder has the medium and size that the manifest says"
            .into(),
        grounds: "ARC's documentation on custom volume mounts: work, volumeStorageMedium, volumeSizeLimit".into(),
        not_covered: "what a job finds in it".into(),
        ..of_a_pod()
    }
    },
    run: |context| work_volume(context).boxed(),
};

fn of_a_pod() -> Check {
    Check {
        id: String::new(),
        claim: String::new(),
        grounds: String::new(),
        not_covered: String::new(),
        profile: Profile::Extended,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![],
    }
}

/// A spec of the container mode kubernetes, with a claim that may be mounted so.
fn in_mode(access: &str) -> Value {
    json!({
        "containerMode": "kubernetes",
        "serviceAccountName": "default",
        "workVolumeClaimTemplate": {
            "storageClassName": "fast",
            "accessModes": [access],
            "resources": { "requests": { "storage": "10Gi" } },
        },
    })
}

async fn kubernetes(context: Context) -> anyhow::Result<()> {
    let once = made(&context, "on-one-node", in_mode("ReadWriteOnce")).await?;
    once.expect(&[
        ("containers", json!(["runner"])),
        ("runner.privileged", Value::Null),
        ("runner.env.DOCKER_ENABLED", json!("false")),
        (
            "runner.env.ACTIONS_RUNNER_CONTAINER_HOOKS",
            json!("/runner/k8s/index.js"),
        ),
        ("runner.env.ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER", json!("true")),
        (
            "runner.env.ACTIONS_RUNNER_POD_NAME",
            json!({ "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.name" } }),
        ),
        (
            "runner.env.ACTIONS_RUNNER_JOB_NAMESPACE",
            json!({ "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } }),
        ),
        ("runner.env.ACTIONS_RUNNER_REQUIRE_SAME_NODE", json!("true")),
        ("runner.mount./runner/_work", json!("work")),
        ("runner.mount./runner", json!("runner")),
    ])?;
    let claim = once.get("volume.work")["ephemeral"]["volumeClaimTemplate"]["spec"].clone();
    expect_equal(
        "the claim of the volume work",
        &json!(["fast", ["ReadWriteOnce"], "10Gi"]),
        &json!([
            claim["storageClassName"],
            claim["accessModes"],
            claim["resources"]["requests"]["storage"]
        ]),
    )?;

    let many = made(&context, "on-any-node", in_mode("ReadWriteMany")).await?;
    many.expect(&[("runner.env.ACTIONS_RUNNER_REQUIRE_SAME_NODE", json!("false"))])?;

    let mut spec = in_mode("ReadWriteOnce");
    spec["workDir"] = json!("/work");
    spec["containers"] = json!([
        { "name": "docker", "image": "docker:dind" },
        { "name": "runner", "env": [{ "name": "TEAM", "value": "builders" }] },
    ]);
    let with_docker = made(&context, "with-docker", spec).await?;
    with_docker.expect(&[
        ("containers", json!(["runner"])),
        ("runner.env.TEAM", json!("builders")),
        ("runner.env.RUNNER_WORKDIR", json!("/work")),
        ("runner.mount./work", json!("work")),
    ])?;

    let mut spec = in_mode("ReadWriteOnce");
    spec["containers"] = json!([{ "name": "runner", "env": [{ "name": "TEAM", "value": "builders" }] }]);
    let without_docker = made(&context, "without-docker", spec).await?;
    without_docker.expect(&[
        ("containers", json!(["runner"])),
        ("runner.env.TEAM", json!("builders")),
    ])?;
    Ok(())
}

async fn work_volume(context: Context) -> anyhow::Result<()> {
    let own = json!({
        "volumes": [{ "name": "work", "emptyDir": { "medium": "Memory" } }],
        "volumeMounts": [{ "name": "work", "mountPath": "/work" }],
        "volumeStorageMedium": "Memory",
        "volumeSizeLimit": "2Gi",
    });
    let own = made(&context, "own-work", own).await?;
    own.expect(&[
        ("volume.work", json!({ "emptyDir": { "medium": "Memory" } })),
        ("runner.mount./work", json!("work")),
        ("runner.mount./runner/_work", Value::Null),
        ("docker.mount./runner/_work", json!("work")),
        (
            "volume.runner",
            json!({ "emptyDir": { "medium": "Memory", "sizeLimit": "2Gi" } }),
        ),
    ])?;

    let none = made(&context, "arcs-work", json!({ "workDir": "/elsewhere" })).await?;
    none.expect(&[
        ("volume.work", json!({ "emptyDir": {} })),
        ("runner.mount./elsewhere", json!("work")),
        ("docker.mount./elsewhere", json!("work")),
        ("volume.runner", json!({ "emptyDir": {} })),
    ])?;
    let others = |facts: &Facts| -> Vec<String> {
        let mut folders = facts.under("runner.mount.");
        folders.retain(|folder| facts.get(&format!("runner.mount.{folder}")) != "work");
        folders
    };
    expect_equal(
        "the runner's other mounts, whoever provides the volume work",
        &others(&none),
        &others(&own),
    )?;
    let without = made(
        &context,
        "no-volume",
        json!({ "volumeSizeLimit": "0", "dockerEnabled": false }),
    )
    .await?;
    without.expect(&[
        ("volume.runner", Value::Null),
        ("runner.mount./runner", Value::Null),
    ])?;
    Ok(())
}
