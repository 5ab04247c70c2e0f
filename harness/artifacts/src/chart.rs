//! Makes an installable Helm chart of what a Go module carries.
//!
//! ARC's module holds its chart as it is. cert-manager's holds what its release tool starts from: `Chart.yaml` is a
//! template, and the CRDs lie outside the chart. What it is not: a renderer; nothing in the templates is touched.

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use serde_json::{Map, Value};

use crate::{ArtifactError, ChartPin, digest};

/// Copies the chart out of `module_dir` into the folder `into` and returns the chart's folder. Blocks.
pub(crate) fn assemble(
    part: &str,
    pin: &ChartPin,
    module_dir: &Utf8Path,
    into: &Utf8Path,
) -> Result<Utf8PathBuf, ArtifactError> {
    let refused = |reason: String| ArtifactError::Chart {
        part: part.to_owned(),
        reason,
    };
    let source = module_dir.join(&pin.folder);
    let chart = into.join(pin.folder.file_name().unwrap_or("chart"));

    let files = digest::files_below(&source).map_err(|e| refused(e.to_string()))?;
    for relative in files
        .iter()
        .filter(|file| pin.template.as_deref() != Some(file.as_str()))
    {
        copy(part, &source.join(relative), &chart.join(relative))?;
    }
    if let Some(crds) = &pin.crds {
        let source = module_dir.join(crds);
        let files = digest::files_below(&source).map_err(|e| refused(e.to_string()))?;
        for file in files.iter().filter(|file| file.extension() == Some("yaml")) {
            copy(part, &source.join(file), &chart.join("templates").join(file))?;
        }
    }

    let head = source.join(pin.template.as_deref().unwrap_or("Chart.yaml"));
    let text = fs::read_to_string(&head).map_err(|e| refused(e.to_string()))?;
    let mut fields: Map<String, Value> =
        harness_yaml::manifest(&text).map_err(|e| refused(format!("{head}: {e}")))?;
    if pin.template.is_some() {
        // The template's only annotation is a placeholder of the release tool.
        fields.remove("annotations");
        fields.insert("version".to_owned(), Value::from(pin.version.as_str()));
        fields.insert("appVersion".to_owned(), Value::from(pin.app_version.as_str()));
        let text = harness_yaml::to_string(&fields).map_err(|e| refused(e.to_string()))?;
        let path = chart.join("Chart.yaml");
        fs::write(&path, text).map_err(|e| ArtifactError::file(part, "write", &path, &e))?;
    }
    for (field, pinned) in [("version", &pin.version), ("appVersion", &pin.app_version)] {
        let found = fields.get(field).and_then(Value::as_str).unwrap_or("none");
        if found != pinned {
            return Err(refused(format!("its {field} is {found}, the pin says {pinned}")));
        }
    }
    Ok(chart)
}

/// Files in Go's module cache are read-only; a copy by content gets the usual mode, so that the cache can be removed.
fn copy(part: &str, from: &Utf8Path, to: &Utf8Path) -> Result<(), ArtifactError> {
    let written = fs::read(from).and_then(|bytes| {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(to, bytes)
    });
    written.map_err(|e| ArtifactError::file(part, "write", to, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module() -> camino_tempfile::Utf8TempDir {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        for (path, text) in [
            (
                "deploy/chart/Chart.template.yaml",
                "name: tool\nversion: v0.1.0\nannotations:\n  pre: \"{{X}}\"\n",
            ),
            ("deploy/chart/values.yaml", "a: 1\n"),
            ("deploy/chart/templates/role.yaml", "{{ .Values.a }}\n"),
            ("deploy/crds/crd-tools.yaml", "kind: CustomResourceDefinition\n"),
            ("deploy/crds/README.md", "not a manifest\n"),
            (
                "plain/Chart.yaml",
                "name: plain\nversion: 0.2.0\nappVersion: 0.1.0\n",
            ),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a small file");
        }
        dir
    }

    #[test]
    fn a_templated_chart_gets_its_versions_and_its_crds() {
        let (module, into) = (module(), camino_tempfile::tempdir().expect("a temporary folder"));
        let pin = ChartPin {
            folder: "deploy/chart".into(),
            version: "v1.2.3".to_owned(),
            app_version: "v1.2.3".to_owned(),
            template: Some("Chart.template.yaml".to_owned()),
            crds: Some("deploy/crds".into()),
        };

        let chart =
            assemble("tool-chart v1.2.3", &pin, module.path(), into.path()).expect("all files are there");

        let files = digest::files_below(&chart).expect("the chart is readable");
        assert_eq!(
            files,
            [
                "Chart.yaml",
                "templates/crd-tools.yaml",
                "templates/role.yaml",
                "values.yaml"
            ]
        );
        let head = fs::read_to_string(chart.join("Chart.yaml")).expect("a Chart.yaml");
        assert_eq!(head, "name: tool\nversion: v1.2.3\nappVersion: v1.2.3\n");
    }

    #[test]
    fn a_chart_of_another_version_than_pinned_is_refused() {
        let (module, into) = (module(), camino_tempfile::tempdir().expect("a temporary folder"));
        let pin = ChartPin {
            folder: "plain".into(),
            version: "0.3.0".to_owned(),
            app_version: "0.1.0".to_owned(),
            template: None,
            crds: None,
        };

        let error =
            assemble("plain-chart v1", &pin, module.path(), into.path()).expect_err("0.2.0 is not 0.3.0");

        assert_eq!(
            error.to_string(),
            "the chart plain-chart v1 cannot be assembled: its version is 0.2.0, the pin says 0.3.0; correct its entry in kind/versions.toml"
        );
    }
}
