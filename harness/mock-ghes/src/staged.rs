//! Staged answers: what a test has GHES say on a path, in place of what GHES knows. For tests whose input *is* the answer, such as a load that is
//! drawn at random.
//!
//! What it is not: a fault or a defect. A staged answer is whole and well-formed, asks nobody for permission and stands in the ledger as staged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// Path, and what the query must contain → the JSON.
type Answers = BTreeMap<(String, String), Value>;

/// The answers in force. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Staged {
    answers: Arc<Mutex<Answers>>,
    used: Arc<AtomicBool>,
}

impl Staged {
    /// Answers GET on this path from now on, if its query contains `query`; empty matches any.
    pub(crate) fn put(&self, path: &str, query: &str, body: Value) {
        self.used.store(true, Ordering::Relaxed);
        self.lock().insert((path.to_owned(), query.to_owned()), body);
    }

    /// Whether any answer was ever staged.
    pub(crate) fn used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes all back.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// The answer to this request, if one is staged.
    pub(crate) fn get(&self, method: &str, path: &str, query: &str) -> Option<Value> {
        if method != "GET" {
            return None;
        }
        let answers = self.lock();
        answers
            .range((path.to_owned(), String::new())..)
            .take_while(|((staged, _), _)| staged == path)
            .find(|((_, wanted), _)| query.contains(wanted.as_str()))
            .map(|(_, body)| body.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_given_on_its_path_and_query_alone() {
        let staged = Staged::default();
        staged.put("/runs", "status=queued", json!(1));
        staged.put("/runs", "status=in_progress", json!(2));
        staged.put("/runners", "", json!(3));

        let answers = [
            staged.get("GET", "/runs", "per_page=100&status=in_progress"),
            staged.get("GET", "/runners", "per_page=100"),
            staged.get("GET", "/runs", "status=completed"),
            staged.get("GET", "/run", ""),
            staged.get("DELETE", "/runners", ""),
        ];

        assert_eq!(answers, [Some(json!(2)), Some(json!(3)), None, None, None]);
    }

    #[test]
    fn a_later_answer_takes_an_earlier_one_s_place_until_all_are_taken_back() {
        let staged = Staged::default();
        staged.put("/runners", "", json!(1));
        staged.put("/runners", "", json!(2));

        let second = staged.get("GET", "/runners", "");
        staged.clear();

        assert_eq!(
            (second, staged.get("GET", "/runners", "")),
            (Some(json!(2)), None)
        );
    }
}
