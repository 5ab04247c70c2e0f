//! Cases played to the real ARC: targets, GHES's answers, the clock, an autoscaler each; what the log and a watch then show goes to the judges.
//!
//! To have hundreds of cases in a minute no runner is real. A target has a pool of Runners that GHES refuses to register, so they have no pods; its
//! own replica set is left alone by ARC, since the label is taken off it by which ARC knows it. Which of the runners are busy is a staged answer of
//! GHES: here the load is the test's input. What it is not: the judgement.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use harness::Context;
use harness::arc::resources;
use harness::cluster::{Seen, eventually};
use harness::model::Scope;
use harness::model::autoscaling::{Controller, Outcome, ReconcileError, Status};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::arc_log::{ArcLog, Reconcile};
use super::case::{Case, Flavour, LABELS, POOL, REPOSITORIES, pool_runner};
use super::generate::RESTLESS;
use super::judge::{Disagreement, Judge, Judged, Target, Written};

/// So many cases are played side by side.
pub(super) const TARGETS: usize = 30;

/// Requests at a time.
const AT_A_TIME: usize = 8;

/// All autoscalers at rest: ARC writes no more than twenty objects a second.
const REST_WITHIN: Duration = Duration::from_secs(90);

/// Without any news for so long, nothing more will come.
const STALLED: Duration = Duration::from_secs(8);

/// A reconcile takes milliseconds.
const CRASHES_WITHIN: Duration = Duration::from_secs(20);

/// So many lines hold a Go program's panic.
const LAST_WORDS: usize = 60;

/// The label by which a target finds its Runners.
const LABEL: &str = "differential";

/// The label by which ARC's RunnerDeployment controller knows a replica set. Without it, it leaves set and target alone.
const TEMPLATE_HASH: &str = "runner-template-hash";

/// The finalizer that ARC would add.
const FINALIZER: &str = "runner.actions.summerwind.dev";

/// Targets, a pool of Runners, and eyes on all of it.
pub(super) struct Stage<'a> {
    context: &'a Context,
    controller: Controller,
    log: Log,
    inbox: Inbox,
    /// The replicas of each target when its last case was over.
    before: Vec<Option<i64>>,
    played: usize,
    _watches: Vec<AbortOnDropHandle<()>>,
}

/// A case that was played.
pub(super) struct Played {
    pub(super) case: Case,
    pub(super) reconciles: usize,
    pub(super) stale: usize,
    /// What its last reconcile came to.
    pub(super) last: Option<Result<Outcome, ReconcileError>>,
    pub(super) disagreement: Option<Disagreement>,
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
    disagreement: Option<Disagreement>,
}

/// Versions that watches showed and nobody has looked at yet.
type Inbox = Arc<Mutex<Vec<DynamicObject>>>;

impl<'a> Stage<'a> {
    /// Makes targets and pool.
    pub(super) async fn set(context: &'a Context, controller: Controller) -> anyhow::Result<Stage<'a>> {
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
            before: vec![None; TARGETS],
            played: 0,
        };
        let pool = (0..POOL).map(|index| runner(&pool_runner(index), "pool"));
        stage.create(&resources::runner(), pool.collect()).await?;
        let targets = (0..TARGETS).map(target);
        stage
            .create(&resources::runner_deployment(), targets.collect())
            .await?;
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
                Ok(list) if list.items.len() == TARGETS => Seen::Yes(
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
        let mut free: Vec<usize> = (0..TARGETS).rev().collect();
        let mut playing = Vec::new();
        for case in cases {
            let fits = free.iter().rposition(|target| flavour(*target) == case.flavour);
            let target = free.remove(fits.context("there is a free target for each case")?);
            playing.push(self.prepare(target, case).await?);
        }
        let times: std::collections::BTreeSet<_> = playing.iter().flat_map(|p| p.times()).collect();
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
    async fn moment(&mut self, playing: &mut [Playing], at: jiff::Timestamp) -> anyhow::Result<()> {
        self.context.clock()?.replay(at)?;
        let stage: &Stage<'_> = self;
        let driven = playing
            .iter_mut()
            .filter(|p| p.disagreement.is_none())
            .map(|p| async move {
                match p.judge.case().moments.iter().position(|moment| moment.at == at) {
                    Some(moment) => stage.drive(p, moment).await,
                    None => Ok(()),
                }
            });
        let driven: Vec<_> = driven.collect();
        let _driven: Vec<()> = futures::stream::iter(driven)
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await?;
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
        self.look(playing, true);
        for p in playing.iter_mut().filter(|p| !p.is_done()) {
            p.disagreement = Some(p.judge.unfinished(&p.written));
        }
        Ok(())
    }

    /// Plays a case at which the manager must end with these words; it is not started again.
    pub(super) async fn crash(&mut self, case: Case, words: &str) -> anyhow::Result<()> {
        let managers = self.context.managers();
        let manager = managers.first().context("the scenario has an ARC of its own")?;
        let free = (0..TARGETS).find(|target| flavour(*target) == case.flavour);
        let mut playing = self
            .prepare(free.context("there is a target for it")?, case)
            .await?;
        self.context.clock()?.replay(playing.judge.case().moments[0].at)?;
        self.drive(&mut playing, 0).await?;
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

    async fn drive(&self, p: &mut Playing, moment: usize) -> anyhow::Result<()> {
        p.judge.begin(moment);
        let case = p.judge.case().clone();
        self.answer(&case, moment, p);
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
        let autoscalers = self.context.objects(&resources::horizontal_runner_autoscaler());
        let patched = autoscalers
            .patch(&p.autoscaler, &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        patched.with_context(|| format!("change the autoscaler {}", p.autoscaler))?;
        Ok(())
    }

    /// Stages what GHES says of a case at this moment.
    fn answer(&self, case: &Case, moment: usize, p: &Playing) {
        let hand = self.context.hand();
        let listed = case.listed(moment, &p.autoscaler);
        let runners: Vec<Value> = listed
            .iter()
            .zip(1..)
            .map(|(runner, id)| json!({ "id": id, "name": runner.name, "os": "linux", "status": "online", "busy": runner.busy }))
            .collect();
        let scope = case.flavour.scope(&company(p.target));
        hand.stage(
            &format!("/api/v3/{scope}/actions/runners"),
            "",
            json!({ "total_count": runners.len(), "runners": runners }),
        );
        for repository in REPOSITORIES {
            let owner = company(p.target);
            let runs = Scope::Repository {
                owner,
                name: repository.to_owned(),
            };
            let path = format!("/api/v3/{runs}/actions/runs");
            let of_repository = || {
                case.moments[moment]
                    .load
                    .runs
                    .iter()
                    .filter(|run| run.repository == repository)
            };
            // ARC asks for two statuses, and looks at each run's own: a run may have gone on meanwhile.
            let listed = |queued: bool| {
                let runs: Vec<Value> = of_repository()
                    .filter(|run| (run.status == "queued") == queued)
                    .map(super::case::WorkflowRun::to_json)
                    .collect();
                json!({ "total_count": runs.len(), "workflow_runs": runs })
            };
            hand.stage(&path, "status=queued", listed(true));
            hand.stage(&path, "status=in_progress", listed(false));
            for run in of_repository() {
                if let Some(jobs) = &run.jobs {
                    let jobs: Vec<Value> = jobs.iter().map(super::case::WorkflowJob::to_json).collect();
                    hand.stage(
                        &format!("{path}/{}/jobs", run.id),
                        "",
                        json!({ "total_count": jobs.len(), "jobs": jobs }),
                    );
                }
            }
        }
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
    fn times(&self) -> Vec<jiff::Timestamp> {
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
        while self.disagreement.is_none() && self.judge.reconciles <= 4 * RESTLESS {
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

    fn is_done(&self) -> bool {
        !self.begun
            || self.disagreement.is_some()
            || self.reconciles.is_empty() && self.judge.rests(&self.written)
    }

    fn over(self) -> Played {
        Played {
            case: self.judge.case().clone(),
            reconciles: self.compared,
            stale: self.judge.stale,
            last: self.judge.last,
            disagreement: self.disagreement,
        }
    }
}

/// The flavour of a target.
pub(super) fn flavour(target: usize) -> Flavour {
    Flavour::ALL[target % Flavour::ALL.len()]
}

fn target_name(target: usize) -> String {
    format!("target-{target}")
}

/// What GHES calls the owner of a target's runners. It does not exist there, so its runners are registered nowhere.
fn company(target: usize) -> String {
    format!("company-{target}")
}

/// A target without runners of its own.
pub(super) fn target(index: usize) -> Value {
    let Flavour { ephemeral, .. } = flavour(index);
    let name = target_name(index);
    let mut spec = json!({ "labels": LABELS, "ephemeral": ephemeral });
    match flavour(index).scope(&company(index)) {
        Scope::Enterprise(slug) => spec["enterprise"] = json!(slug),
        Scope::Organization(login) => spec["organization"] = json!(login),
        Scope::Repository { owner, name } => spec["repository"] = json!(format!("{owner}/{name}")),
    }
    json!({
        "apiVersion": "actions.summerwind.dev/v1alpha1",
        "kind": "RunnerDeployment",
        "metadata": { "name": name },
        "spec": {
            "replicas": 0,
            "selector": { "matchExpressions": [{ "key": LABEL, "operator": "In", "values": ["pool", name] }] },
            "template": { "metadata": { "labels": { LABEL: name } }, "spec": spec },
        },
    })
}

/// A Runner that is never registered.
fn runner(name: &str, label: &str) -> Value {
    json!({
        "apiVersion": "actions.summerwind.dev/v1alpha1",
        "kind": "Runner",
        "metadata": { "name": name, "labels": { LABEL: label }, "finalizers": [FINALIZER] },
        "spec": { "enterprise": "nobody" },
    })
}

/// A pod of the target that GHES would not let go.
fn refused_pod(name: &str, target: usize) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": { "runner-deployment-name": target_name(target) },
            "annotations": { "actions-runner/unregistration-failure-message": "it still runs a job" },
        },
        "spec": {
            "nodeSelector": { "ghes-harness/node": "none" },
            "containers": [{ "name": "nothing", "image": "nothing" }],
        },
    })
}

/// The autoscaler's manifest.
pub(super) fn autoscaler(name: &str, target: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["scaleTargetRef"] = json!({ "kind": "RunnerDeployment", "name": target });
    json!({
        "apiVersion": "actions.summerwind.dev/v1alpha1",
        "kind": "HorizontalRunnerAutoscaler",
        "metadata": { "name": name },
        "spec": spec,
    })
}

/// The merge patch that makes one spec the other.
fn changes(from: &Value, to: &Value) -> Value {
    let mut patch = json!({});
    for (field, _) in from.as_object().into_iter().flatten() {
        if to.get(field).is_none() {
            patch[field] = Value::Null;
        }
    }
    for (field, value) in to.as_object().into_iter().flatten() {
        if from.get(field) != Some(value) {
            patch[field] = value.clone();
        }
    }
    patch
}

fn version(object: &DynamicObject) -> anyhow::Result<u64> {
    let version = object
        .resource_version()
        .context("a stored object has a version")?;
    version
        .parse()
        .with_context(|| format!("read the version {version}"))
}

/// Puts every version of these objects into the inbox.
fn watch(api: Api<DynamicObject>, inbox: Inbox) -> AbortOnDropHandle<()> {
    let task = tokio::spawn(async move {
        let stream = watcher(api, watcher::Config::default());
        futures::pin_mut!(stream);
        while let Some(item) = stream.next().await {
            if let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = item {
                inbox.lock().unwrap_or_else(PoisonError::into_inner).push(object);
            }
        }
    });
    AbortOnDropHandle::new(task)
}

/// The log of the manager, from its present end on.
struct Log {
    file: File,
    rest: Vec<u8>,
    lines: ArcLog,
}

impl Log {
    fn of(path: &std::path::Path) -> anyhow::Result<Log> {
        let mut file = File::open(path).context("open ARC's log")?;
        file.seek(SeekFrom::End(0)).context("find the end of ARC's log")?;
        Ok(Log {
            file,
            rest: Vec::new(),
            lines: ArcLog::default(),
        })
    }

    /// The reconciles that have ended since.
    fn read(&mut self) -> Vec<Reconcile> {
        // What cannot be read now is read the next time.
        let _read = self.file.read_to_end(&mut self.rest);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        let text = String::from_utf8_lossy(&whole);
        text.lines().filter_map(|line| self.lines.read(line)).collect()
    }
}
