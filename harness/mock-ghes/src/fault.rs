//! Faults: rules by which single requests are answered badly on demand. The gate (`web/gate.rs`) applies them.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

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
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    rules: Arc<Mutex<Rules>>,
}

#[derive(Debug, Default)]
struct Rules {
    standing: Vec<(FaultRule, CancellationToken)>,
    /// Parent of every rule's token, also of those that are used up.
    all: CancellationToken,
}

/// What a request is to suffer.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) kind: FaultKind,
    /// Cancelled when the rule is taken back: a request that hangs by it goes on then.
    pub(crate) taken_back: CancellationToken,
}

impl Faults {
    pub(crate) fn add(&self, rule: FaultRule) {
        let mut rules = self.lock();
        let taken_back = rules.all.child_token();
        rules.standing.push((rule, taken_back));
    }

    pub(crate) fn clear(&self) {
        std::mem::take(&mut *self.lock()).all.cancel();
    }

    /// Takes back the rules of this target.
    pub(crate) fn remove(&self, target: &str) {
        self.lock().standing.retain(|(rule, taken_back)| {
            let stays = rule.target != target;
            if !stays {
                taken_back.cancel();
            }
            stays
        });
    }

    pub(crate) fn list(&self) -> Vec<FaultRule> {
        self.lock()
            .standing
            .iter()
            .map(|(rule, _)| rule.clone())
            .collect()
    }

    /// The fault of this request, if any; counts it off.
    pub(crate) fn take(
        &self,
        method: &str,
        route: Option<&str>,
        path: &str,
        now: Timestamp,
    ) -> Option<Taken> {
        let mut rules = self.lock();
        rules
            .standing
            .retain(|(rule, _)| rule.count != Some(0) && rule.until.is_none_or(|until| now < until));
        let (rule, taken_back) = rules
            .standing
            .iter_mut()
            .find(|(rule, _)| rule.matches(method, route, path))?;
        if let Some(count) = &mut rule.count {
            *count -= 1;
        }
        Some(Taken {
            kind: rule.kind,
            taken_back: taken_back.clone(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rules> {
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

        let first = taken(&faults, "/x", now);
        let second = taken(&faults, "/x", now);

        assert_eq!((first, second), (Some(FaultKind::Status(500)), None));
    }

    fn taken(faults: &Faults, path: &str, now: Timestamp) -> Option<FaultKind> {
        faults.take("GET", None, path, now).map(|taken| taken.kind)
    }

    #[test]
    fn what_hangs_goes_on_when_its_rule_is_taken_back_and_no_other() {
        let faults = Faults::default();
        let now = Timestamp::now();
        let counted = FaultRule {
            count: Some(1),
            ..rule("/z", FaultKind::Hang)
        };
        for rule in [rule("/x", FaultKind::Hang), rule("/y", FaultKind::Hang), counted] {
            faults.add(rule);
        }
        let hanging = ["/x", "/y", "/z"].map(|path| faults.take("GET", None, path, now).expect("a fault"));
        let gone_on = || [0, 1, 2].map(|index: usize| hanging[index].taken_back.is_cancelled());

        faults.remove("/x");
        assert_eq!(gone_on(), [true, false, false]);
        faults.clear();
        assert_eq!(gone_on(), [true, true, true]);
    }

    #[test]
    fn a_rule_is_taken_back_alone() {
        let faults = Faults::default();
        let now = Timestamp::now();
        faults.add(rule("/x", FaultKind::Status(503)));
        faults.add(rule("/y", FaultKind::Status(503)));

        faults.remove("/x");

        let taken = ["/x", "/y"].map(|path| taken(&faults, path, now));
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

        assert_eq!(taken(&faults, "/x", now), None);
    }
}
