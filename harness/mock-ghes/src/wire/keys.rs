//! The public key that an agent gives when it registers.

use std::fmt;

use aws_lc_rs::rsa::{KeyPair, KeySize, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::prelude::{BASE64_STANDARD, Engine as _};

/// A registration's public key is not usable.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not standard base64, which is how both clients write byte arrays.
    #[error("the {part} of the agent's public key is not base64: {source}")]
    Base64 {
        /// `modulus` or `exponent`.
        part: &'static str,
        /// Where the text goes wrong.
        #[source]
        source: base64::DecodeError,
    },
    /// The numbers are no RSA key, or one of a size that runners do not use.
    #[error(
        "modulus ({bits} bits) and exponent are no RSA key of 2048 to 8192 bits: the runner should register anew"
    )]
    NotRsa {
        /// Of the modulus, leading zeros left out.
        bits: usize,
    },
}

/// An agent's RSA public key: session keys are sealed to it, and its client assertions are checked by it.
#[derive(Clone)]
pub struct AgentKey {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl AgentKey {
    /// Reads the two base64 numbers of `authorization.publicKey` (big-endian; .NET may write leading zeros).
    ///
    /// # Errors
    /// [`KeyError`]: not base64, or not an RSA key of 2048 to 8192 bits.
    pub fn from_modulus_exponent(modulus: &str, exponent: &str) -> Result<Self, KeyError> {
        let number = |part, text: &str| {
            let bytes = BASE64_STANDARD
                .decode(text.trim())
                .map_err(|source| KeyError::Base64 { part, source })?;
            Ok(bytes
                .into_iter()
                .skip_while(|byte| *byte == 0)
                .collect::<Vec<_>>())
        };
        let key = Self {
            modulus: number("modulus", modulus)?,
            exponent: number("exponent", exponent)?,
        };
        match key.encrypting() {
            Some(_) => Ok(key),
            None => Err(KeyError::NotRsa {
                bits: key.modulus.len() * 8,
            }),
        }
    }

    /// One whose private half nobody has.
    pub(crate) fn draw() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("the system's random source answers");
        let public = pair.public_key();
        Self {
            modulus: public.modulus().big_endian_without_leading_zero().to_vec(),
            exponent: public.exponent().big_endian_without_leading_zero().to_vec(),
        }
    }

    fn encrypting(&self) -> Option<OaepPublicEncryptingKey> {
        let public: PublicEncryptingKey = self.components().try_into().ok()?;
        OaepPublicEncryptingKey::new(public).ok()
    }

    pub(super) fn oaep(&self) -> OaepPublicEncryptingKey {
        self.encrypting()
            .expect("the numbers made a key when this value was built")
    }

    fn components(&self) -> RsaPublicKeyComponents<&[u8]> {
        RsaPublicKeyComponents {
            n: &self.modulus,
            e: &self.exponent,
        }
    }

    /// Whether this is the key's SHA-256 signature, with either padding: older .NET runners label a PSS signature
    /// RS256, so the header cannot be asked.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        [&RSA_PKCS1_2048_8192_SHA256, &RSA_PSS_2048_8192_SHA256]
            .into_iter()
            .any(|padding| self.components().verify(padding, message, signature).is_ok())
    }
}

/// The size only: a public key is no secret, but it is long.
impl fmt::Debug for AgentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentKey({} bits)", self.modulus.len() * 8)
    }
}
