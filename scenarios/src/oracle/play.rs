//! Cases played to the real ARC: targets, GHES's answers, the clock, an autoscaler each; what the log and a watch then show goes to the judges.
//!
//! To have hundreds of cases in a minute no runner is real. A target has a pool of Runners that GHES refuses to register, so they have no pods; its
//! own replica set is left alone by ARC, since the label is taken off it by which ARC knows it. Which of the runners are busy is a staged answer of
//! GHES: here the load is the test's input. What it is not: the judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use harness::Context;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::model::autoscaling::{Controller, Outcome, ReconcileError, RunWithoutJobs, Status};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::answers;
use super::arc_log::Reconcile;
use super::case::{Case, Flavour, POOL, pool_runner};
use super::eyes::{Inbox, Log, version, watch};
use super::generate::RESTLESS;
use super::judge::{Disagreement, Judge, Judged, Target, Written};
use super::manifests::{LABEL, autoscaler, changes, company, refused_pod, runner, target, target_name};

/// Requests at a time.
const AT_A_TIME: usize = 8;

/// All autoscalers at rest: ARC writes no more than twenty objects a second.
const REST_WITHIN: Duration = Duration::from_secs(90);

/// Without any news for so long, nothing more will come.
const STALLED: Duration = Duration::from_secs(8);

/// A reconcile takes milliseconds.
const CRASHES_WITHIN: Duration = Duration::from_secs(20);

/// The annotation whose change has ARC reconcile once more.
const AGAIN: &str = "again";

/// So many lines hold a Go program's panic.
const LAST_WORDS: usize = 60;

/// The label by which ARC's RunnerDeployment controller knows a replica set. Without it, it leaves set and target alone.
const TEMPLATE_HASH: &str = "runner-template-hash";

/// Targets, a pool of Runners, and eyes on all of it.
pub(super) struct Stage<'a> {
    context: &'a Context,
    controller: Controller,
    /// What each target is.
    flavours: Vec<Flavour>,
    log: Log,
    inbox: Inbox,
    /// The replicas of each target when its last case was over.
    before: Vec<Option<i64>>,
    played: usize,
    /// How often an autoscaler that rested on a cache behind the times was made to reconcile.
    roused: usize,
    _watches: Vec<AbortOnDropHandle<()>>,
}

/// A case that was played.
pub(super) struct Played {
    pub(super) case: Case,
    /// Its autoscaler's name.
    pub(super) autoscaler: String,
    /// How it came to rest at each moment.
    pub(super) rests: Vec<Rest>,
    pub(super) reconciles: usize,
    pub(super) stale: usize,
    /// What its last reconcile came to.
    pub(super) last: Option<Result<Outcome, ReconcileError>>,
    pub(super) disagreement: Option<Disagreement>,
}

/// How a case came to rest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rest {
    /// The status's number.
    pub(super) desired: Option<i64>,
    /// Why the last reconcile gave no number, if it did not.
    pub(super) error: Option<ReconcileError>,
}

/// A case while it is played.
struct Playing {
    target: usize,
    autoscaler: String,
    judge: Judge,
    reconciles: Vec<Reconcile>,
    written: Written,
    status: Status,
    seen: Target,
    /// Versions of the target up to this one are the test's own.
    own_until: u64,
    /// Whether its autoscaler exists.
    begun: bool,
    compared: usize,
    rests: Vec<Rest>,
    disagreement: Option<Disagreement>,
}

impl<'a> Stage<'a> {
    /// Makes a target of each of these flavours, and the pool. As many cases can be played side by side.
    pub(super) async fn set(
        context: &'a Context,
        controller: Controller,
        flavours: Vec<Flavour>,
    ) -> anyhow::Result<Stage<'a>> {
        let managers = context.managers();
        let manager = managers.first().context("the scenario has an ARC of its own")?;
        let inbox = Inbox::default();
        let kinds = [
            resources::horizontal_runner_autoscaler(),
            resources::runner_deployment(),
        ];
        let watches = kinds
            .iter()
            .map(|kind| watch(context.objects(kind), inbox.clone()));
        let stage = Stage {
            context,
            controller,
            log: Log::of(manager.log().as_std_path())?,
            _watches: watches.collect(),
            inbox,
            before: vec![None; flavours.len()],
            flavours,
            played: 0,
            roused: 0,
        };
        let pool = (0..POOL).map(|index| runner(&pool_runner(index), "pool"));
        stage.create(&resources::runner(), pool.collect()).await?;
        let targets = stage.flavours.iter().enumerate();
        let targets = targets.map(|(index, flavour)| target(index, *flavour)).collect();
        stage.create(&resources::runner_deployment(), targets).await?;
        stage.freeze().await?;
        Ok(stage)
    }

    async fn create(&self, kind: &ApiResource, manifests: Vec<Value>) -> anyhow::Result<()> {
        let objects = self.context.objects(kind);
        let made = futures::stream::iter(manifests).map(|manifest| {
            let objects = objects.clone();
            async move {
                let object: DynamicObject = serde_json::from_value(manifest)?;
                let made = objects.create(&PostParams::default(), &object).await;
                made.with_context(|| format!("create {}", object.name_any()))
            }
        });
        let _made: Vec<_> = made.buffer_unordered(AT_A_TIME).try_collect().await?;
        Ok(())
    }

    /// Has ARC leave the targets' replica sets alone, of which there is one for each target.
    async fn freeze(&self) -> anyhow::Result<()> {
        let sets = self.context.objects(&resources::runner_replica_set());
        let names = eventually("a replica set of each target", REST_WITHIN, || async {
            match sets.list(&ListParams::default()).await {
                Ok(list) if list.items.len() == self.flavours.len() => Seen::Yes(
                    list.items
                        .iter()
                        .map(kube::ResourceExt::name_any)
                        .collect::<Vec<_>>(),
                ),
                Ok(list) => Seen::NotYet(list.items.len().to_string()),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        })
        .await?;
        let unlabelled = json!({ "metadata": { "labels": { TEMPLATE_HASH: null } } });
        let patched = futures::stream::iter(names).map(|name| {
            let (sets, patch) = (sets.clone(), Patch::Merge(&unlabelled));
            async move { sets.patch(&name, &PatchParams::default(), &patch).await }
        });
        let _patched: Vec<_> = patched.buffer_unordered(AT_A_TIME).try_collect().await?;
        Ok(())
    }

    /// Plays these cases side by side: at most one for each target, which must be of the case's flavour.
    pub(super) async fn play(&mut self, cases: Vec<Case>) -> anyhow::Result<Vec<Played>> {
        let mut free: Vec<usize> = (0..self.flavours.len()).rev().collect();
        let mut playing = Vec::new();
        let run_without_jobs = RunWithoutJobs::of_arc(self.context.arc_version());
        for case in cases {
            let case = Case {
                run_without_jobs,
                ..case
            };
            let fits = free
                .iter()
                .rposition(|target| self.flavours[*target] == case.flavour);
            let target = free.remove(fits.context("there is a free target for each case")?);
            playing.push(self.prepare(target, case).await?);
        }
        let times: BTreeSet<_> = playing.iter().flat_map(|p| p.times()).collect();
        for at in times {
            self.moment(&mut playing, at).await?;
        }
        self.clear(&playing).await?;
        Ok(playing.into_iter().map(Playing::over).collect())
    }

    /// Sets the target, and the pods that would not go.
    async fn prepare(&mut self, target: usize, case: Case) -> anyhow::Result<Playing> {
        self.played += 1;
        let autoscaler = format!("case-{}", self.played);
        let own_until = self
            .patch_target(
                target,
                &json!({ "replicas": case.replicas, "effectiveTime": null }),
            )
            .await?;
        for (index, refused) in case.refused.iter().enumerate() {
            let name = Case::refused_name(&autoscaler, index);
            let pods: Api<Pod> = Api::namespaced(self.context.client().clone(), self.context.namespace());
            let pod = serde_json::from_value(refused_pod(&name, target))?;
            pods.create(&PostParams::default(), &pod)
                .await
                .context("create a pod")?;
            if refused.runner {
                let runner = runner(&name, &target_name(target));
                self.create(&resources::runner(), vec![runner]).await?;
            }
        }
        Ok(Playing {
            target,
            judge: Judge::new(
                self.controller.clone(),
                autoscaler.clone(),
                company(target),
                self.before[target],
                case.clone(),
            ),
            autoscaler,
            reconciles: Vec::new(),
            written: Written::default(),
            status: Status::default(),
            seen: Target {
                replicas: case.replicas,
                effective_time: None,
            },
            own_until,
            begun: false,
            compared: 0,
            rests: Vec::new(),
            disagreement: None,
        })
    }

    /// Changes a target's spec; gives the version that this makes.
    async fn patch_target(&self, target: usize, spec: &Value) -> anyhow::Result<u64> {
        let patch = json!({ "spec": spec });
        let targets = self.context.objects(&resources::runner_deployment());
        let name = target_name(target);
        let patched = targets
            .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        version(&patched.with_context(|| format!("patch the target {name}"))?)
    }

    /// Moves clock and load to this time, has the cases reconcile, and waits until all are at rest.
    async fn moment(&mut self, playing: &mut [Playing], at: Timestamp) -> anyhow::Result<()> {
        let clock = self.context.clock()?;
        let left = second_of(clock.now());
        clock.replay(at)?;
        let stage: &Stage<'_> = self;
        let driven = playing
            .iter_mut()
            .filter(|p| p.disagreement.is_none())
            .map(|p| async move {
                match p.judge.case().moments.iter().position(|moment| moment.at == at) {
                    Some(moment) => stage.drive(p, moment, left).await,
                    None => Ok(()),
                }
            });
        let driven: Vec<_> = driven.collect();
        let _driven: Vec<()> = futures::stream::iter(driven)
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await?;
        loop {
            self.await_rest(playing).await?;
            let behind = playing.iter_mut().filter(|p| p.disagreement.is_none());
            let behind: Vec<String> = behind
                .filter_map(|p| p.judge.rouse().then(|| p.autoscaler.clone()))
                .collect();
            if behind.is_empty() {
                break;
            }
            for autoscaler in behind {
                let changed = json!({ "metadata": { "annotations": { AGAIN: self.roused.to_string() } } });
                self.patch_autoscaler(&autoscaler, &changed).await?;
                self.roused += 1;
            }
        }
        self.look(playing, true);
        for p in playing.iter_mut().filter(|p| p.is_restless() || !p.is_done()) {
            p.disagreement = Some(p.judge.unfinished(&p.written));
        }
        let now_at_rest = |p: &&mut Playing| p.times().contains(&at);
        for p in playing.iter_mut().filter(now_at_rest) {
            p.rests.push(p.rest());
        }
        Ok(())
    }

    /// Waits until nothing more is to come of any.
    async fn await_rest(&mut self, playing: &mut [Playing]) -> anyhow::Result<()> {
        let mut news = Instant::now();
        eventually("every autoscaler at rest", REST_WITHIN, || {
            if self.look(playing, false) {
                news = Instant::now();
            }
            let restless = playing.iter().filter(|p| !p.is_done()).count();
            let over = restless == 0 || news.elapsed() > STALLED;
            let seen = if over {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{restless} are not"))
            };
            async move { seen }
        })
        .await?;
        Ok(())
    }

    /// Plays a case at which the manager must end with these words; it is not started again.
    pub(super) async fn crash(&mut self, case: Case, words: &str) -> anyhow::Result<()> {
        let managers = self.context.managers();
        let manager = managers.first().context("the scenario has an ARC of its own")?;
        let free = self.flavours.iter().position(|flavour| *flavour == case.flavour);
        let mut playing = self
            .prepare(free.context("there is a target for it")?, case)
            .await?;
        let at = playing.judge.case().moments[0].at;
        self.context.clock()?.replay(at)?;
        self.drive(&mut playing, 0, at).await?;
        let ended = eventually("the manager's end", CRASHES_WITHIN, || async {
            match manager.exited() {
                Some(_) if manager.tail(LAST_WORDS).contains(words) => Seen::Yes(()),
                Some(_) => Seen::NotYet(manager.tail(LAST_WORDS)),
                None => Seen::NotYet("it runs".to_owned()),
            }
        })
        .await;
        // Its end is no fault of the run's: it was wanted.
        self.context.kill_manager(0).await;
        Ok(ended?)
    }

    async fn drive(&self, p: &mut Playing, moment: usize, left: Timestamp) -> anyhow::Result<()> {
        p.judge.begin(moment, left);
        let case = p.judge.case().clone();
        answers::stage(
            self.context.hand(),
            &case,
            moment,
            &p.autoscaler,
            &company(p.target),
        );
        let now = &case.moments[moment];
        if let Some(replicas) = now.edited {
            p.own_until = self
                .patch_target(p.target, &json!({ "replicas": replicas }))
                .await?;
            p.seen.replicas = Some(replicas);
        }
        if moment == 0 {
            p.begun = true;
            self.context
                .apply(&autoscaler(&p.autoscaler, &target_name(p.target), &now.spec))
                .await?;
            return Ok(());
        }
        let patch = json!({
            "metadata": { "annotations": { LABEL: moment.to_string() } },
            "spec": changes(&case.moments[moment - 1].spec, &now.spec),
        });
        self.patch_autoscaler(&p.autoscaler, &patch).await
    }

    /// Changes an autoscaler, at which ARC reconciles it.
    async fn patch_autoscaler(&self, name: &str, patch: &Value) -> anyhow::Result<()> {
        let autoscalers = self.context.objects(&resources::horizontal_runner_autoscaler());
        let patched = autoscalers
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.with_context(|| format!("change the autoscaler {name}"))?;
        Ok(())
    }

    /// Hands on what log and watches have shown since the last look. Whether there was anything new.
    fn look(&mut self, playing: &mut [Playing], late: bool) -> bool {
        let reconciles = self.log.read();
        let versions = std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner));
        let mut news = false;
        let by_name: BTreeMap<String, usize> = playing
            .iter()
            .enumerate()
            .flat_map(|(index, p)| [(p.autoscaler.clone(), index), (target_name(p.target), index)])
            .collect();
        for reconcile in reconciles {
            if let Some(index) = by_name.get(&reconcile.autoscaler) {
                playing[*index].reconciles.push(reconcile);
                news = true;
            }
        }
        for object in versions {
            if let Some(index) = by_name.get(&object.name_any()) {
                playing[*index].see(&object);
                news = true;
            }
        }
        for p in playing.iter_mut() {
            p.advance(late);
        }
        news
    }

    /// Deletes what the cases had, and takes back what GHES says.
    async fn clear(&mut self, playing: &[Playing]) -> anyhow::Result<()> {
        let autoscalers = self.context.objects(&resources::horizontal_runner_autoscaler());
        let pods: Api<Pod> = Api::namespaced(self.context.client().clone(), self.context.namespace());
        let runners = self.context.objects(&resources::runner());
        for p in playing.iter().filter(|p| p.begun) {
            autoscalers
                .delete(&p.autoscaler, &DeleteParams::default())
                .await?;
            for (index, refused) in p.judge.case().refused.iter().enumerate() {
                let name = Case::refused_name(&p.autoscaler, index);
                pods.delete(&name, &DeleteParams::default().grace_period(0))
                    .await?;
                if refused.runner {
                    runners.delete(&name, &DeleteParams::default()).await?;
                }
            }
            self.before[p.target] = p.seen.replicas;
        }
        self.context.hand().clear_stage();
        Ok(())
    }
}

impl Playing {
    fn times(&self) -> Vec<Timestamp> {
        self.judge.case().moments.iter().map(|moment| moment.at).collect()
    }

    /// A version that a watch showed.
    fn see(&mut self, object: &DynamicObject) {
        if object.name_any() == self.autoscaler {
            let status = object.data.get("status").cloned().unwrap_or(json!({}));
            let status: Status = serde_json::from_value(status).unwrap_or_default();
            if status != self.status {
                self.status = status.clone();
                self.written.statuses.push_back(status);
            }
            return;
        }
        if version(object).is_ok_and(|version| version <= self.own_until) {
            return;
        }
        let time = object.data["spec"]["effectiveTime"].as_str();
        let target = Target {
            replicas: object.data["spec"]["replicas"].as_i64(),
            effective_time: time.and_then(|time| time.parse().ok()),
        };
        if target != self.seen {
            self.seen = target;
            self.written.targets.push_back(target);
        }
    }

    /// Judges what can be judged.
    fn advance(&mut self, late: bool) {
        while self.disagreement.is_none() && !self.is_restless() {
            let Some(reconcile) = self.reconciles.first() else {
                break;
            };
            match self.judge.judge(reconcile, &mut self.written, late) {
                Judged::Open => break,
                Judged::Agreed => {
                    self.compared += 1;
                    self.reconciles.remove(0);
                }
                Judged::Differs(disagreement) => self.disagreement = Some(*disagreement),
            }
        }
    }

    /// The oracle would be at rest by now; ARC may go on for ever.
    fn is_restless(&self) -> bool {
        self.judge.reconciles > 4 * RESTLESS
    }

    fn is_done(&self) -> bool {
        !self.begun
            || self.disagreement.is_some()
            || self.is_restless()
            || self.reconciles.is_empty() && self.judge.rests(&self.written)
    }

    fn rest(&self) -> Rest {
        Rest {
            desired: self.status.desired_replicas,
            error: self.judge.last.clone().and_then(Result::err),
        }
    }

    fn over(self) -> Played {
        Played {
            case: self.judge.case().clone(),
            autoscaler: self.autoscaler,
            rests: self.rests,
            reconciles: self.compared,
            stale: self.judge.stale,
            last: self.judge.last,
            disagreement: self.disagreement,
        }
    }
}

/// The second that a clock shows.
fn second_of(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
