//! `cargo xtask simulate`: what the HorizontalRunnerAutoscaler of a manifest will do under an assumed load, by the oracle.
//!
//! What it is not: the oracle (`harness_model::autoscaling`), the reading of the two files (`fixtures`) or the drawing (`harness_report`).

use std::io::Write as _;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use harness_model::Exit;
use harness_model::autoscaling::{Controller, Plan, simulate};
use harness_report::Simulation;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::flags::{Unusable, write_file};

/// Which autoscaler, under which load, when.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A file with one HorizontalRunnerAutoscaler and, for its replicas and scope, its target
    manifest: Utf8PathBuf,
    /// A YAML file of jobs over time: `load:`, a list of `weekly: Mon-Fri 09:00`, `at: TIME` or `after: 2h`, each with `jobs: N`
    #[arg(long, value_name = "FILE")]
    load: Utf8PathBuf,
    /// When it is applied: 2026-11-25T09:00 by the controller's clock, or a time with an offset
    #[arg(long, value_name = "TIME")]
    from: String,
    /// How long: 7d, 36h, 1 month
    #[arg(long = "for", value_name = "SPAN")]
    duration: Span,
    /// The manager's --sync-period
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    sync_period: SignedDuration,
    /// The manager's time zone; its container has UTC unless TZ is set
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Also draw it into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<Utf8PathBuf>,
}

/// Simulates, prints the table and draws the chart.
pub(crate) fn run(args: &Args) -> anyhow::Result<Exit> {
    let plan = plan(args)?;
    let autoscaler = fixtures::read_autoscaler(&args.manifest)?;
    let load = fixtures::read_load(&args.load)?.between(plan.from, plan.until, &plan.controller.zone);
    let moments = simulate(&autoscaler.spec, &autoscaler.target, &load, &plan);
    let simulation = Simulation {
        name: &autoscaler.name,
        plan: &plan,
        moments: &moments,
    };
    if let Some(file) = &args.svg {
        write_file("svg", file, &simulation.svg())?;
    }
    std::io::stdout()
        .write_all(simulation.text().as_bytes())
        .context("print the simulation")?;
    Ok(Exit::Green)
}

fn plan(args: &Args) -> Result<Plan, Unusable> {
    let zone = TimeZone::get(&args.zone).map_err(|_| {
        let why = "there is no such time zone; write one such as Asia/Seoul".to_owned();
        unusable("zone", args.zone.as_str(), why)
    })?;
    let from = begin(&args.from, &zone)?;
    let until = from
        .to_zoned(zone.clone())
        .checked_add(args.duration)
        .map_err(|error| unusable("for", format!("{:#}", args.duration), error.to_string()))?
        .timestamp();
    if until <= from {
        let why = "the end must lie after the beginning".to_owned();
        return Err(unusable("for", format!("{:#}", args.duration), why));
    }
    if !args.sync_period.is_positive() {
        let why = "the period must be longer than nothing".to_owned();
        return Err(unusable("sync-period", format!("{:#}", args.sync_period), why));
    }
    Ok(Plan {
        controller: Controller::in_zone(zone),
        sync_period: args.sync_period,
        from,
        until,
    })
}

/// A time with an offset is an instant; one without is what the controller's clock shows.
fn begin(text: &str, zone: &TimeZone) -> Result<Timestamp, Unusable> {
    let clock = || {
        text.parse::<DateTime>()
            .and_then(|clock| zone.to_timestamp(clock))
    };
    text.parse().or_else(|_| clock()).map_err(|_| {
        let why = "this is no time; write 2026-11-25T09:00 or 2026-11-25T09:00:00+09:00".to_owned();
        unusable("from", text, why)
    })
}

fn unusable(flag: &'static str, value: impl Into<String>, why: String) -> Unusable {
    Unusable {
        flag,
        value: value.into(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_the_controllers() {
        let zone = TimeZone::posix("KST-9").expect("the zone is well-formed");
        for (text, expected) in [
            ("2026-11-25T09:00", "2026-11-25T00:00:00Z"),
            ("2026-11-25", "2026-11-24T15:00:00Z"),
            ("2026-11-25T09:00:00Z", "2026-11-25T09:00:00Z"),
            ("2026-11-25T09:00:00-05:00", "2026-11-25T14:00:00Z"),
        ] {
            let instant = begin(text, &zone).expect("the time is well-formed");

            assert_eq!(instant.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_with_the_flag() {
        let error = begin("tomorrow", &TimeZone::UTC).expect_err("nobody knows when that is");

        assert_eq!(
            error.to_string(),
            "--from tomorrow: this is no time; write 2026-11-25T09:00 or 2026-11-25T09:00:00+09:00"
        );
    }
}
