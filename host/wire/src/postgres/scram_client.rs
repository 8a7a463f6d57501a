//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the client's side: the gateway logs in
//! to the upstream with the resource's own password.
//!
//! The last step is not a formality: a server that cannot sign does not know
//! the password, so nothing may be sent to it. The password is never sent.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::scram::{
    KEY_BYTES, SALT_BYTES_MAX, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramError, attribute,
    extensions, hmac, is_nonce, iterations_of, salted_password, text,
};

/// Whether to bind the login to the TLS channel.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientBinding {
    /// We cannot: no TLS, or a certificate without a hash for it.
    Unsupported,
    /// We can, with this hash of the server's certificate, and do so if the
    /// server offers it. If it does not, it learns that we could have: a server
    /// whose offer was tampered with then refuses.
    Preferred(Bytes),
    /// As `Preferred`, but without the offer we do not log in.
    Required(Bytes),
}

/// Ready to begin.
pub struct Client {
    mechanism: &'static str,
    gs2_header: &'static str,
    bound: Bytes,
    password: Bytes,
    bare: String,
}

impl Client {
    /// Chooses among what the server offers. `nonce` must be fresh and
    /// unguessable, of printable ASCII without comma.
    pub fn choose<M: AsRef<[u8]>>(
        offered: &[M],
        binding: ClientBinding,
        password: Bytes,
        nonce: &str,
    ) -> Result<Self, ScramError> {
        if !is_nonce(nonce.as_bytes()) {
            return Err(ScramError::Nonce);
        }
        let offers = |name: &str| {
            offered
                .iter()
                .any(|known| known.as_ref() == name.as_bytes())
        };
        let (plus, plain) = (offers(SCRAM_SHA_256_PLUS), offers(SCRAM_SHA_256));
        let (mechanism, gs2_header, bound) = match binding {
            ClientBinding::Preferred(hash) | ClientBinding::Required(hash) if plus => {
                (SCRAM_SHA_256_PLUS, "p=tls-server-end-point,,", hash)
            }
            ClientBinding::Required(_) => {
                return Err(ScramError::Binding("the server does not offer it"));
            }
            ClientBinding::Preferred(_) if plain => (SCRAM_SHA_256, "y,,", Bytes::new()),
            ClientBinding::Unsupported if plain => (SCRAM_SHA_256, "n,,", Bytes::new()),
            _ => return Err(ScramError::Mechanism),
        };
        Ok(Self {
            mechanism,
            gs2_header,
            bound,
            password,
            // PostgreSQL takes the user from the startup packet.
            bare: format!("n=,r={nonce}"),
        })
    }

    /// The mechanism chosen and the first message, for a SASL initial response.
    #[must_use]
    pub fn start(self) -> (AwaitChallenge, &'static str, Bytes) {
        let (mechanism, first) = (self.mechanism, format!("{}{}", self.gs2_header, self.bare));
        (AwaitChallenge(self), mechanism, Bytes::from(first))
    }
}

/// Waits for the server's challenge.
pub struct AwaitChallenge(Client);

impl AwaitChallenge {
    /// Takes the challenge; gives the client's final message. Takes time in
    /// proportion to the server's iteration count.
    pub fn challenge(self, message: &[u8]) -> Result<(AwaitSignature, Bytes), ScramError> {
        let Self(client) = self;
        let text = text(message)?;
        let (nonce, rest) = attribute(text, "r=")?;
        let ours = client.bare.strip_prefix("n=,r=").unwrap_or_default();
        // It must add something of its own to our nonce.
        let added = nonce.strip_prefix(ours).ok_or(ScramError::Nonce)?;
        if !is_nonce(added.as_bytes()) {
            return Err(ScramError::Nonce);
        }
        let (salt, rest) = attribute(rest, "s=")?;
        let salt = STANDARD
            .decode(salt)
            .ok()
            .filter(|salt| !salt.is_empty() && salt.len() <= SALT_BYTES_MAX)
            .ok_or(ScramError::Malformed("its salt is not base64, or too long"))?;
        let (iterations, rest) = attribute(rest, "i=")?;
        extensions(rest)?;
        let salted = salted_password(&client.password, &salt, iterations_of(iterations)?)?;

        let mut binding = client.gs2_header.as_bytes().to_vec();
        binding.extend_from_slice(&client.bound);
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(binding));
        let auth_message = format!("{},{text},{without_proof}", client.bare);
        let client_key = hmac(&salted, b"Client Key");
        let stored_key: [u8; KEY_BYTES] = Sha256::digest(client_key).into();
        let mut proof = hmac(&stored_key, auth_message.as_bytes());
        for (byte, with) in proof.iter_mut().zip(client_key) {
            *byte ^= with;
        }
        let server_key = hmac(&salted, b"Server Key");
        let next = AwaitSignature {
            expected: hmac(&server_key, auth_message.as_bytes()),
            bound: client.mechanism == SCRAM_SHA_256_PLUS,
        };
        let fin = format!("{without_proof},p={}", STANDARD.encode(proof));
        Ok((next, Bytes::from(fin)))
    }
}

/// Waits for the server's signature.
pub struct AwaitSignature {
    expected: [u8; KEY_BYTES],
    bound: bool,
}

/// The server knows the password, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerVerified {
    /// Whether the login was bound to the TLS channel.
    pub bound: bool,
}

impl AwaitSignature {
    /// Takes the server's final message. Only after this (and the server's
    /// AuthenticationOk) may anything else be sent.
    pub fn finish(self, message: &[u8]) -> Result<ServerVerified, ScramError> {
        let text = text(message)?;
        if text.starts_with("e=") {
            return Err(ScramError::Refused);
        }
        let (signature, rest) = attribute(text, "v=")?;
        extensions(rest)?;
        let signature = STANDARD.decode(signature).unwrap_or_default();
        // Slices of different length are unequal.
        if bool::from(signature.ct_eq(&self.expected)) {
            Ok(ServerVerified { bound: self.bound })
        } else {
            Err(ScramError::ServerSignature)
        }
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
opaque_debug!(Client, AwaitChallenge, AwaitSignature, ClientBinding);
