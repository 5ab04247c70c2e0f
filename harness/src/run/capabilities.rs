//! What the local cluster with the mock GHES can do for this plan, and hence which checks are skipped, and why.
//!
//! What it is not: nothing is tried out here, but `PATH` is looked through; whether user namespaces are refused is asked before (`refusal`).

use harness_cluster::{PrometheusParts, error_chain};
use harness_model::{Capability, Check, Plan, SkipReason, WallClock};

/// Why this check is not run, if it is not.
pub(super) fn skip(check: &Check, plan: &Plan, refusal: Option<&str>) -> Option<SkipReason> {
    check.needs.iter().find_map(|need| missing(*need, plan, refusal))
}

/// The wall clock of the run: controlled as soon as one check that will run moves the clock of its own ARC and GHES.
pub(super) fn clock(checks: &[Check], plan: &Plan, refusal: Option<&str>) -> WallClock {
    let moved = |check: &Check| check.moves_its_clock() && skip(check, plan, refusal).is_none();
    if checks.iter().any(moved) {
        WallClock::Controlled
    } else {
        WallClock::Real
    }
}

/// What the local cluster with the mock GHES cannot do, and why.
fn missing(capability: Capability, plan: &Plan, refusal: Option<&str>) -> Option<SkipReason> {
    let reason = match (capability, refusal) {
        (Capability::Ledger | Capability::ForceFault, _) | (Capability::RunPods, None) => return None,
        (Capability::RunPods, Some(refusal)) => {
            format!("runner pods need mounts of their own, and user namespaces are refused here: {refusal}")
        }
        (Capability::ClockControl, _) if plan.clock == WallClock::Real => {
            "no clock of this run is moved: --clock real, or an ARC that is not built here".to_owned()
        }
        (Capability::ClockControl, _) if plan.arc_manager.is_some() => {
            "a foreign manager runs on the real clock".to_owned()
        }
        (Capability::ClockControl, None) => return None,
        (Capability::ClockControl, Some(refusal)) => {
            format!(
                "an ARC of a check's own needs names of its own, and user namespaces are refused here: {refusal}"
            )
        }
        (Capability::Dind, _) => "the local cluster has no Docker daemon".to_owned(),
        (Capability::Prometheus, _) => prometheus(&std::env::var("PATH").unwrap_or_default())?,
    };
    Some(SkipReason::Missing { capability, reason })
}

/// Why no Prometheus can be run from these folders, if it cannot.
fn prometheus(path: &str) -> Option<String> {
    let missing = PrometheusParts::find(path).err()?;
    let missing = error_chain(&missing);
    Some(format!("{missing}: install the package `prometheus`"))
}

#[cfg(test)]
mod tests {
    use harness_model::{Claim, OwnArc, Profile};
    use serde_json::json;

    use super::*;

    fn plan(clock: WallClock, arc_manager: Option<&str>) -> Plan {
        let plan = json!({
            "command": "", "filters": [], "cluster": "local", "profile": "all", "arc": "v0.27.6", "arc_manager": arc_manager,
            "arc_webhook_server": null, "sync_period": "1s", "clock": clock, "keep": false, "offline": false, "out": null,
            "format": "human", "test_threads": null, "retries": 0, "seed": 1, "manifest": null, "defect": null,
            "list_max_age": 0, "repository": "", "programs": "",
        });
        serde_json::from_value(plan).expect("a plan")
    }

    fn moved() -> Check {
        Check {
            id: "overrides::year".to_owned(),
            claim: String::new(),
            grounds: String::new(),
            not_covered: String::new(),
            profile: Profile::Core,
            needs: vec![Capability::ClockControl],
            claims: Claim::OwnArc(OwnArc {
                clock: WallClock::Controlled,
                ..OwnArc::default()
            }),
            pains: Vec::new(),
        }
    }

    #[test]
    fn a_clock_is_moved_unless_something_stands_against_it() {
        let ours = plan(WallClock::Controlled, None);
        let cases = [
            (ours.clone(), None, None),
            (
                plan(WallClock::Real, None),
                None,
                Some("no clock of this run is moved: --clock real, or an ARC that is not built here"),
            ),
            (
                plan(WallClock::Controlled, Some("./manager")),
                None,
                Some("a foreign manager runs on the real clock"),
            ),
            (
                ours,
                Some("no"),
                Some(
                    "an ARC of a check's own needs names of its own, and user namespaces are refused here: no",
                ),
            ),
        ];

        for (plan, refusal, expected) in cases {
            let skipped = skip(&moved(), &plan, refusal);
            let run = clock(&[moved()], &plan, refusal);

            let told = expected.map(|reason| SkipReason::Missing {
                capability: Capability::ClockControl,
                reason: reason.to_owned(),
            });
            assert_eq!(skipped, told);
            assert_eq!(run == WallClock::Real, expected.is_some());
        }
    }

    #[test]
    fn a_run_in_which_nobody_moves_a_clock_is_on_the_real_one() {
        let mut check = moved();
        check.claims = Claim::SharedArc;

        let clock = clock(&[check], &plan(WallClock::Controlled, None), None);

        assert_eq!(clock, WallClock::Real);
    }

    #[test]
    fn a_machine_without_prometheus_is_told_what_to_install() {
        assert_eq!(
            prometheus("/no/such/folder").as_deref(),
            Some("prometheus is not on PATH: install the package `prometheus`")
        );
    }
}
