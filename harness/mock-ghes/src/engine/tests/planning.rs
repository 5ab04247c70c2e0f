//! Planning: matrices, names, labels, limits.

use super::*;

fn refusal(workflow: &Workflow) -> String {
    plan(workflow, &run())
        .expect_err("the workflow cannot be planned")
        .to_string()
}

#[test]
fn the_quickstart_has_two_jobs() {
    let plan = planned(&workflow(QUICKSTART));

    let expected = JobPlan {
        key: "Echo-Outputs".to_owned(),
        job: "Echo-Outputs".to_owned(),
        name: "Echo-Outputs".to_owned(),
        needs: vec!["Explore-GitHub-Actions".to_owned()],
        runs_on: vec!["self-hosted".to_owned(), "linux".to_owned()],
        group: None,
        timeout_minutes: 360,
        continue_on_error: false,
        matrix: None,
        index: 0,
        total: 1,
        fail_fast: true,
        max_parallel: 1,
    };
    assert_eq!(plan.len(), 2);
    assert_eq!(plan[0].key, "Explore-GitHub-Actions");
    assert_eq!(plan[1], expected);
}

#[test]
fn a_matrix_is_expanded() {
    let plan = planned(&workflow(FULL));

    let names: Vec<_> = plan
        .iter()
        .map(|job| (job.key.as_str(), job.name.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("build/0", "build (linux, 14)"),
            ("build/1", "build (linux, 16)"),
            ("build/2", "build (mac, 16)")
        ]
    );
    assert_eq!(plan[2].runs_on, ["mac"]);
    assert_eq!(
        plan.iter().map(|job| job.continue_on_error).collect::<Vec<_>>(),
        [false, false, true]
    );
    assert!(
        plan.iter()
            .all(|job| job.timeout_minutes == 12 && job.total == 3 && job.max_parallel == 1)
    );
    assert!(plan.iter().all(|job| !job.fail_fast));
}

#[test]
fn names_take_expressions_and_are_cut() {
    let workflow = jobs(&format!(
        "  a: {{name: 'on ${{{{ matrix.v }}}} for ${{{{ vars.REGION }}}}', runs-on: x, strategy: {{matrix: {{v: [1, 2]}}}}, steps: [{{run: a}}]}}
  b: {{name: Plain, runs-on: x, strategy: {{matrix: {{v: [true]}}}}, steps: [{{run: a}}]}}
  c: {{name: {}, runs-on: x, steps: [{{run: a}}]}}\n",
        "é".repeat(101)
    ));

    let names: Vec<_> = planned(&workflow).into_iter().map(|job| job.name).collect();

    assert_eq!(names[..3], ["on 1 for kr", "on 2 for kr", "Plain (true)"]);
    assert_eq!(names[3], format!("{}...", "é".repeat(97)));
}

#[test]
fn labels_come_in_every_form() {
    let steps = "steps: [{run: a}]";
    let workflow = jobs(&format!(
        "  a: {{runs-on: one, {steps}}}
  b: {{runs-on: [self-hosted, '${{{{ vars.REGION }}}}'], {steps}}}
  c: {{runs-on: {{group: big}}, {steps}}}
  d: {{runs-on: {{group: '${{{{ vars.REGION }}}}', labels: x}}, {steps}}}
  e: {{runs-on: {{labels: [x, y]}}, {steps}}}
  f: {{runs-on: \"${{{{ fromJSON('[\\\"p\\\", \\\"q\\\"]') }}}}\", {steps}}}\n"
    ));

    let labels: Vec<_> = planned(&workflow)
        .into_iter()
        .map(|job| (job.runs_on.join("+"), job.group))
        .collect();

    let group = |name: &str| Some(name.to_owned());
    let expected = [
        ("one", None),
        ("self-hosted+kr", None),
        ("", group("big")),
        ("x", group("kr")),
        ("x+y", None),
        ("p+q", None),
    ];
    assert_eq!(labels, expected.map(|(labels, group)| (labels.to_owned(), group)));
}

#[test]
fn a_matrix_may_come_from_an_expression() {
    let workflow = jobs(
        "  a:
    runs-on: x
    strategy: {matrix: \"${{ fromJSON('{\\\"v\\\": [1.0, 2.5]}') }}\"}
    timeout-minutes: ${{ matrix.v }}
    steps: [{run: a}]\n",
    );

    let plan = planned(&workflow);

    let seen: Vec<_> = plan
        .iter()
        .map(|job| (job.name.as_str(), job.timeout_minutes))
        .collect();
    assert_eq!(seen, [("a (1)", 1), ("a (2.5)", 2)]);
}

#[test]
fn what_is_not_served_is_named() {
    let reusable = jobs("  a: {uses: ./.github/workflows/other.yml}");
    let needs = jobs(
        "  a: {runs-on: x, steps: [{run: a}]}
  b: {needs: a, runs-on: x, strategy: {matrix: '${{ fromJSON(needs.a.outputs.m) }}'}, steps: [{run: a}]}\n",
    );

    assert_eq!(
        refusal(&reusable),
        "job `a` uses a reusable workflow, which this server does not serve"
    );
    assert_eq!(
        refusal(&needs),
        "job `b` uses `needs` in `strategy.matrix`, which this server does not serve"
    );
}

#[test]
fn values_of_the_wrong_kind_are_named() {
    let job = |fields: &str| refusal(&jobs(&format!("  a: {{{fields}, steps: [{{run: a}}]}}")));

    assert_eq!(
        job("runs-on: '${{ vars.NOTHING }}'"),
        "`runs-on` of job `a` must be a label, a list of labels, or a mapping with `group` or `labels`"
    );
    assert_eq!(
        job("runs-on: x, strategy: {matrix: {v: []}}"),
        "`strategy.matrix` of job `a` must be a mapping of lists that have at least one value"
    );
    assert_eq!(
        job("runs-on: x, timeout-minutes: \"${{ 'soon' }}\""),
        "`timeout-minutes` of job `a` must be a number from 1 on"
    );
    assert_eq!(
        job("runs-on: x, continue-on-error: \"${{ 'yes' }}\""),
        "`continue-on-error` of job `a` must be true or false"
    );
    assert_eq!(
        job("runs-on: '${{ secrets.X }}'"),
        "evaluate `runs-on` of job `a`"
    );
}
