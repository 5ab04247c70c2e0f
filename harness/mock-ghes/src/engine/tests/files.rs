//! Reading: what is taken, what is refused and where the finger points, and what a dispatch may carry.

use super::*;

#[test]
fn the_quickstart_is_read() {
    let workflow = workflow(QUICKSTART);

    assert_eq!(workflow.name(), "GitHub Actions Demo");
    assert_eq!(workflow.dispatch(), Some(&DispatchInputs::default()));
    let keys: Vec<_> = workflow.jobs().iter().map(|job| job.key.as_str()).collect();
    assert_eq!(keys, ["Explore-GitHub-Actions", "Echo-Outputs"]);
    assert_eq!(workflow.jobs()[1].needs, ["Explore-GitHub-Actions"]);
    assert!(workflow.notes().is_empty());
    assert_eq!(
        run_name(&workflow, &run()),
        "doge is testing out GitHub Actions 🚀"
    );
}

#[test]
fn what_has_no_effect_is_noted() {
    assert_eq!(
        workflow(FULL).notes(),
        ["workflow: `concurrency` has no effect on this server"]
    );
}

#[test]
fn names_fall_back_on_the_path_and_the_workflow() {
    let nameless = jobs("  a: {runs-on: x, steps: [{run: a}]}");
    let failing = workflow(
        "name: W\nrun-name: ${{ fromJSON('{') }}\non: push\njobs:\n  a: {runs-on: x, steps: [{run: a}]}",
    );

    assert_eq!(nameless.name(), ".github/workflows/ci.yml");
    assert_eq!(run_name(&nameless, &run()), ".github/workflows/ci.yml");
    assert_eq!(run_name(&failing, &run()), "W");
    assert_eq!(nameless.dispatch(), None);
}

#[test]
fn mistakes_have_a_place() {
    let job = |rest: &str| format!("on: push\njobs:\n  a:\n    runs-on: x\n{rest}");
    let cases = [
        ("on: push\njobs: [\n".to_owned(), "ci.yml: line ", ""),
        (
            job("    steps: []\n"),
            "ci.yml: line 5, column 5: ",
            "at least one step",
        ),
        (
            job("    needs: b\n    steps: [{run: a}]\n"),
            "ci.yml: line 5, column 5: ",
            "depends on unknown job 'b'",
        ),
        (
            job("    needs: a\n    steps: [{run: a}]\n"),
            "ci.yml: line 5, column 5: ",
            "waits for itself",
        ),
        (
            job("    if: a b\n    steps: [{run: a}]\n"),
            "ci.yml: line 5, column 5: ",
            "does not parse",
        ),
        (
            job("    name: ${{ a\n    steps: [{run: a}]\n"),
            "ci.yml: line 5, column 5: ",
            "not closed",
        ),
        (
            job("    steps:\n    - run: a\n    - run: ${{ a b }}\n"),
            "ci.yml: line 7, column 5: ",
            "does not parse",
        ),
        (
            job("    steps:\n    - {run: a, id: x}\n    - {run: b, id: X}\n"),
            "ci.yml: line 7, column 5: ",
            "not unique",
        ),
        (
            job("    steps:\n    - {run: a, id: __x}\n"),
            "ci.yml: line 6, column 5: ",
            "not with __",
        ),
        (
            job("    steps:\n    - {run: a, background: true}\n"),
            "ci.yml: line 6, column 5: ",
            "newer than",
        ),
        (
            job("    steps:\n    - {wait: a}\n"),
            "ci.yml: line 6, column 5: ",
            "newer than",
        ),
        (
            "on: push\njobs:\n  1a: {runs-on: x, steps: [{run: a}]}\n".to_owned(),
            "ci.yml: line 3, column 3: ",
            "job id",
        ),
        (job("    steps:\n    - uses: checkout\n"), "ci.yml: line ", ""),
    ];

    for (yaml, place, words) in cases {
        let message = mistake(&yaml);
        assert!(
            message.starts_with(place),
            "{message:?} must start with {place:?}"
        );
        assert!(message.contains(words), "{message:?} must say {words:?}");
    }
}

#[test]
fn what_the_reader_refuses_is_explained() {
    let job = |rest: &str| mistake(&format!("on: push\njobs:\n  a:\n    runs-on: x\n{rest}"));

    assert_eq!(
        job("    steps:\n    - run: a\n    - uses: checkout\n"),
        "ci.yml: line 7, column 5: malformed `uses` ref: missing `@<ref>` in checkout"
    );
    assert_eq!(
        job("    steps:\n    - name: nothing\n"),
        "ci.yml: line 6, column 5: a step must have either `run` or `uses`"
    );
    assert_eq!(
        job("    env: {A: 1}\n"),
        "ci.yml: line 3, column 3: missing field `steps`"
    );
    let labels = mistake("on: push\njobs:\n  a:\n    runs-on: {}\n    steps: [{run: a}]\n");
    assert!(labels.starts_with("ci.yml: line 3, column 3: "), "{labels}");
    let unclosed = mistake("on: push\njobs: [\n");
    assert!(
        unclosed.starts_with("ci.yml: line ") && !unclosed.contains("error: line"),
        "{unclosed}"
    );
}

#[test]
fn too_many_inputs_are_refused() {
    let inputs: String = (0..11)
        .map(|n| format!("      i{n}: {{required: false}}\n"))
        .collect();
    let yaml = format!(
        "on:\n  workflow_dispatch:\n    inputs:\n{inputs}jobs:\n  a: {{runs-on: x, steps: [{{run: a}}]}}\n"
    );

    assert_eq!(
        mistake(&yaml),
        "ci.yml: line 3, column 5: you may only define up to 10 `inputs` for a `workflow_dispatch` event"
    );
}

const INPUTS: &str = "
on:
  workflow_dispatch:
    inputs:
      name: {required: true}
      level: {type: choice, options: [low, 2], default: low}
      debug: {type: boolean}
      count: {type: number, default: 1.0}
      free: {description: anything}
jobs:
  a: {runs-on: x, steps: [{run: a}]}
";

#[test]
fn inputs_are_checked_and_filled_in() {
    let workflow = workflow(INPUTS);
    let check = |given: &[(&str, &str)]| check_inputs(&workflow, &map(given));

    let filled = check(&[("level", "2"), ("name", "doge")]);

    let expected = [
        ("name", "doge"),
        ("level", "2"),
        ("debug", "false"),
        ("count", "1"),
        ("free", ""),
    ];
    assert_eq!(filled, Ok(map(&expected)));
    let text = |given: &[(&str, &str)]| check(given).expect_err("the inputs are refused").to_string();
    assert_eq!(text(&[]), "Required input 'name' not provided");
    assert_eq!(text(&[("name", "")]), "Required input 'name' not provided");
    assert_eq!(
        text(&[("x", "1"), ("y", "2")]),
        r#"Unexpected inputs provided: ["x","y"]"#
    );
    assert_eq!(
        text(&[("name", "a"), ("debug", "")]),
        "Provided value '' for input 'debug' not in the list of allowed values"
    );
    assert_eq!(
        text(&[("name", "a"), ("level", "high")]),
        "Provided value 'high' for input 'level' not in the list of allowed values"
    );
}

#[test]
fn a_workflow_without_the_trigger_takes_no_dispatch() {
    let refused = check_inputs(&jobs("  a: {runs-on: x, steps: [{run: a}]}"), &IndexMap::new());

    let text = refused.expect_err("there is no trigger").to_string();
    assert_eq!(text, "Workflow does not have 'workflow_dispatch' trigger");
}
