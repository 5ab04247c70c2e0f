//! What `cargo xtask simulate` shows: a table of every change, and a chart.
//!
//! What it is not: a report of a run. Nothing has run; the oracle has computed it.

mod chart;

use comfy_table::{ContentArrangement, Table, presets};
use harness_model::autoscaling::{Moment, Plan, Simulated};
use jiff::Timestamp;

use crate::text::{count, one_line};

/// Columns of the table: fixed, so that it looks the same everywhere.
const WIDTH: u16 = 130;

/// A finished simulation.
#[derive(Debug, Clone, Copy)]
pub struct Simulation<'a> {
    /// The autoscaler's name.
    pub name: &'a str,
    /// What was simulated; its controller's zone is that of all times shown.
    pub plan: &'a Plan,
    /// What came of it.
    pub moments: &'a [Moment],
}

impl Simulation<'_> {
    /// The assumptions, a row for every change of desired, of the minimum or of failure, and the extremes.
    #[must_use]
    pub fn text(&self) -> String {
        let plan = self.plan;
        let mut out = format!(
            "{} from {} until {}, resync every {:#}\n\
             assumed: every runner asked for is registered at the next resync, busy is the lesser of jobs and desired\n",
            one_line(self.name, usize::MAX),
            self.clock(plan.from),
            self.clock(plan.until),
            plan.sync_period,
        );
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(WIDTH)
            .set_header(["time", "desired", "min", "busy", "jobs", "why"]);
        let changes = self.changes();
        for moment in &changes {
            let min = moment.outcome.min().map_or("-".to_owned(), |min| min.to_string());
            table.add_row([
                self.clock(moment.time),
                moment.desired.to_string(),
                min,
                moment.busy.to_string(),
                moment.jobs.to_string(),
                self.why(moment),
            ]);
        }
        out += &table.trim_fmt();
        out += &self.extremes(changes.len());
        out
    }

    /// The chart as an SVG document of its own: jobs, busy, desired and minimum over time, failures as bands.
    #[must_use]
    pub fn svg(&self) -> String {
        chart::svg(self)
    }

    fn changes(&self) -> Vec<&Moment> {
        let mut changes: Vec<&Moment> = Vec::new();
        for moment in self.moments {
            if changes.last().is_none_or(|last| moment.is_change_from(last)) {
                changes.push(moment);
            }
        }
        changes
    }

    fn why(&self, moment: &Moment) -> String {
        match &moment.outcome {
            Simulated::Decided { reason, .. } => reason.text(&self.plan.controller.zone),
            Simulated::Restless { reason, .. } => format!(
                "{}; never comes to rest: ARC reconciles again and again",
                reason.text(&self.plan.controller.zone)
            ),
            Simulated::Failed(error) if error.is_told_by_event() => format!("every reconcile fails: {error}"),
            Simulated::Failed(error) => format!("every reconcile fails, and no event tells: {error}"),
        }
    }

    fn extremes(&self, changes: usize) -> String {
        let most = |of: fn(&Moment) -> i64| self.moments.iter().map(of).max().unwrap_or_default();
        let fewest = self.moments.iter().map(|moment| moment.desired).min();
        format!(
            "\n{}; {} to {} runners desired; at most {} without a runner at a resync\n",
            count(changes, "row"),
            fewest.unwrap_or_default(),
            most(|moment| moment.desired),
            count(
                usize::try_from(most(|moment| moment.jobs - moment.busy)).unwrap_or_default(),
                "job"
            ),
        )
    }

    /// `Sat 2026-11-28 09:00:00 +09:00`, as the controller's clock shows it.
    fn clock(&self, time: Timestamp) -> String {
        let zoned = time.to_zoned(self.plan.controller.zone.clone());
        zoned.strftime("%a %F %T %:z").to_string()
    }
}
