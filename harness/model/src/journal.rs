//! The journal of a run: what it creates outside itself, one [`Record`] per line of `journal.jsonl`, each durable before the creation.
//!
//! `run.jsonl` tells what a run found out; the journal tells what whoever comes after a killed run has to end and to remove.
//! What it is not: a list of every process. A creation that brings others with it, such as the inner process, is one entry, and says how all of
//! them are found again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of this format; stands in [`Entry::Began`]. Published as `docs/schema/journal.schema.json`.
pub const JOURNAL_FORMAT: u32 = 1;

/// The journal's name in the run's folder.
pub const JOURNAL_FILE: &str = "journal.jsonl";

/// The environment variable that every program of a run has, with the run's id: by it a program is found whose parent is dead.
pub const RUN_VARIABLE: &str = "GHES_E2E_RUN";

/// For the tests of `cargo xtask reap`: after so many lines of its journal the supervisor stops itself (SIGSTOP), and waits to be killed.
pub const HALT_VARIABLE: &str = "GHES_E2E_HALT_AT";

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it was written (UTC).
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a run writes down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "kebab-case")]
pub enum Entry {
    /// Always the first line.
    Began {
        /// [`JOURNAL_FORMAT`] of the writer.
        format: u32,
        /// The run.
        run_id: String,
        /// Who writes.
        supervisor: ProcessId,
    },
    /// The next thing that the run does is to create this.
    Creating {
        /// What.
        thing: Thing,
    },
    /// The inner process is there, under this number.
    Started {
        /// Which process.
        process: ProcessId,
    },
    /// It is no more.
    Gone {
        /// What.
        thing: Thing,
    },
    /// The run ended in order: nothing is left, and its reports are written.
    Ended,
    /// The run was killed; `cargo xtask reap` finished it.
    Reaped {
        /// What it ended and removed, a sentence each.
        did: Vec<String>,
    },
}

/// Something that outlives a killed supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Thing {
    /// Half-made parts, in the cache that all checkouts share.
    Parts {
        /// The cache's folder.
        cache: String,
    },
    /// The state of a plane that has no tmpfs of its own, in the run's folder.
    State,
    /// The inner process and whatever it starts; each has [`RUN_VARIABLE`] or is in a PID namespace of one that has it.
    Inside {
        /// Whether it has namespaces of its own, which end with it.
        enclosed: bool,
    },
}

/// A process that no later one can be taken for: numbers are given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The boot of the machine (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// The PID namespace in which the number counts, as `/proc/self/ns/pid` shows it.
    pub namespace: String,
    /// The number.
    pub number: u32,
    /// When it started, in ticks since the boot (proc_pid_stat(5), field 22).
    pub started: u64,
}

/// What a journal says of its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// The run.
    pub run_id: String,
    /// Who wrote the journal.
    pub supervisor: ProcessId,
    /// The inner process, if it was started and is not known to be gone.
    pub inside: Option<ProcessId>,
    /// What was created, or was about to be, and is not known to be gone; oldest first.
    pub things: Vec<Thing>,
    /// The run ended in order or was reaped: there is nothing to do.
    pub finished: bool,
}

impl Remains {
    /// Folds a journal; `None` if it does not begin as one.
    #[must_use]
    pub fn fold(records: &[Record]) -> Option<Remains> {
        let mut entries = records.iter().map(|record| &record.entry);
        let Some(Entry::Began {
            run_id, supervisor, ..
        }) = entries.next()
        else {
            return None;
        };
        let mut remains = Remains {
            run_id: run_id.clone(),
            supervisor: supervisor.clone(),
            inside: None,
            things: Vec::new(),
            finished: false,
        };
        for entry in entries {
            match entry {
                Entry::Began { .. } => {}
                Entry::Creating { thing } => remains.things.push(thing.clone()),
                Entry::Started { process } => remains.inside = Some(process.clone()),
                Entry::Gone { thing } => {
                    remains.things.retain(|known| known != thing);
                    if matches!(thing, Thing::Inside { .. }) {
                        remains.inside = None;
                    }
                }
                Entry::Ended | Entry::Reaped { .. } => remains.finished = true,
            }
        }
        Some(remains)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(number: u32) -> ProcessId {
        ProcessId {
            boot: "b".to_owned(),
            namespace: "pid:[1]".to_owned(),
            number,
            started: 7,
        }
    }

    fn records(entries: Vec<Entry>) -> Vec<Record> {
        let at = Timestamp::UNIX_EPOCH;
        entries.into_iter().map(|entry| Record { at, entry }).collect()
    }

    fn began() -> Entry {
        Entry::Began {
            format: JOURNAL_FORMAT,
            run_id: "r".to_owned(),
            supervisor: process(1),
        }
    }

    const INSIDE: Thing = Thing::Inside { enclosed: true };

    #[test]
    fn what_was_created_remains_until_it_is_gone() {
        let mut written = vec![
            began(),
            Entry::Creating { thing: Thing::State },
            Entry::Creating { thing: INSIDE },
            Entry::Started { process: process(2) },
        ];

        let before = Remains::fold(&records(written.clone())).expect("it is a journal");
        written.push(Entry::Gone { thing: INSIDE });
        let after = Remains::fold(&records(written.clone())).expect("it is a journal");
        written.push(Entry::Ended);
        let ended = Remains::fold(&records(written)).expect("it is a journal");

        assert_eq!(
            (before.things, before.inside),
            (vec![Thing::State, INSIDE], Some(process(2)))
        );
        assert_eq!(
            (after.things, after.inside, after.finished),
            (vec![Thing::State], None, false)
        );
        assert!(ended.finished);
    }

    #[test]
    fn what_does_not_begin_as_a_journal_is_none() {
        assert_eq!(Remains::fold(&[]), None);
        assert_eq!(Remains::fold(&records(vec![Entry::Ended])), None);
    }
}
