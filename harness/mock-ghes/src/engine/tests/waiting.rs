//! Readiness: needs and conditions.

use proptest::prelude::*;

use super::*;

const CHAIN: &str = "  a: {runs-on: x, steps: [{run: a}]}
  b: {needs: a, if: always(), runs-on: x, steps: [{run: a}]}
  c: {needs: [b], runs-on: x, steps: [{run: a}]}\n";

fn decide(workflow: &Workflow, key: &str, finished: &[(&str, Conclusion)]) -> Readiness {
    let finished = finished
        .iter()
        .map(|(key, conclusion)| ((*key).to_owned(), outcome(*conclusion, &[])))
        .collect();
    readiness(workflow, &planned(workflow), key, &finished, &run()).expect("the job is in the plan")
}

/// One job that needs `a`, with this condition.
fn after(condition: &str, a: Conclusion) -> Readiness {
    let workflow = jobs(&format!(
        "  a: {{runs-on: x, steps: [{{run: a}}]}}\n  b: {{needs: a, if: \"{condition}\", runs-on: x, steps: [{{run: a}}]}}\n"
    ));
    decide(&workflow, "b", &[("a", a)])
}

#[test]
fn a_job_waits_for_all_its_needs() {
    let workflow = workflow(QUICKSTART);
    let first = "Explore-GitHub-Actions";

    assert_eq!(decide(&workflow, first, &[]), Readiness::Ready);
    assert_eq!(decide(&workflow, "Echo-Outputs", &[]), Readiness::Waiting);
    assert_eq!(
        decide(&workflow, "Echo-Outputs", &[(first, Conclusion::Success)]),
        Readiness::Ready
    );
    for conclusion in [Conclusion::Failure, Conclusion::Cancelled, Conclusion::Skipped] {
        assert_eq!(
            decide(&workflow, "Echo-Outputs", &[(first, conclusion)]),
            Readiness::Skipped
        );
    }
}

#[test]
fn success_looks_up_the_whole_chain() {
    let workflow = jobs(CHAIN);
    let failed = [("a", Conclusion::Failure), ("b", Conclusion::Success)];

    assert_eq!(decide(&workflow, "b", &failed[..1]), Readiness::Ready);
    assert_eq!(decide(&workflow, "c", &failed), Readiness::Skipped);
    assert_eq!(decide(&workflow, "c", &failed[..1]), Readiness::Waiting);
}

#[test]
fn conditions_see_results_and_status() {
    let cases = [
        (
            "needs.a.result == 'success'",
            Conclusion::Success,
            Readiness::Ready,
        ),
        (
            "needs.a.result == 'failure'",
            Conclusion::Failure,
            Readiness::Skipped,
        ),
        (
            "always() && needs.a.result == 'failure'",
            Conclusion::Failure,
            Readiness::Ready,
        ),
        ("${{ failure() }}", Conclusion::Failure, Readiness::Ready),
        ("failure()", Conclusion::Success, Readiness::Skipped),
        ("cancelled()", Conclusion::Cancelled, Readiness::Ready),
        (
            "vars.REGION == 'kr' && github.actor == 'Doge'",
            Conclusion::Success,
            Readiness::Ready,
        ),
        ("false", Conclusion::Success, Readiness::Skipped),
    ];

    for (condition, a, expected) in cases {
        assert_eq!(after(condition, a), expected, "if: {condition} after {a:?}");
    }
}

#[test]
fn a_skipped_need_is_neither_success_nor_failure_nor_cancelled() {
    let cases = [
        ("success()", Readiness::Skipped),
        ("failure()", Readiness::Skipped),
        ("cancelled()", Readiness::Skipped),
        ("always()", Readiness::Ready),
        ("!cancelled()", Readiness::Ready),
        ("!failure()", Readiness::Ready),
        ("!( Failure ( ) || cancelled())", Readiness::Ready),
        ("!cancelled() && (success() || failure())", Readiness::Skipped),
        ("always() && needs.a.result == 'skipped'", Readiness::Ready),
        (
            "always() && 'success()' == format('{0}ess()', 'succ')",
            Readiness::Ready,
        ),
        (
            "needs.a.result == 'failure' || needs.a.result == 'cancelled' || true",
            Readiness::Skipped,
        ),
    ];

    for (condition, expected) in cases {
        assert_eq!(after(condition, Conclusion::Skipped), expected, "if: {condition}");
    }
}

#[test]
fn a_matrix_counts_as_one_need() {
    let workflow = jobs(
        "  a: {runs-on: x, strategy: {matrix: {v: [1, 2]}}, continue-on-error: '${{ matrix.v == 2 }}', steps: [{run: a}]}
  b: {needs: a, runs-on: x, steps: [{run: a}]}\n",
    );
    let decide = |first, second| decide(&workflow, "b", &[("a/0", first), ("a/1", second)]);

    assert_eq!(decide(Conclusion::Success, Conclusion::Success), Readiness::Ready);
    assert_eq!(
        decide(Conclusion::Success, Conclusion::Failure),
        Readiness::Ready,
        "the second is forgiven"
    );
    assert_eq!(
        decide(Conclusion::Failure, Conclusion::Success),
        Readiness::Skipped
    );
    assert_eq!(
        super::waiting::decide(&workflow, "b", &[("a/1", Conclusion::Success)]),
        Readiness::Waiting
    );
}

#[test]
fn an_unknown_job_is_named() {
    let workflow = jobs(CHAIN);

    let error =
        readiness(&workflow, &planned(&workflow), "z", &IndexMap::new(), &run()).expect_err("no such job");

    assert_eq!(error.to_string(), "the plan has no job `z`");
}

proptest! {
    /// A chain j0 ← j1 ← … in which every job succeeds or fails.
    #[test]
    fn without_conditions_a_job_runs_exactly_when_all_before_it_succeeded(
        results in prop::collection::vec(any::<bool>(), 1..6),
        known in 0_usize..6,
    ) {
        let last = results.len();
        let yaml: String = (0..=last)
            .map(|n| {
                let needs = if n == 0 { String::new() } else { format!("needs: j{}, ", n - 1) };
                format!("  j{n}: {{{needs}runs-on: x, steps: [{{run: a}}]}}\n")
            })
            .collect();
        let workflow = jobs(&yaml);
        let known = known.min(last);
        let finished: IndexMap<_, _> = results[..known]
            .iter()
            .enumerate()
            .map(|(n, ok)| {
                let conclusion = if *ok { Conclusion::Success } else { Conclusion::Failure };
                (format!("j{n}"), outcome(conclusion, &[]))
            })
            .collect();

        let decision = readiness(&workflow, &planned(&workflow), &format!("j{last}"), &finished, &run());

        let expected = if known < last {
            Readiness::Waiting
        } else if results.iter().all(|ok| *ok) {
            Readiness::Ready
        } else {
            Readiness::Skipped
        };
        prop_assert_eq!(decision.expect("the job is in the plan"), expected);
    }
}
