//! The checks: a file for each behaviour that the guide promises.
//!
//! What it is not: no scenario names a backend; it declares capabilities and acts through [`harness::Context`].

mod actions_metrics;
mod admission;
mod ephemeral;
mod failover;
mod fleet;
mod metrics;
mod node_lost;
mod oracle;
mod outage;
mod overrides;
mod overrides_year;
mod pods;
mod queued_jobs;
mod quickstart;
mod registration;
mod rollout;
mod scaling;
mod table;
mod thresholds;
mod trust;
mod upgrade;
mod verify_install;
mod visit;
mod webhook;
mod webhook_hostile;
mod webhook_upstream;

use harness::Scenario;

pub use upgrade::ARMS;

/// Every check, in the order of the guide.
pub static CATALOGUE: &[Scenario] = &[
    verify_install::API_RESOURCES,
    verify_install::PROGRAMS,
    verify_install::CERTIFICATE,
    verify_install::CHART,
    admission::TWO_SCOPES,
    registration::ENTERPRISE,
    registration::ORGANIZATION,
    registration::REPOSITORY,
    quickstart::WORKFLOW,
    ephemeral::REPLACED,
    overrides::WEEKEND,
    overrides_year::YEAR,
    overrides_year::YEAR_IN_NEW_YORK,
    oracle::DIFFERENTIAL,
    oracle::DIFFERENTIAL_IN_NEW_YORK,
    metrics::PERCENTAGE_RUNNERS_BUSY,
    queued_jobs::QUEUED_JOBS,
    webhook::SCALE_UP_AND_DOWN,
    webhook::EXPIRY,
    webhook_hostile::HOSTILE,
    webhook_upstream::DANGLING,
    webhook_upstream::RUNAWAY,
    actions_metrics::JOBS,
    outage::CONTROLLER,
    outage::RUNNER,
    trust::CONTROLLER,
    failover::LEADER,
    upgrade::DEFINITIONS_FIRST,
    pods::IDLE_DELETED,
    pods::BUSY_DELETED,
    node_lost::LOST,
    ephemeral::VOLUME,
    scaling::ADJUSTMENT,
    thresholds::EXACT,
    thresholds::ZERO,
    rollout::TEMPLATE,
    scaling::BUSY_SURVIVE,
    // Runs alone: last, so that nothing waits for it.
    scaling::LADDER,
    scaling::SIXTY_FOUR,
];

#[cfg(test)]
mod tests {
    use harness::model::{Capability, Check};

    use super::CATALOGUE;

    #[test]
    fn the_page_of_the_catalogue_is_the_catalogue() {
        let checks: Vec<Check> = CATALOGUE.iter().map(|scenario| (scenario.check)()).collect();

        let page = harness::catalogue_page(&checks);

        assert!(
            page == include_str!("../../docs/catalogue.md"),
            "docs/catalogue.md is not up to date: `cargo xtask list --page > docs/catalogue.md` writes it"
        );
    }

    #[test]
    fn every_check_that_mutants_are_shown_to_is_in_the_catalogue() {
        let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let data =
            harness_mutants::data::Data::read(repository.as_ref()).expect("fixtures/mutants is readable");
        let ids: Vec<String> = CATALOGUE.iter().map(|scenario| (scenario.check)().id).collect();

        let unknown: Vec<&str> = data
            .filters()
            .filter(|filter| !ids.iter().any(|id| id.contains(filter)))
            .collect();

        assert_eq!(unknown, Vec::<&str>::new());
    }

    #[test]
    fn a_check_that_moves_a_clock_needs_one_that_can_be_moved() {
        for check in CATALOGUE.iter().map(|scenario| (scenario.check)()) {
            let needs = check.needs.contains(&Capability::ClockControl);

            assert_eq!(needs, check.moves_its_clock(), "{}", check.id);
        }
    }
}
