//! The job message: snapshots of the whole, and the rules that both known clients break on.

use proptest::prelude::*;
use serde_json::Value as Json;
use uuid::Uuid;

use super::*;

fn delivery() -> Delivery {
    Delivery {
        plan_id: Uuid::from_u128(1),
        timeline_id: Uuid::from_u128(2),
        job_id: Uuid::from_u128(3),
        request_id: 7,
        tenant_url: "https://ghes.test/_services/pipelines/x".to_owned(),
        job_token: "<job-token>".to_owned(),
        github_token: "<github-token>".to_owned(),
        secrets: map(&[("DEPLOY_KEY", "<secret>"), ("EMPTY", "")]),
        runner_group: "Default".to_owned(),
    }
}

fn message(
    workflow: &Workflow,
    run: &RunContext,
    key: &str,
    finished: &IndexMap<String, JobOutcome>,
) -> Json {
    let plan = plan(workflow, run).expect("the workflow can be planned");
    job_message(workflow, run, &plan, key, finished, &delivery()).expect("the job is in the plan")
}

fn full_message() -> Json {
    let workflow = workflow(FULL);
    let inputs = check_inputs(&workflow, &map(&[("count", "4")])).expect("the inputs are allowed");
    let run = RunContext { inputs, ..run() };
    message(&workflow, &run, "build/1", &IndexMap::new())
}

#[test]
fn the_quickstarts_first_job() {
    let message = message(
        &workflow(QUICKSTART),
        &run(),
        "Explore-GitHub-Actions",
        &IndexMap::new(),
    );

    insta::assert_json_snapshot!(message);
}

#[test]
fn the_quickstarts_second_job_gets_the_outputs() {
    let outputs = [("tag_date", "2023-08-01"), ("tag_git_hash", "abc")];
    let finished = IndexMap::from([(
        "Explore-GitHub-Actions".to_owned(),
        outcome(Conclusion::Success, &outputs),
    )]);

    let message = message(&workflow(QUICKSTART), &run(), "Echo-Outputs", &finished);

    insta::assert_json_snapshot!(serde_json::json!({
        "needs": message["contextData"]["needs"],
        "steps": message["steps"],
    }));
}

#[test]
fn every_field_of_a_job_and_its_steps() {
    let mut message = full_message();

    for same in ["plan", "timeline", "resources", "variables"] {
        message
            .as_object_mut()
            .expect("a message is an object")
            .shift_remove(same);
    }
    message["contextData"]
        .as_object_mut()
        .expect("contexts are an object")
        .shift_remove("github");
    insta::assert_json_snapshot!(message);
}

#[test]
fn steps_without_an_id_get_names_of_their_own() {
    let workflow = jobs(
        "  a:
    runs-on: x
    steps:
    - {run: a}
    - {run: b, id: mine}
    - {run: c}
    - {uses: actions/checkout@v3}
    - {uses: actions/checkout/sub@v3}
    - {uses: ./x}
    - {uses: 'docker://alpine:3'}\n",
    );

    let message = message(&workflow, &run(), "a", &IndexMap::new());

    let names: Vec<_> = message["steps"]
        .as_array()
        .expect("steps are a list")
        .iter()
        .map(|s| &s["contextName"])
        .collect();
    assert_eq!(
        names,
        [
            "__run",
            "mine",
            "__run_2",
            "__actions_checkout",
            "__actions_checkout_2",
            "__self",
            "__alpine_3"
        ]
    );
}

#[test]
fn secrets_are_variables_and_never_shown_by_debug() {
    let message = message(
        &workflow(QUICKSTART),
        &run(),
        "Explore-GitHub-Actions",
        &IndexMap::new(),
    );

    assert_eq!(
        message["variables"]["DEPLOY_KEY"],
        json!({"value": "<secret>", "isSecret": true})
    );
    assert_eq!(message["variables"].get("EMPTY"), None);
    assert_eq!(message["contextData"].get("secrets"), None);
    let shown = format!("{:?}", delivery());
    assert!(
        !shown.contains("<secret>") && !shown.contains("-token>"),
        "{shown}"
    );
}

#[test]
fn the_same_delivery_yields_the_same_message() {
    assert_eq!(full_message(), full_message());
}

/// Every place where a token breaks a client: null inside, an empty sequence, a scalar that is no string.
fn faults(token: &Json, path: &str) -> Vec<String> {
    let inner = |value: &Json, step: String| faults(value, &format!("{path}/{step}"));
    match token["type"].as_u64() {
        Some(0) if token["lit"].is_string() => Vec::new(),
        Some(3) if token["expr"].is_string() => Vec::new(),
        Some(1) => match token["seq"].as_array() {
            Some(items) if !items.is_empty() => items
                .iter()
                .enumerate()
                .flat_map(|(n, item)| inner(item, n.to_string()))
                .collect(),
            _ => vec![format!("{path}: empty sequence")],
        },
        Some(2) => match token["map"].as_array() {
            Some(entries) => entries
                .iter()
                .enumerate()
                .flat_map(|(n, entry)| {
                    [
                        inner(&entry["Key"], format!("{n}k")),
                        inner(&entry["Value"], format!("{n}v")),
                    ]
                })
                .flatten()
                .collect(),
            None => vec![format!("{path}: no map")],
        },
        _ => vec![format!("{path}: {token}")],
    }
}

fn all_faults(message: &Json) -> Vec<String> {
    let lists = ["environmentVariables", "defaults"]
        .into_iter()
        .flat_map(|field| {
            message[field]
                .as_array()
                .expect("always a list")
                .iter()
                .map(move |token| (field, token))
        });
    let single = ["jobContainer", "jobServiceContainers", "jobOutputs"]
        .into_iter()
        .filter_map(|field| Some((field, message.get(field)?)));
    let steps = message["steps"]
        .as_array()
        .expect("always a list")
        .iter()
        .flat_map(|step| {
            ["inputs", "environment", "displayNameToken"]
                .into_iter()
                .filter_map(move |field| Some((field, step.get(field)?)))
        });
    lists
        .chain(single)
        .chain(steps)
        .flat_map(|(field, token)| faults(token, field))
        .collect()
}

#[test]
fn tokens_are_of_kinds_that_both_clients_read() {
    assert_eq!(all_faults(&full_message()), Vec::<String>::new());
}

/// YAML as people write it into `container:`.
fn yaml() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-1_000_000_i64..1_000_000).prop_map(Json::from),
        "[a-z'{}$ ]{0,8}".prop_map(Json::from),
        Just(json!("${{ github.ref }} x")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[a-z]{1,4}", inner), 0..4)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_tree_becomes_tokens_that_both_clients_read(value in yaml()) {
        let token = tokens::tree(&value).expect("the expressions in it parse");

        let found: Vec<String> = token.iter().flat_map(|token| faults(token, "")).collect();
        prop_assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn text_means_the_same_before_and_after_it_became_a_token(
        parts in prop::collection::vec(prop_oneof!["[a-z'{} é\n]{0,6}", Just("${{ github.ref }}".to_owned())], 0..5),
    ) {
        let text = parts.concat();
        let context = harness_expressions::Context::new().with("github", json!({"ref": "r'{0}"}));

        let token = tokens::text(&text).expect("the expressions in it parse");

        let meant = harness_expressions::interpolate(&text, &context).expect("the text interpolates");
        let delivered = match token["expr"].as_str() {
            Some(expression) => {
                harness_expressions::evaluate(expression, &context).expect("the expression evaluates").to_string()
            }
            None => token["lit"].as_str().expect("a literal").to_owned(),
        };
        prop_assert_eq!(delivered, meant);
    }
}
