//! Faults: rules by which single requests are answered badly on demand. The gate (`web/gate.rs`) applies them.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Answers with this status and GitHub's usual body for it; the handler does not run.
    Status(u16),
    /// Never answers; ends when the client leaves, the rule goes, or the server stops.
    Hang,
    /// Closes the connection without an answer (over HTTP/2: with all its streams).
    Reset,
    /// Waits this many milliseconds, then answers as usual.
    Delay(u64),
}

/// Which requests go wrong, and how. The first rule that matches a request applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// A route template (`/api/v3/orgs/{org}/actions/runners`) or a path in which `*` stands for anything.
    pub target: String,
    /// Only this method; absent: any.
    #[serde(default)]
    pub method: Option<String>,
    /// What goes wrong.
    pub kind: FaultKind,
    /// How many requests; absent: no limit.
    #[serde(default)]
    pub count: Option<u32>,
    /// Until when; absent: until removed.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

impl FaultRule {
    /// Every request of this method to this target goes wrong like this, until the rule is removed.
    #[must_use]
    pub fn standing(method: &str, target: impl Into<String>, kind: FaultKind) -> FaultRule {
        FaultRule {
            target: target.into(),
            method: Some(method.to_owned()),
            kind,
            count: None,
            until: None,
        }
    }
}

/// The rules in force. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    rules: Arc<Mutex<Vec<FaultRule>>>,
    /// Counts removals, so that hanging requests can go on.
    cleared: Arc<tokio::sync::watch::Sender<u64>>,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            rules: Arc::default(),
            cleared: Arc::new(tokio::sync::watch::Sender::new(0)),
        }
    }
}

impl Faults {
    pub(crate) fn add(&self, rule: FaultRule) {
        self.lock().push(rule);
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
        self.cleared.send_modify(|n| *n += 1);
    }

    /// Takes back the rules of this target. Requests that hang already are left alone: they may hang by another rule.
    pub(crate) fn remove(&self, target: &str) {
        self.lock().retain(|rule| rule.target != target);
    }

    pub(crate) fn list(&self) -> Vec<FaultRule> {
        self.lock().clone()
    }

    /// Resolves when the rules are next removed.
    pub(crate) fn cleared(&self) -> tokio::sync::watch::Receiver<u64> {
        self.cleared.subscribe()
    }

    /// The fault of this request, if any; counts it off.
    pub(crate) fn take(
        &self,
        method: &str,
        route: Option<&str>,
        path: &str,
        now: Timestamp,
    ) -> Option<FaultKind> {
        let mut rules = self.lock();
        rules.retain(|rule| rule.count != Some(0) && rule.until.is_none_or(|until| now < until));
        let rule = rules.iter_mut().find(|rule| rule.matches(method, route, path))?;
        if let Some(count) = &mut rule.count {
            *count -= 1;
        }
        Some(rule.kind)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<FaultRule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultRule {
    fn matches(&self, method: &str, route: Option<&str>, path: &str) -> bool {
        self.method
            .as_ref()
            .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && (route == Some(self.target.as_str()) || glob(&self.target, path))
    }
}

/// Whether `text` has the shape of `pattern`, in which `*` stands for any text, also none.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else {
        return false;
    };
    let mut open = false;
    for part in parts {
        open = true;
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    // `find` takes the earliest place; what follows the last `*` may also stand at the very end.
    rest.is_empty()
        || (open
            && pattern
                .rsplit('*')
                .next()
                .is_some_and(|last| text.ends_with(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(target: &str, kind: FaultKind) -> FaultRule {
        FaultRule {
            target: target.into(),
            method: None,
            kind,
            count: None,
            until: None,
        }
    }

    #[test]
    fn a_rule_matches_its_template_or_its_path_pattern() {
        let by_template = rule("/api/v3/orgs/{org}/actions/runners", FaultKind::Hang);
        let by_path = rule("/api/v3/*/registration-token", FaultKind::Hang);

        assert!(by_template.matches(
            "GET",
            Some("/api/v3/orgs/{org}/actions/runners"),
            "/api/v3/orgs/o/actions/runners"
        ));
        assert!(by_path.matches("POST", None, "/api/v3/orgs/o/actions/runners/registration-token"));
        assert!(!by_path.matches("POST", None, "/api/v3/orgs/o/actions/runners/remove-token"));
        assert!(glob("/a*b", "/a-b-b") && glob("/a*", "/abc") && !glob("/a", "/ab") && glob("/a", "/a"));
    }

    #[test]
    fn a_counted_rule_ends_after_its_count() {
        let faults = Faults::default();
        let now = Timestamp::now();
        faults.add(FaultRule {
            count: Some(1),
            ..rule("/x", FaultKind::Status(500))
        });

        let first = faults.take("GET", None, "/x", now);
        let second = faults.take("GET", None, "/x", now);

        assert_eq!((first, second), (Some(FaultKind::Status(500)), None));
    }

    #[test]
    fn a_rule_is_taken_back_alone() {
        let faults = Faults::default();
        let now = Timestamp::now();
        faults.add(rule("/x", FaultKind::Status(503)));
        faults.add(rule("/y", FaultKind::Status(503)));

        faults.remove("/x");

        let taken = ["/x", "/y"].map(|path| faults.take("GET", None, path, now));
        assert_eq!(taken, [None, Some(FaultKind::Status(503))]);
    }

    #[test]
    fn a_rule_ends_at_its_time() {
        let faults = Faults::default();
        let now = Timestamp::now();
        faults.add(FaultRule {
            until: Some(now),
            ..rule("/x", FaultKind::Reset)
        });

        assert_eq!(faults.take("GET", None, "/x", now), None);
    }
}
