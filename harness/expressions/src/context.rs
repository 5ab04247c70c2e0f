//! The named roots an expression can see (`github`, `needs`, `steps`, …) and the status behind `success()`.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::{ExpressionError, Value};

/// What `success()`, `failure()` and `cancelled()` ask: how the job, or the jobs it needs, went so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing failed.
    Success,
    /// Something failed, and was not forgiven by `continue-on-error`.
    Failure,
    /// Someone cancelled the run.
    Cancelled,
}

type HashFiles = Arc<dyn Fn(&[String]) -> Result<String, String> + Send + Sync>;

/// Where an expression is evaluated. Roots are found without regard to case.
#[derive(Clone, Default)]
pub struct Context {
    roots: IndexMap<String, Value>,
    status: Option<Status>,
    hash_files: Option<HashFiles>,
}

impl Context {
    /// A context without roots and status.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a root, or replaces it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.roots.insert(name.to_ascii_lowercase(), value.into());
        self
    }

    /// Makes the status functions available.
    #[must_use]
    pub fn status(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// Makes `hashFiles` available: patterns in, hexadecimal digest (or "" for no match) or a reason out.
    #[must_use]
    pub fn with_hash_files(
        mut self,
        hash_files: impl Fn(&[String]) -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        self.hash_files = Some(Arc::new(hash_files));
        self
    }

    /// The root of that name, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.roots.get(&name.to_ascii_lowercase())
    }

    pub(crate) fn root(&self, name: &str) -> Result<&Value, ExpressionError> {
        self.get(name).ok_or_else(|| ExpressionError::UnknownContext {
            name: name.to_owned(),
            known: self
                .roots
                .keys()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    pub(crate) fn current_status(&self, function: &'static str) -> Result<Status, ExpressionError> {
        self.status.ok_or(ExpressionError::NoStatus { function })
    }

    pub(crate) fn hash_files(&self, patterns: &[String]) -> Result<String, ExpressionError> {
        let hook = self
            .hash_files
            .as_ref()
            .ok_or_else(|| ExpressionError::Unavailable {
                function: "hashFiles",
                reason: "there is no workspace to hash".to_owned(),
            })?;
        hook(patterns).map_err(|reason| ExpressionError::HashFiles { reason })
    }
}

/// Names only: the values may hold secrets.
impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("roots", &self.roots.keys().collect::<Vec<_>>())
            .field("status", &self.status)
            .field("hash_files", &self.hash_files.is_some())
            .finish()
    }
}
