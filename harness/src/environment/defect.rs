//! Seeded defects: each breaks the mock, a manifest, a program or the chart, never a check, and must turn exactly its check red.
//!
//! What it is not: how it breaks them, which is in `effects` and `rows`.

mod effects;
mod rows;

use harness_model::Plan;

/// Makes the list of defects: a line of the enum, the names and what is said of each from one entry.
macro_rules! defects {
    ($($variant:ident: $name:literal turns $check:literal red: $what:literal;)+) => {
        /// A way in which an environment can be made wrong on purpose.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Defect {
            $(
                #[doc = $what]
                $variant,
            )+
        }

        impl Defect {
            /// Every defect.
            pub const ALL: [Defect; [$($name),+].len()] = [$(Defect::$variant),+];

            /// As `--defect` takes it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Defect::$variant => $name,)+
                }
            }

            /// The check that this defect, and nothing else, turns red.
            #[must_use]
            pub fn turns_red(self) -> &'static str {
                match self {
                    $(Defect::$variant => $check,)+
                }
            }

            /// What is wrong, for the list.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    $(Defect::$variant => $what,)+
                }
            }
        }
    };
}

defects! {
    DropLabel: "drop-label" turns "registration::enterprise" red:
        "GHES lists runners without one of their labels";
    AbsentSidecar: "absent-sidecar" turns "ephemeral::sidecar" red:
        "there is no image for the container beside the runner, so that its pod stays Pending";
    KeepEphemeral: "keep-ephemeral" turns "ephemeral::replaced" red:
        "GHES keeps an ephemeral runner after its job";
    DropOutputs: "drop-outputs" turns "quickstart::workflow" red:
        "GHES loses the outputs of a job";
    StaleCheckout: "stale-checkout" turns "quickstart::workflow" red:
        "GHES serves a checkout of the commit before";
    ShortNameGone: "short-name-gone" turns "verify-install::api-resources" red:
        "the RunnerDeployment definition has no short name";
    OtherIssuer: "other-issuer" turns "verify-install::certificate" red:
        "the serving certificate comes from another issuer";
    Relabelled: "relabelled" turns "verify-install::chart" red:
        "the chart's service account carries another chart version";
    UnaskedWebhook: "unasked-webhook" turns "admission::two-scopes" red:
        "the validating webhook is not asked about RunnerDeployments";
    UnaskedSets: "unasked-sets" turns "admission::other-kinds" red:
        "the validating webhook is not asked about RunnerReplicaSets";
    StaleCertificate: "stale-certificate" turns "admission::certificate-renewed" red:
        "a renewed serving certificate does not reach the manager's folder";
    CainjectorKilled: "cainjector-killed" turns "verify-install::programs" red:
        "cert-manager's cainjector is killed";
    EffectiveTimePast: "effective-time-past" turns "pods::idle-deleted" red:
        "a RunnerDeployment has an effectiveTime of long ago, so that ARC replaces no runner";
    HeldDeployment: "held-deployment" turns "deployment::deleted" red:
        "somebody's finalizer holds the RunnerDeployment";
    StuckRemoval: "stuck-removal" turns "replicas::to-zero-and-back" red:
        "GHES answers 500 to the removal of an idle runner";
    HeldPending: "held-pending" turns "replicas::pending" red:
        "somebody's finalizer holds the RunnerDeployment whose pods wait for a node";
    StuckRegistration: "stuck-registration" turns "replicas::not-yet-registered" red:
        "GHES goes on to let a runner wait that registers";
    StuckDeleted: "stuck-deleted" turns "deployment::registering" red:
        "GHES goes on to let a runner wait that registers, although its RunnerDeployment is deleted";
    Unreplaced: "unreplaced" turns "ephemeral::crash" red:
        "a RunnerDeployment whose runner is killed has an effectiveTime of long ago";
    GroupLost: "group-lost" turns "pod::environment" red:
        "the RunnerDeployment names no runner group";
    TolerationLost: "toleration-lost" turns "pod::overrides" red:
        "the RunnerDeployment has lost its toleration";
    FsGroupLost: "fs-group-lost" turns "pod::role" red:
        "the RunnerDeployment has a service account but no fsGroup";
    DockerMountLost: "docker-mount-lost" turns "pod::docker-sidecar" red:
        "the RunnerDeployment has lost its dockerVolumeMounts";
    DaemonBeside: "daemon-beside" turns "pod::docker-within-runner" red:
        "the RunnerDeployment does not say that the daemon runs within the runner";
    WideMtu: "wide-mtu" turns "pod::mtu-and-mirror" red:
        "the RunnerDeployment has a dockerMTU of 1500 in place of 1400";
    OlderUbuntu: "older-ubuntu" turns "pod::group-id" red:
        "the RunnerDeployment has an image of Ubuntu 20.04 in place of 22.04";
    ClaimOfMany: "claim-of-many" turns "pod::kubernetes-mode" red:
        "the RunnerDeployment's claim may be mounted on many nodes";
    WorkUnmounted: "work-unmounted" turns "pod::work-volume" red:
        "the RunnerDeployment has lost its mount of the volume work";
    PresetToken: "preset-token" turns "runner-set::registration" red:
        "the RunnerSet's template has a registration token of its own";
    LastingRunner: "lasting-runner" turns "runner-set::replaced" red:
        "the RunnerSet's runners are not ephemeral";
    LowCeiling: "low-ceiling" turns "runner-set::scale" red:
        "the RunnerSet's autoscaler has a lower maximum";
    NoGrace: "no-grace" turns "pods::busy-deleted" red:
        "runner pods have one second to end";
    ShortGrace: "short-grace" turns "pods::terminating" red:
        "pods of a RunnerDeployment that is deleted have one second to end";
    OneOff: "one-off" turns "overrides::weekend" red:
        "the autoscaler's override has lost its recurrence rule";
    EagerAutoscaler: "eager-autoscaler" turns "metrics::percentage-runners-busy" red:
        "the autoscaler scales out when half of its runners are busy";
    StuckOutage: "stuck-outage" turns "outage::controller" red:
        "an outage of GHES does not end";
    WideRepository: "wide-repository" turns "registration::repository" red:
        "GHES gives a repository's runner jobs of another repository";
    WideOrganization: "wide-organization" turns "registration::organization" red:
        "GHES gives an organization's runner jobs of another organization";
    FewBusy: "few-busy" turns "scaling::ladder" red:
        "GHES shows no more than five runners of a scope as busy";
    RepeatLeg: "repeat-leg" turns "ephemeral::volume" red:
        "GHES gives the last job of a large matrix the first one's values";
    LargeAdjustment: "large-adjustment" turns "scaling::adjustment" red:
        "the autoscaler removes three runners at a time in place of two";
    BusyForbidden: "busy-forbidden" turns "scaling::busy-survive" red:
        "GHES answers 403 to a removal, also of a busy runner";
    LeakyOutage: "leaky-outage" turns "outage::controller" red:
        "GHES gives registration tokens although it is said to be away";
    StuckRunnerOutage: "stuck-runner-outage" turns "outage::runner" red:
        "an outage of GHES for runners does not end";
    NoElection: "no-election" turns "failover::leader" red:
        "the two managers run without leader election";
    Tolerant: "tolerant" turns "pods::node-lost" red:
        "runner pods tolerate a lost node for ever";
    LongGrace: "long-grace" turns "pods::forced" red:
        "runner pods have an hour to end";
    OneShort: "one-short" turns "scaling::sixty-four" red:
        "the RunnerDeployment has one runner fewer";
    ZoneLost: "zone-lost" turns "overrides::year-in-new-york" red:
        "the manager that should run in a zone runs in UTC";
    SameRelease: "same-release" turns "upgrade::definitions-first" red:
        "in place of the previous release of ARC the tested one runs";
    LapsedOverride: "lapsed-override" turns "overrides::year" red:
        "the autoscaler's override ends for good after half a year";
    ThirdIdle: "third-idle" turns "metrics::percentage-runners-busy" red:
        "GHES shows the third busy runner of a scope as idle";
    TwoLeaders: "two-leaders" turns "metrics::leader" red:
        "both managers lead, without an election";
    HighThreshold: "high-threshold" turns "scaling::thresholds" red:
        "the autoscaler scales out only from 51 % busy on";
    WideThreshold: "wide-threshold" turns "scaling::thresholds" red:
        "the autoscaler scales in below 26 % busy, which 2 of 8 are";
    RunsForbidden: "runs-forbidden" turns "scaling::zero-trap" red:
        "GHES answers 403 to a list of workflow runs";
    FloorOfOne: "floor-of-one" turns "scaling::zero-trap" red:
        "the autoscaler has minReplicas 1 in place of 0";
    StuckRollout: "stuck-rollout" turns "rollout::template" red:
        "GHES answers 500 to a removal, also of the old template's runner";
    Trusted: "trusted" turns "trust::controller" red:
        "the manager that should not know GHES's certificate authority knows it";
    HigherMinimum: "higher-minimum" turns "oracle::differential" red:
        "every random autoscaler has a minimum that is one higher";
    CasesInUtc: "cases-in-utc" turns "oracle::differential-in-new-york" red:
        "the manager for random cases in a zone runs in UTC";
    LostCompleted: "lost-completed" turns "webhook::scale-up-and-down" red:
        "GHES tells no webhook that a job is completed";
    LongReservation: "long-reservation" turns "webhook::expiry" red:
        "the autoscaler's reservations last for half an hour";
    UnguardedWebhooks: "unguarded-webhooks" turns "webhook::hostile" red:
        "the webhook server does not know the secret, so that it takes every delivery";
    NoDangling: "no-dangling" turns "webhook::dangling" red:
        "the autoscaler that should have no target has one";
    UncountedLabel: "uncounted-label" turns "metrics::queued-jobs" red:
        "the RunnerDeployment does not name the label of the queued jobs";
    MetricGone: "metric-gone" turns "webhook::runaway" red:
        "the autoscaler has lost its metric";
    DoubleDeliveries: "double-deliveries" turns "actions-metrics::jobs" red:
        "GHES tells webhooks of each step of a job twice";
    RoughFactor: "rough-factor" turns "scaling::rounding" red:
        "the autoscaler's factor 1.1 is 1.09";
    LowThreshold: "low-threshold" turns "scaling::residual-busy" red:
        "the autoscaler scales in only below 15 % busy";
    ShortDelay: "short-delay" turns "scaling::anti-flap" red:
        "the autoscaler's delay after a scale-out is five seconds";
    FactorLost: "factor-lost" turns "scaling::both-adjustment-and-factor" red:
        "the autoscaler has an adjustment and no factor besides";
    SecondMetricGone: "second-metric-gone" turns "scaling::several-metrics" red:
        "the autoscaler has lost all metrics but the first";
    OtherRepository: "other-repository" turns "scaling::repository-names" red:
        "the autoscaler's metric names another repository";
    WrongMetric: "wrong-metric" turns "metrics::queued-labels" red:
        "the autoscaler goes by busy runners in place of queued jobs";
    ReversedOverrides: "reversed-overrides" turns "overrides::priority" red:
        "the autoscaler's overrides stand in the opposite order";
    UntilLost: "until-lost" turns "overrides::until-time" red:
        "the autoscaler's override has lost its untilTime";
    MonthlyForYearly: "monthly-for-yearly" turns "overrides::monthly-and-yearly" red:
        "the autoscaler's yearly override recurs every month";
    ShortDayInUtc: "short-day-in-utc" turns "overrides::dst-short-day" red:
        "the manager that should see clocks change runs in UTC";
    EmptyOverride: "empty-override" turns "overrides::too-long" red:
        "the autoscaler's override ends when it starts";
    HigherMaximum: "higher-maximum" turns "overrides::max-below-min" red:
        "the autoscaler has maxReplicas 9 in place of 3";
    ForgedDeliveries: "forged-deliveries" turns "webhook::conclusions" red:
        "GHES signs what it tells webhooks with another secret";
    SetAmiss: "set-amiss" turns "webhook::targets" red:
        "the RunnerSet of an autoscaler has lost its labels";
    OneTrigger: "one-trigger" turns "webhook::ambiguous" red:
        "the second of two autoscalers for the same jobs has no trigger";
    SilentRerun: "silent-rerun" turns "webhook::rerun" red:
        "GHES tells no webhook of the queued job of a run's second attempt";
    LostQueued: "lost-queued" turns "webhook::burst" red:
        "GHES tells no webhook of the seventh queued job";
    WideGroups: "wide-groups" turns "webhook::groups" red:
        "GHES shows a runner group to repositories that may not use it";
    FloorOfNone: "floor-of-none" turns "webhook::effective-time" red:
        "the autoscaler has minReplicas 0 in place of 2";
    ShortTokens: "short-tokens" turns "registration::token-reuse" red:
        "GHES gives registration tokens that live for 25 minutes";
    LongTokens: "long-tokens" turns "registration::token-near-expiry" red:
        "GHES gives registration tokens that live for a day";
    EnduringTokens: "enduring-tokens" turns "registration::clock-skew" red:
        "GHES, whose clock should be behind, gives registration tokens that live for a day";
    LostCredentials: "lost-credentials" turns "auth::per-object" red:
        "the RunnerDeployment of a repository names no Secret with a token of its own";
    BroadToken: "broad-token" turns "auth::missing-scope" red:
        "the RunnerDeployment of the enterprise names no Secret, so that ARC uses its own token";
    StillTooOld: "still-too-old" turns "github::too-old" red:
        "GHES does not know runners of enterprises when it is up to date either";
    UnrevokedTokens: "unrevoked-tokens" turns "auth::token-revoked" red:
        "GHES goes on to take a token that was revoked";
    OtherInstallation: "other-installation" turns "auth::app" red:
        "the Secret names an installation that the GitHub App does not have";
    PlainHttp: "plain-http" turns "github::base-url" red:
        "one of the Secrets gives the address of GHES with http";
    NoLinks: "no-links" turns "github::paging" red:
        "GHES's lists do not say where their next page is";
    NoCaching: "no-caching" turns "github::list-cache" red:
        "GHES lets nobody keep its answers";
    SilentLimit: "silent-limit" turns "github::rate-limit" red:
        "GHES tells nobody how many requests are left";
    StuckFlapping: "stuck-flapping" turns "outage::flapping" red:
        "refusals of GHES do not end";
    NeverExpired: "never-expired" turns "trust::expired" red:
        "the certificate of GHES that should be expired is not";
    TrustingRunner: "trusting-runner" turns "trust::runner" red:
        "the RunnerDeployment that should not give its runners GHES's certificate authority does";
    BlindPrometheus: "blind-prometheus" turns "monitoring::dashboard" red:
        "Prometheus scrapes ARC where nothing listens";
    RenamedMetric: "renamed-metric" turns "monitoring::alerts" red:
        "the alert rules call the metric of busy runners by another name";
    RightHost: "right-host" turns "trust::other-host" red:
        "the certificate of GHES that should be for another host is for the right one";
}

impl Defect {
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
