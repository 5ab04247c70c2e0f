//! Where containers' output goes: one file per run of a container, a line per line, each with the time it was read.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;

/// A line longer than this is cut into several.
const LONGEST_LINE: usize = 1 << 20;

/// Which container's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
}

/// How far a log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes of the file that hold whole lines.
    pub(crate) end: u64,
    /// Nothing will follow.
    pub(crate) closed: bool,
}

/// The log of one run.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) path: Utf8PathBuf,
    /// Where this run's lines begin: an earlier pod of the same name may have written before.
    pub(crate) start: u64,
    pub(crate) extent: watch::Receiver<Extent>,
}

/// The runs of one container, oldest first, of the pod with this UID.
struct Runs {
    uid: String,
    logs: Vec<Log>,
}

/// All logs of the node. Clones share them.
#[derive(Clone)]
pub(crate) struct Logs {
    dir: Utf8PathBuf,
    keep: bool,
    runs: Arc<Mutex<HashMap<Key, Runs>>>,
}

impl Logs {
    /// Files in `dir`; with `keep` they stay after their pod is gone.
    pub(crate) fn new(dir: Utf8PathBuf, keep: bool) -> Self {
        Self {
            dir,
            keep,
            runs: Arc::default(),
        }
    }

    /// Makes a container known that has not run yet.
    pub(crate) fn expect(&self, key: Key, uid: &str) {
        let runs = Runs {
            uid: uid.to_owned(),
            logs: Vec::new(),
        };
        self.lock().insert(key, runs);
    }

    /// Begins the log of a container's next run.
    pub(crate) async fn open(&self, key: &Key, uid: &str, restart: i32) -> io::Result<Writer> {
        let Key {
            namespace,
            pod,
            container,
        } = key;
        let run = if restart == 0 {
            String::new()
        } else {
            format!(".{restart}")
        };
        let path = self.dir.join(format!("{namespace}_{pod}_{container}{run}.log"));
        fs_err::tokio::create_dir_all(&self.dir).await?;
        let file = OpenOptions::new().create(true).append(true).open(&path).await?;
        let start = file.metadata().await?.len();
        let (extent, watched) = watch::channel(Extent {
            end: start,
            closed: false,
        });
        let log = Log {
            path,
            start,
            extent: watched,
        };
        let mut runs = self.lock();
        let runs = runs.entry(key.clone()).or_insert_with(|| Runs {
            uid: uid.to_owned(),
            logs: Vec::new(),
        });
        runs.logs.push(log);
        Ok(Writer {
            file,
            extent,
            end: start,
        })
    }

    /// The newest run's log, or with `previous` that of the run before. `Ok(None)` when there was no such run, `Err` when the container is
    /// not known.
    pub(crate) fn find(&self, key: &Key, previous: bool) -> Result<Option<Log>, ()> {
        let runs = self.lock();
        let logs = &runs.get(key).ok_or(())?.logs;
        Ok(logs.iter().rev().nth(usize::from(previous)).cloned())
    }

    /// The pod is gone.
    pub(crate) async fn forget(&self, namespace: &str, pod: &str, uid: &str) {
        let gone: Vec<Runs> = {
            let mut runs = self.lock();
            let ours =
                |key: &Key, runs: &mut Runs| key.namespace == namespace && key.pod == pod && runs.uid == uid;
            runs.extract_if(ours).map(|(_, runs)| runs).collect()
        };
        if !self.keep {
            for log in gone.iter().flat_map(|runs| &runs.logs) {
                remove(&log.path).await;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Runs>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn remove(path: &Utf8Path) {
    if let Err(error) = fs_err::tokio::remove_file(path).await {
        tracing::debug!(%error, "a container's log was not removed");
    }
}

/// Writes one run's log.
pub(crate) struct Writer {
    file: File,
    extent: watch::Sender<Extent>,
    end: u64,
}

impl Writer {
    /// Copies both streams until both have ended.
    pub(crate) async fn copy(
        mut self,
        mut stdout: impl AsyncRead + Unpin,
        mut stderr: impl AsyncRead + Unpin,
    ) -> io::Result<()> {
        let mut streams = [Stream::default(), Stream::default()];
        let [out, err] = &mut streams;
        while out.open || err.open {
            let stream = tokio::select! {
                count = stdout.read(&mut out.chunk), if out.open => out.took(count?),
                count = stderr.read(&mut err.chunk), if err.open => err.took(count?),
            };
            let lines = stream.lines(Timestamp::now());
            self.append(&lines).await?;
        }
        Ok(())
    }

    async fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if !lines.is_empty() {
            self.file.write_all(lines).await?;
            // Tokio's files write in the background: only a flush says that a reader can see it.
            self.file.flush().await?;
            self.end += lines.len() as u64;
            self.extent.send_replace(Extent {
                end: self.end,
                closed: false,
            });
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.extent.send_replace(Extent {
            end: self.end,
            closed: true,
        });
    }
}

/// One of the two streams, cut into lines.
struct Stream {
    open: bool,
    chunk: Vec<u8>,
    taken: usize,
    partial: Vec<u8>,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            open: true,
            chunk: vec![0; 16 * 1024],
            taken: 0,
            partial: Vec::new(),
        }
    }
}

impl Stream {
    fn took(&mut self, count: usize) -> &mut Self {
        self.taken = count;
        self.open = count > 0;
        self
    }

    /// The lines that are complete now, stamped. At the stream's end the rest is a line too.
    fn lines(&mut self, now: Timestamp) -> Vec<u8> {
        self.partial.extend_from_slice(&self.chunk[..self.taken]);
        let mut stamped = Vec::with_capacity(self.taken + 64);
        let mut stamp = |line: &[u8]| {
            stamped.extend_from_slice(format!("{now:.9} ").as_bytes());
            stamped.extend_from_slice(line);
            stamped.push(b'\n');
        };
        let whole = self
            .partial
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        for line in self.partial[..whole].split_inclusive(|byte| *byte == b'\n') {
            stamp(&line[..line.len() - 1]);
        }
        self.partial.drain(..whole);
        if self.partial.len() >= LONGEST_LINE || (!self.open && !self.partial.is_empty()) {
            stamp(&self.partial);
            self.partial.clear();
        }
        stamped
    }
}
