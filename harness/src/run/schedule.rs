//! Runs the scenarios side by side as far as their claims allow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use harness_model::{Check, Claim, Event, Exit, Failure, Plan, Verdict};
use tokio::sync::{RwLock, Semaphore};
use tokio::task::JoinSet;

use super::evidence;
use crate::environment::{UpError, World, make_namespace};
use crate::scenario::failure;
use crate::{Context, Environment, Scenario};

/// No scenario may hold a run longer than this; each of its own waits ends far earlier.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs these scenarios, each in a namespace of its own, and emits what becomes of them.
pub(crate) async fn run(scenarios: Vec<&'static Scenario>, environment: Arc<Environment>) {
    let plan = &environment.order.plan;
    let at_a_time = plan.test_threads.unwrap_or_else(default_at_a_time).max(1);
    let permits = Arc::new(Semaphore::new(at_a_time));
    let plane = Arc::new(RwLock::new(()));
    let mut running = JoinSet::new();
    for scenario in scenarios {
        // Here and not in the task: so they begin in the catalogue's order.
        let permit = permits.clone().acquire_owned().await;
        let (plane, environment) = (plane.clone(), environment.clone());
        running.spawn(async move {
            let _permit = permit;
            let check = (scenario.check)();
            match check.claims {
                // An own ARC keeps to its namespace as well: see `inside`, which gives those checks a turn of their own.
                Claim::SharedArc | Claim::OwnArc(_) => {
                    let _shared = plane.read().await;
                    attempts(scenario, &check, &environment).await;
                }
                Claim::WholePlane => {
                    let _alone = plane.write().await;
                    attempts(scenario, &check, &environment).await;
                }
            }
        });
    }
    while running.join_next().await.is_some() {}
}

/// Scenarios mostly wait, but each brings runners up and has them work: more of them than this on one core, and ARC, the node and GHES are
/// so slow that deadlines tell of the machine and not of ARC.
fn default_at_a_time() -> usize {
    const PER_CORE: usize = 3;
    std::thread::available_parallelism().map_or(PER_CORE, |cores| cores.get() * PER_CORE)
}

async fn attempts(scenario: &Scenario, check: &Check, environment: &Arc<Environment>) {
    for attempt in 1..=environment.order.plan.retries + 1 {
        let verdict = one(scenario, check, environment, attempt).await;
        if matches!(verdict, Verdict::Pass | Verdict::ExpectedFailure) {
            return;
        }
    }
}

async fn one(scenario: &Scenario, check: &Check, environment: &Arc<Environment>, attempt: u32) -> Verdict {
    let namespace = namespace(&check.id, attempt);
    let emitter = environment.emitter.clone();
    emitter.emit(Event::CheckStarted {
        id: check.id.clone(),
        attempt,
        namespace: namespace.clone(),
    });
    let start = Instant::now();
    let folder = format!("evidence/checks/{namespace}");
    let world = enter(check, environment, &namespace).await;
    let result = match &world {
        Ok(world) => {
            let context = Context::new(
                environment.clone(),
                world.clone(),
                check.id.clone(),
                namespace.clone(),
            );
            try_scenario(scenario, context).await
        }
        Err(error) => Err(not_entered(error)),
    };
    let (verdict, failure) = match result {
        Ok(()) => (Verdict::Pass, None),
        Err((verdict, failure)) => (verdict, Some(failure)),
    };
    let (verdict, failure) = as_expected(&environment.order.plan, check, verdict, failure);
    let mut kept = None;
    if failure.is_some() {
        let world = world.as_ref().unwrap_or_else(|_| environment.common());
        let path = environment.order.folder.join(&folder);
        evidence::keep(environment, world, &namespace, &path).await;
        kept = Some(folder);
    }
    emitter.emit(Event::CheckFinished {
        id: check.id.clone(),
        attempt,
        verdict,
        duration_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        failure,
        evidence: kept,
        rerun: rerun(&environment.order.plan, &check.id),
    });
    environment.leave(&namespace).await;
    if let (Ok(world), Claim::OwnArc(_)) = (world, &check.claims) {
        environment.tell(world.faults());
        if let Some(world) = Arc::into_inner(world) {
            environment.tell(world.down().await);
        }
    }
    verdict
}

/// What the verdict is worth, given the failures that are expected of the version of ARC that the check had.
fn as_expected(
    plan: &Plan,
    check: &Check,
    verdict: Verdict,
    failure: Option<Failure>,
) -> (Verdict, Option<Failure>) {
    let own = match &check.claims {
        Claim::OwnArc(own) => own.version.as_deref(),
        Claim::SharedArc | Claim::WholePlane => None,
    };
    let arc = own.unwrap_or(&plan.arc);
    match plan.expectations.iter().find(|known| known.is_of(&check.id, arc)) {
        Some(known) => known.judge(verdict, failure),
        None => (verdict, failure),
    }
}

/// The scenario's namespace and world: the common one, or one of its own.
async fn enter(
    check: &Check,
    environment: &Arc<Environment>,
    namespace: &str,
) -> Result<Arc<World>, UpError> {
    if let Claim::OwnArc(claim) = &check.claims {
        return World::own(environment, &check.id, namespace, claim)
            .await
            .map(Arc::new);
    }
    let world = environment.common().clone();
    make_namespace(environment.client(), namespace, world.ghes_ca()).await?;
    Ok(world)
}

fn not_entered(error: &UpError) -> (Verdict, Failure) {
    // A subject that does not start is a failed subject; anything else leaves the claim untried.
    let verdict = match error.exit() {
        Exit::CheckFailed => Verdict::Fail,
        _ => Verdict::Error,
    };
    let failure = Failure {
        awaited: "the scenario's namespace, and the ARC and the GHES that it claims".to_owned(),
        last_seen: error.to_string(),
        detail: None,
    };
    (verdict, failure)
}

async fn try_scenario(scenario: &Scenario, context: Context) -> Result<(), (Verdict, Failure)> {
    let broken = |what: &str, seen: String| {
        (
            Verdict::Error,
            Failure {
                awaited: what.to_owned(),
                last_seen: seen,
                detail: None,
            },
        )
    };
    let attempt = std::panic::AssertUnwindSafe((scenario.run)(context)).catch_unwind();
    match tokio::time::timeout(LIMIT, attempt).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(match failure(&error) {
            Some(failure) => (Verdict::Fail, failure),
            None => broken("the scenario to run", format!("{error:#}")),
        }),
        Ok(Err(panic)) => Err(broken("the scenario to run", panic_text(panic.as_ref()))),
        Err(_) => Err(broken(
            "the scenario to end",
            format!("still running after {} s", LIMIT.as_secs()),
        )),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("it panicked: {}", text.unwrap_or("without a message"))
}

fn namespace(id: &str, attempt: u32) -> String {
    let slug = id.replace("::", "-");
    if attempt == 1 {
        format!("e2e-{slug}")
    } else {
        format!("e2e-{slug}-{attempt}")
    }
}

fn rerun(plan: &harness_model::Plan, id: &str) -> String {
    // The user's own filters go, everything else stays.
    let words = plan
        .command
        .split_whitespace()
        .filter(|word| !plan.filters.iter().any(|f| f == word));
    let mut command = words.collect::<Vec<_>>().join(" ");
    command.push(' ');
    command.push_str(id);
    command
}
