//! What `PercentageRunnersBusy` makes of fractions: factors, thresholds that no binary fraction holds, and what stays where few are busy.
//!
//! Source: ARC's documentation on `PercentageRunnersBusy`; that it multiplies as a float of 64 bits does, rounds up on the way up and cuts off on
//! the way down, is its source. The numbers were worked out by hand. Not covered: runners; `scaling::thresholds` has real ones.

use futures::FutureExt as _;
use harness::model::{Check, Profile};
use harness::{Context, Scenario};
use serde_json::{Value, json};

use crate::oracle::case::{Level, PERCENTAGE, Refused};
use crate::oracle::rows::{Row, UTC, Wanted, busy, guide_metric, of_rows, play, second};

pub(crate) const ROUNDING: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::rounding".into(),
        claim: "replicas times scaleUpFactor is rounded up and replicas times scaleDownFactor is cut off, as floats of 64 bits have it; a busy \
                fraction of exactly a threshold such as 0.1 or 0.3 counts as reaching it"
            .into(),
        grounds: "ARC's documentation: scaleUpFactor and scaleDownFactor multiply the desired count; ARC's source: ceil and a conversion to \
                  an integer"
            .into(),
        not_covered: "runners, which are not real here".into(),
        profile: Profile::Core,
        ..of_rows(UTC, vec![])
    }
    },
    run: |context| table(context, steps()).boxed(),
};

pub(crate) const RESIDUAL_BUSY: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::residual-busy".into(),
        claim: "with the guide's thresholds 3 busy runners of 16 bring DESIRED to 8, where it stays, 1 of 16 brings it to 4, and pods that GHES \
                would not let go count as busy like the others"
            .into(),
        grounds: "the guide's HorizontalRunnerAutoscaler: halved below 25 % busy; ARC's source: a pod whose unregistration was refused is busy"
            .into(),
        not_covered: "which runners stay; that busy ones do, scaling::busy-survive shows".into(),
        ..of_rows(UTC, vec![3])
    }
    },
    run: |context| table(context, residues()).boxed(),
};

async fn table(context: Context, rows: Vec<Row>) -> anyhow::Result<()> {
    play(&context, UTC, rows).await?;
    Ok(())
}

/// An autoscaler with this metric and limits that limit nothing.
fn spec(metric: &Value) -> Value {
    json!({
        "minReplicas": 0, "maxReplicas": 1000, "scaleDownDelaySecondsAfterScaleOut": 0,
        "metrics": [metric],
    })
}

/// Busy runners of replicas, at the threshold of a step that leads below it.
fn up(name: &str, (count, replicas): (usize, i64), (threshold, factor): (&str, &str), becomes: i64) -> Row {
    let metric = json!({
        "type": PERCENTAGE, "scaleUpThreshold": threshold, "scaleDownThreshold": "0", "scaleUpFactor": factor,
    });
    let row = Row::new(name, Level::Enterprise, replicas, spec(&metric));
    row.at(second(0), busy(count), Wanted::Desired(becomes))
}

/// Busy runners of replicas, below the threshold of a step that leads above it.
fn down(name: &str, (count, replicas): (usize, i64), (threshold, factor): (&str, &str), becomes: i64) -> Row {
    let metric = json!({
        "type": PERCENTAGE, "scaleUpThreshold": "2", "scaleDownThreshold": threshold, "scaleDownFactor": factor,
    });
    let row = Row::new(name, Level::Enterprise, replicas, spec(&metric));
    row.at(second(0), busy(count), Wanted::Desired(becomes))
}

fn steps() -> Vec<Row> {
    vec![
        up("3 × 1.5 = 4.5", (3, 3), ("1", "1.5"), 5),
        up("8 × 1.3 = 10.4", (8, 8), ("1", "1.3"), 11),
        up("10 × 1.1 = 11 exactly", (1, 10), ("0.1", "1.1"), 11),
        up("50 × 1.1 = 55.00000000000001", (10, 50), ("0.2", "1.1"), 56),
        up("90 × 1.1 = 99.00000000000001", (9, 90), ("0.1", "1.1"), 100),
        up("100 × 1.1 = 110.00000000000001", (30, 100), ("0.3", "1.1"), 111),
        up("3 of 10 busy are 0.3", (3, 10), ("0.3", "2"), 20),
        up("7 of 10 busy are 0.7", (7, 10), ("0.7", "2"), 20),
        down("3 × 0.5 = 1.5", (1, 3), ("0.5", "0.5"), 1),
        down("10 × 0.7 = 7 exactly", (2, 10), ("0.25", "0.7"), 7),
        down("90 × 0.7 = 62.99999999999999", (10, 90), ("0.15", "0.7"), 62),
        down("50 × 0.58 = 28.999999999999996", (10, 50), ("0.3", "0.58"), 28),
        down("3 of 10 busy are not less than 0.3", (3, 10), ("0.3", "0.5"), 10),
    ]
}

/// The guide's autoscaler, without a delay.
fn guide() -> Value {
    json!({
        "minReplicas": 2, "maxReplicas": 16, "scaleDownDelaySecondsAfterScaleOut": 0,
        "metrics": [guide_metric()],
    })
}

fn residues() -> Vec<Row> {
    let of_sixteen = |name: &str, count: usize, becomes: i64| {
        Row::new(name, Level::Enterprise, 16, guide()).at(second(0), busy(count), Wanted::Desired(becomes))
    };
    let refused = |listed| Refused {
        runner: false,
        listed,
    };
    vec![
        of_sixteen("4 of 16 busy", 4, 16),
        of_sixteen("3 of 16 busy", 3, 8),
        of_sixteen("2 of 16 busy", 2, 8),
        of_sixteen("1 of 16 busy", 1, 4),
        of_sixteen("none of 16 busy", 0, 2),
        of_sixteen("3 of 16 busy, then none", 3, 8).at(second(60), busy(0), Wanted::Desired(2)),
        of_sixteen("1 of 16 busy, and 2 pods that GHES would not let go", 1, 8)
            .with_refused(vec![refused(None), refused(None)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::rows::tests::are_what_the_oracle_says;

    #[test]
    fn the_rows_are_what_the_oracle_says() {
        are_what_the_oracle_says(UTC, &steps());
        are_what_the_oracle_says(UTC, &residues());
    }

    #[test]
    fn the_names_are_true() {
        let numbers = [
            50.0 * 1.1 > 55.0,
            90.0 * 1.1 > 99.0,
            100.0 * 1.1 > 110.0,
            10.0 * 1.1 == 11.0,
            90.0 * 0.7 < 63.0,
            50.0 * 0.58 < 29.0,
            10.0 * 0.7 == 7.0,
        ];

        assert_eq!(numbers, [true; 7]);
    }
}
