//! A GHES and the ARC that works for it: the run's common pair, or the pair of one scenario.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use harness_arc::{Controller, Release, RunningServer, Subject};
use harness_artifacts::CLOCK_VARIABLE;
use harness_cluster::Process;
use harness_ghes::Ghes;
use harness_model::{ArcServer, Event, Exit, OwnArc, Redactor, WallClock};
use kube::Client;
use mock_ghes::Hand;
use secrecy::SecretString;

use super::clock::WorldClock;
use super::error::UpError;
use super::ghes::{self, GhesCertificate, GhesSide};
use super::site::Site;
use super::{Defect, Environment, namespace};
use crate::run::{ArcParts, Order};

/// A GHES and its ARC.
pub(crate) struct World {
    ghes: GhesSide,
    /// Absent once it is retired.
    controller: Mutex<Option<Arc<Controller>>>,
    /// Whose installation it is, if it is one scenario's.
    release: Option<Release>,
    /// Set if the scenario moves it.
    clock: Option<WorldClock>,
    /// Managers that a scenario killed: their end is no fault of the subject's.
    killed: Mutex<BTreeSet<String>>,
}

/// What ARC must be told.
pub(crate) fn subject(
    order: &Order,
    ghes: &GhesSide,
    release: Release,
    arc: &ArcParts,
    redactor: &Redactor,
) -> Subject {
    Subject {
        manager: arc.manager.clone(),
        chart: arc.chart.clone(),
        helm: order.parts.helm.clone(),
        version: arc.version.clone(),
        ghes_url: ghes.url.clone(),
        ghes_ca: ghes.ca_file.clone(),
        token: ghes.token.clone(),
        sync_period: order.plan.sync_period.clone(),
        redactor: redactor.clone(),
        release,
        servers: arc.servers.clone(),
        webhook_secret: ghes.webhook_secret.clone(),
    }
}

impl World {
    pub(crate) fn new(ghes: GhesSide, controller: Controller) -> World {
        World {
            ghes,
            controller: Mutex::new(Some(Arc::new(controller))),
            release: None,
            clock: None,
            killed: Mutex::default(),
        }
    }

    /// The world of one scenario, with its namespace: a GHES that nobody else uses, and an ARC that works in that namespace alone.
    pub(crate) async fn own(
        environment: &Environment,
        check: &str,
        namespace: &str,
        claim: &OwnArc,
    ) -> Result<World, UpError> {
        let (order, site) = (&environment.order, &environment.site);
        let redactor = environment.emitter.redactor();
        let index = order
            .own_arcs
            .iter()
            .position(|own| own == check)
            .unwrap_or_default();
        let defects = environment.defects().into_iter();
        let defects: Vec<Defect> = defects.filter(|defect| defect.turns_red() == check).collect();
        let place = site.own_ghes(order, index, namespace);
        let clock = match claim.clock {
            WallClock::Real => None,
            WallClock::Controlled => Some(site.own_clock(namespace)?),
        };
        let ghes_clock = clock.as_ref().map(|clock| clock.ghes().clone());
        let ghes = ghes::start(
            place,
            &[check.to_owned()],
            order.plan.list_max_age,
            redactor,
            ghes_clock.unwrap_or_default(),
            &defects,
        )
        .await?;
        namespace::make(environment.client(), namespace, &ghes.ca).await?;
        let version = claim
            .version
            .as_deref()
            .filter(|_| !defects.contains(&Defect::SameRelease));
        let parts = &order.parts;
        let version = version.and_then(|version| parts.other_arcs.get(version));
        let controlled = clock.as_ref().and(parts.controlled_arc.as_ref());
        let arc = version.or(controlled).unwrap_or(&parts.arc);
        let mut release = Site::own_release(index, namespace, claim);
        if let Some(clock) = &clock {
            let path = clock.path().to_string();
            release.env.insert(CLOCK_VARIABLE.to_owned(), path);
        }
        let in_utc = [Defect::ZoneLost, Defect::CasesInUtc, Defect::ShortDayInUtc];
        if in_utc.iter().any(|defect| defects.contains(defect)) {
            release.env.remove("TZ");
        }
        release.stale_certificate = defects.contains(&Defect::StaleCertificate);
        if defects.contains(&Defect::Trusted) {
            release.env.remove("SSL_CERT_FILE");
        }
        let subject = subject(order, &ghes, release.clone(), arc, redactor);
        let mut arc = harness_arc::prepare(subject).await?;
        for defect in defects {
            arc.change(|manifest| defect.in_manifest(manifest));
        }
        let controller =
            harness_arc::install(arc, &environment.plane, site.enclosed, &site.state, &site.logs).await?;
        Ok(World {
            release: Some(release),
            clock,
            ..World::new(ghes, controller)
        })
    }

    /// Puts another ARC in the place of a scenario's own, as `helm upgrade` does: the new chart's objects, the end of the old program, the new
    /// program. Definitions stay as they are. Gives when the old one ended.
    pub(crate) async fn change_arc(
        &self,
        environment: &Environment,
        to: &ArcParts,
    ) -> Result<Instant, UpError> {
        let (order, site) = (&environment.order, &environment.site);
        let release = self.release.clone().ok_or(UpError::CommonArc)?;
        let redactor = environment.emitter.redactor();
        let arc = harness_arc::prepare(subject(order, &self.ghes, release, to, redactor)).await?;
        self.stop_arc().await;
        let ended = Instant::now();
        let controller =
            harness_arc::install(arc, &environment.plane, site.enclosed, &site.state, &site.logs).await?;
        self.resume(controller);
        Ok(ended)
    }

    /// GHES, from a user's side.
    pub(crate) fn ghes(&self) -> &Ghes {
        &self.ghes.client
    }

    /// GHES's ledger and faults.
    pub(crate) fn hand(&self) -> &Hand {
        &self.ghes.hand
    }

    /// Has GHES show this certificate.
    pub(crate) fn show_certificate(&self, which: GhesCertificate) -> anyhow::Result<()> {
        self.ghes.show_certificate(which)
    }

    /// Its clock, if the scenario moves it.
    pub(crate) fn clock(&self) -> Option<&WorldClock> {
        self.clock.as_ref()
    }

    /// The certificate that GHES's own is signed with.
    pub(crate) fn ghes_ca(&self) -> &str {
        &self.ghes.ca
    }

    /// ARC's manager programs.
    pub(crate) fn managers(&self) -> Vec<Arc<Process>> {
        self.controller()
            .map(|controller| controller.managers().to_vec())
            .unwrap_or_default()
    }

    /// Where each manager serves its metrics.
    pub(crate) fn metrics(&self) -> Vec<String> {
        self.controller()
            .map(|controller| controller.metrics().to_vec())
            .unwrap_or_default()
    }

    /// One of ARC's programs that GHES tells of jobs.
    pub(crate) fn server(&self, kind: ArcServer) -> Option<RunningServer> {
        let controller = self.controller()?;
        let mut servers = controller.servers().iter();
        servers.find(|server| server.kind == kind).cloned()
    }

    /// What GHES signs webhooks to it with.
    pub(crate) fn webhook_secret(&self) -> &SecretString {
        &self.ghes.webhook_secret
    }

    /// Kills one manager; the scenario wants to see what comes of it.
    pub(crate) async fn kill(&self, manager: usize) {
        if let Some(process) = self.managers().get(manager) {
            self.killed().insert(process.name().to_owned());
            process.kill_now().await;
        }
    }

    /// The last lines of each manager's log.
    pub(crate) fn arc_log(&self, lines: usize) -> String {
        let logs = self.managers().into_iter().map(|process| process.tail(lines));
        logs.collect::<Vec<_>>().join("\n")
    }

    /// GHES's last requests, as JSON lines.
    pub(crate) fn recent_requests(&self, count: usize) -> String {
        let recent = self.hand().ledger().recent();
        let lines = recent[recent.len().saturating_sub(count)..]
            .iter()
            .map(serde_json::to_string);
        lines
            .map(|line| line.unwrap_or_else(|error| error.to_string()) + "\n")
            .collect()
    }

    /// A subject that died while checks ran is a failed subject, even if every check had passed by then; so is a request that the mock
    /// could not answer: it makes every verdict doubtful.
    pub(crate) fn faults(&self) -> Vec<Event> {
        let killed = self.killed().clone();
        let managers = self
            .managers()
            .into_iter()
            .map(|process| ("manager".to_owned(), process));
        let servers = ArcServer::ALL.into_iter().filter_map(|kind| self.server(kind));
        let servers = servers.map(|server| (server.kind.to_string(), server.process));
        let died = managers
            .chain(servers)
            .filter(|(_, process)| !killed.contains(process.name()));
        let mut faults: Vec<Event> = died
            .filter_map(|(what, process)| {
                let exited = process.exited()?;
                let tail = process.tail(8);
                let message = format!(
                    "the ARC {what} ended with {exited} while the checks ran; its last words:\n{tail}"
                );
                let exit = Exit::CheckFailed.code();
                Some(Event::Broken { message, exit })
            })
            .collect();
        let unknown = self.hand().ledger().unknown_routes();
        let calls: BTreeSet<String> = unknown
            .iter()
            .map(|r| format!("{} {}", r.method, r.path))
            .collect();
        if !calls.is_empty() {
            let calls = calls.into_iter().collect::<Vec<_>>().join(", ");
            faults.push(Event::Broken {
                message: format!(
                    "the mock GHES was asked for what it does not serve, so no verdict is sure: {calls}"
                ),
                exit: Exit::Harness.code(),
            });
        }
        faults
    }

    /// Ends ARC and has the API server ask it no more; GHES stays.
    pub(crate) async fn retire(&self, client: &Client) -> Result<(), UpError> {
        let controller = self.lock().take();
        if let Some(controller) = controller {
            controller.retire(client).await?;
        }
        Ok(())
    }

    /// Puts ARC, or another ARC, in its place.
    pub(crate) fn resume(&self, controller: Controller) {
        self.lock().replace(Arc::new(controller));
    }

    /// Ends ARC; GHES stays.
    pub(crate) async fn stop_arc(&self) {
        let controller = self.lock().take();
        if let Some(controller) = controller {
            controller.stop().await;
        }
    }

    /// Ends both; gives what is to be told of it.
    pub(crate) async fn down(self) -> Option<Event> {
        self.stop_arc().await;
        let error = self.ghes.server.shutdown().await.err()?;
        Some(Event::Broken {
            message: format!("the mock GHES failed: {error}"),
            exit: Exit::Harness.code(),
        })
    }

    fn controller(&self) -> Option<Arc<Controller>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Controller>>> {
        self.controller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn killed(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.killed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
