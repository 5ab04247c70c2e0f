//! The mock GHES of a world: started, with a user's client to it.

use camino::Utf8PathBuf;
use harness_cluster::{PkiError, RunCa};
use harness_ghes::{Ghes, Target};
use harness_model::Redactor;
use mock_ghes::{Hand, MockGhes, Server, TlsIdentity};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::error::UpError;
use super::site::GhesPlace;
use super::{Defect, tenant};

/// A running GHES, from all its sides.
pub(crate) struct GhesSide {
    pub(crate) server: Server,
    /// Its ledger and faults.
    pub(crate) hand: Hand,
    /// A user's client.
    pub(crate) client: Ghes,
    /// The certificate that its own is signed with.
    pub(crate) ca: String,
    /// A file with it.
    pub(crate) ca_file: Utf8PathBuf,
    /// What ARC authenticates with.
    pub(crate) token: SecretString,
    /// What it signs webhooks to ARC with.
    pub(crate) webhook_secret: SecretString,
    pub(crate) url: String,
    certificates: Certificates,
}

/// A certificate that GHES may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GhesCertificate {
    /// The one it has from the beginning.
    Good,
    /// One that is over since last year.
    Expired,
    /// One for another host name.
    OtherHost,
}

/// What makes its certificates.
struct Certificates {
    ca: RunCa,
    host: String,
    address: String,
    /// A seeded defect: it shows the good one always.
    stubborn: bool,
}

impl Certificates {
    fn make(&self, which: GhesCertificate) -> Result<TlsIdentity, PkiError> {
        let names = [self.host.as_str(), "localhost", &self.address];
        let which = if self.stubborn {
            GhesCertificate::Good
        } else {
            which
        };
        let identity = match which {
            GhesCertificate::Good => self.ca.server(&self.host, &names)?,
            GhesCertificate::Expired => self.ca.expired_server(&self.host, &names)?,
            GhesCertificate::OtherHost => self.ca.server(OTHER_HOST, &[OTHER_HOST])?,
        };
        Ok(TlsIdentity {
            ca_pem: self.ca.pem().to_owned(),
            cert_pem: identity.cert_pem,
            key_pem: identity.key_pem,
        })
    }
}

impl GhesSide {
    /// Has GHES show this certificate to who connects from now on.
    pub(crate) fn show_certificate(&self, which: GhesCertificate) -> anyhow::Result<()> {
        let identity = self.certificates.make(which)?;
        Ok(self.hand.show_certificate(&identity)?)
    }
}

/// A name that is no GHES's.
const OTHER_HOST: &str = "elsewhere.test";

/// Starts a GHES with a tenant for each of these checks.
pub(crate) async fn start(
    place: GhesPlace,
    checks: &[String],
    list_max_age: u64,
    redactor: &Redactor,
    clock: mock_ghes::Clock,
    defects: &[Defect],
) -> Result<GhesSide, UpError> {
    // GHES's own CA: runners and controller must be told of it, as with a GHES that has a private one.
    let ca = RunCa::new("ghes-harness GHES CA")?;
    let certificates = Certificates {
        host: place.host.clone(),
        address: place.address.ip().to_string(),
        stubborn: defects
            .iter()
            .any(|defect| matches!(defect, Defect::NeverExpired | Defect::RightHost)),
        ca,
    };
    let identity = certificates.make(GhesCertificate::Good)?;
    let ca = &certificates.ca;
    let files = |path: &Utf8PathBuf| {
        let what = format!("write {path}");
        move |source| UpError::Files { what, source }
    };
    let ca_file = place.state.join("ca.crt");
    std::fs::create_dir_all(&place.state)
        .and_then(|()| std::fs::write(&ca_file, ca.pem()))
        .map_err(files(&ca_file))?;
    let (server, hand) = MockGhes::builder()
        .world(tenant::world(checks))
        .listen(place.address)
        .tls(Some(identity))
        .ledger(place.ledger)
        .data(place.state.join("data"))
        .list_max_age(list_max_age)
        .redactor(redactor.clone())
        .clock(clock)
        .start()
        .await?;
    for defect in defects.iter().filter_map(|defect| defect.in_mock()) {
        hand.seed_defect(defect).await;
    }
    for rule in defects.iter().filter_map(|defect| defect.in_answers()) {
        hand.fault(rule);
    }
    let token = hand.pat().clone();
    let webhook_secret = SecretString::from(Uuid::new_v4().simple().to_string());
    redactor.learn(webhook_secret.expose_secret());
    let url = place
        .url
        .parse()
        .map_err(|error: url::ParseError| UpError::Files {
            what: format!("read the address {}", place.url),
            source: std::io::Error::other(error),
        })?;
    let client = Ghes::connect(Target {
        url,
        token: token.clone(),
        ca_pem: Some(ca.pem().to_owned()),
    })
    .await?;
    let ca = ca.pem().to_owned();
    Ok(GhesSide {
        server,
        hand,
        client,
        ca,
        ca_file,
        token,
        webhook_secret,
        url: place.url,
        certificates,
    })
}
