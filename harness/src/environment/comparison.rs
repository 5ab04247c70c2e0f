//! What a run keeps so that `cargo xtask diff` can compare it with another: the chart's manifests, the names and labels of ARC's metrics.
//!
//! What it is not: needed by any check. What cannot be kept is told in the harness's log, and the diff says that it is not there.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use harness_cluster::{error_chain, scrape};
use harness_report::{Exposed, MANIFESTS_FILE, METRICS_FILE};
use serde::Serialize;

/// Writes the manifests that ARC's chart gave, seeded defects included.
pub(crate) fn keep_manifests(folder: &Utf8Path, arc: &harness_arc::Arc) {
    keep(&folder.join(MANIFESTS_FILE), arc.manifests());
}

/// Writes which metrics the manager at this address exposes now.
pub(crate) async fn keep_metrics(folder: &Utf8Path, url: &str) {
    let samples = match scrape(url).await {
        Ok(samples) => samples,
        Err(error) => {
            tracing::warn!(error = error_chain(&error), "ARC's metrics are not kept");
            return;
        }
    };
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sample in samples {
        metrics
            .entry(sample.name)
            .or_default()
            .extend(sample.labels.into_keys());
    }
    let exposed = metrics.into_iter().map(|(name, labels)| Exposed { name, labels });
    keep(&folder.join(METRICS_FILE), exposed);
}

/// One value a line.
fn keep<T: Serialize>(path: &Utf8Path, values: impl Iterator<Item = T>) {
    let text: Result<String, _> = values
        .map(|value| serde_json::to_string(&value).map(|line| line + "\n"))
        .collect();
    let written = text
        .map_err(std::io::Error::from)
        .and_then(|text| std::fs::write(path, text));
    if let Err(error) = written {
        tracing::warn!(%path, %error, "evidence for comparisons is lost");
    }
}
