//! Where the runner service's resources are: the server tells, by GUID, in `connectionData`. No path is known beforehand.

use std::collections::HashMap;

use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use crate::http::{CallError, json, send};

/// A resource of the runner service (runner protocol: location of a resource by its GUID).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource {
    id: Uuid,
    name: &'static str,
    api_version: &'static str,
}

const fn resource(id: u128, name: &'static str, api_version: &'static str) -> Resource {
    Resource {
        id: Uuid::from_u128(id),
        name,
        api_version,
    }
}

pub(crate) const POOLS: Resource = resource(
    0xa8c4_7e17_4d56_4a56_92bb_de7e_a7dc_65be,
    "pools",
    "5.1-preview.1",
);
pub(crate) const AGENTS: Resource = resource(
    0xe298_ef32_5878_4cab_993c_0438_3657_1f42,
    "agents",
    "6.0-preview.2",
);
pub(crate) const SESSIONS: Resource = resource(
    0x134e_239e_2df3_4794_a6f6_24f1_f19e_c8dc,
    "sessions",
    "5.1-preview.1",
);
pub(crate) const MESSAGES: Resource = resource(
    0xc3a0_54f6_7a8a_49c0_944e_3a8e_5d7a_dfd7,
    "messages",
    "6.0-preview.1",
);
pub(crate) const JOB_REQUESTS: Resource = resource(
    0xfc82_5784_c92a_4299_9221_998a_02d1_b54f,
    "jobrequests",
    "5.1-preview.1",
);
pub(crate) const RECORDS: Resource = resource(
    0x8893_bc5b_35b2_4be7_83cb_99e6_8355_1db4,
    "records",
    "5.1-preview.1",
);
pub(crate) const FEED: Resource =
    resource(0x8589_83e4_19bd_4c5e_864c_507b_59b5_8b12, "feed", "5.1-preview.1");
pub(crate) const LOGS: Resource =
    resource(0x46f5_667d_263a_4684_91b1_dff7_fdcf_64e2, "logs", "5.1-preview.1");
pub(crate) const EVENTS: Resource = resource(
    0x5576_24af_b29e_4c20_8ab0_0399_d220_4f3f,
    "events",
    "2.0-preview.1",
);
pub(crate) const ACTION_DOWNLOADS: Resource = resource(
    0x27d7_f831_88c1_4719_8ca1_6a06_1dad_90eb,
    "actiondownloadinfo",
    "6.0-preview.1",
);
pub(crate) const ATTACHMENTS: Resource = resource(
    0x7898_f959_9cdf_4096_b29e_7f29_3031_629e,
    "attachments",
    "5.1-preview.1",
);

impl Resource {
    /// What a request says it can read; the same value types a request's body.
    pub(crate) fn media_type(self) -> String {
        format!("application/json; api-version={}", self.api_version)
    }
}

/// The templates that a server announced.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    base: String,
    definitions: HashMap<Uuid, Definition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    identifier: Uuid,
    service_type: String,
    display_name: String,
    relative_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionData {
    location_service_data: LocationServiceData,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocationServiceData {
    service_definitions: Vec<Definition>,
}

/// Asks the service at `base`; with a token if there is one.
pub(crate) async fn discover(
    http: &Client,
    base: &str,
    token: Option<&SecretString>,
) -> Result<Routes, CallError> {
    let base = base.trim_end_matches('/').to_owned();
    let mut request = http.get(format!("{base}/_apis/connectionData")).query(&[
        ("connectOptions", "1"),
        ("lastChangeId", "-1"),
        ("lastChangeId64", "-1"),
    ]);
    if let Some(token) = token {
        request = request.bearer_auth(token.expose_secret());
    }
    let call = "GET connectionData";
    let data: ConnectionData = json(send(request, call).await?, call).await?;
    let definitions = data
        .location_service_data
        .service_definitions
        .into_iter()
        .map(|definition| (definition.identifier, definition))
        .collect();
    Ok(Routes { base, definitions })
}

impl Routes {
    /// The address of a resource. A parameter that is not given drops its segment of the path.
    pub(crate) fn url(&self, resource: Resource, parameters: &[(&str, &str)]) -> Result<String, CallError> {
        let definition = self
            .definitions
            .get(&resource.id)
            .ok_or_else(|| CallError::Protocol {
                call: resource.name.to_owned(),
                reason: format!(
                    "the server announces no resource {} in its connectionData",
                    resource.id
                ),
            })?;
        let value = |name: &str| match name {
            "area" => Some(definition.service_type.as_str()),
            "resource" => Some(definition.display_name.as_str()),
            name => parameters
                .iter()
                .find(|(given, _)| given.eq_ignore_ascii_case(name))
                .map(|(_, value)| *value),
        };
        let path: Vec<&str> = definition
            .relative_path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .filter_map(
                |segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) => value(name),
                    None => Some(segment),
                },
            )
            .collect();
        Ok(format!("{}/{}", self.base, path.join("/")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let definition = Definition {
            identifier: AGENTS.id,
            service_type: "distributedtask".to_owned(),
            display_name: "agents".to_owned(),
            relative_path: "_apis/{area}/pools/{poolId}/{resource}/{agentId}".to_owned(),
        };
        Routes {
            base: "http://h/tenant".to_owned(),
            definitions: HashMap::from([(AGENTS.id, definition)]),
        }
    }

    #[test]
    fn templates_are_filled_and_missing_parameters_drop_out() {
        let list = routes()
            .url(AGENTS, &[("poolId", "1")])
            .expect("the route is known");
        let one = routes()
            .url(AGENTS, &[("poolId", "1"), ("agentId", "5")])
            .expect("the route is known");

        assert_eq!(list, "http://h/tenant/_apis/distributedtask/pools/1/agents");
        assert_eq!(one, "http://h/tenant/_apis/distributedtask/pools/1/agents/5");
    }

    #[test]
    fn a_resource_that_is_not_announced_is_named() {
        let error = routes().url(LOGS, &[]).expect_err("the route is unknown");

        assert!(error.to_string().contains("46f5667d-263a-4684-91b1-dff7fdcf64e2"));
    }
}
