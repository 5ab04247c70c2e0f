//! A container's environment, from weakest to strongest: what an image would set, the service environment, `envFrom` in order,
//! `env` in order.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};

use crate::downward;
use crate::expand::expand;
use crate::objects::{Kind, Objects, Wanted};

/// The path that container runtimes set.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the node adds to what the pod says.
pub(crate) struct Surroundings<'a> {
    pub(crate) address: IpAddr,
    pub(crate) service_host: &'a (String, u16),
}

/// The objects that the environment refers to.
pub(crate) fn wanted(container: &Container) -> Wanted {
    let from = container.env_from.iter().flatten().filter_map(|source| {
        match (&source.secret_ref, &source.config_map_ref) {
            (Some(secret), _) => Some((Kind::Secret, secret.name.clone())),
            (None, Some(map)) => Some((Kind::ConfigMap, map.name.clone())),
            (None, None) => None,
        }
    });
    let single = container.env.iter().flatten().filter_map(|var| {
        let source = var.value_from.as_ref()?;
        match (&source.secret_key_ref, &source.config_map_key_ref) {
            (Some(secret), _) => Some((Kind::Secret, secret.name.clone())),
            (None, Some(map)) => Some((Kind::ConfigMap, map.name.clone())),
            (None, None) => None,
        }
    });
    from.chain(single).collect()
}

/// The environment. The message is that of a `CreateContainerConfigError`.
pub(crate) fn resolve(
    pod: &Pod,
    container: &Container,
    objects: &Objects,
    around: &Surroundings<'_>,
) -> Result<BTreeMap<String, String>, String> {
    // References see what the pod sets and the service environment, not what an image would set.
    let mut set = BTreeMap::from([
        (
            "KUBERNETES_SERVICE_HOST".to_owned(),
            around.service_host.0.clone(),
        ),
        (
            "KUBERNETES_SERVICE_PORT".to_owned(),
            around.service_host.1.to_string(),
        ),
    ]);
    for source in container.env_from.iter().flatten() {
        let (kind, name, optional) = match (&source.secret_ref, &source.config_map_ref) {
            (Some(secret), _) => (Kind::Secret, &secret.name, secret.optional),
            (None, Some(map)) => (Kind::ConfigMap, &map.name, map.optional),
            (None, None) => continue,
        };
        let data = match objects.find(kind, name) {
            None if optional == Some(true) => continue,
            _ => objects.get(kind, name)?,
        };
        let prefix = source.prefix.as_deref().unwrap_or_default();
        set.extend(
            data.iter()
                .map(|(key, value)| (format!("{prefix}{key}"), text(value))),
        );
    }
    for var in container.env.iter().flatten() {
        let value = match (&var.value, &var.value_from) {
            (Some(value), _) if !value.is_empty() => expand(value, |name| set.get(name).cloned()),
            (_, Some(source)) => match from_source(pod, container, objects, around, source)? {
                Some(value) => value,
                None => continue,
            },
            _ => String::new(),
        };
        set.insert(var.name.clone(), value);
    }
    let hostname = pod.metadata.name.clone().unwrap_or_default();
    for (name, value) in [("PATH", PATH), ("HOME", "/root"), ("HOSTNAME", &hostname)] {
        set.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    Ok(set)
}

/// `None` for an optional value that is not there: the variable is then not set at all.
fn from_source(
    pod: &Pod,
    container: &Container,
    objects: &Objects,
    around: &Surroundings<'_>,
    source: &EnvVarSource,
) -> Result<Option<String>, String> {
    if let Some(field) = &source.field_ref {
        return downward::field(pod, &field.field_path, around.address).map(Some);
    }
    if let Some(selector) = &source.resource_field_ref {
        return downward::resource(pod, Some(container), selector).map(Some);
    }
    let (kind, name, key, optional) = match (&source.secret_key_ref, &source.config_map_key_ref) {
        (Some(secret), _) => (Kind::Secret, &secret.name, &secret.key, secret.optional),
        (None, Some(map)) => (Kind::ConfigMap, &map.name, &map.key, map.optional),
        (None, None) => return Ok(Some(String::new())),
    };
    let value = match objects.find(kind, name) {
        None if optional == Some(true) => return Ok(None),
        _ => objects.get(kind, name)?.get(key),
    };
    match value {
        Some(value) => Ok(Some(text(value))),
        None if optional == Some(true) => Ok(None),
        None => {
            let kind = if kind == Kind::Secret {
                "Secret"
            } else {
                "ConfigMap"
            };
            let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
            Err(format!("couldn't find key {key} in {kind} {namespace}/{name}"))
        }
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn environment(container: &Value, objects: &Objects) -> Result<BTreeMap<String, String>, String> {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"containers": [container]},
        }))
        .expect("the pod must parse");
        let service_host = ("10.99.0.1".to_owned(), 443);
        let around = Surroundings {
            address: "10.99.0.1".parse().expect("an address"),
            service_host: &service_host,
        };
        resolve(
            &pod,
            &pod.spec.as_ref().expect("a spec").containers[0],
            objects,
            &around,
        )
    }

    fn objects() -> Objects {
        Objects::default()
            .with(Kind::Secret, "s", &[("token", "t0"), ("shared", "from-secret")])
            .with(Kind::ConfigMap, "m", &[("mode", "fast"), ("shared", "from-map")])
    }

    #[test]
    fn every_kind_of_source_is_resolved() {
        let container = json!({"name": "c", "env": [
            {"name": "PLAIN", "value": "v"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}},
            {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "mode"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "NO_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "none", "optional": true}}},
            {"name": "NO_MAP", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k", "optional": true}}},
            {"name": "COMPOSED", "value": "$(TOKEN)@$(KUBERNETES_SERVICE_HOST)-$(LATER)-$(PATH)"},
            {"name": "LATER", "value": "later"},
        ]});

        let env = environment(&container, &objects()).expect("everything is there");

        let of = |name: &str| env.get(name).map(String::as_str);
        assert_eq!(of("PLAIN"), Some("v"));
        assert_eq!(of("TOKEN"), Some("t0"));
        assert_eq!(of("MODE"), Some("fast"));
        assert_eq!(of("POD"), Some("p"));
        assert_eq!(of("CPUS"), Some("64"));
        assert_eq!(
            (of("NO_KEY"), of("NO_MAP")),
            (None, None),
            "absent optional values set nothing"
        );
        assert_eq!(
            of("COMPOSED"),
            Some("t0@10.99.0.1-$(LATER)-$(PATH)"),
            "only what came before is expanded"
        );
        assert_eq!(of("KUBERNETES_SERVICE_PORT"), Some("443"));
        assert_eq!(of("HOSTNAME"), Some("p"));
        assert_eq!(of("PATH"), Some(PATH));
    }

    #[test]
    fn later_sources_win_and_env_wins_over_env_from() {
        let container = json!({"name": "c",
            "envFrom": [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "m"}}, {"prefix": "S_", "secretRef": {"name": "s"}}],
            "env": [{"name": "mode", "value": "slow"}, {"name": "mode", "value": "$(mode)er"}, {"name": "PATH", "value": "/bin"}]});

        let env = environment(&container, &objects()).expect("everything is there");

        assert_eq!(env["shared"], "from-map");
        assert_eq!(env["S_shared"], "from-secret");
        assert_eq!(env["mode"], "slower");
        assert_eq!(env["PATH"], "/bin");
    }

    #[test]
    fn what_is_missing_is_named() {
        let one = |source: Value| {
            environment(
                &json!({"name": "c", "env": [{"name": "X", "valueFrom": source}]}),
                &objects(),
            )
        };

        let no_secret = one(json!({"secretKeyRef": {"name": "gone", "key": "k"}}));
        let no_key = one(json!({"configMapKeyRef": {"name": "m", "key": "k"}}));
        let no_from = environment(
            &json!({"name": "c", "envFrom": [{"configMapRef": {"name": "gone"}}]}),
            &objects(),
        );

        assert_eq!(no_secret, Err("secret \"gone\" not found".to_owned()));
        assert_eq!(no_key, Err("couldn't find key k in ConfigMap n/m".to_owned()));
        assert_eq!(no_from, Err("configmap \"gone\" not found".to_owned()));
    }

    proptest! {
        #[test]
        fn the_last_of_equal_names_wins(values in prop::collection::vec("[a-z]{1,5}", 1..6)) {
            let env: Vec<Value> = values.iter().map(|value| json!({"name": "X", "value": value})).collect();

            let env = environment(&json!({"name": "c", "env": env}), &objects()).expect("plain values always resolve");

            prop_assert_eq!(&env["X"], values.last().expect("at least one"));
        }
    }
}
