//! A scenario's Prometheus, and promtool's word on its rules.

use anyhow::Context as _;
use harness_cluster::Prometheus;

use super::Context;
use crate::environment::prometheus_parts;

impl Context {
    /// A real Prometheus that scrapes the managers of the scenario's own ARC twice a second, with the labels that the chart's ServiceMonitor gives, and
    /// evaluates these rules as often; only for scenarios that claim an ARC of their own and need `Prometheus`.
    ///
    /// # Errors
    /// If it does not get ready.
    pub async fn prometheus(&self, rules: &str) -> anyhow::Result<Prometheus> {
        let started = self
            .environment
            .prometheus(&self.world, &self.id, &self.namespace, rules)
            .await;
        let prometheus = started.context("start Prometheus")?;
        let version = prometheus.version().await.context("ask Prometheus")?;
        self.observe(format!("Prometheus {version} scrapes ARC"));
        Ok(prometheus)
    }

    /// What the real promtool says with these arguments, in a folder with these files; `Err` holds its words if it is not content.
    ///
    /// # Errors
    /// If it cannot be run.
    pub async fn promtool(
        &self,
        files: &[(&str, &str)],
        arguments: &[&str],
    ) -> anyhow::Result<Result<String, String>> {
        let folder = self.environment.scratch(&self.namespace).join("promtool");
        std::fs::create_dir_all(&folder).context("make a folder for promtool")?;
        for (name, text) in files {
            std::fs::write(folder.join(name), text).with_context(|| format!("write {name}"))?;
        }
        Ok(prometheus_parts()?.promtool(&folder, arguments).await?)
    }
}
