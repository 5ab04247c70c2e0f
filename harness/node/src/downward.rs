//! The downward API: a pod's fields and a container's resources as text, for `env` and for volumes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// What a node offers, and so the limit of a container that names none. Generous, since nothing is enforced.
pub(crate) const ALLOCATABLE: [(&str, &str); 4] = [
    ("cpu", "64"),
    ("ephemeral-storage", "256Gi"),
    ("memory", "256Gi"),
    ("pods", "250"),
];

/// The value of a field path. The message names a path that is not supported.
pub(crate) fn field(pod: &Pod, path: &str, address: IpAddr) -> Result<String, String> {
    let meta = &pod.metadata;
    let spec = pod.spec.as_ref();
    let text = |value: Option<&String>| Ok(value.cloned().unwrap_or_default());
    match path {
        "metadata.name" => text(meta.name.as_ref()),
        "metadata.namespace" => text(meta.namespace.as_ref()),
        "metadata.uid" => text(meta.uid.as_ref()),
        "metadata.labels" => Ok(lines(meta.labels.as_ref())),
        "metadata.annotations" => Ok(lines(meta.annotations.as_ref())),
        "spec.nodeName" => text(spec.and_then(|spec| spec.node_name.as_ref())),
        "spec.serviceAccountName" => text(spec.and_then(|spec| spec.service_account_name.as_ref())),
        "status.podIP" | "status.podIPs" | "status.hostIP" | "status.hostIPs" => Ok(address.to_string()),
        _ => {
            let subscript = |of: &str| path.strip_prefix(of)?.strip_prefix("['")?.strip_suffix("']");
            if let Some(key) = subscript("metadata.labels") {
                text(meta.labels.as_ref().and_then(|labels| labels.get(key)))
            } else if let Some(key) = subscript("metadata.annotations") {
                text(
                    meta.annotations
                        .as_ref()
                        .and_then(|annotations| annotations.get(key)),
                )
            } else {
                Err(format!("unsupported fieldPath: {path}"))
            }
        }
    }
}

fn lines(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    lines.join("\n")
}

/// The value of a resource field of `own`, or of the container that the selector names: in units of the divisor, rounded up.
pub(crate) fn resource(
    pod: &Pod,
    own: Option<&Container>,
    selector: &ResourceFieldSelector,
) -> Result<String, String> {
    let named = selector.container_name.as_deref().filter(|name| !name.is_empty());
    let container = match named {
        Some(name) => pod
            .spec
            .iter()
            .flat_map(all_containers)
            .find(|container| container.name == name),
        None => own,
    }
    .ok_or_else(|| format!("no container for resource {}", selector.resource))?;
    let (list, resource) = selector
        .resource
        .split_once('.')
        .ok_or_else(|| format!("unsupported container resource: {}", selector.resource))?;
    let resources = container.resources.as_ref();
    let quantity = match list {
        "limits" => resources
            .and_then(|resources| resources.limits.as_ref()?.get(resource))
            .map_or_else(|| allocatable(resource), |quantity| quantity.0.clone()),
        "requests" => resources
            .and_then(|resources| resources.requests.as_ref()?.get(resource))
            .map_or_else(|| "0".to_owned(), |quantity| quantity.0.clone()),
        _ => return Err(format!("unsupported container resource: {}", selector.resource)),
    };
    let divisor = selector.divisor.as_ref().map_or("1", |Quantity(divisor)| divisor);
    let divisor = nanos(divisor)?.max(0);
    let divisor = if divisor == 0 { nanos("1")? } else { divisor };
    let value = nanos(&quantity)?;
    Ok(((value + divisor - 1) / divisor).to_string())
}

fn all_containers(spec: &k8s_openapi::api::core::v1::PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

fn allocatable(resource: &str) -> String {
    ALLOCATABLE
        .iter()
        .find(|(name, _)| *name == resource)
        .map_or("0", |(_, value)| value)
        .to_owned()
}

/// A Kubernetes quantity in billionths, rounded down below that.
fn nanos(quantity: &str) -> Result<i128, String> {
    const NANO: i128 = 1_000_000_000;
    let bad = || format!("not a quantity: {quantity:?}");
    let end = quantity
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(end);
    let (numerator, denominator) = match suffix {
        "" => (1, 1),
        "n" => (1, NANO),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (NANO, 1),
        "T" => (1_000 * NANO, 1),
        "P" => (1_000_000 * NANO, 1),
        "E" => (NANO * NANO, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent
                .strip_prefix(['e', 'E'])
                .ok_or_else(bad)?
                .parse()
                .map_err(|_| bad())?;
            let scale = 10_i128
                .checked_pow(power.unsigned_abs())
                .filter(|_| power.abs() <= 18)
                .ok_or_else(bad)?;
            if power < 0 { (1, scale) } else { (scale, 1) }
        }
    };
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(bad());
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction:0<9.9}");
    let value: i128 = digits.parse().map_err(|_| bad())?;
    value
        .checked_mul(numerator)
        .map(|value| value / denominator)
        .ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_the_api_writes_them() {
        for (text, expected) in [
            ("1", 1_000_000_000),
            ("0.5", 500_000_000),
            ("250m", 250_000_000),
            ("1Ki", 1_024_000_000_000),
            ("1.5Gi", 1_610_612_736_000_000_000),
            ("2e3", 2_000_000_000_000),
            ("5E-1", 500_000_000),
            ("1E", 1_000_000_000_000_000_000_000_000_000),
        ] {
            assert_eq!(nanos(text), Ok(expected), "{text} must have its value");
        }
        for text in ["", "x", "1Q", "1.2.3", "1e99"] {
            assert!(nanos(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn fields_and_resources_of_a_pod() {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "p", "namespace": "n", "labels": {"b": "2", "a": "x\"y"}},
            "spec": {"nodeName": "node-1", "containers": [{"name": "c", "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "1500m"}}}]},
        }))
        .expect("the pod must parse");
        let address: IpAddr = "10.99.0.1".parse().expect("an address");
        let of = |path: &str| field(&pod, path, address);
        let measure = |resource: &str, divisor: &str| {
            let divisor = (!divisor.is_empty()).then(|| Quantity(divisor.to_owned()));
            let selector = ResourceFieldSelector {
                container_name: None,
                divisor,
                resource: resource.to_owned(),
            };
            resource_of(&pod, &selector)
        };

        assert_eq!(of("metadata.name").as_deref(), Ok("p"));
        assert_eq!(of("metadata.labels['b']").as_deref(), Ok("2"));
        assert_eq!(of("metadata.labels").as_deref(), Ok("a=\"x\\\"y\"\nb=\"2\""));
        assert_eq!(of("metadata.annotations['none']").as_deref(), Ok(""));
        assert_eq!(of("status.podIP").as_deref(), Ok("10.99.0.1"));
        assert!(
            of("spec.containers").is_err(),
            "other fields are not in the downward API"
        );
        assert_eq!(
            measure("requests.cpu", "").as_deref(),
            Ok("2"),
            "whole CPUs are rounded up"
        );
        assert_eq!(measure("requests.cpu", "1m").as_deref(), Ok("1500"));
        assert_eq!(measure("limits.memory", "1Mi").as_deref(), Ok("64"));
        assert_eq!(
            measure("limits.cpu", "").as_deref(),
            Ok("64"),
            "without a limit it is the node's"
        );
        assert_eq!(measure("requests.memory", "").as_deref(), Ok("0"));
    }

    fn resource_of(pod: &Pod, selector: &ResourceFieldSelector) -> Result<String, String> {
        resource(pod, pod.spec.as_ref().map(|spec| &spec.containers[0]), selector)
    }
}
