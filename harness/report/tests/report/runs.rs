//! Finding a run by what a user types.

use camino::{Utf8Path, Utf8PathBuf};
use camino_tempfile::{Utf8TempDir, tempdir};
use harness_report::{LATEST, LOG_FILE, find_run, mark_latest};

fn runs_with(ids: &[&str]) -> Utf8TempDir {
    let dir = tempdir().expect("a temporary folder can be made");
    for id in ids {
        make_run(&dir.path().join(id));
    }
    dir
}

fn make_run(folder: &Utf8Path) {
    fs_err::create_dir_all(folder).expect("a run's folder can be made");
    fs_err::write(folder.join(LOG_FILE), "").expect("a log can be written");
}

fn found(runs: &Utf8Path, wanted: Option<&str>) -> Utf8PathBuf {
    find_run(runs, wanted).expect("the run is there")
}

#[test]
fn latest_is_followed_to_the_run_itself() {
    let dir = runs_with(&["20261124-a", "20261125-b"]);
    let runs = dir.path();
    mark_latest(runs, &runs.join("20261124-a")).expect("the link can be made");
    mark_latest(runs, &runs.join("20261125-b")).expect("the link can be moved");

    assert_eq!(found(runs, None), runs.join("20261125-b"));
    assert_eq!(found(runs, Some(LATEST)), runs.join("20261125-b"));
    let link = runs.join(LATEST).read_link_utf8().expect("latest is a link");
    assert_eq!(link, Utf8Path::new("20261125-b"));
}

#[test]
fn latest_may_lie_elsewhere() {
    let dir = runs_with(&["20261124-a"]);
    let elsewhere = tempdir().expect("a temporary folder can be made");
    make_run(elsewhere.path());

    mark_latest(dir.path(), elsewhere.path()).expect("the link can be made");

    let expected = elsewhere.path().canonicalize_utf8().expect("the folder is there");
    assert_eq!(found(dir.path(), None), expected);
}

#[test]
fn a_run_is_found_by_id_its_beginning_or_a_path() {
    let dir = runs_with(&["20261124-a", "20261124-ab", "20261125-b"]);
    let runs = dir.path();
    let b = runs.join("20261125-b");

    assert_eq!(found(runs, Some("20261124-a")), runs.join("20261124-a"));
    assert_eq!(found(runs, Some("20261125")), b);
    assert_eq!(found(runs, Some(b.as_str())), b);
    assert_eq!(found(runs, Some(b.join(LOG_FILE).as_str())), b);
}

#[test]
fn what_is_not_found_is_told_with_what_to_do() {
    let none = tempdir().expect("a temporary folder can be made");
    let dir = runs_with(&["20261124-a", "20261124-ab"]);
    let (empty, runs) = (none.path().join("e2e"), dir.path());
    let told = |runs: &Utf8Path, wanted| {
        find_run(runs, wanted)
            .expect_err("there is no such run")
            .to_string()
    };

    assert_eq!(
        told(&empty, None),
        format!("no run in {empty}: start one with `cargo xtask e2e`, or name the folder of one")
    );
    assert_eq!(
        told(&empty, Some("x")),
        format!("no run `x` in {empty}: there is none; start one with `cargo xtask e2e`")
    );
    assert_eq!(
        told(runs, Some("x")),
        format!("no run `x` in {runs}: the newest are 20261124-ab, 20261124-a")
    );
    assert_eq!(
        told(runs, Some("2026")),
        "`2026` fits several runs (20261124-a, 20261124-ab): give more of the run id"
    );
}
