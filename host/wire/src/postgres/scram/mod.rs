//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, 7677,
//! 5929).
//!
//! States that consume themselves: a proof can be checked once, and only
//! against the nonce it was asked for. Nonces come from the caller. User names
//! inside SCRAM are ignored, as PostgreSQL ignores them: the one in the startup
//! packet counts. A caller who does not exist gets a [`Verifier::mock`], and
//! sees exactly what an existing one with a wrong password sees.

mod message;
#[cfg(test)]
mod tests;
mod verifier;

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub(super) use message::{attribute, extensions, is_nonce, text};
pub use verifier::{ITERATIONS, ITERATIONS_MAX, ITERATIONS_MIN, Mock, SALT_BYTES, Verifier};
pub(super) use verifier::{KEY_BYTES, SALT_BYTES_MAX, hmac, iterations_of, salted_password};

/// The mechanism without channel binding.
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Why a SCRAM exchange ended. None of it tells a caller whether the user
/// exists; what they get to read should not even tell these apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// A message does not follow the grammar.
    #[error("reading a SCRAM message: {0}; refuse the login")]
    Malformed(&'static str),
    /// The mechanism was not offered.
    #[error("starting SCRAM: the client chose a mechanism that was not offered; refuse the login")]
    Mechanism,
    /// Channel binding does not fit what was offered.
    #[error("checking SCRAM channel binding: {0}; somebody may be in between, refuse the login")]
    Binding(&'static str),
    /// The nonce is not the one of this exchange.
    #[error("checking a SCRAM nonce: it is not the one of this exchange; refuse the login")]
    Nonce,
    /// The proof is wrong.
    #[error("checking a SCRAM proof: it is wrong; refuse the login")]
    Proof,
    /// The server's signature is wrong: it does not know the password.
    #[error("checking the SCRAM server signature: it is wrong; this is not the server, disconnect")]
    ServerSignature,
    /// The server refused.
    #[error("logging in with SCRAM: the server refused; check the resource's user and password")]
    Refused,
    /// A stored verifier cannot be read.
    #[error("reading a SCRAM verifier: {0}; generate it again")]
    Verifier(&'static str),
    /// The iteration count is out of bounds.
    #[error(
        "reading a SCRAM iteration count: it must be 4,096 to 1,000,000; set scram_iterations accordingly"
    )]
    Iterations,
}

/// What the connection can be bound to.
#[derive(Clone, PartialEq, Eq)]
pub enum Binding {
    /// Nothing: no TLS, or a certificate without a hash for it.
    None,
    /// `tls-server-end-point`: the hash of the certificate we presented, see
    /// [`super::channel_binding::tls_server_end_point`].
    TlsServerEndPoint(Bytes),
}

/// Waits for the client's first message.
pub struct AwaitFirst {
    verifier: Verifier,
    binding: Binding,
}

impl AwaitFirst {
    /// An exchange for whom `verifier` stands.
    #[must_use]
    pub const fn new(verifier: Verifier, binding: Binding) -> Self {
        Self { verifier, binding }
    }

    /// What to offer, the preferred first.
    #[must_use]
    pub const fn mechanisms(&self) -> &'static [&'static str] {
        match self.binding {
            Binding::None => &[SCRAM_SHA_256],
            Binding::TlsServerEndPoint(_) => &[SCRAM_SHA_256_PLUS, SCRAM_SHA_256],
        }
    }

    /// Takes the mechanism and the client's first message; gives the challenge.
    /// `nonce` must be fresh and unguessable, of printable ASCII without comma;
    /// 18 random bytes in base64 will do.
    pub fn first(
        self,
        mechanism: &[u8],
        message: &[u8],
        nonce: &str,
    ) -> Result<(AwaitFinal, Bytes), ScramError> {
        let plus = match mechanism {
            name if name == SCRAM_SHA_256.as_bytes() => false,
            name if name == SCRAM_SHA_256_PLUS.as_bytes() => true,
            _ => return Err(ScramError::Mechanism),
        };
        let first = message::ClientFirst::parse(message)?;
        let expected_binding = self.expected_binding(plus, &first)?;
        if !is_nonce(nonce.as_bytes()) {
            return Err(ScramError::Nonce);
        }
        let nonce = format!("{}{nonce}", first.nonce);
        let salt = STANDARD.encode(self.verifier.salt());
        let challenge = format!("r={nonce},s={salt},i={}", self.verifier.iterations());
        let auth_message = format!("{},{challenge},", first.bare);
        let next = AwaitFinal {
            verifier: self.verifier,
            expected_binding,
            nonce,
            auth_message,
            bound: plus,
        };
        Ok((next, Bytes::from(challenge)))
    }

    /// What the client's final message must carry as channel binding.
    fn expected_binding(
        &self,
        plus: bool,
        first: &message::ClientFirst<'_>,
    ) -> Result<Vec<u8>, ScramError> {
        use message::Gs2Flag;
        let mut expected = first.gs2_header.as_bytes().to_vec();
        match (&first.flag, plus, &self.binding) {
            (Gs2Flag::Required("tls-server-end-point"), true, Binding::TlsServerEndPoint(hash)) => {
                expected.extend_from_slice(hash);
            }
            (_, true, Binding::None) => return Err(ScramError::Mechanism),
            (Gs2Flag::Required(_), true, _) => {
                return Err(ScramError::Binding(
                    "a type of binding that was not offered",
                ));
            }
            (_, true, _) => {
                return Err(ScramError::Binding("PLUS was chosen but nothing was bound"));
            }
            (Gs2Flag::Required(_), false, _) => {
                return Err(ScramError::Binding(
                    "something was bound, but PLUS not chosen",
                ));
            }
            // The client could bind and believes we cannot: somebody took PLUS
            // out of our offer.
            (Gs2Flag::NotOffered, false, Binding::TlsServerEndPoint(_)) => {
                return Err(ScramError::Binding(
                    "the client did not see that PLUS was offered",
                ));
            }
            (Gs2Flag::NotOffered | Gs2Flag::Unsupported, false, _) => {}
        }
        Ok(expected)
    }
}

/// Waits for the client's proof.
pub struct AwaitFinal {
    verifier: Verifier,
    expected_binding: Vec<u8>,
    nonce: String,
    /// Both first messages; the client's final one is still to come.
    auth_message: String,
    bound: bool,
}

/// The client knows the password.
pub struct Accepted {
    /// The server's final message: it proves that we know it, too.
    pub server_final: Bytes,
    /// Whether the exchange was bound to the TLS channel.
    pub bound: bool,
}

impl AwaitFinal {
    /// Takes the client's final message.
    pub fn finish(self, message: &[u8]) -> Result<Accepted, ScramError> {
        let fin = message::ClientFinal::parse(message)?;
        // Before the proof: the proof covers these bytes, but only we know what
        // they must be.
        if !bool::from(fin.binding.ct_eq(&self.expected_binding)) {
            return Err(ScramError::Binding("it is not bound to this connection"));
        }
        if fin.nonce != self.nonce {
            return Err(ScramError::Nonce);
        }
        let auth_message = self.auth_message + fin.without_proof;
        let signature = hmac(self.verifier.stored_key(), auth_message.as_bytes());
        let mut client_key = fin.proof;
        for (byte, with) in client_key.iter_mut().zip(signature) {
            *byte ^= with;
        }
        let stored_key: [u8; KEY_BYTES] = Sha256::digest(client_key).into();
        let server_signature = hmac(self.verifier.server_key(), auth_message.as_bytes());
        // Both are computed before either is looked at, so that a mock takes
        // the same time.
        let known = stored_key.ct_eq(self.verifier.stored_key()) & !self.verifier.is_mock();
        if !bool::from(known) {
            return Err(ScramError::Proof);
        }
        Ok(Accepted {
            server_final: Bytes::from(format!("v={}", STANDARD.encode(server_signature))),
            bound: self.bound,
        })
    }
}

macro_rules! opaque_debug {
    ($($state:ident),*) => {$(
        /// Holds secrets of an exchange: nothing is shown.
        impl fmt::Debug for $state {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($state), "(..)"))
            }
        }
    )*};
}
opaque_debug!(AwaitFirst, AwaitFinal, Accepted, Binding);
