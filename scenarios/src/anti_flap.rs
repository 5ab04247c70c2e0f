//! The delay after a scale-out, in which nothing is scaled down: ARC's anti-flapping.
//!
//! Source: ARC's documentation on anti-flapping. The clock is moved, so that ten minutes pass at once. Not covered: runners.

use futures::FutureExt as _;
use harness::model::{Check, Profile};
use harness::{Context, Scenario};
use serde_json::{Value, json};

use crate::oracle::case::Level;
use crate::oracle::rows::{Row, UTC, Wanted, busy, guide_metric, of_rows, play, second};

pub(crate) const ANTI_FLAP: Scenario = Scenario {
    check: || {
        Check {
        id: "scaling::anti-flap".into(),
        claim: "within scaleDownDelaySecondsAfterScaleOut of the last rise, or ten minutes without it, DESIRED does not fall, whatever the load, \
                a lower maxReplicas or the end of an override would make of it; afterwards it does, and a fall delays nothing"
            .into(),
        grounds: "ARC's documentation on anti-flapping: not within 10 minutes of having been scaled up, configurable, and with the final say"
            .into(),
        not_covered: "runners; the flag --default-scale-down-delay".into(),
        profile: Profile::Core,
        ..of_rows(UTC, vec![2])
    }
    },
    run: |context| anti_flap(context).boxed(),
};

async fn anti_flap(context: Context) -> anyhow::Result<()> {
    play(&context, UTC, rows()).await?;
    Ok(())
}

/// The guide's metric, with its delay of five minutes.
fn spec() -> Value {
    json!({
        "minReplicas": 2, "maxReplicas": 16, "scaleDownDelaySecondsAfterScaleOut": 300,
        "metrics": [guide_metric()],
    })
}

/// Times lie ten seconds from where the delay ends: ARC notes the time of a rise in whole seconds, after its requests.
fn rows() -> Vec<Row> {
    let row = |name: &str, spec: Value| Row::new(name, Level::Enterprise, 4, spec);
    let desired = Wanted::Desired;
    let by_default = |spec: &mut Value| {
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("scaleDownDelaySecondsAfterScaleOut");
        }
    };
    let mut without_delay = spec();
    without_delay["scaleDownDelaySecondsAfterScaleOut"] = json!(0);
    let mut overridden = spec();
    overridden["scheduledOverrides"] = json!([
        { "startTime": second(0), "endTime": second(60), "minReplicas": 12 },
    ]);
    vec![
        row("a load that comes and goes", spec())
            .at(second(0), busy(4), desired(8))
            .at(second(30), busy(0), desired(8))
            .at(second(60), busy(8), desired(16))
            .at(second(90), busy(0), desired(16))
            // The first rise's delay is over, the second one's is not.
            .at(second(310), busy(0), desired(16))
            .at(second(350), busy(0), desired(16))
            .at(second(370), busy(0), desired(2)),
        row("a fall delays no other", spec())
            .at(second(0), busy(4), desired(8))
            .at(second(310), busy(1), desired(4))
            .at(second(315), busy(0), desired(2)),
        row("a lower maximum", spec())
            .at(second(0), busy(4), desired(8))
            .then(|spec| spec["maxReplicas"] = json!(6))
            .at(second(30), busy(4), desired(8))
            .at(second(290), busy(4), desired(8))
            .at(second(310), busy(4), desired(6)),
        row("the end of an override", overridden)
            .at(second(30), busy(0), desired(12))
            .at(second(90), busy(0), desired(12))
            .at(second(320), busy(0), desired(12))
            .at(second(350), busy(0), desired(2)),
        row("ten minutes without the field", spec())
            .then(by_default)
            .at(second(0), busy(4), desired(8))
            .at(second(590), busy(0), desired(8))
            .at(second(610), busy(0), desired(2)),
        row("no delay", without_delay)
            .at(second(0), busy(4), desired(8))
            .at(second(5), busy(0), desired(2)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::rows::tests::are_what_the_oracle_says;

    #[test]
    fn the_rows_are_what_the_oracle_says() {
        are_what_the_oracle_says(UTC, &rows());
    }
}
