//! What is stored instead of a password, in PostgreSQL's own notation
//! (`pg_authid.rolpassword`), so that verifiers can be moved between the two.
//!
//! The password cannot be found from it but by guessing; who steals it cannot
//! log in with it either.

use std::{borrow::Cow, fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::Choice;

use super::ScramError;

/// Size of every key and signature.
pub(crate) const KEY_BYTES: usize = 32;
/// Salt of a generated verifier, and of every mock; PostgreSQL's own figure.
pub const SALT_BYTES: usize = 16;
/// Iterations of a generated verifier, and of every mock; PostgreSQL's own
/// figure and RFC 7677's minimum.
pub const ITERATIONS: u32 = 4096;
/// Below this a stolen verifier is too cheap to guess against (RFC 7677).
pub const ITERATIONS_MIN: u32 = 4096;
/// Above this a server could keep a client busy for seconds.
pub const ITERATIONS_MAX: u32 = 1_000_000;
/// Longest salt taken from a verifier or a server.
pub(crate) const SALT_BYTES_MAX: usize = 1024;

/// What a password is checked against.
#[derive(Clone)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: [u8; KEY_BYTES],
    server_key: [u8; KEY_BYTES],
    pub(super) mock: bool,
}

impl Verifier {
    /// Makes a verifier. `salt` must be fresh random bytes, [`SALT_BYTES`] of
    /// them; it takes time in proportion to `iterations`.
    pub fn generate(password: &[u8], salt: &[u8], iterations: u32) -> Result<Self, ScramError> {
        if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
            return Err(ScramError::Verifier("its salt is empty or too long"));
        }
        let salted = salted_password(password, salt, iterations)?;
        Ok(Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: Sha256::digest(hmac(&salted, b"Client Key")).into(),
            server_key: hmac(&salted, b"Server Key"),
            mock: false,
        })
    }

    /// A verifier that nothing matches, for a user who does not exist.
    #[must_use]
    pub fn mock(user: &[u8], mock: &Mock) -> Self {
        let derive = |purpose: &[u8]| {
            let key = hmac(&mock.secret, purpose);
            hmac(&key, user)
        };
        let mut salt = derive(b"almoner scram mock salt v1").to_vec();
        salt.truncate(SALT_BYTES);
        Self {
            iterations: mock.iterations,
            salt,
            stored_key: derive(b"almoner scram mock stored key v1"),
            server_key: derive(b"almoner scram mock server key v1"),
            mock: true,
        }
    }

    /// How often the password was hashed.
    #[must_use]
    pub const fn iterations(&self) -> u32 {
        self.iterations
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) const fn stored_key(&self) -> &[u8; KEY_BYTES] {
        &self.stored_key
    }

    pub(super) const fn server_key(&self) -> &[u8; KEY_BYTES] {
        &self.server_key
    }

    pub(super) fn is_mock(&self) -> Choice {
        Choice::from(u8::from(self.mock))
    }

    /// PostgreSQL's notation, for storage; `None` for a mock, which must never
    /// be stored.
    #[must_use]
    pub fn to_postgres(&self) -> Option<String> {
        let (salt, stored) = (
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key),
        );
        let (iterations, server) = (self.iterations, STANDARD.encode(self.server_key));
        (!self.mock).then(|| format!("SCRAM-SHA-256${iterations}:{salt}${stored}:{server}"))
    }
}

/// Reads PostgreSQL's notation.
impl FromStr for Verifier {
    type Err = ScramError;

    fn from_str(text: &str) -> Result<Self, ScramError> {
        const SHAPE: ScramError =
            ScramError::Verifier("it is not SCRAM-SHA-256$iterations:salt$stored:server");
        let mut parts = text.split('$');
        let (Some("SCRAM-SHA-256"), Some(cost), Some(keys), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SHAPE);
        };
        let (iterations, salt) = cost.split_once(':').ok_or(SHAPE)?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(SHAPE)?;
        let key =
            |text: &str| -> Option<[u8; KEY_BYTES]> { STANDARD.decode(text).ok()?.try_into().ok() };
        let salt = STANDARD.decode(salt).map_err(|_| SHAPE)?;
        if salt.is_empty() || salt.len() > SALT_BYTES_MAX {
            return Err(ScramError::Verifier("its salt is empty or too long"));
        }
        Ok(Self {
            iterations: iterations_of(iterations)?,
            salt,
            stored_key: key(stored_key).ok_or(SHAPE)?,
            server_key: key(server_key).ok_or(SHAPE)?,
            mock: false,
        })
    }
}

/// A stolen verifier can be guessed against: nothing of it is shown.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(..)")
    }
}

/// What mocks are made from. The secret must be random and the same on every
/// start, or a user's salt would change and give them away as unknown; the
/// iterations must be those of the users who exist.
pub struct Mock {
    secret: [u8; KEY_BYTES],
    iterations: u32,
}

impl Mock {
    /// Mocks from this secret, looking like verifiers of so many iterations.
    #[must_use]
    pub const fn new(secret: [u8; KEY_BYTES], iterations: u32) -> Self {
        Self { secret, iterations }
    }
}

impl fmt::Debug for Mock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mock(..)")
    }
}

/// Reads an iteration count and checks its bounds.
pub(crate) fn iterations_of(text: &str) -> Result<u32, ScramError> {
    // `parse` would take a plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let count = text.parse().ok().filter(|_| digits);
    count.ok_or(ScramError::Iterations).and_then(checked)
}

fn checked(iterations: u32) -> Result<u32, ScramError> {
    if (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
        Ok(iterations)
    } else {
        Err(ScramError::Iterations)
    }
}

/// `Hi()` of RFC 5802 over the prepared password.
pub(crate) fn salted_password(
    password: &[u8],
    salt: &[u8],
    iterations: u32,
) -> Result<[u8; KEY_BYTES], ScramError> {
    let rounds = checked(iterations)?;
    let password = prepared(password);
    Ok(pbkdf2::pbkdf2_hmac_array::<Sha256, KEY_BYTES>(
        &password, salt, rounds,
    ))
}

pub(crate) fn hmac(key: &[u8; KEY_BYTES], text: &[u8]) -> [u8; KEY_BYTES] {
    // A key of a digest's size is always taken.
    let mut mac = Hmac::<Sha256>::new(&block(key).into());
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// HMAC pads keys with zeros to its block, 64 bytes for SHA-256.
fn block(key: &[u8; KEY_BYTES]) -> [u8; 64] {
    let mut block = [0; 64];
    block[..KEY_BYTES].copy_from_slice(key);
    block
}

/// SASLprep; a password it forbids, or leaves empty, or that is not UTF-8 is
/// used as it is. PostgreSQL does the same, so both sides agree.
fn prepared(password: &[u8]) -> Cow<'_, [u8]> {
    let prepared = str::from_utf8(password)
        .ok()
        .and_then(|text| stringprep::saslprep(text).ok());
    match prepared {
        None => Cow::Borrowed(password),
        Some(text) if text.is_empty() => Cow::Borrowed(password),
        Some(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
    }
}
