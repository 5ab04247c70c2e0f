//! TLS: a certificate of the server's own making, and the configuration that serves one.

use std::net::IpAddr;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a TLS server shows, and what its clients must trust.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The authority's certificate, for clients.
    pub ca_pem: String,
    /// The server's certificate, with intermediate ones behind it.
    pub cert_pem: String,
    /// The server's private key.
    pub key_pem: String,
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("cert_pem", &self.cert_pem)
            .finish_non_exhaustive()
    }
}

/// An identity cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate cannot be made for these names.
    #[error("make a certificate for {names}")]
    Make {
        /// The names.
        names: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// The texts are no PEM of a certificate and its key.
    #[error("read the certificate and key as PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// The certificate and key do not go together, or the key's kind is not supported.
    #[error("use the certificate and key for TLS")]
    Use(#[source] rustls::Error),
}

impl TlsIdentity {
    /// Makes an authority and a certificate of it for these host names and addresses.
    ///
    /// # Errors
    /// [`TlsError::Make`]: a name is no DNS name.
    pub fn generate(names: &[String]) -> Result<TlsIdentity, TlsError> {
        let make = |source| TlsError::Make {
            names: names.join(", "),
            source,
        };
        let mut authority = CertificateParams::new(Vec::new()).map_err(make)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority
            .distinguished_name
            .push(DnType::CommonName, "mock-ghes authority");
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate().map_err(make)?;
        let ca = authority.self_signed(&authority_key).map_err(make)?;
        let issuer = Issuer::new(authority, authority_key);

        let mut leaf = CertificateParams::new(names.to_vec()).map_err(make)?;
        leaf.distinguished_name.push(DnType::CommonName, "mock-ghes");
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(make)?;
        let cert = leaf.signed_by(&key, &issuer).map_err(make)?;
        Ok(TlsIdentity {
            ca_pem: ca.pem(),
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// Makes an identity for what a server at this address is called on its own machine, and for these other names.
    ///
    /// # Errors
    /// As [`TlsIdentity::generate`].
    pub fn for_local_server(address: IpAddr, others: &[String]) -> Result<TlsIdentity, TlsError> {
        let mut names = vec![
            "localhost".to_owned(),
            "ghes.test".to_owned(),
            "127.0.0.1".to_owned(),
        ];
        let address = address.to_string();
        if !names.contains(&address) {
            names.push(address);
        }
        names.extend_from_slice(others);
        TlsIdentity::generate(&names)
    }

    /// The server's side. Names its provider itself, so that no process-wide one is needed.
    pub(crate) fn server_config(&self) -> Result<RustlsConfig, TlsError> {
        let certificates = CertificateDer::pem_slice_iter(self.cert_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(TlsError::Pem)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(TlsError::Pem)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Use)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(TlsError::Use)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(RustlsConfig::from_config(Arc::new(config)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_identity_can_be_served() {
        let identity =
            TlsIdentity::for_local_server(IpAddr::from([10, 0, 0, 1]), &[]).expect("the names are DNS names");

        identity.server_config().expect("certificate and key go together");
        assert!(identity.ca_pem.starts_with("-----BEGIN CERTIFICATE-----"));
    }

    #[test]
    fn the_key_does_not_print() {
        let identity = TlsIdentity::generate(&["ghes.test".into()]).expect("the name is a DNS name");

        assert!(!format!("{identity:?}").contains("PRIVATE KEY"));
    }
}
