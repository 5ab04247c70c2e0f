//! Which older runs go when a run ends.
//!
//! What it is not: a broom. Only a folder whose own log says that it is the run of that name goes, and none whose journal is open: that run goes on, keeps
//! its environment, or has not been reaped.

use std::io::{self, BufRead as _, BufReader};

use camino::{Utf8Path, Utf8PathBuf};
use harness_model::journal::{JOURNAL_FILE, Remains};
use harness_model::{Event, Line, Retention};
use harness_report::LOG_FILE;
use jiff::{SignedDuration, Timestamp};

use super::journal::Journal;

/// Removes the runs of this folder that need not stay, but for `current`, and names them.
pub(crate) fn remove_older(
    runs: &Utf8Path,
    retention: Retention,
    current: &str,
    now: Timestamp,
) -> io::Result<Vec<String>> {
    let mut older = Vec::new();
    for entry in runs.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Some(run) = run_of(entry.path())?
        {
            older.push(run);
        }
    }
    older.retain(|run| run.id != current);
    older.sort_by(|one, other| (other.began, &other.id).cmp(&(one.began, &one.id)));
    let mut removed = Vec::new();
    for (place, run) in older.iter().enumerate() {
        // The run that ends is the first of them.
        let too_many = retention.runs.is_some_and(|runs| place + 1 >= runs as usize);
        let too_old = retention.days.is_some_and(|days| {
            now.duration_since(run.began) > SignedDuration::from_hours(24 * i64::from(days))
        });
        if (too_many || too_old) && is_over(&run.folder)? {
            std::fs::remove_dir_all(&run.folder)?;
            removed.push(run.id.clone());
        }
    }
    Ok(removed)
}

struct Run {
    id: String,
    began: Timestamp,
    folder: Utf8PathBuf,
}

/// The run of this folder, if its log begins as the log of the run that the folder is called after.
fn run_of(folder: &Utf8Path) -> io::Result<Option<Run>> {
    let log = folder.join(LOG_FILE);
    let mut first = String::new();
    match std::fs::File::open(&log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => BufReader::new(file?).read_line(&mut first)?,
    };
    let Ok(Line {
        at,
        event: Event::RunStarted { run_id, .. },
    }) = serde_json::from_str(&first)
    else {
        return Ok(None);
    };
    Ok((folder.file_name() == Some(run_id.as_str())).then(|| Run {
        id: run_id,
        began: at,
        folder: folder.to_owned(),
    }))
}

/// Nobody holds its journal, and it has its end. A run of before there were journals is over.
fn is_over(folder: &Utf8Path) -> io::Result<bool> {
    if !folder.join(JOURNAL_FILE).is_file() {
        return Ok(true);
    }
    let taken = Journal::take(folder)?;
    Ok(taken.is_some_and(|(_, records)| Remains::fold(&records).is_some_and(|remains| remains.finished)))
}

#[cfg(test)]
mod tests {
    use harness_model::journal::Entry;
    use harness_model::{FORMAT, Redactor};
    use harness_report::LogWriter;

    use super::*;
    use crate::host;

    const KEEP_TWO: Retention = Retention {
        runs: Some(2),
        days: None,
    };

    fn noon(day: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * day + 12)
    }

    /// A run of this day, in the folder of this name.
    fn run(runs: &Utf8Path, folder: &str, id: &str, day: i64) {
        let folder = runs.join(folder);
        std::fs::create_dir_all(&folder).expect("the folder is ours");
        let event = Event::RunStarted {
            format: FORMAT,
            run_id: id.to_owned(),
            command: String::new(),
            profile: String::new(),
            cluster: String::new(),
            cluster_reason: String::new(),
            ghes: String::new(),
            clock: String::new(),
            seed: 1,
        };
        let mut log = LogWriter::create(&folder, Redactor::default()).expect("the folder is ours");
        log.append(&Line { at: noon(day), event })
            .expect("the disk has room");
    }

    fn journal(runs: &Utf8Path, id: &str) -> Journal {
        let (mut journal, _) = Journal::take(&runs.join(id))
            .expect("the folder is ours")
            .expect("nobody holds it");
        journal.begin(runs, id).expect("the disk has room");
        journal
    }

    #[test]
    fn the_newest_stay_and_so_do_kept_killed_and_other_peoples_folders() {
        let _turn = host::TURN.blocking_lock();
        let folder = camino_tempfile::tempdir().expect("a temporary folder");
        let runs = folder.path();
        for (day, id) in (1..).zip(["a", "b", "c", "killed", "kept", "now"]) {
            run(runs, id, id, day);
        }
        let mut over = journal(runs, "b");
        over.write(Entry::Ended).expect("the disk has room");
        drop((over, journal(runs, "killed")));
        let kept = journal(runs, "kept");
        run(runs, "not-its-name", "z", 0);
        std::fs::create_dir(runs.join("mine")).expect("the folder is ours");
        std::fs::write(runs.join("mine").join(LOG_FILE), "not ours\n").expect("the folder is ours");
        run(&runs.join("far"), "y", "y", 0);
        std::os::unix::fs::symlink(runs.join("far/y"), runs.join("y")).expect("the folder is ours");

        let removed = remove_older(runs, KEEP_TWO, "now", noon(6)).expect("the folder is ours");
        let again = remove_older(runs, KEEP_TWO, "now", noon(6)).expect("the folder is ours");

        assert_eq!(removed, ["c", "b", "a"]);
        assert!(again.is_empty(), "{again:?}");
        for stays in ["now", "killed", "kept", "not-its-name", "mine", "far/y", "y"] {
            assert!(runs.join(stays).exists(), "{stays}");
        }
        drop(kept);
    }

    #[test]
    fn days_are_counted_from_a_runs_beginning() {
        let folder = camino_tempfile::tempdir().expect("a temporary folder");
        let runs = folder.path();
        for (day, id) in (1..).zip(["a", "b", "c"]) {
            run(runs, id, id, day);
        }
        let two_days = Retention {
            runs: None,
            days: Some(2),
        };

        let removed = remove_older(runs, two_days, "now", noon(4)).expect("the folder is ours");

        assert_eq!(removed, ["a"]);
    }
}
