//! The layering, read from the manifests: which crate may not know what.

use camino::Utf8Path;
use toml::{Table, Value};

use super::Finding;

const KUBERNETES: [&str; 3] = ["kube", "k8s-openapi", "harness-cluster"];
const GITHUB: [&str; 3] = ["octocrab", "mock-ghes", "harness-ghes"];
const NETWORK: [&str; 3] = ["tokio", "reqwest", "axum"];

/// A crate, the groups that stand in no dependency table of it, and why.
struct Layer {
    manifest: &'static str,
    without: &'static [&'static [&'static str]],
    why: &'static str,
}

const LAYERS: [Layer; 9] = [
    Layer {
        manifest: "harness/model/Cargo.toml",
        without: &[&KUBERNETES, &GITHUB, &NETWORK],
        why: "the model does no IO",
    },
    Layer {
        manifest: "harness/report/Cargo.toml",
        without: &[&KUBERNETES, &GITHUB, &NETWORK],
        why: "a report is a pure fold over the run log",
    },
    Layer {
        manifest: "harness/mock-ghes/Cargo.toml",
        without: &[&KUBERNETES],
        why: "the mock knows nothing of Kubernetes",
    },
    Layer {
        manifest: "harness/mock-aws/Cargo.toml",
        without: &[&KUBERNETES, &GITHUB],
        why: "the mock of AWS stands alone",
    },
    Layer {
        manifest: "harness/cluster/Cargo.toml",
        without: &[&GITHUB],
        why: "the cluster knows nothing of GitHub",
    },
    Layer {
        manifest: "harness/node/Cargo.toml",
        without: &[&GITHUB],
        why: "the node knows nothing of GitHub",
    },
    Layer {
        manifest: "harness/images/Cargo.toml",
        without: &[&KUBERNETES, &GITHUB, &["reqwest", "oci-client"]],
        why: "images are made from the parts alone",
    },
    Layer {
        manifest: "harness/mutants/Cargo.toml",
        without: &[&KUBERNETES, &GITHUB, &["scenarios"]],
        why: "whether a mutant is noticed is told by a run's events alone",
    },
    Layer {
        manifest: "xtask/Cargo.toml",
        without: &[&KUBERNETES, &GITHUB, &NETWORK, &["harness", "scenarios"]],
        why: "the command line starts at once",
    },
];

/// All findings in one manifest.
pub(super) fn check(file: &Utf8Path, content: &str) -> Vec<Finding> {
    let manifest: Table = match toml::from_str(content) {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::in_file(file, format!("not TOML: {error}"))],
    };
    let dependencies = dependencies(&manifest);
    let mut findings = Vec::new();
    for layer in LAYERS.iter().filter(|layer| file == layer.manifest) {
        for name in layer
            .without
            .iter()
            .copied()
            .flatten()
            .filter(|name| dependencies.contains(*name))
        {
            findings.push(Finding::in_file(
                file,
                format!("depends on {name}: {}", layer.why),
            ));
        }
    }
    if dependencies.contains(&"serde-saphyr") && file != "harness/yaml/Cargo.toml" {
        findings.push(Finding::in_file(
            file,
            "depends on serde-saphyr: harness-yaml is the only door to YAML",
        ));
    }
    findings
}

/// The names in `[dependencies]`, `[dev-dependencies]`, `[build-dependencies]`; not the workspace's list of versions.
fn dependencies(manifest: &Table) -> Vec<&str> {
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .into_iter()
        .filter_map(|kind| manifest.get(kind).and_then(Value::as_table))
        .flat_map(|table| table.keys().map(String::as_str))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(file: &str, content: &str) -> Vec<String> {
        check(Utf8Path::new(file), content)
            .into_iter()
            .map(|f| f.message)
            .collect()
    }

    #[test]
    fn every_layer_refuses_everything_it_must_not_know() {
        for layer in &LAYERS {
            for name in layer.without.iter().copied().flatten() {
                let manifest = format!("[dev-dependencies]\n{name}.workspace = true\n");

                let found = messages(layer.manifest, &manifest);

                assert_eq!(found, [format!("depends on {name}: {}", layer.why)]);
            }
        }
    }

    #[test]
    fn yaml_has_one_door() {
        let manifest = "[dependencies]\nserde-saphyr.workspace = true\n";

        assert_eq!(messages("harness/arc/Cargo.toml", manifest).len(), 1);
        assert!(messages("harness/yaml/Cargo.toml", manifest).is_empty());
    }

    #[test]
    fn the_workspaces_list_of_versions_is_no_dependency() {
        assert!(messages("Cargo.toml", "[workspace.dependencies]\nserde-saphyr = \"2\"\n").is_empty());
    }
}
