//! What a record is made of, before it takes its place in the chain.
//!
//! Its members' names, the kinds of record, the references to bodies, and a [`Prepared`]: a record written out
//! as canonical JSON with four gaps that only the chain can fill (`n`, `origin`, `prev`, `seq`). Records never
//! hold values that were masked away; keeping them out is the caller's part, nothing here looks for them.

use serde::{Deserialize, Serialize};

use crate::canonical::{self, CanonicalError};
use crate::hash::Hash;

/// The version that every record carries as `v`. A reader refuses others rather than guess.
pub const FORMAT: u64 = 1;
/// The longest line of a record, in bytes, without its line feed. What is larger goes into a body.
pub const RECORD_BYTES_MAX: usize = 16 * 1024;
/// The most bodies one record may refer to. References take about 160 bytes each and must fit the line.
pub const BODIES_MAX: usize = 64;

/// The members that the format itself owns. A draft's fields may not use these names.
pub const RESERVED: [&str; 9] = [
    "bodies", "kind", "n", "origin", "prev", "seq", "session", "time", "v",
];

/// Names of fields that the store and the search understand. Others are free.
pub mod field {
    /// The session's identity; set by whoever appends for a session, not in a draft's fields.
    pub const SESSION: &str = "session";
    /// The record's number within its session: 0, 1, 2, … without gaps.
    pub const N: &str = "n";
    /// The exchange's identity, a string. Ties intent, parts and outcome together.
    pub const EXCHANGE: &str = "exchange";
    /// On whose authority, a string.
    pub const SUBJECT: &str = "subject";
    /// Who acts for the subject, a string.
    pub const ACTOR: &str = "actor";
    /// The upstream's name, a string.
    pub const RESOURCE: &str = "resource";
    /// allow, deny, hold or rewrite, a string.
    pub const VERDICT: &str = "verdict";
    /// On a `session` record: `"begin"` or `"end"`.
    pub const EVENT: &str = "event";
    /// On a `key` record: the verifier key in text form.
    pub const KEY: &str = "key";
    /// On a `recovery` record: the last record known to have been acknowledged before the loss.
    pub const ACKNOWLEDGED_SEQ: &str = "acknowledged_seq";
    /// On a `tombstone` record: the first record whose bodies were deleted.
    pub const FROM_SEQ: &str = "from_seq";
    /// On a `tombstone` record: the last record whose bodies were deleted.
    pub const TO_SEQ: &str = "to_seq";
}

/// What kind of thing a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The first record of a chain.
    Genesis,
    /// A session began or ended.
    Session,
    /// Something was refused; nothing reached the upstream.
    Denied,
    /// Something that may change state is about to be sent. An outcome must follow.
    Intent,
    /// A window of a streamed reply.
    Part,
    /// How an exchange ended.
    Outcome,
    /// Written at start-up for an intent whose outcome was never recorded.
    Interrupted,
    /// A request for approval, a decision, an expiry.
    Approval,
    /// A policy generation was activated or refused.
    Generation,
    /// A plugin was loaded, refused, or failed.
    Plugin,
    /// The first record of an epoch that an operator opened after a loss.
    Recovery,
    /// A checkpoint of another log that this one witnessed.
    Checkpoint,
    /// A key that signs checkpoints from here on.
    Key,
    /// Bodies were deleted on purpose.
    Tombstone,
    /// Something an administrator did.
    Admin,
    /// A person looked over records.
    Review,
}

impl Kind {
    /// Every kind, in the order of the format's description.
    pub const ALL: [Kind; 16] = [
        Kind::Genesis,
        Kind::Session,
        Kind::Denied,
        Kind::Intent,
        Kind::Part,
        Kind::Outcome,
        Kind::Interrupted,
        Kind::Approval,
        Kind::Generation,
        Kind::Plugin,
        Kind::Recovery,
        Kind::Checkpoint,
        Kind::Key,
        Kind::Tombstone,
        Kind::Admin,
        Kind::Review,
    ];

    /// The word in the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Genesis => "genesis",
            Kind::Session => "session",
            Kind::Denied => "denied",
            Kind::Intent => "intent",
            Kind::Part => "part",
            Kind::Outcome => "outcome",
            Kind::Interrupted => "interrupted",
            Kind::Approval => "approval",
            Kind::Generation => "generation",
            Kind::Plugin => "plugin",
            Kind::Recovery => "recovery",
            Kind::Checkpoint => "checkpoint",
            Kind::Key => "key",
            Kind::Tombstone => "tombstone",
            Kind::Admin => "admin",
            Kind::Review => "review",
        }
    }

    /// The kind that a word names.
    pub fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How a record refers to bytes that are stored beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyRef {
    /// What the body is to the record: `request`, `response`, …; unique within the record.
    pub name: String,
    /// Media type, such as `application/json`.
    pub media: String,
    /// Length of the stored bytes.
    pub len: u64,
    /// BLAKE3 of the stored bytes.
    pub hash: Hash,
    /// How the stored bytes are encrypted: `none`.
    pub enc: String,
}

impl BodyRef {
    /// The reference to `bytes`, stored in the clear.
    pub fn of(name: &str, media: &str, bytes: &[u8]) -> BodyRef {
        BodyRef {
            name: name.to_owned(),
            media: media.to_owned(),
            len: bytes.len() as u64,
            hash: Hash::of_body(bytes),
            enc: "none".to_owned(),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
        out.extend_from_slice(b"{\"enc\":");
        canonical::write_string(&self.enc, out);
        out.extend_from_slice(b",\"hash\":\"");
        self.hash.write_hex(out);
        out.extend_from_slice(b"\",\"len\":");
        canonical::write_u64(self.len, out)?;
        out.extend_from_slice(b",\"media\":");
        canonical::write_string(&self.media, out);
        out.extend_from_slice(b",\"name\":");
        canonical::write_string(&self.name, out);
        out.push(b'}');
        Ok(())
    }
}

/// A draft written out, ready to be sealed.
#[derive(Clone)]
pub struct Prepared {
    /// What stands before `n`, between it and `origin`, before `prev`, before `seq`, and after it. Without
    /// a session there is no `n`, and the first gap is closed.
    pub(crate) text: Vec<u8>,
    pub(crate) gaps: [usize; 4],
    pub(crate) in_session: bool,
}

impl Prepared {
    /// Whether the record is numbered within a session, so that sealing it takes an `n`.
    pub fn in_session(&self) -> bool {
        self.in_session
    }

    /// The length the line will have at most, in bytes, for an origin of `origin_bytes`.
    pub fn line_bytes_max(&self, origin_bytes: usize) -> usize {
        // 64 digits of `prev`, 16 digits each for `seq` and `n` (both below 2^53).
        self.text.len() + origin_bytes + 64 + 16 + 16
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("bytes", &self.text.len())
            .finish()
    }
}
