//! The published schema of `e2e.toml` and its reader say the same of every file; what only the reader can say is listed.

use harness_model::Config;
use serde_json::{Value, json};

use crate::schemas::Schema;

const CONFIG: &str = include_str!("../../../../docs/schema/config.schema.json");
const EXAMPLE: &str = include_str!("../../../../docs/nightly/e2e.toml");

const EVERYTHING: &str = r#"
[targets.nightly]
cluster = "auto"
ghes = "mock"
profile = "all"
arc = "0.27.6"
retries = 1

[profiles.all]
allowed_skips = ["quickstart::*"]
max_skips = 2
allowed_flakes = []
max_duration_seconds = 1.5
max_api_calls = 3000
max_api_calls_per_runner_hour = 1

[retention]
runs = 1
days = 0
"#;

fn value(text: &str) -> Value {
    toml::from_str(text).expect("the sample is TOML")
}

#[test]
fn schema_and_reader_agree() {
    let schema = Schema::read(CONFIG);

    for good in [EVERYTHING, EXAMPLE, "[targets.a]\n"] {
        assert_eq!(schema.refusal(&value(good)), None);
        Config::parse(good).expect("the reader takes it");
    }
    for bad in [
        "",
        "[targets]\n",
        "[targets.a]\nclustr = \"local\"\n",
        "[targets.a]\ncluster = \"existing\"\n",
        "[targets.a]\nprofile = \"most\"\n",
        "[targets.a]\nretries = -1\n",
        "[targets.a]\narc = 0.27\n",
        "[targets.a]\n[profiles.core]\n",
        "[targets.a]\n[profiles.most]\nmax_skips = 1\n",
        "[targets.a]\n[profiles.core]\nmax_skips = 0.5\n",
        "[targets.a]\n[profiles.core]\nmax_api_calls = -1\n",
        "[targets.a]\n[retention]\n",
        "[targets.a]\n[retention]\nruns = 0\n",
    ] {
        assert!(schema.refusal(&value(bad)).is_some(), "the schema takes {bad:?}");
        assert!(Config::parse(bad).is_err(), "the reader takes {bad:?}");
    }
}

/// A line that the reader knows and the schema does not, or the other way round, is seen here: the sample has them all.
#[test]
fn the_schema_has_every_line_that_there_is() {
    let published: Value = serde_json::from_str(CONFIG).expect("the schema is JSON");
    let sample = value(EVERYTHING);
    let names = |value: &Value| {
        let map = value.as_object().expect("it is a map");
        let mut names: Vec<String> = map.keys().cloned().collect();
        names.sort();
        names
    };

    for (schema, lines) in [
        (&published["properties"], &sample),
        (
            &published["$defs"]["target"]["properties"],
            &sample["targets"]["nightly"],
        ),
        (
            &published["$defs"]["gate"]["properties"],
            &sample["profiles"]["all"],
        ),
        (
            &published["properties"]["retention"]["properties"],
            &sample["retention"],
        ),
    ] {
        assert_eq!(names(schema), names(lines));
    }
    assert_eq!(published["required"], json!(["targets"]));
}
