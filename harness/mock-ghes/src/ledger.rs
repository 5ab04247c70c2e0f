//! The ledger: every request and its answer, and every delivery to a webhook, written as JSON lines while it happens, the recent part in memory.
//!
//! Holds no token: identities are names or kinds, excerpts are redacted. It observes; it decides nothing.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::Redactor;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// In place of a route: the server itself was the client, and delivered something to a webhook.
pub const DELIVERY_ROUTE: &str = "webhook delivery";
/// How many records stay in memory; the file has all.
const RECENT: usize = 10_000;
/// Longest body excerpt, in bytes.
const EXCERPT: usize = 1024;
/// How much of a body is cleaned to get an excerpt: enough that no token straddles the excerpt's end.
const CLEANED: usize = 8 * EXCERPT;

/// One request and its answer: one that came, or a webhook's that went out, whose route is [`DELIVERY_ROUTE`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// From 1, in order of arrival. Records are written when they end, so the file's order may differ.
    pub sequence: u64,
    /// When the request arrived.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path without query, redacted.
    pub path: String,
    /// Query, redacted.
    pub query: Option<String>,
    /// The route's template; absent: no such route.
    pub route: Option<String>,
    /// Status of the answer; absent: none was sent (the client left, or a fault took the connection).
    pub status: Option<u16>,
    /// From arrival to answer.
    pub duration_ms: u64,
    /// Who asked: `user octocat`, `runner r1`, `job 7`, `anonymous`, …
    pub identity: String,
    /// The client's `User-Agent`.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// Size of the request's body.
    pub request_bytes: u64,
    /// Size of the answer's body.
    pub response_bytes: u64,
    /// Beginning of the request's body, redacted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_excerpt: String,
    /// Beginning of the answer's body, redacted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub response_excerpt: String,
    /// The server has no such route: either a client's mistake or a gap of this server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unknown: bool,
    /// An injected fault decided the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fault: bool,
    /// A test had staged the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub staged: bool,
}

/// The ledger. Clones share it.
#[derive(Debug, Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: Utf8PathBuf,
    redactor: Redactor,
    next: AtomicU64,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    file: std::fs::File,
    recent: VecDeque<Record>,
    unwritten: u64,
}

impl Ledger {
    /// Opens `ledger.jsonl` in a folder, which is made if need be.
    pub(crate) fn open(folder: &Utf8Path, redactor: Redactor) -> std::io::Result<Ledger> {
        fs_err::create_dir_all(folder)?;
        let path = folder.join("ledger.jsonl");
        let file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)?
            .into_file();
        let book = Mutex::new(Book {
            file,
            recent: VecDeque::new(),
            unwritten: 0,
        });
        Ok(Ledger {
            inner: Arc::new(Inner {
                file: path,
                redactor,
                next: AtomicU64::new(1),
                book,
            }),
        })
    }

    /// The file with all records, one JSON object a line.
    #[must_use]
    pub fn file(&self) -> &Utf8Path {
        &self.inner.file
    }

    /// The recent records, oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Record> {
        self.select(|_| true)
    }

    /// The recent records of one route: its template, or a plain path.
    #[must_use]
    pub fn requests_to(&self, route: &str) -> Vec<Record> {
        self.select(|r| r.route.as_deref() == Some(route) || r.path == route)
    }

    /// The recent records without a route.
    #[must_use]
    pub fn unknown_routes(&self) -> Vec<Record> {
        self.select(|r| r.unknown)
    }

    /// How many records could not be written to the file (full disk).
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.lock().unwritten
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.inner.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.inner.redactor
    }

    /// The beginning of a body, fit to be written; says how large a binary body is.
    pub(crate) fn excerpt(&self, body: &[u8]) -> String {
        let head = &body[..body.len().min(CLEANED)];
        let text = match std::str::from_utf8(head) {
            Ok(text) => text,
            Err(error) if head.len() < body.len() && error.error_len().is_none() => {
                std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return format!("({} bytes, not text)", body.len()),
        };
        let mut cleaned = self.inner.redactor.clean(text);
        let end = (0..=EXCERPT.min(cleaned.len()))
            .rev()
            .find(|i| cleaned.is_char_boundary(*i))
            .unwrap_or(0);
        cleaned.truncate(end);
        cleaned
    }

    pub(crate) fn write(&self, record: Record) {
        let line = serde_json::to_string(&record).map(|line| line + "\n");
        let mut book = self.lock();
        let written = line.is_ok_and(|line| book.file.write_all(line.as_bytes()).is_ok());
        if !written {
            book.unwritten += 1;
        }
        if book.recent.len() == RECENT {
            book.recent.pop_front();
        }
        book.recent.push_back(record);
    }

    fn select(&self, wanted: impl Fn(&Record) -> bool) -> Vec<Record> {
        let mut records: Vec<Record> = self.lock().recent.iter().filter(|r| wanted(r)).cloned().collect();
        records.sort_by_key(|r| r.sequence);
        records
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Book> {
        self.inner.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> (camino_tempfile::Utf8TempDir, Ledger) {
        let dir = camino_tempfile::tempdir().expect("a temporary folder can be made");
        let redactor = Redactor::default();
        redactor.learn("opaque-registration-token");
        let ledger = Ledger::open(dir.path(), redactor).expect("the folder is writable");
        (dir, ledger)
    }

    #[test]
    fn excerpts_hold_no_token_and_end_at_a_character() {
        let (_dir, ledger) = ledger();
        let body = format!(
            "{{\"token\":\"opaque-registration-token\",\"a\":\"eyJhbGciOiJub25lIn0.e30.c2ln\"}}{}",
            "é".repeat(EXCERPT)
        );

        let excerpt = ledger.excerpt(body.as_bytes());

        assert!(
            excerpt.starts_with("{\"token\":\"***\",\"a\":\"***\"}é"),
            "{excerpt}"
        );
        assert!(excerpt.len() <= EXCERPT);
    }

    #[test]
    fn a_record_stands_in_the_file_as_soon_as_it_is_written() {
        let (_dir, ledger) = ledger();
        let record = Record {
            sequence: ledger.next_sequence(),
            at: Timestamp::UNIX_EPOCH,
            method: "GET".into(),
            path: "/nowhere".into(),
            query: None,
            route: None,
            status: Some(404),
            duration_ms: 0,
            identity: "anonymous".into(),
            user_agent: None,
            request_bytes: 0,
            response_bytes: 2,
            request_excerpt: String::new(),
            response_excerpt: "{}".into(),
            unknown: true,
            fault: false,
            staged: false,
        };

        ledger.write(record.clone());

        let text = fs_err::read_to_string(ledger.file()).expect("the ledger's file exists");
        let read: Record = serde_json::from_str(text.trim()).expect("a line is a record");
        assert_eq!(read, record);
        assert_eq!(ledger.unknown_routes(), [record]);
    }
}
