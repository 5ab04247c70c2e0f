//! The checks: a file for each behaviour that the guide promises.
//!
//! What it is not: no scenario names a backend; it declares capabilities and acts through [`harness::Context`].

mod actions_metrics;
mod admission;
mod anti_flap;
mod auth;
mod auth_time;
mod crash;
mod credentials;
mod ephemeral;
mod failover;
mod fleet;
mod github_client;
mod metric_rules;
mod metrics;
mod monitoring;
mod node_lost;
mod node_lost_forced;
mod oracle;
mod outage;
mod outage_flapping;
mod override_rules;
mod overrides;
mod overrides_year;
mod pod;
mod pod_docker;
mod pod_shape;
mod pod_volumes;
mod pods;
mod queued_jobs;
mod quickstart;
mod registration;
mod registration_tokens;
mod replicas;
mod rollout;
mod rounding;
mod runner_set;
mod scaling;
mod standby;
mod table;
mod terminating;
mod thresholds;
mod trust;
mod unregistered;
mod upgrade;
mod verify_install;
mod visit;
mod webhook;
mod webhook_hostile;
mod webhook_rules;
mod webhook_targets;
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
    admission::OTHER_KINDS,
    admission::CERTIFICATE_RENEWED,
    pod::ENVIRONMENT,
    pod::OVERRIDES,
    pod::ROLE,
    pod_docker::SIDECAR,
    pod_docker::WITHIN,
    pod_docker::MTU_AND_MIRROR,
    pod_docker::GROUP_ID,
    pod_volumes::KUBERNETES,
    pod_volumes::WORK_VOLUME,
    // Waits long for Kubernetes: early, so that others run meanwhile.
    node_lost::LOST,
    node_lost_forced::FORCED,
    registration::ENTERPRISE,
    registration::ORGANIZATION,
    registration::REPOSITORY,
    registration_tokens::REUSE,
    registration_tokens::NEAR_EXPIRY,
    registration_tokens::CLOCK_SKEW,
    auth::PER_OBJECT,
    auth::MISSING_SCOPE,
    auth::TOO_OLD,
    auth_time::TOKEN_REVOKED,
    auth_time::GITHUB_APP,
    github_client::BASE_URL,
    quickstart::WORKFLOW,
    ephemeral::REPLACED,
    ephemeral::SIDECAR,
    crash::CRASH,
    replicas::TO_ZERO_AND_BACK,
    replicas::DELETED,
    unregistered::PENDING,
    unregistered::NOT_YET,
    unregistered::DELETED_REGISTERING,
    runner_set::REGISTRATION,
    runner_set::REPLACED,
    runner_set::SCALE,
    overrides::WEEKEND,
    override_rules::PRIORITY,
    override_rules::UNTIL_TIME,
    override_rules::MONTHLY_AND_YEARLY,
    override_rules::DST,
    override_rules::TOO_LONG,
    override_rules::ABOVE_THE_MAXIMUM,
    overrides_year::YEAR,
    overrides_year::YEAR_IN_NEW_YORK,
    oracle::DIFFERENTIAL,
    oracle::DIFFERENTIAL_IN_NEW_YORK,
    metrics::PERCENTAGE_RUNNERS_BUSY,
    queued_jobs::QUEUED_JOBS,
    standby::LEADER,
    metric_rules::QUEUED_LABELS,
    github_client::PAGING,
    github_client::LIST_CACHE,
    github_client::RATE_LIMIT,
    webhook::SCALE_UP_AND_DOWN,
    webhook::EXPIRY,
    webhook_hostile::HOSTILE,
    webhook_rules::CONCLUSIONS,
    webhook_targets::TARGETS,
    webhook_rules::RERUN,
    webhook_rules::BURST,
    webhook_rules::GROUPS,
    webhook_rules::AMBIGUOUS,
    webhook_upstream::DANGLING,
    webhook_upstream::RUNAWAY,
    webhook_upstream::EFFECTIVE_TIME,
    actions_metrics::JOBS,
    monitoring::DASHBOARD,
    monitoring::ALERTS,
    outage::CONTROLLER,
    outage::RUNNER,
    outage_flapping::FLAPPING,
    trust::CONTROLLER,
    trust::EXPIRED,
    trust::OTHER_HOST,
    trust::RUNNER,
    failover::LEADER,
    upgrade::DEFINITIONS_FIRST,
    pods::IDLE_DELETED,
    pods::BUSY_DELETED,
    terminating::TERMINATING,
    ephemeral::VOLUME,
    scaling::ADJUSTMENT,
    metric_rules::ADJUSTMENT_AND_FACTOR,
    thresholds::EXACT,
    rounding::ROUNDING,
    rounding::RESIDUAL_BUSY,
    anti_flap::ANTI_FLAP,
    thresholds::ZERO,
    metric_rules::SEVERAL,
    metric_rules::REPOSITORY_NAMES,
    rollout::TEMPLATE,
    scaling::BUSY_SURVIVE,
    // Runs alone: last, so that nothing waits for it.
    scaling::LADDER,
    scaling::SIXTY_FOUR,
];

#[cfg(test)]
mod tests {
    use harness::model::{Capability, Check, Claim, expectations};

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
    fn who_names_a_check_of_the_shared_arc_gets_no_check_with_its_own() {
        // The self-proof leaves the latter out of a run in which nothing can be installed.
        let checks: Vec<Check> = CATALOGUE.iter().map(|scenario| (scenario.check)()).collect();
        let has_own = |check: &&Check| matches!(check.claims, Claim::OwnArc(_));
        for shared in checks.iter().filter(|check| !has_own(check)) {
            let other = checks
                .iter()
                .filter(has_own)
                .find(|own| own.id.contains(&shared.id));

            assert_eq!(other.map(|own| &own.id), None, "named with {}", shared.id);
        }
    }

    #[test]
    fn every_expected_failure_is_of_a_check_and_says_where_it_is_described() {
        let known = expectations(include_str!("../expectations.toml")).expect("the file is read");

        for expectation in known {
            let is_there = CATALOGUE
                .iter()
                .any(|scenario| (scenario.check)().id == expectation.check);
            assert!(is_there, "no check has the id {}", expectation.check);
            assert!(
                expectation.upstream.starts_with("https://") && !expectation.awaited.is_empty(),
                "{expectation:?}"
            );
        }
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
