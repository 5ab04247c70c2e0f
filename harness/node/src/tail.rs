//! Reading a log as `kubectl logs` asks for it.

use std::collections::VecDeque;
use std::io::{self, SeekFrom};

use axum::body::Bytes;
use jiff::Timestamp;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader};
use tokio::sync::mpsc;

use crate::logs::Log;

/// Which part, and how it is shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) follow: bool,
    /// Only the last lines.
    pub(crate) tail: Option<usize>,
    /// Only lines from this time on.
    pub(crate) since: Option<Timestamp>,
    pub(crate) timestamps: bool,
    /// Ends after so many bytes.
    pub(crate) limit: Option<u64>,
}

/// Sends the log until its end, or with `follow` until the container's; ends early when nobody listens any more.
pub(crate) async fn send(mut log: Log, wanted: Wanted, out: mpsc::Sender<io::Result<Bytes>>) {
    let listener = out.clone();
    let send = async {
        if let Err(error) = copy(&mut log, &wanted, &out).await {
            let _ = out.send(Err(error)).await;
        }
    };
    tokio::select! {
        () = send => {}
        () = listener.closed() => {}
    }
}

async fn copy(log: &mut Log, wanted: &Wanted, out: &mpsc::Sender<io::Result<Bytes>>) -> io::Result<()> {
    let mut file = BufReader::new(File::open(&log.path).await?);
    let mut at = log.start;
    let mut extent = *log.extent.borrow_and_update();
    if let Some(count) = wanted.tail {
        at = tail_start(&mut file, at, extent.end, count).await?;
    }
    file.seek(SeekFrom::Start(at)).await?;
    let mut left = wanted.limit.unwrap_or(u64::MAX);
    loop {
        let mut fresh = (&mut file).take(extent.end - at);
        let mut line = Vec::new();
        while fresh.read_until(b'\n', &mut line).await? > 0 {
            at += line.len() as u64;
            let mut shown = shown(&line, wanted);
            shown = &shown[..shown.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            left -= shown.len() as u64;
            if !shown.is_empty() && out.send(Ok(Bytes::copy_from_slice(shown))).await.is_err() || left == 0 {
                return Ok(());
            }
            line.clear();
        }
        if !wanted.follow || extent.closed || log.extent.changed().await.is_err() {
            // A writer that is gone has said its last word before.
            let last = *log.extent.borrow_and_update();
            if !wanted.follow || last.end == at {
                return Ok(());
            }
        }
        extent = *log.extent.borrow_and_update();
    }
}

/// The line without its time unless wanted; nothing when it is too old.
fn shown<'a>(line: &'a [u8], wanted: &Wanted) -> &'a [u8] {
    let Some(blank) = line.iter().position(|byte| *byte == b' ') else {
        return line;
    };
    let too_old = || {
        let stamp: Option<Timestamp> = str::from_utf8(&line[..blank])
            .ok()
            .and_then(|stamp| stamp.parse().ok());
        wanted
            .since
            .is_some_and(|since| stamp.is_some_and(|stamp| stamp < since))
    };
    if too_old() {
        &[]
    } else if wanted.timestamps {
        line
    } else {
        &line[blank + 1..]
    }
}

async fn tail_start(file: &mut BufReader<File>, start: u64, end: u64, count: usize) -> io::Result<u64> {
    if count == 0 {
        return Ok(end);
    }
    file.seek(SeekFrom::Start(start)).await?;
    let mut lines = file.take(end - start);
    let mut starts = VecDeque::new();
    let mut at = start;
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = lines.read_until(b'\n', &mut line).await?;
        if length == 0 {
            return Ok(starts.front().copied().unwrap_or(end));
        }
        if starts.len() == count {
            starts.pop_front();
        }
        starts.push_back(at);
        at += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Key, Logs};
    use tokio::io::AsyncWriteExt;

    async fn collect(log: Log, wanted: Wanted) -> String {
        let (out, mut received) = mpsc::channel(4);
        let sender = tokio::spawn(send(log, wanted, out));
        let mut text = Vec::new();
        while let Some(chunk) = received.recv().await {
            text.extend_from_slice(&chunk.expect("the log must be readable"));
        }
        sender.await.expect("the sender must end");
        String::from_utf8(text).expect("text")
    }

    #[tokio::test]
    async fn a_log_is_read_as_asked() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let logs = Logs::new(dir.path().to_owned(), true);
        let key = Key {
            namespace: "n".to_owned(),
            pod: "p".to_owned(),
            container: "c".to_owned(),
        };
        std::fs::write(dir.path().join("n_p_c.log"), "of an earlier pod\n").expect("the folder is writable");
        let writer = logs.open(&key, "u", 0).await.expect("the log must open");
        writer
            .copy(&b"one\ntwo\n\nthree"[..], &b""[..])
            .await
            .expect("the streams must be copied");
        let log = || {
            logs.find(&key, false)
                .expect("the container is known")
                .expect("it has run")
        };
        let get = |wanted| collect(log(), wanted);

        assert_eq!(get(Wanted::default()).await, "one\ntwo\n\nthree\n");
        assert_eq!(
            get(Wanted {
                tail: Some(2),
                ..Wanted::default()
            })
            .await,
            "\nthree\n"
        );
        assert_eq!(
            get(Wanted {
                tail: Some(9),
                follow: true,
                ..Wanted::default()
            })
            .await,
            "one\ntwo\n\nthree\n"
        );
        assert_eq!(
            get(Wanted {
                tail: Some(0),
                ..Wanted::default()
            })
            .await,
            ""
        );
        assert_eq!(
            get(Wanted {
                limit: Some(5),
                ..Wanted::default()
            })
            .await,
            "one\nt"
        );
        assert_eq!(
            get(Wanted {
                since: Some(Timestamp::MAX),
                ..Wanted::default()
            })
            .await,
            ""
        );
        assert_eq!(
            get(Wanted {
                since: Some(Timestamp::MIN),
                ..Wanted::default()
            })
            .await,
            "one\ntwo\n\nthree\n"
        );
        let stamped = get(Wanted {
            timestamps: true,
            tail: Some(1),
            ..Wanted::default()
        })
        .await;
        let (stamp, line) = stamped.split_once(' ').expect("a time before the line");
        assert_eq!(
            (stamp.len(), line),
            ("2026-11-24T23:48:00.123456789Z".len(), "three\n")
        );
    }

    #[tokio::test]
    async fn following_ends_with_the_container() {
        let dir = camino_tempfile::tempdir().expect("a temporary folder");
        let logs = Logs::new(dir.path().to_owned(), true);
        let key = Key {
            namespace: "n".to_owned(),
            pod: "p".to_owned(),
            container: "c".to_owned(),
        };
        let writer = logs.open(&key, "u", 0).await.expect("the log must open");
        let log = logs
            .find(&key, false)
            .expect("the container is known")
            .expect("it runs");
        let (mut stdout, read) = tokio::io::duplex(64);
        let copying = tokio::spawn(writer.copy(read, &b""[..]));
        let (out, mut received) = mpsc::channel(4);
        let sending = tokio::spawn(send(
            log,
            Wanted {
                follow: true,
                ..Wanted::default()
            },
            out,
        ));

        stdout
            .write_all(b"first\nsec")
            .await
            .expect("the container writes");
        let first = received.recv().await.expect("a chunk").expect("readable");
        stdout.write_all(b"ond\n").await.expect("the container writes");
        let second = received.recv().await.expect("a chunk").expect("readable");
        drop(stdout);

        assert_eq!(
            (&first[..], &second[..]),
            (&b"first\n"[..], &b"second\n"[..]),
            "only whole lines are shown"
        );
        assert!(
            received.recv().await.is_none(),
            "the stream must end with the container"
        );
        copying
            .await
            .expect("copying must end")
            .expect("copying must succeed");
        sending.await.expect("sending must end");
    }

    #[tokio::test]
    async fn logs_go_with_their_pod_unless_kept() {
        for keep in [true, false] {
            let dir = camino_tempfile::tempdir().expect("a temporary folder");
            let logs = Logs::new(dir.path().to_owned(), keep);
            let key = Key {
                namespace: "n".to_owned(),
                pod: "p".to_owned(),
                container: "c".to_owned(),
            };
            drop(logs.open(&key, "u", 0).await.expect("the log must open"));
            drop(logs.open(&key, "u", 1).await.expect("the log must open"));

            logs.forget("n", "p", "another").await;
            let still = logs.find(&key, true).is_ok_and(|log| log.is_some());
            logs.forget("n", "p", "u").await;

            assert!(still, "another pod of the same name changes nothing");
            assert!(
                logs.find(&key, false).is_err(),
                "the container must be unknown now"
            );
            assert_eq!(dir.path().join("n_p_c.log").exists(), keep);
            assert_eq!(dir.path().join("n_p_c.1.log").exists(), keep);
        }
    }
}
