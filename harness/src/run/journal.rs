//! The journal on disk: `journal.jsonl` in the run's folder, each line durable when the call returns, and locked as long as its supervisor lives.
//!
//! The lock is the kernel's and goes with the process, whatever way it ends: whether a run goes on is never guessed from a number. What it is not:
//! it creates and ends nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::journal::{Entry, HALT_VARIABLE, JOURNAL_FILE, JOURNAL_FORMAT, Record, Remains, Thing};
use jiff::Timestamp;

use crate::host;

/// Links to the folders of runs that lie elsewhere (`--out`), by run id, in the folder of runs.
pub(crate) const ELSEWHERE: &str = ".elsewhere";

/// The journal of one run, which nobody else holds.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    folder: Utf8PathBuf,
    lines: usize,
    halt_at: Option<usize>,
    link: Option<Utf8PathBuf>,
}

impl Journal {
    /// Takes the journal of this folder, which is made if need be, and says what an earlier run there wrote. `None` if another process holds it:
    /// that run goes on.
    pub(crate) fn take(folder: &Utf8Path) -> io::Result<Option<(Journal, Vec<Record>)>> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(JOURNAL_FILE);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .append(true)
            .open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let records = parse(&text);
        // What is appended must not become part of a torn line.
        let whole = text
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        file.set_len(whole as u64)?;
        let journal = Journal {
            file,
            folder: folder.to_owned(),
            lines: records.len(),
            halt_at: None,
            link: None,
        };
        Ok(Some((journal, records)))
    }

    /// Begins a run's journal, in the place of an earlier one, and leaves a link among the runs if the folder is not there.
    pub(crate) fn begin(&mut self, runs: &Utf8Path, run_id: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.lines = 0;
        self.halt_at = std::env::var(HALT_VARIABLE).ok().and_then(|at| at.parse().ok());
        // Before its first line: `reap` leaves a journal alone that somebody holds, and would not find one without a link.
        if self.folder.parent() != Some(runs) {
            let links = runs.join(ELSEWHERE);
            std::fs::create_dir_all(&links)?;
            let link = links.join(run_id);
            std::os::unix::fs::symlink(&self.folder, &link)?;
            self.link = Some(link);
        }
        let supervisor = host::this().ok_or_else(|| io::Error::other("/proc does not show this process"))?;
        self.write(Entry::Began {
            format: JOURNAL_FORMAT,
            run_id: run_id.to_owned(),
            supervisor,
        })?;
        // The file itself, too, must be there after a power cut.
        File::open(&self.folder)?.sync_all()
    }

    /// The next thing that happens is its creation.
    pub(crate) fn creating(&mut self, thing: Thing) -> io::Result<()> {
        self.write(Entry::Creating { thing })
    }

    /// It is no more.
    pub(crate) fn gone(&mut self, thing: Thing) -> io::Result<()> {
        self.write(Entry::Gone { thing })
    }

    /// Appends a line and has the disk take it.
    pub(crate) fn write(&mut self, entry: Entry) -> io::Result<()> {
        let at = Timestamp::now();
        let mut line = serde_json::to_vec(&Record { at, entry })?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.lines += 1;
        if self.halt_at == Some(self.lines) {
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP)?;
        }
        Ok(())
    }

    /// Ends it: there is nothing left to finish.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.write(Entry::Ended)?;
        self.link.take().map_or(Ok(()), std::fs::remove_file)
    }

    /// The run's folder.
    pub(crate) fn folder(&self) -> &Utf8Path {
        &self.folder
    }
}

/// What the journal of this folder says, whoever holds it; `None` without one.
pub(crate) fn read(folder: &Utf8Path) -> Option<Remains> {
    let text = std::fs::read(folder.join(JOURNAL_FILE)).ok()?;
    Remains::fold(&parse(&text))
}

/// The whole lines. A last one that is torn was not durable, so what it tells of was not created. Nothing after a damaged one can be trusted.
fn parse(text: &[u8]) -> Vec<Record> {
    text.split_inclusive(|byte| *byte == b'\n')
        .map_while(|line| serde_json::from_slice(line.strip_suffix(b"\n")?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_is_held_is_not_taken_and_a_torn_line_is_left_out() {
        let folder = camino_tempfile::tempdir().expect("a temporary folder");
        let run = folder.path().join("elsewhere/of-mine");
        let _turn = host::TURN.blocking_lock();
        let (mut journal, earlier) = Journal::take(&run)
            .expect("the folder is ours")
            .expect("nobody holds it");
        journal.begin(folder.path(), "r").expect("the disk has room");

        let link = folder.path().join(ELSEWHERE).join("r");
        assert!(earlier.is_empty() && link.is_symlink());
        journal.creating(Thing::State).expect("the disk has room");
        journal.file.write_all(b"{\"at\"").expect("the disk has room");
        assert!(Journal::take(&run).expect("it is there").is_none());
        drop(journal);

        let (_journal, records) = Journal::take(&run)
            .expect("it is there")
            .expect("its holder is gone");
        let remains = Remains::fold(&records).expect("it is a journal");
        assert_eq!(
            (remains.run_id.as_str(), remains.things),
            ("r", vec![Thing::State])
        );
        assert!(!remains.finished && host::is_alive(&remains.supervisor));
    }
}
