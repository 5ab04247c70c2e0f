//! Seeded defects: each breaks the mock, a manifest, a program or the chart, never a check, and must turn exactly its check red.

mod effects;
mod rows;

use harness_model::Plan;
/// A way in which an environment can be made wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The mock's runner lists omit a custom label.
    DropLabel,
    /// The mock keeps ephemeral runners after their job.
    KeepEphemeral,
    /// The mock loses job outputs.
    DropOutputs,
    /// The mock's checkout gives the commit before.
    StaleCheckout,
    /// The RunnerDeployment definition has no short name.
    ShortNameGone,
    /// The serving certificate comes from another issuer.
    OtherIssuer,
    /// The chart's objects say another chart version.
    Relabelled,
    /// The validating webhook is not asked about RunnerDeployments.
    UnaskedWebhook,
    /// The validating webhook is not asked about RunnerReplicaSets.
    UnaskedSets,
    /// A renewed serving certificate does not reach the manager's folder.
    StaleCertificate,
    /// cert-manager's cainjector is killed once the environment is up.
    CainjectorKilled,
    /// A RunnerDeployment has an effectiveTime of long ago, so that ARC replaces no runner.
    EffectiveTimePast,
    /// Somebody's finalizer holds the RunnerDeployment.
    HeldDeployment,
    /// GHES does not let ARC remove a scope's idle runners.
    StuckRemoval,
    /// A RunnerDeployment whose runner is killed has an effectiveTime of long ago.
    Unreplaced,
    /// The RunnerDeployment has lost its runner group.
    GroupLost,
    /// The RunnerDeployment has lost its toleration.
    TolerationLost,
    /// The RunnerDeployment has a service account but no fsGroup.
    FsGroupLost,
    /// The RunnerDeployment has lost its dockerVolumeMounts.
    DockerMountLost,
    /// The RunnerDeployment does not say that the daemon runs within the runner.
    DaemonBeside,
    /// The RunnerDeployment has the usual MTU in place of the narrow one.
    WideMtu,
    /// The RunnerDeployment has an image of Ubuntu 20.04 in place of 22.04.
    OlderUbuntu,
    /// The RunnerSet's template has a registration token of its own.
    PresetToken,
    /// The RunnerSet's runners are not ephemeral.
    LastingRunner,
    /// The RunnerSet's autoscaler has a lower maximum.
    LowCeiling,
    /// Runner pods have one second to end.
    NoGrace,
    /// Pods of a RunnerDeployment that is deleted have one second to end.
    ShortGrace,
    /// The autoscaler's override has lost its recurrence rule.
    OneOff,
    /// The autoscaler scales out when half of its runners are busy.
    EagerAutoscaler,
    /// An outage of GHES does not end.
    StuckOutage,
    /// A runner of a repository takes jobs of the owner's other repositories.
    WideRepository,
    /// A runner of an organization takes jobs of the enterprise's other organizations.
    WideOrganization,
    /// The mock shows no more than five runners of a scope as busy.
    FewBusy,
    /// The last job of a large matrix has the first one's values.
    RepeatLeg,
    /// The autoscaler removes three runners at a time in place of two.
    LargeAdjustment,
    /// The removal of a busy runner is answered 403 in place of 422, which ARC takes for done.
    BusyForbidden,
    /// GHES gives registration tokens although it is said to be away.
    LeakyOutage,
    /// An outage of GHES for runners does not end.
    StuckRunnerOutage,
    /// The two managers run without leader election.
    NoElection,
    /// Runner pods tolerate a lost node for ever.
    Tolerant,
    /// The RunnerDeployment has one runner fewer.
    OneShort,
    /// The mock shows the third busy runner of a scope as idle.
    ThirdIdle,
    /// Both managers lead, without an election.
    TwoLeaders,
    /// The scenario that wants the previous release of ARC gets the tested one.
    SameRelease,
    /// The manager that should run in a zone runs in UTC.
    ZoneLost,
    /// The autoscaler's override ends for good after half a year.
    LapsedOverride,
    /// The autoscaler scales out a little above the threshold that the check counts on.
    HighThreshold,
    /// The autoscaler scales in at the threshold that the check counts on.
    WideThreshold,
    /// GHES does not let ARC list workflow runs.
    RunsForbidden,
    /// The autoscaler never wants less than one runner.
    FloorOfOne,
    /// GHES does not let ARC remove runners of a scope.
    StuckRollout,
    /// The manager that should not trust GHES does.
    Trusted,
    /// Every random autoscaler has a minimum that is one higher.
    HigherMinimum,
    /// The manager for random cases in a zone runs in UTC.
    CasesInUtc,
    /// GHES tells no webhook that a job is completed.
    LostCompleted,
    /// The autoscaler's reservations last for half an hour.
    LongReservation,
    /// The webhook server does not know the secret.
    UnguardedWebhooks,
    /// The autoscaler that should have no target has one.
    NoDangling,
    /// The RunnerDeployment does not name the label of the queued jobs.
    UncountedLabel,
    /// The autoscaler has lost its metric.
    MetricGone,
    /// GHES tells webhooks of each step of a job twice.
    DoubleDeliveries,
    /// The autoscaler's factor 1.1 is 1.09.
    RoughFactor,
    /// The autoscaler scales in only below 15 % busy.
    LowThreshold,
    /// The autoscaler's delay after a scale-out is five seconds.
    ShortDelay,
    /// The autoscaler has an adjustment and no factor besides.
    FactorLost,
    /// The autoscaler has lost all metrics but the first.
    SecondMetricGone,
    /// The autoscaler's metric names another repository.
    OtherRepository,
    /// The autoscaler goes by busy runners in place of queued jobs.
    WrongMetric,
    /// The autoscaler's overrides stand in the opposite order.
    ReversedOverrides,
    /// The autoscaler's override has lost its untilTime.
    UntilLost,
    /// The autoscaler's yearly override recurs every month.
    MonthlyForYearly,
    /// The manager that should see clocks change runs in UTC.
    ShortDayInUtc,
    /// The autoscaler's override ends when it starts.
    EmptyOverride,
    /// The autoscaler has maxReplicas 9 in place of 3.
    HigherMaximum,
    /// GHES signs what it tells webhooks with another secret.
    ForgedDeliveries,
    /// The second of two autoscalers for the same jobs has no trigger.
    OneTrigger,
    /// GHES tells no webhook of the queued job of a run's second attempt.
    SilentRerun,
    /// GHES tells no webhook of the seventh queued job.
    LostQueued,
    /// GHES shows a runner group to repositories that may not use it.
    WideGroups,
    /// The autoscaler wants no runner at least.
    FloorOfNone,
    /// GHES gives registration tokens that live for 25 minutes.
    ShortTokens,
    /// GHES gives registration tokens that live for a day.
    LongTokens,
    /// The RunnerDeployment of a repository names no Secret with a token of its own.
    LostCredentials,
    /// The RunnerDeployment of the enterprise names no Secret, so that ARC uses its own token.
    BroadToken,
    /// GHES goes on to take a token that was revoked.
    UnrevokedTokens,
    /// The Secret names an installation that the GitHub App does not have.
    OtherInstallation,
    /// One of the Secrets gives the address of GHES with http.
    PlainHttp,
    /// GHES's lists do not say where their next page is.
    NoLinks,
    /// GHES lets nobody keep its answers.
    NoCaching,
    /// GHES tells nobody how many requests are left.
    SilentLimit,
    /// Refusals of GHES do not end.
    StuckFlapping,
    /// The certificate of GHES that should be expired is not.
    NeverExpired,
    /// The certificate of GHES that should be for another host is for the right one.
    RightHost,
}

/// What is said of a defect.
struct Facts {
    name: &'static str,
    turns_red: &'static str,
    what: &'static str,
}

const fn facts(name: &'static str, turns_red: &'static str, what: &'static str) -> Facts {
    Facts {
        name,
        turns_red,
        what,
    }
}

impl Defect {
    /// Every defect.
    pub const ALL: [Defect; 93] = [
        Defect::DropLabel,
        Defect::KeepEphemeral,
        Defect::DropOutputs,
        Defect::StaleCheckout,
        Defect::ShortNameGone,
        Defect::OtherIssuer,
        Defect::Relabelled,
        Defect::UnaskedWebhook,
        Defect::UnaskedSets,
        Defect::StaleCertificate,
        Defect::CainjectorKilled,
        Defect::EffectiveTimePast,
        Defect::HeldDeployment,
        Defect::StuckRemoval,
        Defect::Unreplaced,
        Defect::GroupLost,
        Defect::TolerationLost,
        Defect::FsGroupLost,
        Defect::DockerMountLost,
        Defect::DaemonBeside,
        Defect::WideMtu,
        Defect::OlderUbuntu,
        Defect::PresetToken,
        Defect::LastingRunner,
        Defect::LowCeiling,
        Defect::NoGrace,
        Defect::ShortGrace,
        Defect::OneOff,
        Defect::EagerAutoscaler,
        Defect::StuckOutage,
        Defect::WideRepository,
        Defect::WideOrganization,
        Defect::FewBusy,
        Defect::RepeatLeg,
        Defect::LargeAdjustment,
        Defect::BusyForbidden,
        Defect::LeakyOutage,
        Defect::StuckRunnerOutage,
        Defect::NoElection,
        Defect::Tolerant,
        Defect::OneShort,
        Defect::ZoneLost,
        Defect::SameRelease,
        Defect::LapsedOverride,
        Defect::ThirdIdle,
        Defect::TwoLeaders,
        Defect::HighThreshold,
        Defect::WideThreshold,
        Defect::RunsForbidden,
        Defect::FloorOfOne,
        Defect::StuckRollout,
        Defect::Trusted,
        Defect::HigherMinimum,
        Defect::CasesInUtc,
        Defect::LostCompleted,
        Defect::LongReservation,
        Defect::UnguardedWebhooks,
        Defect::NoDangling,
        Defect::UncountedLabel,
        Defect::MetricGone,
        Defect::DoubleDeliveries,
        Defect::RoughFactor,
        Defect::LowThreshold,
        Defect::ShortDelay,
        Defect::FactorLost,
        Defect::SecondMetricGone,
        Defect::OtherRepository,
        Defect::WrongMetric,
        Defect::ReversedOverrides,
        Defect::UntilLost,
        Defect::MonthlyForYearly,
        Defect::ShortDayInUtc,
        Defect::EmptyOverride,
        Defect::HigherMaximum,
        Defect::ForgedDeliveries,
        Defect::OneTrigger,
        Defect::SilentRerun,
        Defect::LostQueued,
        Defect::WideGroups,
        Defect::FloorOfNone,
        Defect::ShortTokens,
        Defect::LongTokens,
        Defect::LostCredentials,
        Defect::BroadToken,
        Defect::UnrevokedTokens,
        Defect::OtherInstallation,
        Defect::PlainHttp,
        Defect::NoLinks,
        Defect::NoCaching,
        Defect::SilentLimit,
        Defect::StuckFlapping,
        Defect::NeverExpired,
        Defect::RightHost,
    ];

    /// As `--defect` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The check that it must turn red, alone.
    #[must_use]
    pub fn turns_red(self) -> &'static str {
        self.facts().turns_red
    }

    /// What is wrong, for the list.
    #[must_use]
    pub fn what(self) -> &'static str {
        self.facts().what
    }

    fn facts(self) -> Facts {
        match self {
            Defect::DropLabel => facts(
                "drop-label",
                "registration::enterprise",
                "GHES lists runners without one of their labels",
            ),
            Defect::KeepEphemeral => facts(
                "keep-ephemeral",
                "ephemeral::replaced",
                "GHES keeps an ephemeral runner after its job",
            ),
            Defect::DropOutputs => facts(
                "drop-outputs",
                "quickstart::workflow",
                "GHES loses the outputs of a job",
            ),
            Defect::StaleCheckout => facts(
                "stale-checkout",
                "quickstart::workflow",
                "GHES serves a checkout of the commit before",
            ),
            Defect::ShortNameGone => facts(
                "short-name-gone",
                "verify-install::api-resources",
                "the RunnerDeployment definition has no short name",
            ),
            Defect::OtherIssuer => facts(
                "other-issuer",
                "verify-install::certificate",
                "the serving certificate comes from another issuer",
            ),
            Defect::Relabelled => facts(
                "relabelled",
                "verify-install::chart",
                "the chart's service account carries another chart version",
            ),
            Defect::UnaskedWebhook => facts(
                "unasked-webhook",
                "admission::two-scopes",
                "the validating webhook is not asked about RunnerDeployments",
            ),
            Defect::UnaskedSets => facts(
                "unasked-sets",
                "admission::other-kinds",
                "the validating webhook is not asked about RunnerReplicaSets",
            ),
            Defect::StaleCertificate => facts(
                "stale-certificate",
                "admission::certificate-renewed",
                "a renewed serving certificate does not reach the manager's folder",
            ),
            Defect::CainjectorKilled => facts(
                "cainjector-killed",
                "verify-install::programs",
                "cert-manager's cainjector is killed",
            ),
            Defect::EffectiveTimePast => facts(
                "effective-time-past",
                "pods::idle-deleted",
                "a RunnerDeployment has an effectiveTime of long ago, so that ARC replaces no runner",
            ),
            Defect::HeldDeployment => facts(
                "held-deployment",
                "deployment::deleted",
                "somebody's finalizer holds the RunnerDeployment",
            ),
            Defect::StuckRemoval => facts(
                "stuck-removal",
                "replicas::to-zero-and-back",
                "GHES answers 500 to the removal of an idle runner",
            ),
            Defect::Unreplaced => facts(
                "unreplaced",
                "ephemeral::crash",
                "a RunnerDeployment whose runner is killed has an effectiveTime of long ago",
            ),
            Defect::GroupLost => facts(
                "group-lost",
                "pod::environment",
                "the RunnerDeployment names no runner group",
            ),
            Defect::TolerationLost => facts(
                "toleration-lost",
                "pod::overrides",
                "the RunnerDeployment has lost its toleration",
            ),
            Defect::FsGroupLost => facts(
                "fs-group-lost",
                "pod::role",
                "the RunnerDeployment has a service account but no fsGroup",
            ),
            Defect::DockerMountLost => facts(
                "docker-mount-lost",
                "pod::docker-sidecar",
                "the RunnerDeployment has lost its dockerVolumeMounts",
            ),
            Defect::DaemonBeside => facts(
                "daemon-beside",
                "pod::docker-within-runner",
                "the RunnerDeployment does not say that the daemon runs within the runner",
            ),
            Defect::WideMtu => facts(
                "wide-mtu",
                "pod::mtu-and-mirror",
                "the RunnerDeployment has a dockerMTU of 1500 in place of 1400",
            ),
            Defect::OlderUbuntu => facts(
                "older-ubuntu",
                "pod::group-id",
                "the RunnerDeployment has an image of Ubuntu 20.04 in place of 22.04",
            ),
            Defect::PresetToken => facts(
                "preset-token",
                "runner-set::registration",
                "the RunnerSet's template has a registration token of its own",
            ),
            Defect::LastingRunner => facts(
                "lasting-runner",
                "runner-set::replaced",
                "the RunnerSet's runners are not ephemeral",
            ),
            Defect::LowCeiling => facts(
                "low-ceiling",
                "runner-set::scale",
                "the RunnerSet's autoscaler has a lower maximum",
            ),
            Defect::NoGrace => facts(
                "no-grace",
                "pods::busy-deleted",
                "runner pods have one second to end",
            ),
            Defect::ShortGrace => facts(
                "short-grace",
                "pods::terminating",
                "pods of a RunnerDeployment that is deleted have one second to end",
            ),
            Defect::OneOff => facts(
                "one-off",
                "overrides::weekend",
                "the autoscaler's override has lost its recurrence rule",
            ),
            Defect::EagerAutoscaler => facts(
                "eager-autoscaler",
                "metrics::percentage-runners-busy",
                "the autoscaler scales out when half of its runners are busy",
            ),
            Defect::StuckOutage => facts(
                "stuck-outage",
                "outage::controller",
                "an outage of GHES does not end",
            ),
            Defect::WideRepository => facts(
                "wide-repository",
                "registration::repository",
                "GHES gives a repository's runner jobs of another repository",
            ),
            Defect::WideOrganization => facts(
                "wide-organization",
                "registration::organization",
                "GHES gives an organization's runner jobs of another organization",
            ),
            Defect::FewBusy => facts(
                "few-busy",
                "scaling::ladder",
                "GHES shows no more than five runners of a scope as busy",
            ),
            Defect::RepeatLeg => facts(
                "repeat-leg",
                "ephemeral::volume",
                "GHES gives the last job of a large matrix the first one's values",
            ),
            Defect::LargeAdjustment => facts(
                "large-adjustment",
                "scaling::adjustment",
                "the autoscaler removes three runners at a time in place of two",
            ),
            Defect::BusyForbidden => facts(
                "busy-forbidden",
                "scaling::busy-survive",
                "GHES answers 403 to a removal, also of a busy runner",
            ),
            Defect::LeakyOutage => facts(
                "leaky-outage",
                "outage::controller",
                "GHES gives registration tokens although it is said to be away",
            ),
            Defect::StuckRunnerOutage => facts(
                "stuck-runner-outage",
                "outage::runner",
                "an outage of GHES for runners does not end",
            ),
            Defect::NoElection => facts(
                "no-election",
                "failover::leader",
                "the two managers run without leader election",
            ),
            Defect::Tolerant => facts(
                "tolerant",
                "pods::node-lost",
                "runner pods tolerate a lost node for ever",
            ),
            Defect::OneShort => facts(
                "one-short",
                "scaling::sixty-four",
                "the RunnerDeployment has one runner fewer",
            ),
            Defect::ZoneLost => facts(
                "zone-lost",
                "overrides::year-in-new-york",
                "the manager that should run in a zone runs in UTC",
            ),
            Defect::SameRelease => facts(
                "same-release",
                "upgrade::definitions-first",
                "in place of the previous release of ARC the tested one runs",
            ),
            Defect::LapsedOverride => facts(
                "lapsed-override",
                "overrides::year",
                "the autoscaler's override ends for good after half a year",
            ),
            Defect::ThirdIdle => facts(
                "third-idle",
                "metrics::percentage-runners-busy",
                "GHES shows the third busy runner of a scope as idle",
            ),
            Defect::TwoLeaders => facts(
                "two-leaders",
                "metrics::leader",
                "both managers lead, without an election",
            ),
            Defect::HighThreshold => facts(
                "high-threshold",
                "scaling::thresholds",
                "the autoscaler scales out only from 51 % busy on",
            ),
            Defect::WideThreshold => facts(
                "wide-threshold",
                "scaling::thresholds",
                "the autoscaler scales in below 26 % busy, which 2 of 8 are",
            ),
            Defect::RunsForbidden => facts(
                "runs-forbidden",
                "scaling::zero-trap",
                "GHES answers 403 to a list of workflow runs",
            ),
            Defect::FloorOfOne => facts(
                "floor-of-one",
                "scaling::zero-trap",
                "the autoscaler has minReplicas 1 in place of 0",
            ),
            Defect::StuckRollout => facts(
                "stuck-rollout",
                "rollout::template",
                "GHES answers 500 to a removal, also of the old template's runner",
            ),
            Defect::Trusted => facts(
                "trusted",
                "trust::controller",
                "the manager that should not know GHES's certificate authority knows it",
            ),
            Defect::HigherMinimum => facts(
                "higher-minimum",
                "oracle::differential",
                "every random autoscaler has a minimum that is one higher",
            ),
            Defect::CasesInUtc => facts(
                "cases-in-utc",
                "oracle::differential-in-new-york",
                "the manager for random cases in a zone runs in UTC",
            ),
            Defect::LostCompleted => facts(
                "lost-completed",
                "webhook::scale-up-and-down",
                "GHES tells no webhook that a job is completed",
            ),
            Defect::LongReservation => facts(
                "long-reservation",
                "webhook::expiry",
                "the autoscaler's reservations last for half an hour",
            ),
            Defect::UnguardedWebhooks => facts(
                "unguarded-webhooks",
                "webhook::hostile",
                "the webhook server does not know the secret, so that it takes every delivery",
            ),
            Defect::NoDangling => facts(
                "no-dangling",
                "webhook::dangling",
                "the autoscaler that should have no target has one",
            ),
            Defect::UncountedLabel => facts(
                "uncounted-label",
                "metrics::queued-jobs",
                "the RunnerDeployment does not name the label of the queued jobs",
            ),
            Defect::MetricGone => facts(
                "metric-gone",
                "webhook::runaway",
                "the autoscaler has lost its metric",
            ),
            Defect::DoubleDeliveries => facts(
                "double-deliveries",
                "actions-metrics::jobs",
                "GHES tells webhooks of each step of a job twice",
            ),
            Defect::RoughFactor => facts(
                "rough-factor",
                "scaling::rounding",
                "the autoscaler's factor 1.1 is 1.09",
            ),
            Defect::LowThreshold => facts(
                "low-threshold",
                "scaling::residual-busy",
                "the autoscaler scales in only below 15 % busy",
            ),
            Defect::ShortDelay => facts(
                "short-delay",
                "scaling::anti-flap",
                "the autoscaler's delay after a scale-out is five seconds",
            ),
            Defect::FactorLost => facts(
                "factor-lost",
                "scaling::both-adjustment-and-factor",
                "the autoscaler has an adjustment and no factor besides",
            ),
            Defect::SecondMetricGone => facts(
                "second-metric-gone",
                "scaling::several-metrics",
                "the autoscaler has lost all metrics but the first",
            ),
            Defect::OtherRepository => facts(
                "other-repository",
                "scaling::repository-names",
                "the autoscaler's metric names another repository",
            ),
            Defect::WrongMetric => facts(
                "wrong-metric",
                "metrics::queued-labels",
                "the autoscaler goes by busy runners in place of queued jobs",
            ),
            Defect::ReversedOverrides => facts(
                "reversed-overrides",
                "overrides::priority",
                "the autoscaler's overrides stand in the opposite order",
            ),
            Defect::UntilLost => facts(
                "until-lost",
                "overrides::until-time",
                "the autoscaler's override has lost its untilTime",
            ),
            Defect::MonthlyForYearly => facts(
                "monthly-for-yearly",
                "overrides::monthly-and-yearly",
                "the autoscaler's yearly override recurs every month",
            ),
            Defect::ShortDayInUtc => facts(
                "short-day-in-utc",
                "overrides::dst-short-day",
                "the manager that should see clocks change runs in UTC",
            ),
            Defect::EmptyOverride => facts(
                "empty-override",
                "overrides::too-long",
                "the autoscaler's override ends when it starts",
            ),
            Defect::HigherMaximum => facts(
                "higher-maximum",
                "overrides::max-below-min",
                "the autoscaler has maxReplicas 9 in place of 3",
            ),
            Defect::ForgedDeliveries => facts(
                "forged-deliveries",
                "webhook::conclusions",
                "GHES signs what it tells webhooks with another secret",
            ),
            Defect::OneTrigger => facts(
                "one-trigger",
                "webhook::ambiguous",
                "the second of two autoscalers for the same jobs has no trigger",
            ),
            Defect::SilentRerun => facts(
                "silent-rerun",
                "webhook::rerun",
                "GHES tells no webhook of the queued job of a run's second attempt",
            ),
            Defect::LostQueued => facts(
                "lost-queued",
                "webhook::burst",
                "GHES tells no webhook of the seventh queued job",
            ),
            Defect::WideGroups => facts(
                "wide-groups",
                "webhook::groups",
                "GHES shows a runner group to repositories that may not use it",
            ),
            Defect::FloorOfNone => facts(
                "floor-of-none",
                "webhook::effective-time",
                "the autoscaler has minReplicas 0 in place of 2",
            ),
            Defect::ShortTokens => facts(
                "short-tokens",
                "registration::token-reuse",
                "GHES gives registration tokens that live for 25 minutes",
            ),
            Defect::LongTokens => facts(
                "long-tokens",
                "registration::token-near-expiry",
                "GHES gives registration tokens that live for a day",
            ),
            Defect::LostCredentials => facts(
                "lost-credentials",
                "auth::per-object",
                "the RunnerDeployment of a repository names no Secret with a token of its own",
            ),
            Defect::BroadToken => facts(
                "broad-token",
                "auth::missing-scope",
                "the RunnerDeployment of the enterprise names no Secret, so that ARC uses its own token",
            ),
            Defect::UnrevokedTokens => facts(
                "unrevoked-tokens",
                "auth::token-revoked",
                "GHES goes on to take a token that was revoked",
            ),
            Defect::OtherInstallation => facts(
                "other-installation",
                "auth::app",
                "the Secret names an installation that the GitHub App does not have",
            ),
            Defect::PlainHttp => facts(
                "plain-http",
                "github::base-url",
                "one of the Secrets gives the address of GHES with http",
            ),
            Defect::NoLinks => facts(
                "no-links",
                "github::paging",
                "GHES's lists do not say where their next page is",
            ),
            Defect::NoCaching => facts(
                "no-caching",
                "github::list-cache",
                "GHES lets nobody keep its answers",
            ),
            Defect::SilentLimit => facts(
                "silent-limit",
                "github::rate-limit",
                "GHES tells nobody how many requests are left",
            ),
            Defect::StuckFlapping => facts(
                "stuck-flapping",
                "outage::flapping",
                "refusals of GHES do not end",
            ),
            Defect::NeverExpired => facts(
                "never-expired",
                "trust::expired",
                "the certificate of GHES that should be expired is not",
            ),
            Defect::RightHost => facts(
                "right-host",
                "trust::other-host",
                "the certificate of GHES that should be for another host is for the right one",
            ),
        }
    }

    /// Whether no further ARC can be installed with it: checks that have their own are left out of its proof.
    #[must_use]
    pub fn prevents_installs(self) -> bool {
        self == Defect::CainjectorKilled
    }

    /// The defect of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Defect> {
        Defect::ALL.into_iter().find(|defect| defect.name() == name)
    }

    /// The defects that a plan seeds; unknown names were refused before.
    pub(crate) fn of_plan(plan: &Plan) -> Vec<Defect> {
        plan.defect
            .iter()
            .flat_map(|names| names.split(','))
            .filter_map(Defect::named)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_unique() {
        for defect in Defect::ALL {
            assert_eq!(Defect::named(defect.name()), Some(defect));
        }
    }
}
