//! What a run says to GitHub Actions.

use harness_model::{Event, Verdict};
use harness_report::{Summary, annotations, step_summary};

use crate::sample;

#[test]
fn summary_of_every_verdict() {
    insta::assert_snapshot!(step_summary(&Summary::fold(&sample::every_verdict())));
}

#[test]
fn summary_of_a_green_run() {
    insta::assert_snapshot!(step_summary(&Summary::fold(&sample::green())));
}

#[test]
fn annotations_of_every_verdict() {
    insta::assert_snapshot!(annotations(&Summary::fold(&sample::every_verdict())));
}

#[test]
fn a_green_run_has_no_annotation() {
    assert_eq!(annotations(&Summary::fold(&sample::green())), "");
}

/// A red check with this id and this text.
fn red(id: &str, awaited: &str) -> Vec<Event> {
    let failure = sample::failure(awaited, "nothing", None);
    vec![
        sample::started(id, 1),
        sample::finished(id, 1, Verdict::Fail, Some(failure)),
    ]
}

#[test]
fn what_a_run_saw_cannot_end_an_annotation_or_begin_another() {
    let mut events = vec![sample::run_started()];
    events.extend(red("a::b,c", "100%\n::error title=x::y"));

    let text = annotations(&Summary::fold(&sample::lines(events)));

    assert_eq!(
        text,
        "::error title=a%3A%3Ab%2Cc::awaited: 100%25 ::error title=x::y; last seen: nothing%0Aalone: cargo xtask e2e a::b,c\n"
    );
}

#[test]
fn what_a_run_saw_stays_in_its_cell() {
    let mut events = vec![sample::run_started()];
    events.extend(red("a::b", "x | y\n<img src=z> [l](m) @team `c`"));

    let text = step_summary(&Summary::fold(&sample::lines(events)));

    let row = text
        .lines()
        .find(|line| line.starts_with("| <code>a::b"))
        .expect("the check has a row");
    assert_eq!(row.matches('|').count(), 5, "{row}");
    for raw in ["<img", "[l]", "@team", "`c`"] {
        assert!(!row.contains(raw), "{raw} in {row}");
    }
}

#[test]
fn github_shows_ten_errors_so_the_tenth_names_the_rest() {
    let mut events = vec![sample::run_started()];
    events.extend((1..=12).flat_map(|n| red(&format!("a::{n}"), "more")));

    let text = annotations(&Summary::fold(&sample::lines(events)));

    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 10);
    assert_eq!(lines[9], "::error title=3 more::a::10, a::11, a::12");
}
