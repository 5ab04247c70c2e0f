//! The run's own certificate authority and what it signs. Keys live in memory and in the run's private folder only.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A key could not be made.
    #[error("make a key for {subject}")]
    Key {
        /// Common name.
        subject: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate could not be signed.
    #[error("sign a certificate for {subject}")]
    Sign {
        /// Common name.
        subject: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
}

/// A certificate with its key, both PEM. The key does not print.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub cert_pem: String,
    /// The private key, PKCS#8.
    pub key_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("cert_pem", &self.cert_pem)
            .finish_non_exhaustive()
    }
}

/// A certificate authority that lives as long as one run.
pub struct RunCa {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl RunCa {
    /// Makes a CA whose certificates are valid from a year ago to ten years ahead, so that a moved clock finds them valid.
    ///
    /// # Errors
    /// [`PkiError`] if the provider refuses.
    pub fn new(name: &str) -> Result<RunCa, PkiError> {
        let key = KeyPair::generate().map_err(|source| PkiError::Key {
            subject: name.to_owned(),
            source,
        })?;
        let mut params = params(name, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let cert = params.self_signed(&key).map_err(|source| PkiError::Sign {
            subject: name.to_owned(),
            source,
        })?;
        Ok(RunCa {
            pem: cert.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// The CA's certificate.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for the names; those that parse as addresses become IP names.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn server(&self, subject: &str, names: &[&str]) -> Result<Identity, PkiError> {
        let mut params = params(subject, names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(subject, params)
    }

    /// As [`RunCa::server`], but over since last year.
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn expired_server(&self, subject: &str, names: &[&str]) -> Result<Identity, PkiError> {
        let mut params = params(subject, names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let year = i32::from(Timestamp::now().to_zoned(TimeZone::UTC).year());
        params.not_before = rcgen::date_time_ymd(year - 2, 1, 1);
        params.not_after = rcgen::date_time_ymd(year - 1, 1, 1);
        self.sign(subject, params)
    }

    /// A client certificate as Kubernetes reads it: the common name is the user, each organization a group
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates>).
    ///
    /// # Errors
    /// [`PkiError`].
    pub fn client(&self, user: &str, group: &str) -> Result<Identity, PkiError> {
        let mut params = params(user, &[])?;
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(user, params)
    }

    fn sign(&self, subject: &str, mut params: CertificateParams) -> Result<Identity, PkiError> {
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        let key = KeyPair::generate().map_err(|source| PkiError::Key {
            subject: subject.to_owned(),
            source,
        })?;
        let cert = params
            .signed_by(&key, &self.issuer)
            .map_err(|source| PkiError::Sign {
                subject: subject.to_owned(),
                source,
            })?;
        Ok(Identity {
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
        })
    }
}

fn params(subject: &str, names: &[&str]) -> Result<CertificateParams, PkiError> {
    let sign = |source| PkiError::Sign {
        subject: subject.to_owned(),
        source,
    };
    let mut params = CertificateParams::default();
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName((*name).try_into().map_err(sign)?),
        });
    }
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    let year = i32::from(Timestamp::now().to_zoned(TimeZone::UTC).year());
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 10, 12, 31);
    Ok(params)
}
