//! The ledger: one record for each answer of the server, in memory and, if wanted, as lines of JSON in a file. It has no tokens and no secrets: what a record
//! may hold are the fields below and those of [`Refusal`].

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use camino::Utf8Path;
use fs_err::File;
use jiff::Timestamp;
use serde::Serialize;

use crate::Refusal;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// When, by the server's clock.
    pub at: Timestamp,
    /// `sts` or `s3`.
    pub service: &'static str,
    /// For example `AssumeRoleWithWebIdentity` or `GetObject`.
    pub operation: String,
    /// What is known of who asked, and for what.
    #[serde(flatten)]
    pub subject: Subject,
    /// Whether it was allowed. What is allowed may still fail: an object that is not there.
    pub allowed: bool,
    /// Why not.
    #[serde(flatten)]
    pub refusal: Option<Refusal>,
}

/// What is known of a request. Of a token that was not verified, what it claims.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Subject {
    /// The role that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_role: Option<String>,
    /// The token's issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_issuer: Option<String>,
    /// The token's subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_subject: Option<String>,
    /// The session that asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What it asked for: a bucket, or bucket and key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl Record {
    /// The reason of a refusal by name; empty if allowed.
    #[must_use]
    pub fn reason(&self) -> String {
        self.refusal.as_ref().map(Refusal::name).unwrap_or_default()
    }
}

/// All records, oldest first. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    records: Vec<Record>,
    file: Option<File>,
}

impl Ledger {
    /// A ledger that also writes to this file, behind what is there.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn in_file(path: &Utf8Path) -> std::io::Result<Ledger> {
        let file = fs_err::OpenOptions::new().create(true).append(true).open(path)?;
        let inner = Inner {
            records: Vec::new(),
            file: Some(file),
        };
        Ok(Ledger {
            inner: Arc::new(Mutex::new(inner)),
        })
    }

    /// What there is until now.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    pub(crate) fn add(&self, record: Record) {
        let mut inner = self.lock();
        if let Some(file) = &mut inner.file {
            let written = serde_json::to_string(&record)
                .map_err(std::io::Error::other)
                .and_then(|line| writeln!(file, "{line}"));
            if let Err(error) = written {
                tracing::error!("write the ledger: {error}");
            }
        }
        inner.records.push(record);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Records are pushed whole: a panic elsewhere leaves none half written.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
