//! A real Prometheus beside the cluster: it scrapes programs, evaluates rules and answers queries.
//!
//! The program is the operating system's (Debian: package `prometheus`, which has `promtool` too), found on `PATH`. What it is not: it sends alerts to
//! nobody, and its data end with its folder.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::process::{Process, ProcessError, Program};
use crate::wait::{Seen, WaitError, eventually};

/// How long it may take to answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// A program on this machine answers at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it scrapes, and how often it evaluates rules.
const INTERVAL: &str = "500ms";

/// Prometheus could not be run or asked.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// It is not on `PATH`.
    #[error("{0} is not on PATH")]
    Missing(&'static str),
    /// A file of its could not be written.
    #[error("write {path}")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It could not be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It does not get ready.
    #[error("Prometheus does not get ready; its last words:\n{tail}")]
    NotReady {
        /// Its log's end.
        tail: String,
        /// The wait.
        #[source]
        wait: WaitError,
    },
    /// No answer.
    #[error("ask Prometheus for {what}")]
    Ask {
        /// For what.
        what: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// A refusal, for example of a query that is none.
    #[error("Prometheus refuses {what}: {reason}")]
    Refused {
        /// What it was asked.
        what: String,
        /// Its words.
        reason: String,
    },
    /// promtool could not be run.
    #[error("run promtool")]
    Tool(#[source] std::io::Error),
}

/// Where Prometheus and its tool lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusParts {
    /// The server.
    pub prometheus: Utf8PathBuf,
    /// The tool for rule files.
    pub promtool: Utf8PathBuf,
}

impl PrometheusParts {
    /// The programs in these folders, which are separated as in `PATH`.
    ///
    /// # Errors
    /// [`PrometheusError::Missing`].
    pub fn find(path: &str) -> Result<PrometheusParts, PrometheusError> {
        let program = |name: &'static str| {
            let candidates = path.split(':').map(|folder| Utf8Path::new(folder).join(name));
            candidates
                .into_iter()
                .find(|file| file.is_file())
                .ok_or(PrometheusError::Missing(name))
        };
        Ok(PrometheusParts {
            prometheus: program("prometheus")?,
            promtool: program("promtool")?,
        })
    }

    /// What promtool says with these arguments, in this folder; `Err` holds its words if it is not content.
    ///
    /// # Errors
    /// [`PrometheusError::Tool`].
    pub async fn promtool(
        &self,
        folder: &Utf8Path,
        arguments: &[&str],
    ) -> Result<Result<String, String>, PrometheusError> {
        let output = Command::new(&self.promtool)
            .args(arguments)
            .current_dir(folder)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(PrometheusError::Tool)?;
        let words = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&words).trim().to_owned();
        Ok(if output.status.success() {
            Ok(words)
        } else {
            Err(words)
        })
    }
}

/// What is scraped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The job.
    pub job: String,
    /// `HOST:PORT`; metrics are at `/metrics`.
    pub address: String,
    /// Further labels, which win over the target's own, as those of a ServiceMonitor do.
    pub labels: BTreeMap<String, String>,
}

/// Where a Prometheus keeps its files, and where it listens on loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrometheusPlace {
    /// For configuration and data.
    pub folder: Utf8PathBuf,
    /// For its output.
    pub logs: Utf8PathBuf,
    /// The program's name in logs.
    pub name: String,
    /// The port.
    pub port: u16,
}

/// A running Prometheus. Dropping it ends it.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    url: String,
    client: reqwest::Client,
}

/// A series and its value now.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Labels, the metric's name as `__name__` among them.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

/// An alert that is pending or fires.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Alert {
    /// Labels, the rule's name as `alertname` among them.
    pub labels: BTreeMap<String, String>,
    /// What it tells, with its values filled in.
    pub annotations: BTreeMap<String, String>,
    /// `pending` or `firing`.
    pub state: String,
    /// The expression's value, as Prometheus writes it.
    pub value: String,
}

impl Prometheus {
    /// Starts it with these rules, and waits until it answers.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn start(
        parts: &PrometheusParts,
        place: &PrometheusPlace,
        targets: &[Target],
        rules: &str,
    ) -> Result<Prometheus, PrometheusError> {
        let folder = &place.folder;
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&path, text))
                .map_err(|source| PrometheusError::File { path, source })
        };
        write("rules.yaml", rules)?;
        // JSON is YAML.
        write("prometheus.yaml", &configuration(targets).to_string())?;
        let address = format!("127.0.0.1:{}", place.port);
        let process = Program::new(&place.name, &parts.prometheus)
            .args([
                format!("--config.file={folder}/prometheus.yaml"),
                format!("--storage.tsdb.path={folder}/data"),
                format!("--web.listen-address={address}"),
                "--log.level=warn".to_owned(),
            ])
            .start(&place.logs)?;
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        let client = client.map_err(|source| PrometheusError::Ask {
            what: "a client".to_owned(),
            source,
        })?;
        let prometheus = Prometheus {
            process,
            url: format!("http://{address}"),
            client,
        };
        prometheus.await_ready().await?;
        Ok(prometheus)
    }

    async fn await_ready(&self) -> Result<(), PrometheusError> {
        let ready = format!("{}/-/ready", self.url);
        let waited = eventually("Prometheus ready", DEADLINE, || async {
            match self.client.get(&ready).send().await {
                Ok(answer) if answer.status().is_success() => Seen::Yes(()),
                Ok(answer) => Seen::NotYet(answer.status().to_string()),
                Err(error) => Seen::NotYet(crate::error_chain(&error)),
            }
        })
        .await;
        waited.map_err(|wait| PrometheusError::NotReady {
            tail: self.process.tail(8),
            wait,
        })
    }

    /// What an expression is now.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn query(&self, expression: &str) -> Result<Vec<Point>, PrometheusError> {
        let answer: Queried = self.ask("query", &[("query", expression)], expression).await?;
        let points = answer.result.into_iter().map(|series| {
            let value = series.value.1.parse().unwrap_or(f64::NAN);
            let labels = series.metric;
            Point { labels, value }
        });
        Ok(points.collect())
    }

    /// The alerts that are pending or fire now.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn alerts(&self) -> Result<Vec<Alert>, PrometheusError> {
        let answer: Alerts = self.ask("alerts", &[], "alerts").await?;
        Ok(answer.alerts)
    }

    /// Its version.
    ///
    /// # Errors
    /// [`PrometheusError`].
    pub async fn version(&self) -> Result<String, PrometheusError> {
        let answer: Build = self.ask("status/buildinfo", &[], "its version").await?;
        Ok(answer.version)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        what: &str,
    ) -> Result<T, PrometheusError> {
        let failed = |source| PrometheusError::Ask {
            what: what.to_owned(),
            source,
        };
        let request = self
            .client
            .get(format!("{}/api/v1/{path}", self.url))
            .query(query);
        // A refusal has a status of 4xx and the same shape.
        let answer: Answer<T> = request
            .send()
            .await
            .map_err(failed)?
            .json()
            .await
            .map_err(failed)?;
        answer.data.ok_or_else(|| PrometheusError::Refused {
            what: what.to_owned(),
            reason: answer.error.unwrap_or_default(),
        })
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Queried {
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    /// Time and value.
    value: (f64, String),
}

#[derive(Deserialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Build {
    version: String,
}

fn configuration(targets: &[Target]) -> Value {
    let jobs = targets.iter().map(|target| {
        json!({
            "job_name": target.job,
            "static_configs": [{ "targets": [target.address], "labels": target.labels }],
        })
    });
    json!({
        "global": { "scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL },
        "rule_files": ["rules.yaml"],
        "scrape_configs": jobs.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use camino_tempfile::tempdir;

    use super::*;

    #[test]
    fn the_first_folder_that_has_it_counts_and_a_missing_program_is_named() {
        let (first, second) = (
            tempdir().expect("a temporary folder"),
            tempdir().expect("a temporary folder"),
        );
        std::fs::write(second.path().join("prometheus"), "").expect("the folder is ours");
        let path = format!("{}:{}", first.path(), second.path());

        let without = PrometheusParts::find(&path);
        std::fs::write(first.path().join("promtool"), "").expect("the folder is ours");
        let with = PrometheusParts::find(&path).expect("both are there");

        assert!(
            matches!(without, Err(PrometheusError::Missing("promtool"))),
            "{without:?}"
        );
        assert_eq!(with.prometheus, second.path().join("prometheus"));
        assert_eq!(with.promtool, first.path().join("promtool"));
    }

    #[test]
    fn values_and_refusals_are_read_as_prometheus_writes_them() {
        let value = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"+Inf"]}]}}"#;
        let refusal = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;

        let value: Answer<Queried> = serde_json::from_str(value).expect("an answer");
        let refusal: Answer<Queried> = serde_json::from_str(refusal).expect("an answer");

        let result = value.data.expect("data").result;
        assert_eq!(result[0].metric["a"], "b");
        assert_eq!(result[0].value.1.parse(), Ok(f64::INFINITY));
        assert_eq!(refusal.error.as_deref(), Some("parse error"));
    }
}
