//! Service discovery: `connectionData` tells every route by its GUID. Also the health calls of `run.sh --check`.

use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Reply, TENANT};
use crate::web::App;

/// Where a job's calls go: `{scopeIdentifier}` and `{planId}` come from the job message.
const PLAN: &str = "{scopeIdentifier}/_apis/{area}/hubs/{hubName}/plans/{planId}";

/// GUID, resource, and template; `~` stands for [`PLAN`]. GUIDs must be lower-case: the Go client compares texts.
const RESOURCES: [(&str, &str, &str); 13] = [
    (
        "a8c47e17-4d56-4a56-92bb-de7ea7dc65be",
        "pools",
        "_apis/{area}/{resource}/{poolId}",
    ),
    (
        "e298ef32-5878-4cab-993c-043836571f42",
        "agents",
        "_apis/{area}/pools/{poolId}/{resource}/{agentId}",
    ),
    (
        "134e239e-2df3-4794-a6f6-24f1f19ec8dc",
        "sessions",
        "_apis/{area}/pools/{poolId}/{resource}/{sessionId}",
    ),
    (
        "c3a054f6-7a8a-49c0-944e-3a8e5d7adfd7",
        "messages",
        "_apis/{area}/pools/{poolId}/{resource}/{messageId}",
    ),
    (
        "fc825784-c92a-4299-9221-998a02d1b54f",
        "jobrequests",
        "_apis/{area}/pools/{poolId}/{resource}/{requestId}",
    ),
    (
        "8893bc5b-35b2-4be7-83cb-99e683551db4",
        "records",
        "~/timelines/{timelineId}/{resource}/{recordId}",
    ),
    (
        "858983e4-19bd-4c5e-864c-507b59b58b12",
        "feed",
        "~/timelines/{timelineId}/records/{recordId}/{resource}",
    ),
    (
        "46f5667d-263a-4684-91b1-dff7fdcf64e2",
        "logs",
        "~/{resource}/{logId}",
    ),
    ("557624af-b29e-4c20-8ab0-0399d2204f3f", "events", "~/{resource}"),
    (
        "27d7f831-88c1-4719-8ca1-6a061dad90eb",
        "actiondownloadinfo",
        "~/{resource}",
    ),
    (
        "83597576-cc2c-453c-bea6-2882ae6a1653",
        "timelines",
        "~/{resource}/{timelineId}",
    ),
    (
        "7898f959-9cdf-4096-b29e-7f293031629e",
        "attachments",
        "~/timelines/{timelineId}/records/{recordId}/{resource}/{type}/{name}",
    ),
    (
        "8ffcd551-079c-493a-9c02-54346299d144",
        "packages",
        "_apis/{area}/{resource}/{packageType}/{platform}/{version}",
    ),
];

pub(super) fn router() -> Router<App> {
    Router::new()
        .route(&format!("{TENANT}/_apis/connectionData"), get(connection_data))
        .route(
            &format!("{TENANT}/_apis/distributedtask/packages/{{*package}}"),
            get(packages),
        )
        .route("/_services/pipelines/_apis/health", get(health))
        .route("/_services/vstoken/_apis/health", get(health))
}

/// Answers everybody, with all definitions, whatever the query says: .NET caches by `instanceId`.
async fn connection_data(State(app): State<App>) -> Reply {
    let definitions: Vec<Value> = RESOURCES
        .iter()
        .map(|(identifier, resource, template)| {
            json!({
                "serviceType": "distributedtask",
                "identifier": identifier,
                "displayName": resource,
                "relativeToSetting": "fullyQualified",
                "relativePath": format!("/{}", template.replace('~', PLAN)),
                "description": null,
                "serviceOwner": uuid::Uuid::nil(),
                "locationMappings": [],
                "toolId": "distributedtask",
                "status": "active",
                "resourceVersion": 6,
                "minVersion": "1.0",
                "maxVersion": "12.0",
                "releasedVersion": "0.0",
            })
        })
        .collect();
    Ok(Json(json!({
        "instanceId": app.instance,
        "deploymentId": app.instance,
        "deploymentType": "onPremises",
        "locationServiceData": {
            // Nobody else's services: so the client looks no further.
            "serviceOwner": uuid::Uuid::nil(),
            "clientCacheFresh": false,
            "clientCacheTimeToLive": 3600,
            "lastChangeId": 1,
            "lastChangeId64": 1,
            "serviceDefinitions": definitions,
        },
    }))
    .into_response())
}

/// There is no newer runner to update to.
async fn packages() -> Reply {
    Ok(Json(json!({"count": 0, "value": []})).into_response())
}

async fn health() -> Reply {
    Ok((
        [("x-vss-e2eid", uuid::Uuid::new_v4().to_string())],
        Json(json!({})),
    )
        .into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_lower_case_guids_and_unique() {
        let mut seen = std::collections::HashSet::new();
        for (identifier, ..) in RESOURCES {
            let guid: uuid::Uuid = identifier.parse().expect("an identifier is a GUID");

            assert_eq!(guid.to_string(), identifier);
            assert!(seen.insert(identifier));
        }
    }
}
