//! Session encryption: the AES key sealed to the agent, and message bodies under that key (runner protocol, sessions).

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::AgentKey;

/// The key of a session's messages: AES-256.
pub type AesKey = [u8; 32];

/// A message body as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedMessage {
    /// Base64 of the 16 bytes of the initialization vector, fresh for each message.
    pub iv_b64: String,
    /// Base64 of the ciphertext.
    pub body_b64: String,
}

/// A fresh session key.
#[must_use]
pub fn random_aes_key() -> AesKey {
    let mut key = AesKey::default();
    rand::fill(&mut key).expect("the system's random source answers");
    key
}

/// Seals a session key to the agent by RSA-OAEP: SHA-256 where the agent asked for FIPS cryptography, else SHA-1.
/// The result is what `encryptionKey.value` carries in base64.
#[must_use]
pub fn seal_session_key(agent: &AgentKey, fips: bool, aes: &AesKey) -> Vec<u8> {
    let algorithm = if fips {
        &OAEP_SHA256_MGF1SHA256
    } else {
        &OAEP_SHA1_MGF1SHA1
    };
    let key = agent.oaep();
    let mut sealed = vec![0; key.ciphertext_size()];
    key.encrypt(algorithm, aes, &mut sealed, None)
        .expect("32 bytes fit into any key of 2048 bits or more")
        .to_vec()
}

/// Encrypts a message body by AES-256-CBC with PKCS#7 padding.
#[must_use]
pub fn encrypt_message(aes: &AesKey, plaintext: &[u8]) -> EncryptedMessage {
    let mut body = plaintext.to_vec();
    let context = UnboundCipherKey::new(&AES_256, aes)
        .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
        .and_then(|key| key.encrypt(&mut body))
        .expect("AES-256-CBC takes every 32-byte key and every text");
    let iv: &[u8] = match &context {
        DecryptionContext::Iv128(iv) => iv.as_ref(),
        _ => &[],
    };
    EncryptedMessage {
        iv_b64: BASE64_STANDARD.encode(iv),
        body_b64: BASE64_STANDARD.encode(body),
    }
}
