//! TLS: an authority and a certificate of the server's own making.

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
    /// The server's certificate.
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
    #[error("make a certificate")]
    Make(#[from] rcgen::Error),
    /// The texts are no PEM of a certificate and its key.
    #[error("read the certificate and key as PEM")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The certificate and key do not go together.
    #[error("use the certificate and key for TLS")]
    Use(#[from] rustls::Error),
}

impl TlsIdentity {
    /// Makes an authority and a certificate of it for these host names and addresses.
    ///
    /// # Errors
    /// [`TlsError::Make`]: a name is no DNS name.
    pub fn generate(names: &[String]) -> Result<TlsIdentity, TlsError> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority
            .distinguished_name
            .push(DnType::CommonName, "mock-aws authority");
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate()?;
        let ca = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);

        let mut leaf = CertificateParams::new(names.to_vec())?;
        leaf.distinguished_name.push(DnType::CommonName, "mock-aws");
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let cert = leaf.signed_by(&key, &issuer)?;
        Ok(TlsIdentity {
            ca_pem: ca.pem(),
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// The server's side. Names its provider itself, so that no process-wide one is needed.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn server_config(&self) -> Result<RustlsConfig, TlsError> {
        let certificates =
            CertificateDer::pem_slice_iter(self.cert_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(certificates, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(RustlsConfig::from_config(Arc::new(config)))
    }
}
