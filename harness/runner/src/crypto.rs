//! The runner's key and what it is for: proving who the runner is, and reading messages that only it can read
//! (runner protocol: RSA-2048, RS256 assertions, RSA-OAEP for the session key, AES-CBC with PKCS#7 for messages).

use aws_lc_rs::cipher::{AES_128, AES_192, AES_256};
use aws_lc_rs::cipher::{DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeyPair, KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::EncodingKey;

/// A cryptographic step failed. The library says no more, on purpose.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CryptoError {
    #[error("cannot make an RSA key")]
    Generate,
    #[error("cannot prepare the RSA key for {0}")]
    Prepare(&'static str),
    #[error("{0} is not base64")]
    Base64(&'static str, #[source] base64::DecodeError),
    #[error(
        "the session key cannot be decrypted: it was not encrypted for this runner, or with another hash"
    )]
    SessionKey,
    #[error("a session key of {0} bytes is not an AES key")]
    KeyLength(usize),
    #[error("a message cannot be decrypted: wrong session key, initialization vector or padding")]
    Message,
    #[error("a decrypted message is not UTF-8")]
    Text(#[source] std::string::FromUtf8Error),
}

/// The runner's RSA key.
pub(crate) struct AgentKey {
    decrypting: OaepPrivateDecryptingKey,
    /// For RS256.
    pub(crate) signing: EncodingKey,
    /// Big-endian, base64.
    pub(crate) modulus: String,
    /// Big-endian, base64.
    pub(crate) exponent: String,
}

impl AgentKey {
    pub(crate) fn generate() -> Result<Self, CryptoError> {
        Self::from_private(
            PrivateDecryptingKey::generate(KeySize::Rsa2048).map_err(|_| CryptoError::Generate)?,
        )
    }

    fn from_private(key: PrivateDecryptingKey) -> Result<Self, CryptoError> {
        let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| CryptoError::Prepare("export"))?;
        let pair = KeyPair::from_pkcs8(der.as_ref()).map_err(|_| CryptoError::Prepare("signatures"))?;
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            wrapped(&STANDARD.encode(der.as_ref()))
        );
        Ok(Self {
            signing: EncodingKey::from_rsa_pem(pem.as_bytes())
                .map_err(|_| CryptoError::Prepare("assertions"))?,
            modulus: STANDARD.encode(pair.public_key().modulus().big_endian_without_leading_zero()),
            exponent: STANDARD.encode(pair.public_key().exponent().big_endian_without_leading_zero()),
            decrypting: OaepPrivateDecryptingKey::new(key).map_err(|_| CryptoError::Prepare("decryption"))?,
        })
    }

    /// The AES key of a session, from its base64 form; `fips` chooses SHA-256 over SHA-1.
    pub(crate) fn session_key(
        &self,
        value: &str,
        encrypted: bool,
        fips: bool,
    ) -> Result<SessionKey, CryptoError> {
        let bytes = STANDARD
            .decode(value)
            .map_err(|source| CryptoError::Base64("the session key", source))?;
        if !encrypted {
            return Ok(SessionKey(bytes));
        }
        let algorithm = if fips {
            &OAEP_SHA256_MGF1SHA256
        } else {
            &OAEP_SHA1_MGF1SHA1
        };
        let mut plain = vec![0; self.decrypting.min_output_size()];
        let key = self
            .decrypting
            .decrypt(algorithm, &bytes, &mut plain, None)
            .map_err(|_| CryptoError::SessionKey)?;
        Ok(SessionKey(key.to_vec()))
    }
}

/// PEM has at most 64 characters in a line.
fn wrapped(base64: &str) -> String {
    base64
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join("\n")
}

/// The AES key of one session.
#[derive(Clone)]
pub(crate) struct SessionKey(Vec<u8>);

impl SessionKey {
    /// Decrypts the base64 `body` of a message.
    pub(crate) fn decrypt(&self, body: &str, iv: &str) -> Result<String, CryptoError> {
        let algorithm = match self.0.len() {
            16 => &AES_128,
            24 => &AES_192,
            32 => &AES_256,
            length => return Err(CryptoError::KeyLength(length)),
        };
        let iv = STANDARD
            .decode(iv)
            .map_err(|source| CryptoError::Base64("the initialization vector", source))?;
        let iv: [u8; 16] = iv.try_into().map_err(|_| CryptoError::Message)?;
        let mut bytes = STANDARD
            .decode(body)
            .map_err(|source| CryptoError::Base64("the message body", source))?;
        let key = UnboundCipherKey::new(algorithm, &self.0)
            .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
            .map_err(|_| CryptoError::Message)?;
        let plain = key
            .decrypt(&mut bytes, DecryptionContext::Iv128(iv.into()))
            .map_err(|_| CryptoError::Message)?;
        String::from_utf8(plain.to_vec()).map_err(CryptoError::Text)
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::cipher::PaddedBlockEncryptingKey;
    use aws_lc_rs::rsa::OaepPublicEncryptingKey;

    use super::*;

    #[test]
    fn a_session_key_and_a_message_are_read() {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key is made");
        let encrypting = OaepPublicEncryptingKey::new(private.public_key()).expect("the key can encrypt");
        let agent = AgentKey::from_private(private).expect("the key serves");
        let mut sealed = vec![0; encrypting.ciphertext_size()];
        let sealed = encrypting
            .encrypt(&OAEP_SHA1_MGF1SHA1, &[7; 32], &mut sealed, None)
            .expect("the session key is sealed");
        let mut body = b"{\"jobId\": 1}".to_vec();
        let iv = UnboundCipherKey::new(&AES_256, &[7; 32])
            .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
            .and_then(|key| key.encrypt(&mut body))
            .expect("the message is encrypted");
        let iv: &[u8] = (&iv).try_into().expect("CBC has an initialization vector");

        let session = agent
            .session_key(&STANDARD.encode(sealed), true, false)
            .expect("the session key is opened");
        let text = session
            .decrypt(&STANDARD.encode(&body), &STANDARD.encode(iv))
            .expect("the message is read");

        assert_eq!(text, "{\"jobId\": 1}");
        assert!(
            agent
                .session_key(&STANDARD.encode([1; 256]), true, false)
                .is_err(),
            "rubbish is refused"
        );
        assert!(
            session
                .decrypt(&STANDARD.encode([1; 32]), &STANDARD.encode(iv))
                .is_err(),
            "rubbish is refused"
        );
    }

    #[test]
    fn the_public_key_is_what_a_server_expects() {
        let agent = AgentKey::generate().expect("a key is made");

        assert_eq!(agent.exponent, "AQAB");
        assert_eq!(
            STANDARD
                .decode(&agent.modulus)
                .expect("the modulus is base64")
                .len(),
            256
        );
    }
}
