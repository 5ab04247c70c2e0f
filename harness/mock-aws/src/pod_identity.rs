//! What EKS's pod identity webhook does to a pod whose service account names a role: variables and a projected token in every container. A pure function of
//! an `AdmissionReview` in JSON; who serves it, and how it learns of service accounts, is elsewhere.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value, json};

/// Where the token is mounted.
const FOLDER: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
const VOLUME: &str = "aws-iam-token";
const ROLE_VARIABLE: &str = "AWS_ROLE_ARN";
const TOKEN_VARIABLE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

const ENDPOINTS_VARIABLE: &str = "AWS_STS_REGIONAL_ENDPOINTS";
const REGION_VARIABLES: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];

const ROLE: &str = "eks.amazonaws.com/role-arn";
const AUDIENCE: &str = "eks.amazonaws.com/audience";
const EXPIRATION: &str = "eks.amazonaws.com/token-expiration";
/// Of the pod: names of containers, with commas between, that are left alone.
const SKIPPED: &str = "eks.amazonaws.com/skip-containers";

const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";
const DEFAULT_EXPIRATION: i64 = 86400;
/// The API server takes no shorter token.
const SHORTEST_EXPIRATION: i64 = 600;

/// The answer to a review, itself an `AdmissionReview`. Containers are told the region, since EKS's are. `annotations` tells those of a service account by namespace and name; nothing if there is none.
///
/// The pod is always allowed: without a role there is nothing to do, as with EKS.
pub fn review(
    review: &Value,
    region: &str,
    annotations: impl Fn(&str, &str) -> Option<Map<String, Value>>,
) -> Value {
    let request = &review["request"];
    let pod = &request["object"];
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or("default");
    let namespace = request["namespace"].as_str().unwrap_or_default();
    let mut response = json!({"uid": request["uid"], "allowed": true});
    let annotations = annotations(namespace, account).unwrap_or_default();
    if let Some(role) = annotations.get(ROLE).and_then(Value::as_str) {
        let patch = Value::from(patch(pod, role, region, &annotations));
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(BASE64_STANDARD.encode(patch.to_string()));
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})
}

fn patch(pod: &Value, role: &str, region: &str, annotations: &Map<String, Value>) -> Vec<Value> {
    let skipped = pod["metadata"]["annotations"][SKIPPED]
        .as_str()
        .unwrap_or_default();
    let skipped: Vec<&str> = skipped.split(',').map(str::trim).collect();
    let mut patch = Vec::new();
    let volumes = entries(pod, "volumes");
    if !has_name(&volumes, VOLUME) {
        let changed = [vec![volume(annotations)], volumes].concat();
        patch.push(json!({"op": "add", "path": "/spec/volumes", "value": changed}));
    }
    for list in ["initContainers", "containers"] {
        let containers = entries(pod, list);
        if containers.is_empty() {
            continue;
        }
        let changed: Vec<Value> = containers
            .iter()
            .map(|container| match container["name"].as_str() {
                Some(name) if skipped.contains(&name) => container.clone(),
                _ => with_token(container, role, region),
            })
            .collect();
        if changed != containers {
            patch.push(json!({"op": "replace", "path": format!("/spec/{list}"), "value": changed}));
        }
    }
    patch
}

fn volume(annotations: &Map<String, Value>) -> Value {
    let text = |key| annotations.get(key).and_then(Value::as_str);
    let expiration = text(EXPIRATION)
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(DEFAULT_EXPIRATION);
    json!({
        "name": VOLUME,
        "projected": {"sources": [{"serviceAccountToken": {
            "audience": text(AUDIENCE).unwrap_or(DEFAULT_AUDIENCE),
            "expirationSeconds": expiration.max(SHORTEST_EXPIRATION),
            "path": "token",
        }}]},
    })
}

/// The container with the variables, unless it has such of its own, and the mount.
fn with_token(container: &Value, role: &str, region: &str) -> Value {
    let mut changed = container.clone();
    let mut variables = list(container, "env");
    if !has_name(&variables, ROLE_VARIABLE) && !has_name(&variables, TOKEN_VARIABLE) {
        variables.push(json!({"name": ROLE_VARIABLE, "value": role}));
        variables.push(json!({"name": TOKEN_VARIABLE, "value": format!("{FOLDER}/token")}));
    }
    if !has_name(&variables, ENDPOINTS_VARIABLE) {
        variables.push(json!({"name": ENDPOINTS_VARIABLE, "value": "regional"}));
    }
    if !REGION_VARIABLES.iter().any(|name| has_name(&variables, name)) {
        variables.extend(REGION_VARIABLES.map(|name| json!({"name": name, "value": region})));
    }
    changed["env"] = Value::from(variables);
    let mut mounts = list(container, "volumeMounts");
    if !has_name(&mounts, VOLUME) {
        mounts.push(json!({"name": VOLUME, "mountPath": FOLDER, "readOnly": true}));
        changed["volumeMounts"] = Value::from(mounts);
    }
    changed
}

fn entries(pod: &Value, name: &str) -> Vec<Value> {
    list(&pod["spec"], name)
}

fn list(object: &Value, name: &str) -> Vec<Value> {
    object[name].as_array().cloned().unwrap_or_default()
}

fn has_name(list: &[Value], name: &str) -> bool {
    list.iter().any(|entry| entry["name"] == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::111122223333:role/actions-runner-role";

    fn asked(pod: &Value) -> Value {
        json!({"request": {"uid": "u", "namespace": "actions-runner", "object": pod}})
    }

    fn account(annotations: Value) -> impl Fn(&str, &str) -> Option<Map<String, Value>> {
        move |namespace, name| {
            let is_it = (namespace, name) == ("actions-runner", "actions-runner-role");
            is_it.then(|| annotations.as_object().cloned().unwrap_or_default())
        }
    }

    /// The patch of an answer, by path.
    fn patched(answer: &Value) -> Map<String, Value> {
        assert_eq!(answer["response"]["allowed"], true);
        let Some(patch) = answer["response"]["patch"].as_str() else {
            return Map::new();
        };
        let patch = BASE64_STANDARD.decode(patch).expect("the patch is base64");
        let patch: Vec<Value> = serde_json::from_slice(&patch).expect("the patch is a list");
        patch
            .into_iter()
            .map(|op| {
                (
                    op["path"].as_str().expect("a path").to_owned(),
                    op["value"].clone(),
                )
            })
            .collect()
    }

    /// As ARC makes it: runner, docker sidecar, a volume of its own.
    fn runner_pod() -> Value {
        json!({"spec": {
            "serviceAccountName": "actions-runner-role",
            "volumes": [{"name": "runner", "emptyDir": {}}],
            "containers": [
                {"name": "runner", "env": [{"name": "RUNNER_NAME", "value": "r"}],
                 "volumeMounts": [{"name": "runner", "mountPath": "/runner"}]},
                {"name": "docker"},
            ],
        }})
    }

    #[test]
    fn every_container_gets_variables_and_token() {
        let changed = patched(&review(
            &asked(&runner_pod()),
            "eu-west-1",
            account(json!({ROLE: ARN})),
        ));

        let containers = changed["/spec/containers"].as_array().expect("a list");
        assert_eq!(containers.len(), 2);
        for container in containers {
            let variables = list(container, "env");
            let value = |name: &str| {
                variables
                    .iter()
                    .find(|v| v["name"] == name)
                    .map(|v| v["value"].clone())
            };
            assert_eq!(value(ROLE_VARIABLE), Some(json!(ARN)));
            assert_eq!(value("AWS_REGION"), Some(json!("eu-west-1")));
            assert_eq!(value(TOKEN_VARIABLE), Some(json!(format!("{FOLDER}/token"))));
            assert!(has_name(&list(container, "volumeMounts"), VOLUME), "{container}");
        }
        assert!(
            has_name(&list(&containers[0], "env"), "RUNNER_NAME"),
            "nothing is lost"
        );
        let volumes = changed["/spec/volumes"].as_array().expect("a list");
        assert_eq!(volumes.len(), 2);
        let token = &volumes[0]["projected"]["sources"][0]["serviceAccountToken"];
        assert_eq!(
            *token,
            json!({"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"})
        );
    }

    #[test]
    fn without_a_role_nothing_is_changed() {
        let mut other = runner_pod();
        other["spec"]["serviceAccountName"] = json!("default");

        let no_role = review(&asked(&runner_pod()), "eu-west-1", account(json!({})));
        let no_account = review(&asked(&other), "eu-west-1", account(json!({ROLE: ARN})));

        for answer in [no_role, no_account] {
            assert_eq!(patched(&answer), Map::new());
            assert_eq!(answer["response"], json!({"uid": "u", "allowed": true}));
        }
    }

    #[test]
    fn annotations_choose_audience_and_life_and_leave_containers_alone() {
        let mut pod = runner_pod();
        pod["metadata"] = json!({"annotations": {SKIPPED: "docker, other"}});

        let annotations = json!({ROLE: ARN, AUDIENCE: "vault", EXPIRATION: "60"});
        let changed = patched(&review(&asked(&pod), "eu-west-1", account(annotations)));

        let token = &changed["/spec/volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
        assert_eq!(token["audience"], "vault");
        assert_eq!(token["expirationSeconds"], SHORTEST_EXPIRATION);
        assert_eq!(changed["/spec/containers"][1], json!({"name": "docker"}));
    }

    #[test]
    fn a_pod_that_has_all_is_left_as_it_is() {
        let mut pod = runner_pod();
        let changed = patched(&review(&asked(&pod), "eu-west-1", account(json!({ROLE: ARN}))));
        pod["spec"]["volumes"] = changed["/spec/volumes"].clone();
        pod["spec"]["containers"] = changed["/spec/containers"].clone();

        let again = patched(&review(&asked(&pod), "eu-west-1", account(json!({ROLE: ARN}))));

        assert_eq!(again, Map::new());
    }
}
