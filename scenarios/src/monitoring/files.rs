//! The shipped files, read.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::expressions::faster;

/// The alert rules, as Prometheus reads them.
pub(crate) const ALERTS: &str = include_str!("../../../monitoring/alerts.yaml");

/// What promtool tests of them.
pub(crate) const ALERTS_TEST: &str = include_str!("../../../monitoring/alerts_test.yaml");

/// The dashboard, as Grafana reads it.
const DASHBOARD: &str = include_str!("../../../monitoring/dashboard.json");

/// A file of rules.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

/// One alert.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Its name.
    pub(crate) alert: String,
    /// What is wrong.
    pub(crate) expr: String,
    /// For how long, before it fires.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub(crate) wait: Option<String>,
    /// Labels that it adds.
    pub(crate) labels: BTreeMap<String, String>,
    /// What it tells.
    pub(crate) annotations: BTreeMap<String, String>,
}

impl RuleFile {
    /// The shipped one.
    pub(crate) fn read() -> anyhow::Result<RuleFile> {
        harness_yaml::manifest(ALERTS).context("read monitoring/alerts.yaml")
    }

    /// Every alert.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.groups.iter().flat_map(|group| &group.rules)
    }

    /// The same rules without a wait, and with ranges a hundredth as long, as a file.
    pub(crate) fn at_once(mut self) -> anyhow::Result<String> {
        for rule in self.groups.iter_mut().flat_map(|group| &mut group.rules) {
            rule.wait = None;
            rule.expr = faster(&rule.expr);
        }
        harness_yaml::to_string(&self).context("write the rules")
    }
}

/// A question of the dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    /// `PANEL: QUERY`, or the variable's name.
    pub(crate) name: String,
    /// As it stands in the file.
    pub(crate) expression: String,
}

impl Query {
    /// As Grafana asks it, with every autoscaler chosen and a short range.
    pub(crate) fn asked(&self) -> String {
        let filled = self.expression.replace("$__rate_interval", "5s");
        filled.replace("$autoscaler", ".*")
    }
}

#[derive(Deserialize)]
struct Dashboard {
    panels: Vec<Panel>,
    templating: Templating,
}

#[derive(Deserialize)]
struct Panel {
    title: String,
    targets: Vec<PanelTarget>,
}

#[derive(Deserialize)]
struct PanelTarget {
    #[serde(rename = "refId")]
    id: String,
    expr: String,
}

#[derive(Deserialize)]
struct Templating {
    list: Vec<Variable>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    query: String,
}

/// Every query of the dashboard, its variables' among them.
pub(crate) fn queries() -> anyhow::Result<Vec<Query>> {
    let dashboard: Dashboard = serde_json::from_str(DASHBOARD).context("read monitoring/dashboard.json")?;
    let variables = dashboard.templating.list.into_iter();
    let variables = variables
        .filter(|variable| variable.kind == "query")
        .map(|variable| {
            Ok(Query {
                expression: label_values(&variable.query)
                    .with_context(|| format!("{} of variable {}", variable.query, variable.name))?,
                name: variable.name,
            })
        });
    let panels = dashboard.panels.into_iter().flat_map(|panel| {
        panel.targets.into_iter().map(move |target| {
            Ok(Query {
                name: format!("{}: {}", panel.title, target.id),
                expression: target.expr,
            })
        })
    });
    variables.chain(panels).collect()
}

/// Grafana's `label_values(METRIC, LABEL)` in PromQL: a series for each value.
fn label_values(query: &str) -> Option<String> {
    let arguments = query.strip_prefix("label_values(")?.strip_suffix(')')?;
    let (metric, label) = arguments.rsplit_once(',')?;
    Some(format!("group by ({}) ({metric})", label.trim()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::monitoring::expressions::metrics;

    /// What the manager of v0.27.6 and Prometheus itself expose, one name a line.
    const EXPOSED: &str = include_str!("exposed.txt");

    fn unknown(expression: &str) -> Vec<String> {
        let exposed: BTreeSet<&str> = EXPOSED.lines().filter(|line| !line.starts_with('#')).collect();
        let named = metrics(expression).into_iter();
        named.filter(|name| !exposed.contains(name.as_str())).collect()
    }

    #[test]
    fn alerts_and_dashboard_name_only_metrics_that_are_there() {
        let rules = RuleFile::read().expect("the rules are read");
        let queries = queries().expect("the dashboard is read");

        for expression in rules.rules().map(|rule| &rule.expr) {
            assert!(!metrics(expression).is_empty(), "{expression}");
            assert_eq!(unknown(expression), Vec::<String>::new(), "{expression}");
        }
        for query in &queries {
            assert!(!metrics(&query.expression).is_empty(), "{query:?}");
            assert_eq!(unknown(&query.expression), Vec::<String>::new(), "{query:?}");
        }
        assert_eq!(unknown("arc_no_such_metric"), ["arc_no_such_metric"]);
    }

    #[test]
    fn every_alert_waits_says_how_bad_it_is_and_what_to_do() {
        let rules = RuleFile::read().expect("the rules are read");

        for rule in rules.rules() {
            assert!(rule.wait.is_some(), "{} has no `for`", rule.alert);
            let severity = rule.labels.get("severity").map(String::as_str);
            assert!(matches!(severity, Some("critical" | "warning")), "{}", rule.alert);
            for annotation in ["summary", "description"] {
                assert!(
                    rule.annotations.contains_key(annotation),
                    "{}: {annotation}",
                    rule.alert
                );
            }
        }
    }

    #[test]
    fn names_of_alerts_and_queries_are_unique_and_every_alert_is_tested() {
        let rules = RuleFile::read().expect("the rules are read");
        let queries = queries().expect("the dashboard is read");

        let alerts: BTreeSet<&str> = rules.rules().map(|rule| rule.alert.as_str()).collect();
        let names: BTreeSet<&str> = queries.iter().map(|query| query.name.as_str()).collect();

        assert_eq!(alerts.len(), rules.rules().count());
        assert_eq!(names.len(), queries.len());
        let untested: Vec<&str> = alerts
            .into_iter()
            .filter(|name| !ALERTS_TEST.contains(name))
            .collect();
        assert_eq!(untested, Vec::<&str>::new(), "not in monitoring/alerts_test.yaml");
    }

    #[test]
    fn a_question_has_no_variable_of_grafana_left() {
        let left = |asked: &str| asked.replace("$1", "").contains('$');

        for query in queries().expect("the dashboard is read") {
            assert!(!left(&query.asked()), "{}", query.asked());
        }
    }

    #[test]
    fn values_of_a_label_are_asked_as_a_group() {
        assert_eq!(
            label_values("label_values(a{b=\"c\"}, d)").as_deref(),
            Some("group by (d) (a{b=\"c\"})")
        );
    }
}
