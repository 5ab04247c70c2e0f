//! Every value that a number in an object, or the length of a list in it, takes, in order and with the time at which a watch showed it.
//!
//! What it is not: a poll. A watch delivers each stored version; a value that ARC never stored was never there.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use harness_cluster::WaitError;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// A value, and when it was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The value.
    pub value: i64,
    /// When the watch showed it.
    pub at: Instant,
}

/// The record of one number; it ends when it is dropped.
pub struct Trail {
    what: String,
    steps: watch::Receiver<Vec<Step>>,
    _task: AbortOnDropHandle<()>,
}

impl Trail {
    /// Begins to record; the object need not exist yet.
    pub(crate) fn of(api: Api<DynamicObject>, name: String, pointer: &'static str) -> Trail {
        let read = move |object: &DynamicObject| object.data.pointer(pointer).and_then(Value::as_i64);
        Trail::record(api, name, pointer, read)
    }

    /// Begins to record how long a list is; an object without it has none of it.
    pub(crate) fn of_length(api: Api<DynamicObject>, name: String, pointer: &'static str) -> Trail {
        let read = move |object: &DynamicObject| {
            let list = object.data.pointer(pointer).and_then(Value::as_array);
            i64::try_from(list.map_or(0, Vec::len)).ok()
        };
        Trail::record(api, name, pointer, read)
    }

    fn record(
        api: Api<DynamicObject>,
        name: String,
        pointer: &'static str,
        read: impl Fn(&DynamicObject) -> Option<i64> + Send + 'static,
    ) -> Trail {
        let what = format!("{name} {pointer}");
        let (writer, steps) = watch::channel(Vec::<Step>::new());
        let task = tokio::spawn(async move {
            let stream = watcher::watch_object(api, &name);
            futures::pin_mut!(stream);
            while let Some(item) = stream.next().await {
                let Ok(Some(object)) = item else { continue };
                let Some(value) = read(&object) else { continue };
                writer.send_if_modified(|steps| {
                    let is_new = steps.last().is_none_or(|last| last.value != value);
                    if is_new {
                        steps.push(Step {
                            value,
                            at: Instant::now(),
                        });
                    }
                    is_new
                });
            }
        });
        Trail {
            what,
            steps,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// Of what it is the record: the object's name and the pointer.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The steps so far.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.steps.borrow().clone()
    }

    /// The values so far.
    #[must_use]
    pub fn values(&self) -> Vec<i64> {
        self.steps.borrow().iter().map(|step| step.value).collect()
    }

    /// Waits until the newest value is this one.
    ///
    /// # Errors
    /// [`WaitError::TimedOut`] with the values so far.
    pub async fn reaches(&self, value: i64, deadline: Duration) -> Result<Step, WaitError> {
        let mut steps = self.steps.clone();
        let there = |steps: &Vec<Step>| steps.last().is_some_and(|last| last.value == value);
        if let Ok(Ok(steps)) = tokio::time::timeout(deadline, steps.wait_for(there)).await
            && let Some(step) = steps.last()
        {
            return Ok(*step);
        }
        Err(WaitError::TimedOut {
            awaited: format!("{} = {value}", self.what),
            last_seen: format!("{:?}", self.values()),
            seconds: deadline.as_secs_f64(),
        })
    }
}
