//! Signed checkpoints, as C2SP signed notes (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), with Ed25519.
//!
//! A checkpoint says: this log, at this size, has this root. Whoever keeps one can show later that what it
//! covers was changed. Names of keys are the log's origin, as the specification shows. The signing key
//! never prints itself, and is wiped when dropped.

use crate::hash::Root;

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: a chain's name and epoch, `name/epoch`.
    pub origin: String,
    /// How many records.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Root,
    /// Further lines, uninterpreted. This gateway writes none: the specification advises against them.
    pub extensions: Vec<String>,
}

/// Why a checkpoint or a key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note, or the note is not a checkpoint.
    #[error("this is not a signed checkpoint")]
    Malformed,
    /// No signature by the key that was asked for.
    #[error("the checkpoint is not signed by the expected key")]
    NoSignature,
    /// A signature that names the key and is not its signature.
    #[error("the checkpoint's signature is wrong: its text was changed, or another key made it")]
    BadSignature,
    /// Not a key in the form `name+id+base64`.
    #[error("this is not an Ed25519 key in the form name+id+base64")]
    Key,
    /// An origin or key name that is empty or holds spaces, plus signs or control characters.
    #[error("an origin must be printable ASCII without spaces, quotes, backslashes or plus signs")]
    Name,
}

/// The public half of a key, with the name it signs under. Its text form is `name+hexid+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: ed25519_dalek::VerifyingKey,
}

/// The secret half. Its text form is for the key file alone.
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}
