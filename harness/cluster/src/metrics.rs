//! Metrics as Prometheus programs expose them: fetching the text, reading it.
//!
//! Source: the text exposition format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>). Not covered: OpenMetrics
//! (exemplars, `# EOF`), help and types; the series of histograms and summaries are given as they stand, one sample a line.

use std::collections::BTreeMap;
use std::time::Duration;

/// A program on this machine answers at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels, unescaped; an empty value is a label that is there.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// Metrics could not be had.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// No answer, or an error for an answer.
    #[error("fetch {url}")]
    Fetch {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Not of the text format.
    #[error("line {number} is no sample: {line:?}")]
    Line {
        /// From 1.
        number: usize,
        /// The line.
        line: String,
    },
}

/// Fetches and reads what a program exposes at this address.
///
/// # Errors
/// [`MetricsError`].
pub async fn scrape(url: &str) -> Result<Vec<Sample>, MetricsError> {
    let fetch = |source| MetricsError::Fetch {
        url: url.to_owned(),
        source,
    };
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .build()
        .map_err(fetch)?;
    let answer = client
        .get(url)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(fetch)?;
    read_metrics(&answer.text().await.map_err(fetch)?)
}

/// Reads the text format.
///
/// # Errors
/// [`MetricsError::Line`].
pub fn read_metrics(text: &str) -> Result<Vec<Sample>, MetricsError> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| {
            sample(line).ok_or_else(|| MetricsError::Line {
                number: at + 1,
                line: line.to_owned(),
            })
        })
        .collect()
}

/// `name{label="value",…} value [timestamp]`.
fn sample(line: &str) -> Option<Sample> {
    let (name, rest) = line.split_at(line.find(['{', ' ', '\t'])?);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    // Rust reads `NaN` and `+Inf` as Go writes them.
    let mut words = rest.split_whitespace();
    let value = words.next()?.parse().ok()?;
    let timestamp_or_nothing = words.next().is_none_or(|word| word.parse::<i64>().is_ok());
    let valid = !name.is_empty() && timestamp_or_nothing && words.next().is_none();
    valid.then(|| Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

/// The labels after the opening brace, and what follows the closing one.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start())?;
        labels.insert(name.trim().to_owned(), value);
        rest = after;
    }
}

/// A quoted value, unescaped, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(name: &str, labels: &[(&str, &str)], value: f64) -> Sample {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Sample {
            name: name.to_owned(),
            labels,
            value,
        }
    }

    #[test]
    fn names_labels_and_values_are_read() {
        let text = "\
# HELP horizontalrunnerautoscaler_runners_busy runners busy
# TYPE horizontalrunnerautoscaler_runners_busy gauge
horizontalrunnerautoscaler_runners_busy{enterprise=\"acme\",organization=\"\"} 3
github_rate_limit 0
up{} 1.5e+01 1395066363000
latency_bucket{le=\"+Inf\"} +Inf

";

        let samples = read_metrics(text).expect("the text is of the format");

        assert_eq!(
            samples,
            [
                sample(
                    "horizontalrunnerautoscaler_runners_busy",
                    &[("enterprise", "acme"), ("organization", "")],
                    3.0
                ),
                sample("github_rate_limit", &[], 0.0),
                sample("up", &[], 15.0),
                sample("latency_bucket", &[("le", "+Inf")], f64::INFINITY),
            ]
        );
    }

    #[test]
    fn separators_inside_values_and_escapes_are_kept() {
        let text = r#"jobs{name="build (ubuntu, 20)",ref="a=b}",path="C:\\x \"y\"\nz"} 1"#;

        let samples = read_metrics(text).expect("the text is of the format");

        let labels = [
            ("name", "build (ubuntu, 20)"),
            ("ref", "a=b}"),
            ("path", "C:\\x \"y\"\nz"),
        ];
        assert_eq!(samples, [sample("jobs", &labels, 1.0)]);
    }

    #[test]
    fn what_is_no_sample_is_named_with_its_line() {
        for line in [
            "busy",
            "busy x",
            "busy{a=\"b\" 1",
            "busy{a=b} 1",
            "busy 1 2 3",
            "{a=\"b\"} 1",
        ] {
            let error = read_metrics(&format!("up 1\n{line}\n")).expect_err("the second line is no sample");

            assert_eq!(error.to_string(), format!("line 2 is no sample: {line:?}"));
        }
    }
}
