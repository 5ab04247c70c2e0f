//! Journals of killed runs, with real processes of theirs and of others. What it is not: a run; `scenarios/tests/reap.rs` kills those.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command};

use harness_model::journal::{ProcessId, RUN_VARIABLE};
use harness_model::{Event, FORMAT, Line, Redactor};
use harness_report::{LOG_FILE, LogWriter, read_log};

use super::*;

/// A folder of runs with one run, whose supervisor is dead.
struct Killed {
    runs: camino_tempfile::Utf8TempDir,
    run_id: String,
    folder: Utf8PathBuf,
}

impl Killed {
    /// Its journal has these entries after its beginning, its log ends in the middle of a phase.
    fn new(entries: Vec<Entry>) -> Killed {
        let runs = camino_tempfile::tempdir().expect("a temporary folder");
        let run_id = format!("run-{}", uuid::Uuid::now_v7().simple());
        // Elsewhere, as with `--out`.
        let folder = runs.path().join("elsewhere/of-mine");
        let (mut journal, _) = Journal::take(&folder)
            .expect("the folder is ours")
            .expect("nobody holds it");
        journal.begin(runs.path(), &run_id).expect("the disk has room");
        for entry in entries {
            journal.write(entry).expect("the disk has room");
        }
        let started = Event::RunStarted {
            format: FORMAT,
            run_id: run_id.clone(),
            command: "cargo xtask e2e".to_owned(),
            profile: "core".to_owned(),
            cluster: "local".to_owned(),
            cluster_reason: String::new(),
            ghes: "mock".to_owned(),
            clock: "real".to_owned(),
            seed: 1,
        };
        let phase = Event::PhaseStarted {
            phase: "ARC".to_owned(),
        };
        let mut log = LogWriter::create(&folder, Redactor::default()).expect("the folder is ours");
        for event in [started, phase] {
            let at = Timestamp::UNIX_EPOCH;
            log.append(&Line { at, event }).expect("the disk has room");
        }
        Killed { runs, run_id, folder }
    }

    /// A program that was started for this run.
    fn program(&self) -> Child {
        sleeper()
            .env(RUN_VARIABLE, &self.run_id)
            .spawn()
            .expect("sleep is there")
    }

    async fn reap(&self, wanted: &Wanted) -> Vec<Reaped> {
        reap(self.runs.path(), wanted)
            .await
            .expect("the runs can be listed")
    }

    async fn finished(&self) -> Finished {
        let mut reaped = self.reap(&Wanted::Killed).await;
        let run = reaped.pop().expect("there is a killed run");
        assert!(reaped.is_empty() && run.run_id == self.run_id);
        match run.fate {
            Fate::Finished(finished) => finished,
            other => panic!("it was killed, and is {other:?}"),
        }
    }

    fn last_event(&self) -> Event {
        let mut lines = read_log(&self.folder.join(LOG_FILE)).expect("its log can be read");
        lines.pop().expect("its log has lines").event
    }
}

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("600");
    command
}

fn inside() -> Entry {
    Entry::Creating {
        thing: Thing::Inside { enclosed: false },
    }
}

/// Ends a program of a test that is still alive, and says that it was.
fn lived(mut program: Child) -> bool {
    let lived = program.try_wait().expect("it is our child").is_none();
    program.kill().expect("it is our child");
    program.wait().expect("it is our child");
    lived
}

#[tokio::test]
async fn what_of_a_killed_run_still_runs_is_ended_and_its_record_is_closed_once() {
    let _turn = host::TURN.lock().await;
    let run = Killed::new(vec![Entry::Creating { thing: Thing::State }, inside()]);
    let (mut program, foreign) = (run.program(), sleeper().spawn().expect("sleep is there"));
    let state = run.folder.join(STATE_FOLDER);
    std::fs::create_dir(&state).expect("the folder is ours");
    // Half of a line, and half of a report.
    let log = run.folder.join(LOG_FILE);
    let torn = std::fs::read_to_string(&log).expect("it is there") + "{\"at\":\"20";
    std::fs::write(&log, torn).expect("the folder is ours");
    let half = run.folder.join(".report.html-1");
    std::fs::write(&half, "<").expect("the folder is ours");

    let finished = run.finished().await;
    let again = run.reap(&Wanted::All).await;

    let status = program.wait().expect("it is our child");
    assert_eq!(status.signal(), Some(9));
    assert!(lived(foreign), "it was not the run's");
    assert_eq!(finished.during.as_deref(), Some("during the phase \"ARC\""));
    let ended = format!("ended sleep ({})", program.id());
    assert_eq!(finished.did, [ended, "removed the plane's state".to_owned()]);
    assert!(!state.exists() && !half.exists());
    assert!(finished.report.expect("it has a report").is_file());
    assert!(matches!(run.last_event(), Event::Reaped { did, .. } if did == finished.did));
    assert!(again.is_empty(), "{again:?}");
    let links = run.runs.path().join(ELSEWHERE);
    assert_eq!(entries(&links).expect("it is there"), Vec::<Utf8PathBuf>::new());
}

/// The proof that the sweep sees something: without its entry, nothing is ended.
#[tokio::test]
async fn what_is_not_in_the_journal_lives_on() {
    let _turn = host::TURN.lock().await;
    let run = Killed::new(Vec::new());
    let program = run.program();

    let finished = run.finished().await;

    assert_eq!(finished.did, Vec::<String>::new());
    assert!(lived(program), "no entry names it");
}

#[tokio::test]
async fn another_process_with_the_number_of_the_inner_one_is_not_touched() {
    let _turn = host::TURN.lock().await;
    let foreign = sleeper().spawn().expect("sleep is there");
    let its = host::running(foreign.id()).expect("it runs").process;
    let earlier = ProcessId {
        started: its.started - 1,
        ..its.clone()
    };
    let run = Killed::new(vec![inside(), Entry::Started { process: earlier }]);

    let finished = run.finished().await;

    assert_eq!(finished.did, ["nothing of it ran any more"]);
    assert!(lived(foreign), "it only has the number");

    let own = sleeper().spawn().expect("sleep is there");
    let process = host::running(own.id()).expect("it runs").process;
    let run = Killed::new(vec![inside(), Entry::Started { process }]);

    run.finished().await;

    assert!(!lived(own), "the very process is ended, also without the mark");
}

#[tokio::test]
async fn a_run_that_goes_on_or_is_not_of_here_is_left_alone() {
    let _turn = host::TURN.lock().await;
    let run = Killed::new(vec![inside()]);
    let program = run.program();
    let (journal, _) = Journal::take(&run.folder)
        .expect("it is there")
        .expect("nobody holds it");

    for wanted in [Wanted::Killed, Wanted::All, Wanted::Run(run.folder.to_string())] {
        let reaped = run.reap(&wanted).await;
        assert!(matches!(reaped[0].fate, Fate::GoesOn), "{wanted:?}: {reaped:?}");
    }
    std::fs::write(run.folder.join(kept::KEPT_FILE), "{}").expect("the folder is ours");
    let kept = run.reap(&Wanted::Killed).await;
    assert!(matches!(kept[0].fate, Fate::Kept), "{kept:?}");
    drop(journal);

    let path = run.folder.join(JOURNAL_FILE);
    let written = std::fs::read_to_string(&path).expect("it is there");
    let here = host::this().expect("this process runs").namespace;
    std::fs::write(&path, written.replace(&here, "pid:[1]")).expect("the folder is ours");
    let elsewhere = run.reap(&Wanted::All).await;
    assert!(matches!(elsewhere[0].fate, Fate::Elsewhere), "{elsewhere:?}");
    assert!(lived(program), "nothing was asked for");
}

#[tokio::test]
async fn the_log_of_an_earlier_run_in_the_same_folder_is_not_closed() {
    let _turn = host::TURN.lock().await;
    let run = Killed::new(Vec::new());
    let log = run.folder.join(LOG_FILE);
    let earlier = std::fs::read_to_string(&log)
        .expect("it is there")
        .replace(&run.run_id, "earlier");
    std::fs::write(&log, &earlier).expect("the folder is ours");

    let finished = run.finished().await;

    assert!(finished.during.is_none() && finished.report.is_none());
    assert_eq!(std::fs::read_to_string(&log).expect("it is there"), earlier);
}
