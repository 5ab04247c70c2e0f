//! The remote control: what a test in the same process may ask of a running server, and do to it.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::watch;

use crate::ledger::Ledger;
use crate::state::{
    AddLostRunners, ClearDefects, Defects, Deliveries, HoldDeliveries, Identity, IssueUserToken, JobLog,
    Jobs, LimitRate, QuotaOf, RevokeToken, Runners, Runs, SeedDefect, SendDelivery, Signature, Stopped,
    TellHook,
};
use crate::view::{DeliveryView, JobView, RunView, RunnerView};
use crate::web::App;
use crate::wire::AgentKey;
use crate::{Defect, FaultRule, Scope, TlsError, TlsIdentity};

/// A hand on a running server. Clones hold the same server.
#[derive(Clone)]
pub struct Hand {
    app: App,
    address: SocketAddr,
    pat: SecretString,
}

impl std::fmt::Debug for Hand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hand")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Hand {
    pub(crate) fn new(app: App, address: SocketAddr, pat: SecretString) -> Self {
        Hand { app, address, pat }
    }

    /// The server's URL by its address, for example `http://127.0.0.1:4000`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.app.scheme, self.address)
    }

    /// The base of the HTTP remote control.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!("{}/_admin", self.url())
    }

    /// The token of the HTTP remote control.
    #[must_use]
    pub fn admin_token(&self) -> &SecretString {
        &self.app.admin_token
    }

    /// The world's first personal access token.
    #[must_use]
    pub fn pat(&self) -> SecretString {
        self.pat.clone()
    }

    /// Every request and its answer.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.app.ledger
    }

    /// Counts the changes of the state: read a snapshot, look, wait for the next number, read again.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.app.state.revision()
    }

    /// Every registered runner, oldest first.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn runners(&self) -> Result<Vec<RunnerView>, Stopped> {
        self.app.state.ask(Runners).await
    }

    /// Every run, newest first.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn runs(&self) -> Result<Vec<RunView>, Stopped> {
        self.app.state.ask(Runs(None)).await
    }

    /// Every job, oldest first, with those that wait for others.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn jobs(&self) -> Result<Vec<JobView>, Stopped> {
        self.app.state.ask(Jobs(None)).await
    }

    /// A job's log; `None` if there is no such job, or no log yet.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn job_log(&self, job: u64) -> Result<Option<String>, Stopped> {
        self.app.state.ask(JobLog(job)).await
    }

    /// Everything that was told to webhooks or is held back, oldest first.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn deliveries(&self) -> Result<Vec<DeliveryView>, Stopped> {
        self.app.state.ask(Deliveries).await
    }

    /// Holds back what webhooks are to be told from now on: [`Hand::send`] sends single deliveries, in any order and as often as one likes.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn hold_deliveries(&self) -> Result<(), Stopped> {
        self.app.state.ask(HoldDeliveries(true)).await
    }

    /// Sends all deliveries that are held, in order, and holds no more.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn release_deliveries(&self) -> Result<(), Stopped> {
        self.app.state.ask(HoldDeliveries(false)).await
    }

    /// Sends a delivery that is held, or any other again, and waits until the attempt is over. `None`: there is no such delivery.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn send(&self, delivery: u64, signature: Signature) -> Result<Option<DeliveryView>, Stopped> {
        let sent = self.app.state.ask(SendDelivery { delivery, signature }).await?;
        self.attempt(sent).await
    }

    /// Tells a webhook something that did not happen, and waits until the attempt is over. `None`: there is no such webhook.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn tell(
        &self,
        hook: u64,
        event: &str,
        payload: &str,
        signature: Signature,
    ) -> Result<Option<DeliveryView>, Stopped> {
        let told = TellHook {
            hook,
            event: event.to_owned(),
            payload: payload.to_owned(),
            signature,
        };
        let told = self.app.state.ask(told).await?;
        self.attempt(told).await
    }

    /// Waits until this delivery's attempt is over; the receiver gets no more than ten seconds.
    async fn attempt(&self, delivery: Option<u64>) -> Result<Option<DeliveryView>, Stopped> {
        let Some(delivery) = delivery else { return Ok(None) };
        let mut revision = self.watch();
        loop {
            revision.mark_unchanged();
            let mut all = self.deliveries().await?.into_iter();
            if let Some(found) = all.find(|view| view.id == delivery && view.answered) {
                return Ok(Some(found));
            }
            revision.changed().await.map_err(|_| Stopped)?;
        }
    }

    /// Shows this certificate to who connects from now on; connections that stand go on. Nothing changes for a server without TLS.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn show_certificate(&self, identity: &TlsIdentity) -> Result<(), TlsError> {
        if let Some(shown) = &self.app.tls {
            shown.reload_from_config(identity.server_config()?.get_inner());
        }
        Ok(())
    }

    /// Lets requests go wrong from now on.
    pub fn fault(&self, rule: FaultRule) {
        self.app.faults.add(rule);
    }

    /// Removes all fault rules and lets hanging requests go.
    pub fn clear_faults(&self) {
        self.app.faults.clear();
    }

    /// Removes the fault rules of this target and no others.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn clear_fault(&self, target: &str) -> Result<(), Stopped> {
        if !self.app.state.ask(Defects).await?.contains(&Defect::StuckOutage) {
            self.app.faults.remove(target);
        }
        Ok(())
    }

    /// Answers GET on this path with this JSON from now on, if the query contains `query`; empty matches any. Whatever GHES knows, and whoever
    /// asks: for tests whose input is the answer. A later answer on the same path and query takes its place.
    pub fn stage(&self, path: &str, query: &str, body: Value) {
        self.app.staged.put(path, query, body);
    }

    /// Takes all staged answers back.
    pub fn clear_stage(&self) {
        self.app.staged.clear();
    }

    /// Breaks a promise from now on. (A server that has stopped keeps none.)
    pub async fn seed_defect(&self, defect: Defect) {
        let _stopped = self.app.state.ask(SeedDefect(defect)).await;
    }

    /// Keeps all promises again.
    pub async fn clear_defects(&self) {
        let _stopped = self.app.state.ask(ClearDefects).await;
    }

    /// Issues a personal access token of a user, with these OAuth scopes. None: there is no such user.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn issue_token(&self, user: &str, scopes: &[&str]) -> Result<Option<SecretString>, Stopped> {
        let order = IssueUserToken {
            login: user.to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        };
        Ok(self.app.state.ask(order).await?.map(SecretString::from))
    }

    /// The private key of a GitHub App, PEM. None: there is no such App.
    #[must_use]
    pub fn app_key(&self, app: u64) -> Option<SecretString> {
        let app = self.app.world.apps.iter().find(|one| one.id == app)?;
        app.key.as_ref().map(|key| key.pem().clone())
    }

    /// Adds runners of a scope that registered once and never came back, as those of machines that were lost. Gives how many have got a place:
    /// a name that is taken gets none.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn add_lost_runners(&self, scope: Scope, names: Vec<String>) -> Result<usize, Stopped> {
        let key = AgentKey::draw();
        self.app.state.ask(AddLostRunners { scope, names, key }).await
    }

    /// Seconds in `Cache-Control: max-age` of REST answers from now on.
    pub fn set_list_max_age(&self, seconds: u64) {
        self.app.list_max_age.store(seconds, Ordering::Relaxed);
    }

    /// Limits each user and installation to so many REST requests an hour from now on, each with a new hour; `None`: nobody, which is how a GHES
    /// comes.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn limit_rate(&self, limit: Option<u64>) -> Result<(), Stopped> {
        self.app.state.ask(LimitRate(limit)).await
    }

    /// The limit of a user's requests, and how many are left of them. None: there is no limit.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn rate_of(&self, user: &str) -> Result<Option<(u64, u64)>, Stopped> {
        let identity = Identity::User {
            login: user.to_owned(),
            scopes: Vec::new(),
        };
        let quota = self.app.state.ask(QuotaOf(identity)).await?;
        Ok(quota.map(|quota| (quota.limit, quota.remaining())))
    }

    /// Ends a token at once. Replies whether it was in force.
    ///
    /// # Errors
    /// [`Stopped`]
    pub async fn revoke(&self, token: &SecretString) -> Result<bool, Stopped> {
        self.app
            .state
            .ask(RevokeToken(token.expose_secret().to_owned()))
            .await
    }
}
