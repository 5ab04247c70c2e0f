//! Helm charts: what they say of themselves, and what they render to.

use camino::Utf8Path;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A chart could not be read or rendered.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// A chart's file could not be read.
    #[error("read {path}")]
    Read {
        /// Which.
        path: camino::Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A chart's file or rendering is not YAML.
    #[error("{what} is not a manifest: {source}")]
    Yaml {
        /// What was read.
        what: String,
        /// Where and why.
        #[source]
        source: harness_yaml::YamlError,
    },
    /// Helm could not be run.
    #[error("run helm ({path})")]
    Run {
        /// The program.
        path: camino::Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Helm refused the chart or the values.
    #[error("helm template {chart} failed: {stderr}")]
    Helm {
        /// The chart's folder.
        chart: camino::Utf8PathBuf,
        /// Helm's words.
        stderr: String,
    },
}

/// What `Chart.yaml` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chart {
    /// Its name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// The version of the program it was made for.
    #[serde(default)]
    pub app_version: String,
}

impl Chart {
    /// Reads `Chart.yaml` of a chart's folder.
    ///
    /// # Errors
    /// [`ChartError`].
    pub fn read(folder: &Utf8Path) -> Result<Chart, ChartError> {
        let path = folder.join("Chart.yaml");
        let text = std::fs::read_to_string(&path).map_err(|source| ChartError::Read {
            path: path.clone(),
            source,
        })?;
        harness_yaml::manifest(&text).map_err(|source| ChartError::Yaml {
            what: path.into_string(),
            source,
        })
    }
}

/// Reads the definitions of a chart's `crds/` folder, which Helm installs as they are.
///
/// # Errors
/// [`ChartError`].
pub fn definitions(folder: &Utf8Path) -> Result<Vec<Value>, ChartError> {
    let folder = folder.join("crds");
    let read_error = |source| ChartError::Read {
        path: folder.clone(),
        source,
    };
    let mut paths = folder
        .read_dir_utf8()
        .and_then(|entries| {
            entries
                .map(|e| e.map(|e| e.into_path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .map_err(read_error)?;
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|source| ChartError::Read {
            path: path.clone(),
            source,
        })?;
        let documents: Vec<Value> = harness_yaml::manifests(&text).map_err(|source| ChartError::Yaml {
            what: path.to_string(),
            source,
        })?;
        all.extend(documents);
    }
    Ok(all)
}

/// Manifests that a chart rendered to, in Helm's order.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    documents: Vec<Value>,
}

impl Rendered {
    /// Takes the manifests of these kinds out, in order.
    pub fn take(&mut self, kinds: &[&str]) -> Vec<Value> {
        let (taken, left) = self
            .documents
            .drain(..)
            .partition(|d| kinds.iter().any(|kind| d["kind"].as_str() == Some(kind)));
        self.documents = left;
        taken
    }

    /// Lets `change` alter every manifest, and adds those that it gives.
    pub(crate) fn change(&mut self, mut change: impl FnMut(&mut Value) -> Vec<Value>) {
        let added: Vec<Value> = self.documents.iter_mut().flat_map(&mut change).collect();
        self.documents.extend(added);
    }

    /// What is left, in order.
    #[must_use]
    pub(crate) fn documents(&self) -> &[Value] {
        &self.documents
    }

    /// What is left.
    #[must_use]
    pub fn into_documents(self) -> Vec<Value> {
        self.documents
    }
}

/// Runs `helm template`. Values go through standard input, never through argv.
///
/// # Errors
/// [`ChartError`].
pub async fn render(
    helm: &Utf8Path,
    chart: &Utf8Path,
    release: &str,
    namespace: &str,
    values: &Value,
) -> Result<Rendered, ChartError> {
    let run_error = |source| ChartError::Run {
        path: helm.to_owned(),
        source,
    };
    let mut child = Command::new(helm)
        .args([
            "template",
            release,
            chart.as_str(),
            "--namespace",
            namespace,
            "--values",
            "-",
        ])
        // A helm built from its module believes that it talks to Kubernetes 1.20.
        .args(["--kube-version", "1.34.0"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(run_error)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(values.to_string().as_bytes())
            .await
            .map_err(run_error)?;
    }
    let output = child.wait_with_output().await.map_err(run_error)?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(ChartError::Helm {
            chart: chart.to_owned(),
            stderr,
        });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let documents: Vec<Value> = harness_yaml::manifests(&text).map_err(|source| ChartError::Yaml {
        what: format!("what {chart} renders to"),
        source,
    })?;
    Ok(Rendered {
        documents: documents.into_iter().filter(|d| !d.is_null()).collect(),
    })
}
