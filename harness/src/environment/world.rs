//! A GHES and the ARC that works for it: the run's common pair, or the pair of one scenario.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use harness_arc::{Controller, Release, Subject};
use harness_cluster::Process;
use harness_ghes::Ghes;
use harness_model::{Event, Exit, OwnArc, Redactor};
use kube::Client;
use mock_ghes::Hand;

use super::error::UpError;
use super::ghes::{self, GhesSide};
use super::site::Site;
use super::{Defect, Environment, namespace};
use crate::run::Order;

/// A GHES and its ARC.
pub(crate) struct World {
    ghes: GhesSide,
    /// Absent once it is retired.
    controller: Option<Controller>,
    /// Managers that a scenario killed: their end is no fault of the subject's.
    killed: Mutex<BTreeSet<String>>,
}

/// What ARC must be told. `version` is another than the one under test.
pub(crate) fn subject(
    order: &Order,
    ghes: &GhesSide,
    release: Release,
    version: Option<&str>,
    redactor: &Redactor,
) -> Subject {
    let parts = &order.parts;
    let version = version.unwrap_or(&order.plan.arc);
    let arc = parts.other_arcs.get(version).unwrap_or(&parts.arc);
    Subject {
        manager: arc.manager.clone(),
        chart: arc.chart.clone(),
        helm: parts.helm.clone(),
        version: version.to_owned(),
        ghes_url: ghes.url.clone(),
        ghes_ca: ghes.ca_file.clone(),
        token: ghes.token.clone(),
        sync_period: order.plan.sync_period.clone(),
        redactor: redactor.clone(),
        release,
    }
}

impl World {
    pub(crate) fn new(ghes: GhesSide, controller: Controller) -> World {
        World {
            ghes,
            controller: Some(controller),
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
        let ghes = ghes::start(
            place,
            &[check.to_owned()],
            order.plan.list_max_age,
            redactor,
            &defects,
        )
        .await?;
        namespace::make(environment.client(), namespace, &ghes.ca).await?;
        let version = claim
            .version
            .as_deref()
            .filter(|_| !defects.contains(&Defect::SameRelease));
        let release = Site::own_release(index, namespace, claim);
        let mut arc = harness_arc::prepare(subject(order, &ghes, release, version, redactor)).await?;
        for defect in defects {
            arc.change(|manifest| defect.in_manifest(manifest));
        }
        let controller =
            harness_arc::install(arc, &environment.plane, site.enclosed, &site.state, &site.logs).await?;
        Ok(World::new(ghes, controller))
    }

    /// GHES, from a user's side.
    pub(crate) fn ghes(&self) -> &Ghes {
        &self.ghes.client
    }

    /// GHES's ledger and faults.
    pub(crate) fn hand(&self) -> &Hand {
        &self.ghes.hand
    }

    /// The certificate that GHES's own is signed with.
    pub(crate) fn ghes_ca(&self) -> &str {
        &self.ghes.ca
    }

    /// ARC's manager programs.
    pub(crate) fn managers(&self) -> &[Process] {
        self.controller.as_ref().map_or(&[], Controller::managers)
    }

    /// Where each manager serves its metrics.
    pub(crate) fn metrics(&self) -> &[String] {
        self.controller.as_ref().map_or(&[], Controller::metrics)
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
        let logs = self.managers().iter().map(|process| process.tail(lines));
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
        let died = self
            .managers()
            .iter()
            .filter(|process| !killed.contains(process.name()));
        let mut faults: Vec<Event> = died
            .filter_map(|process| {
                let exited = process.exited()?;
                let tail = process.tail(8);
                let message = format!(
                    "the ARC manager ended with {exited} while the checks ran; its last words:\n{tail}"
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
    pub(crate) async fn retire(&mut self, client: &Client) -> Result<(), UpError> {
        if let Some(controller) = self.controller.take() {
            controller.retire(client).await?;
        }
        Ok(())
    }

    /// Puts ARC back.
    pub(crate) fn resume(&mut self, controller: Controller) {
        self.controller = Some(controller);
    }

    /// Ends ARC; GHES stays.
    pub(crate) async fn stop_arc(&mut self) {
        if let Some(controller) = self.controller.take() {
            controller.stop().await;
        }
    }

    /// Ends both; gives what is to be told of it.
    pub(crate) async fn down(mut self) -> Option<Event> {
        self.stop_arc().await;
        let error = self.ghes.server.shutdown().await.err()?;
        Some(Event::Broken {
            message: format!("the mock GHES failed: {error}"),
            exit: Exit::Harness.code(),
        })
    }

    fn killed(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.killed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
