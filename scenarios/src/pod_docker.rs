//! Docker in a runner's pod: a daemon beside the runner, or one within its container.
//!
//! Source: ARC's documentation on runners with Docker: dockerEnabled, dockerdWithinRunnerContainer, dockerMTU, dockerRegistryMirror. Not
//! covered: a daemon that runs: the local cluster has none, so these pods have no node.

use futures::FutureExt as _;
use harness::model::{Check, Claim, Profile};
use harness::{Context, Scenario, expect};
use serde_json::{Value, json};

use crate::pod_shape::{Facts, made};

pub(crate) const SIDECAR: Scenario = Scenario {
    check: || {
        Check {
        id: "pod::docker-sidecar".into(),
        claim: "without further words a pod has a privileged docker container beside a runner that is not; the runner looks for the daemon's \
                socket where it listens, in a volume that both have, as they have the runner's and the work folder; dockerVolumeMounts, \
                dockerEnv and dockerdContainerResources are the docker container's alone"
            .into(),
        grounds: "ARC's documentation: a runner pod has a docker container unless dockerEnabled is false; the guide's RunnerDeployment, which says nothing of it"
            .into(),
        not_covered: "a daemon that runs; rootless Docker".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![16, 24],
    }
    },
    run: |context| sidecar(context).boxed(),
};

pub(crate) const WITHIN: Scenario = Scenario {
    check: || {
        Check {
        id: "pod::docker-within-runner".into(),
        claim: "with dockerdWithinRunnerContainer there is one container, privileged and of the image that the manifest names, which is told \
                to start the daemon itself"
            .into(),
        grounds: "ARC's documentation: dockerdWithinRunnerContainer, with the image summerwind/actions-runner-dind".into(),
        not_covered: "a daemon that runs; another image than the manifest's, which ARC does not choose".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![16, 24],
    }
    },
    run: |context| within(context).boxed(),
};

pub(crate) const MTU_AND_MIRROR: Scenario = Scenario {
    check: || {
        Check {
        id: "pod::mtu-and-mirror".into(),
        claim: "dockerMTU and dockerRegistryMirror reach the daemon: as arguments of the docker container, or as variables of a runner that \
                starts its own"
            .into(),
        grounds: "ARC's documentation: dockerMTU for networks with an MTU below 1500, dockerRegistryMirror against pull limits".into(),
        not_covered: "networks that a job makes, which do not inherit the MTU; the controller's own default mirror".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![24],
    }
    },
    run: |context| mtu_and_mirror(context).boxed(),
};

pub(crate) const GROUP_ID: Scenario = Scenario {
    check: || {
        Check {
        id: "pod::group-id".into(),
        claim: "the daemon's socket belongs to the group that the runner image's user is in: 121 for an image of Ubuntu 22.04, 1001 for one \
                of 20.04, and what dockerEnv says for any"
            .into(),
        grounds: "actions/actions-runner-controller issue 2490: with the wrong group a job may not speak to the daemon; the images' groups"
            .into(),
        not_covered: "an image whose name tells no version, for which the controller's flag counts".into(),
        profile: Profile::Core,
        needs: vec![],
        claims: Claim::SharedArc,
        pains: vec![16],
    }
    },
    run: |context| group_id(context).boxed(),
};

const UBUNTU_22: &str = "summerwind/actions-runner:v2.309.0-ubuntu-22.04";
const UBUNTU_20: &str = "summerwind/actions-runner:v2.309.0-ubuntu-20.04";
const DIND: &str = "summerwind/actions-runner-dind:v2.309.0-ubuntu-22.04";
const MIRROR: &str = "https://mirror.dogecompany.test";

async fn sidecar(context: Context) -> anyhow::Result<()> {
    let resources = json!({ "limits": { "memory": "2Gi" }, "requests": { "cpu": "250m", "memory": "1Gi" } });
    let spec = json!({
        "image": UBUNTU_22,
        "volumes": [{ "name": "images", "emptyDir": {} }],
        "dockerVolumeMounts": [{ "name": "images", "mountPath": "/var/lib/docker" }],
        "dockerEnv": [{ "name": "HTTPS_PROXY", "value": "http://proxy.test:3128" }],
        "dockerdContainerResources": resources,
    });

    let facts = made(&context, "beside", spec).await?;

    facts.expect(&[
        ("containers", json!(["runner", "docker"])),
        ("docker.privileged", json!(true)),
        ("runner.privileged", Value::Null),
        ("docker.image", json!("docker:dind")),
        ("runner.image", json!(UBUNTU_22)),
        ("runner.env.DOCKER_ENABLED", json!("true")),
        ("runner.env.DOCKERD_IN_RUNNER", json!("false")),
        ("docker.mount./var/lib/docker", json!("images")),
        ("runner.mount./var/lib/docker", Value::Null),
        ("docker.env.HTTPS_PROXY", json!("http://proxy.test:3128")),
        ("runner.env.HTTPS_PROXY", Value::Null),
        ("docker.resources", resources),
        ("runner.resources", json!({})),
        ("spec.restartPolicy", json!("Never")),
    ])?;
    for (folder, volume) in [("/runner", "runner"), ("/runner/_work", "work")] {
        for container in ["runner", "docker"] {
            facts.expect(&[(&format!("{container}.mount.{folder}"), json!(volume))])?;
        }
    }
    socket(&facts)?;
    // Without it Kubernetes would end the daemon under a job that is still running.
    let awaited = "docker.pre-stop: a command that waits for the runner's file /runner/.runner to go";
    let command = facts.get("docker.pre-stop").to_string();
    expect(awaited, command.contains("/runner/.runner"), &command)?;
    Ok(())
}

/// The runner's `DOCKER_HOST` is a socket at which the daemon listens, in a volume that both containers have at the same path.
fn socket(facts: &Facts) -> anyhow::Result<()> {
    let host = facts.get("runner.env.DOCKER_HOST");
    let host = host.as_str().unwrap_or_default();
    let listens = format!("--host={host}");
    let arguments = facts.get("docker.args");
    let among = arguments
        .as_array()
        .is_some_and(|all| all.contains(&json!(listens)));
    expect(format!("docker.args with {listens}"), among, &arguments)?;
    let path = host.strip_prefix("unix://").unwrap_or_default();
    let folders = facts.under("runner.mount.");
    let holds = |folder: &&String| path.starts_with(&format!("{folder}/"));
    let folder = folders.iter().filter(holds).max_by_key(|folder| folder.len());
    let of = |container: &str| {
        let folder = folder.map(String::as_str).unwrap_or_default();
        facts.get(&format!("{container}.mount.{folder}"))
    };
    let (runner, docker) = (of("runner"), of("docker"));
    expect(
        format!("the folder of {host} from one volume in both containers"),
        runner.is_string() && runner == docker,
        format!("runner: {runner}, docker: {docker}"),
    )?;
    Ok(())
}

async fn within(context: Context) -> anyhow::Result<()> {
    let spec = json!({ "image": DIND, "dockerdWithinRunnerContainer": true });

    let facts = made(&context, "within", spec).await?;

    facts.expect(&[
        ("containers", json!(["runner"])),
        ("runner.image", json!(DIND)),
        ("runner.privileged", json!(true)),
        ("runner.env.DOCKER_ENABLED", json!("true")),
        ("runner.env.DOCKERD_IN_RUNNER", json!("true")),
        ("runner.env.DOCKER_HOST", Value::Null),
        ("runner.mount./runner", json!("runner")),
        ("volume.work", Value::Null),
    ])?;
    Ok(())
}

async fn mtu_and_mirror(context: Context) -> anyhow::Result<()> {
    let beside = json!({ "image": UBUNTU_22, "dockerMTU": 1400, "dockerRegistryMirror": MIRROR });
    let mut within = beside.clone();
    within["image"] = json!(DIND);
    within["dockerdWithinRunnerContainer"] = json!(true);

    let (beside, within) =
        futures::try_join!(made(&context, "beside", beside), made(&context, "within", within),)?;

    let arguments = beside.get("docker.args");
    let given: Vec<&str> = arguments
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mtu = given
        .windows(2)
        .find(|pair| pair[0] == "--mtu")
        .map(|pair| pair[1]);
    expect(
        "--mtu of the docker container = 1400",
        mtu == Some("1400"),
        &arguments,
    )?;
    let mirror = format!("--registry-mirror={MIRROR}");
    expect(
        format!("docker.args with {mirror}"),
        given.contains(&mirror.as_str()),
        &arguments,
    )?;
    beside.expect(&[
        ("docker.env.DOCKERD_ROOTLESS_ROOTLESSKIT_MTU", json!("1400")),
        ("runner.env.MTU", Value::Null),
        ("runner.env.DOCKER_REGISTRY_MIRROR", Value::Null),
    ])?;
    within.expect(&[
        ("containers", json!(["runner"])),
        ("runner.env.MTU", json!("1400")),
        ("runner.env.DOCKER_REGISTRY_MIRROR", json!(MIRROR)),
    ])?;
    Ok(())
}

async fn group_id(context: Context) -> anyhow::Result<()> {
    let own = json!({ "image": UBUNTU_22, "dockerEnv": [{ "name": "DOCKER_GROUP_GID", "value": "2000" }] });
    let (of_22, of_20, own) = futures::try_join!(
        made(&context, "ubuntu-22", json!({ "image": UBUNTU_22 })),
        made(&context, "ubuntu-20", json!({ "image": UBUNTU_20 })),
        made(&context, "own-group", own),
    )?;

    for (facts, group) in [(&of_22, "121"), (&of_20, "1001"), (&own, "2000")] {
        facts.expect(&[("docker.env.DOCKER_GROUP_GID", json!(group))])?;
        let arguments = facts.get("docker.args");
        let group = json!("--group=$(DOCKER_GROUP_GID)");
        let among = arguments.as_array().is_some_and(|all| all.contains(&group));
        expect(format!("docker.args with {group}"), among, &arguments)?;
    }
    Ok(())
}
