//! Everything a job tells while it runs goes through one task, in order: records, console lines and logs. The steps do not
//! wait for the network; what cannot be told is logged and dropped, since a lost line must not fail a job.

use std::collections::HashMap;
use std::time::Duration;

use harness_model::Redactor;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::service::JobService;
use crate::http::CallError;

/// How often gathered lines and records are sent.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// The most lines in one call, and characters in one line (runner protocol: feed).
const FEED_LINES: usize = 100;
const FEED_WIDTH: usize = 1024;
/// A log of this size, in bytes, is uploaded before the step ends.
const LOG_PAGE: usize = 4 * 1024 * 1024;
const TRIES: u32 = 3;

enum Telling {
    Line {
        record: String,
        at: String,
        text: String,
    },
    Record(Map<String, Value>),
    CloseLog {
        record: String,
    },
    Attachment {
        kind: &'static str,
        record: String,
        text: String,
    },
    Flush,
}

/// The way to the reporting task.
#[derive(Clone)]
pub(crate) struct Reporter {
    tellings: mpsc::UnboundedSender<Telling>,
    masker: Redactor,
}

impl Reporter {
    /// Starts the task; it ends, having told everything, when the last clone is dropped.
    pub(crate) fn start(service: JobService, masker: Redactor) -> (Self, JoinHandle<()>) {
        let (tellings, incoming) = mpsc::unbounded_channel();
        (
            Self { tellings, masker },
            tokio::spawn(Backlog::new(service).work(incoming)),
        )
    }

    /// A line of a step's log. Masked here; lines within the text become lines of the log.
    pub(crate) fn line(&self, record: &str, text: &str) {
        let at = now();
        for text in self.masker.clean(text).split('\n') {
            self.tell(Telling::Line {
                record: record.to_owned(),
                at: at.clone(),
                text: text.trim_end_matches('\r').to_owned(),
            });
        }
    }

    /// Fields of a record, merged into what was told of it before.
    pub(crate) fn record(&self, id: &str, fields: Value) {
        let Value::Object(mut fields) = fields else { return };
        fields.insert("id".to_owned(), id.into());
        self.tell(Telling::Record(fields));
    }

    /// The step is over: uploads the rest of its log and binds it to the record.
    pub(crate) fn close_log(&self, record: &str) {
        self.tell(Telling::CloseLog {
            record: record.to_owned(),
        });
    }

    pub(crate) fn attach(&self, kind: &'static str, record: &str, text: &str) {
        self.tell(Telling::Attachment {
            kind,
            record: record.to_owned(),
            text: self.masker.clean(text),
        });
    }

    /// Sends what has gathered without waiting for the next tick.
    pub(crate) fn flush(&self) {
        self.tell(Telling::Flush);
    }

    fn tell(&self, telling: Telling) {
        // The task ends only when all senders are gone.
        let _ = self.tellings.send(telling);
    }
}

/// The time as it stands before each line of a log: seven digits of the second.
pub(crate) fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.7fZ").to_string()
}

/// A log that is being written.
#[derive(Default)]
struct Log {
    id: Option<i64>,
    text: String,
    lines: usize,
}

struct Backlog {
    service: JobService,
    logs: HashMap<String, Log>,
    records: IndexMap<String, Map<String, Value>>,
    changed: Vec<String>,
    feed: Vec<(String, usize, String)>,
}

impl Backlog {
    fn new(service: JobService) -> Self {
        Self {
            service,
            logs: HashMap::new(),
            records: IndexMap::new(),
            changed: Vec::new(),
            feed: Vec::new(),
        }
    }

    async fn work(mut self, mut incoming: mpsc::UnboundedReceiver<Telling>) {
        let mut ticks = interval(FLUSH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                telling = incoming.recv() => match telling {
                    Some(telling) => self.take(telling).await,
                    None => break,
                },
                _ = ticks.tick() => self.flush().await,
            }
        }
        let job = self.service.job_id.clone();
        self.close(&job).await;
        self.flush().await;
    }

    async fn take(&mut self, telling: Telling) {
        match telling {
            Telling::Line { record, at, text } => self.line(record, &at, &text).await,
            Telling::Record(fields) => self.merge(fields),
            Telling::CloseLog { record } => self.close(&record).await,
            Telling::Attachment { kind, record, text } => {
                let told = retry(|| self.service.attach(kind, &record, text.clone())).await;
                dropped("an attachment", told);
            }
            Telling::Flush => self.flush().await,
        }
    }

    async fn line(&mut self, record: String, at: &str, text: &str) {
        let stamped = format!("{at} {text}\n");
        let job = self.service.job_id.clone();
        self.append(&job, &stamped).await;
        let number = self.append(&record, &stamped).await;
        let shown = text
            .char_indices()
            .nth(FEED_WIDTH)
            .map_or(text, |(end, _)| &text[..end])
            .to_owned();
        self.feed.push((record, number, shown));
    }

    /// Adds to a log; yields the number of the line.
    async fn append(&mut self, record: &str, stamped: &str) -> usize {
        let log = self.logs.entry(record.to_owned()).or_default();
        log.text.push_str(stamped);
        log.lines += 1;
        let number = log.lines;
        if log.text.len() >= LOG_PAGE {
            self.upload(record).await;
        }
        number
    }

    fn merge(&mut self, fields: Map<String, Value>) {
        let Some(id) = fields.get("id").and_then(Value::as_str).map(str::to_owned) else {
            return;
        };
        self.records.entry(id.clone()).or_default().extend(fields);
        if !self.changed.contains(&id) {
            self.changed.push(id);
        }
    }

    /// Sends the gathered text of a log; the text is gone afterwards, told or not.
    async fn upload(&mut self, record: &str) {
        let Some(log) = self.logs.get_mut(record) else {
            return;
        };
        let text = std::mem::take(&mut log.text);
        let known = log.id;
        if text.is_empty() {
            return;
        }
        let id = match known {
            Some(id) => Ok(id),
            None => retry(|| self.service.create_log(record)).await,
        };
        let told = match id {
            Ok(id) => {
                if let Some(log) = self.logs.get_mut(record) {
                    log.id = Some(id);
                }
                retry(|| self.service.append_log(id, text.clone())).await
            }
            Err(error) => Err(error),
        };
        dropped("a part of a log", told);
    }

    async fn close(&mut self, record: &str) {
        self.upload(record).await;
        if let Some(id) = self.logs.get(record).and_then(|log| log.id) {
            let Value::Object(fields) = json!({"id": record, "log": {"id": id}}) else {
                return;
            };
            self.merge(fields);
        }
    }

    async fn flush(&mut self) {
        let feed = std::mem::take(&mut self.feed);
        for lines in feed
            .chunk_by(|left, right| left.0 == right.0)
            .flat_map(|lines| lines.chunks(FEED_LINES))
        {
            let [(record, start, _), ..] = lines else { continue };
            let texts: Vec<String> = lines.iter().map(|(_, _, text)| text.clone()).collect();
            // Best effort: the log has every line.
            dropped("console lines", self.service.feed(record, &texts, *start).await);
        }
        if self.changed.is_empty() {
            return;
        }
        let records: Vec<Value> = std::mem::take(&mut self.changed)
            .iter()
            .filter_map(|id| self.records.get(id).cloned().map(Value::Object))
            .collect();
        let told = retry(|| self.service.update_records(&records)).await;
        dropped("records", told);
    }
}

/// Tries again what may go well a little later.
async fn retry<T, F: Future<Output = Result<T, CallError>>>(call: impl Fn() -> F) -> Result<T, CallError> {
    let mut ticks = interval(FLUSH_EVERY);
    for _ in 1..TRIES {
        ticks.tick().await;
        match call().await {
            Err(error) if error.is_transient() => tracing::debug!("{error}; trying again"),
            answer => return answer,
        }
    }
    ticks.tick().await;
    call().await
}

fn dropped(what: &str, told: Result<(), CallError>) {
    if let Err(error) = told {
        tracing::warn!("{what} could not be told: {error}");
    }
}
