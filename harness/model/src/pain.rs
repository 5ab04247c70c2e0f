//! What users of ARC have suffered from, numbered, so that a check can say what it guards against.
//!
//! Source: the issue trackers of actions/actions-runner-controller and actions/runner; each entry names threads of the former unless it
//! says otherwise. What it is not: a list of what the suite checks. A pain without a check is an open one.

/// One pain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pain {
    /// From 1; stable, since checks and readers refer to it.
    pub number: u8,
    /// What goes wrong, in a line.
    pub what: &'static str,
    /// Where users told of it.
    pub told: &'static str,
}

/// All of them, by number.
pub const PAINS: [Pain; 25] = [
    pain(
        1,
        "minReplicas 0 with PercentageRunnersBusy alone never wakes",
        "#1908, #522, #558, #769",
    ),
    pain(
        2,
        "jobs shorter than a sync period are invisible to PercentageRunnersBusy",
        "#2711, #760",
    ),
    pain(
        3,
        "stalled runners, or busy ones that are ending, freeze the busy ratio",
        "#1374, #2039",
    ),
    pain(
        4,
        "webhooks and PercentageRunnersBusy together overshoot",
        "#1962",
    ),
    pain(
        5,
        "capacity reservations leak, expire in the queue, or fill the autoscaler",
        "#1547, #2466, #2306, #2509",
    ),
    pain(
        6,
        "skipped and cancelled jobs scale down wrongly",
        "#836, #2118, #2119, #2520",
    ),
    pain(7, "an ambiguous runs-on scales down the wrong pool", "#2798"),
    pain(
        8,
        "jobs that run again do not scale; bursts that are cancelled and restarted stall",
        "#4315, #1962",
    ),
    pain(
        9,
        "overrides: rewritten to UTC, a fixed period across changes of the clock, minReplicas only",
        "#1916, #2509",
    ),
    pain(
        10,
        "a registration token expires before its pod starts",
        "#1295, #345, #1311",
    ),
    pain(
        11,
        "offline runners pile up, and their pages burn the rate limit",
        "#1318, #1726, #3001",
    ),
    pain(
        12,
        "pods or Runners stay Terminating on their finalizers",
        "#1273, #1307, #1369, #3010, #4484",
    ),
    pain(
        13,
        "a job is lost: given to a runner that ends, or interrupted by a rollout",
        "#466, #911, #2695, #1535",
    ),
    pain(
        14,
        "Helm does not upgrade definitions: runaway pods, or none ready",
        "#427, #467, #468, #1291",
    ),
    pain(
        15,
        "old RunnerReplicaSets survive a change of the template; runners double",
        "#24, #1642, #1213",
    ),
    pain(16, "a patch release breaks the runners", "#2490, #1866, #1305"),
    pain(
        17,
        "with a GitHub App on GHES the token is asked of api.github.com",
        "#149, #2457, #2464",
    ),
    pain(
        18,
        "a certificate authority of one's own must be known to controller, runner, docker and actions",
        "#949, #712, #731, #791, #3651, #4607",
    ),
    pain(
        19,
        "a GHES that is too old, or whose address the runner does not take",
        "#831",
    ),
    pain(
        20,
        "enterprise scope needs a token with its own right; a wrong one shows as a rate limit of 60",
        "#150, #910, #1737",
    ),
    pain(
        21,
        "runner groups: not found on plain organizations, the wrong pool scaled",
        "#1240, #1872, #1596",
    ),
    pain(
        22,
        "the admission webhook's certificate: unknown, late, renewed",
        "#1281, #1527, #2644, #796",
    ),
    pain(
        23,
        "a role for service accounts in docker: token unreadable, not handed on",
        "#16, #246, #433, #781",
    ),
    pain(
        24,
        "docker in docker: the daemon not up in time, MTU, overlapping networks, pull limits",
        "#787, #3257, #3201, #1046, #959, #1652, #205",
    ),
    pain(
        25,
        "operations: rate limits, metrics missing or zero, runner versions refused, slow replacement",
        "#206, #1101, #690, #2799, #1984, #1325, #1044",
    ),
];

const fn pain(number: u8, what: &'static str, told: &'static str) -> Pain {
    Pain { number, what, told }
}

#[cfg(test)]
mod tests {
    use super::PAINS;

    #[test]
    fn pains_are_numbered_without_a_gap() {
        let numbers: Vec<usize> = PAINS.iter().map(|pain| pain.number.into()).collect();

        assert_eq!(numbers, (1..=PAINS.len()).collect::<Vec<_>>());
    }
}
