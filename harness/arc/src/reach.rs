//! How the API server reaches an admission webhook that is a process beside it, with its certificate verified.
//!
//! The webhook configuration keeps its service, so the API server still verifies the certificate for `NAME.NAMESPACE.svc`; the
//! service becomes an ExternalName to localhost, and the configuration names the process's port
//! (kube-apiserver, service resolver: an ExternalName service is dialled at its external name and the configuration's port).

use serde_json::{Value, json};

/// Points a chart's Service at localhost.
pub(crate) fn service(mut service: Value) -> Value {
    service["spec"] = json!({ "type": "ExternalName", "externalName": "localhost" });
    service
}

/// Sets the port of every webhook in a configuration.
pub(crate) fn configuration(mut configuration: Value, port: u16) -> Value {
    if let Some(webhooks) = configuration.get_mut("webhooks").and_then(Value::as_array_mut) {
        for webhook in webhooks {
            if let Some(service) = webhook.pointer_mut("/clientConfig/service") {
                service["port"] = json!(port);
            }
        }
    }
    // Helm renders `creationTimestamp: null`, which server-side apply would own.
    if let Some(metadata) = configuration.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|_, value| !value.is_null());
    }
    configuration
}

/// Whether every webhook of a configuration has its CA bundle.
pub(crate) fn has_ca(configuration: &Value) -> bool {
    configuration["webhooks"].as_array().is_some_and(|all| {
        all.iter().all(|webhook| {
            webhook["clientConfig"]["caBundle"]
                .as_str()
                .is_some_and(|ca| !ca.is_empty())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_keeps_its_service_and_gets_the_port() {
        let before = json!({
            "metadata": { "name": "w", "creationTimestamp": null },
            "webhooks": [{ "clientConfig": { "service": { "name": "s", "namespace": "n", "path": "/p" } } }],
        });

        let after = configuration(before, 9443);

        assert_eq!(
            after,
            json!({
                "metadata": { "name": "w" },
                "webhooks": [{ "clientConfig": {
                    "service": { "name": "s", "namespace": "n", "path": "/p", "port": 9443 },
                }}],
            })
        );
        assert!(!has_ca(&after));
    }
}
