//! Keys and tokens of the runner service: what the wire needs of cryptography, and nothing of HTTP or of state.
//!
//! Agents prove themselves by an RSA key ([`AgentKey`]), sessions seal messages with AES ([`encrypt_message`]), and
//! the server's own bearer tokens are signed by a secret that lives as long as the server ([`TokenSecret`]).

pub mod app;
mod assertion;
mod keys;
mod session;
mod tokens;

#[cfg(test)]
mod tests;

pub use assertion::{Assertion, AssertionError, verify_assertion};
pub use keys::{AgentKey, KeyError};
pub use session::{AesKey, EncryptedMessage, encrypt_message, random_aes_key, seal_session_key};
pub use tokens::{Grant, TokenError, TokenSecret, random_guid, random_token};
