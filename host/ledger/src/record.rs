//! What a record is made of, before it takes its place in the chain.
//!
//! A [`Draft`] is what somebody wants to say; a [`Prepared`] is the same, written out as canonical JSON with
//! four gaps that only the chain can fill (`n`, `origin`, `prev`, `seq`). All the work that does not depend
//! on the record before is done here, outside the lock that orders the chain. Records never hold values
//! that were masked away; keeping them out is the caller's part, this module does not look for them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::canonical::{self, CanonicalError};
use crate::hash::Hash;
use crate::time::Timestamp;

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

/// What somebody wants recorded. The chain adds place, predecessor and origin.
#[derive(Clone)]
pub struct Draft {
    /// What kind of thing happened.
    pub kind: Kind,
    /// When, by the gateway's clock.
    pub time: Timestamp,
    /// What the record says. Top-level names are lower-case words; values as [`canonical`] allows.
    pub fields: Map<String, Value>,
}

impl Draft {
    /// A draft that says nothing yet.
    pub fn new(kind: Kind, time: Timestamp) -> Draft {
        Draft {
            kind,
            time,
            fields: Map::new(),
        }
    }

    /// The same draft with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Draft {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// A field that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// Writes the draft out, with gaps for what the chain fills in. `session` is given if and only if the
    /// record will be numbered within a session.
    pub fn prepare(
        &self,
        session: Option<&str>,
        bodies: &[BodyRef],
    ) -> Result<Prepared, DraftError> {
        prepare(self, session, bodies)
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Names only: fields may hold what a caller asked for.
        let names: Vec<_> = self.fields.keys().collect();
        f.debug_struct("Draft")
            .field("kind", &self.kind)
            .field("time", &self.time)
            .field("fields", &names)
            .finish()
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

    fn write(&self, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
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

/// Why a draft cannot become a record. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// A field's name is reserved or malformed.
    #[error(
        "the field name {0:?} is reserved, or is not a lower-case word of letters, digits and underscores"
    )]
    Name(String),
    /// A field's value has no canonical form.
    #[error("the field {name:?} cannot be recorded: {error}")]
    Value {
        /// The field.
        name: String,
        /// Why.
        error: CanonicalError,
    },
    /// Too many bodies, or two of one name.
    #[error("a record refers to at most {BODIES_MAX} bodies, each with a name of its own")]
    Bodies,
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

fn prepare(
    draft: &Draft,
    session: Option<&str>,
    bodies: &[BodyRef],
) -> Result<Prepared, DraftError> {
    check_names(draft, bodies)?;
    let mut line = Line {
        text: Vec::with_capacity(1024),
        gaps: [0; 4],
    };
    line.text.push(b'{');
    // The reserved names in canonical order; the draft's own fields are merged in between.
    let mut fields = canonical::sorted(&draft.fields).into_iter().peekable();
    for reserved in RESERVED {
        while let Some((name, value)) = fields.next_if(|(name, _)| name.as_str() < reserved) {
            line.field(name, value)?;
        }
        match reserved {
            "bodies" if !bodies.is_empty() => line.bodies(bodies)?,
            "kind" => line.string("kind", draft.kind.as_str()),
            "n" => line.gap(0, if session.is_some() { "\"n\":" } else { "" }),
            "origin" => line.gap(1, "\"origin\":\""),
            "prev" => line.gap(2, "\"prev\":\""),
            "seq" => line.gap(3, "\"seq\":"),
            "session" => {
                if let Some(session) = session {
                    line.string("session", session);
                }
            }
            "time" => {
                line.comma();
                line.text.extend_from_slice(b"\"time\":\"");
                line.text.extend_from_slice(&draft.time.text());
                line.text.push(b'"');
            }
            "v" => {
                line.comma();
                line.text.extend_from_slice(b"\"v\":1");
            }
            _ => {}
        }
    }
    for (name, value) in fields {
        line.field(name, value)?;
    }
    line.text.push(b'}');
    Ok(Prepared {
        text: line.text,
        gaps: line.gaps,
        in_session: session.is_some(),
    })
}

fn check_names(draft: &Draft, bodies: &[BodyRef]) -> Result<(), DraftError> {
    for name in draft.fields.keys() {
        let word = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !word || RESERVED.contains(&name.as_str()) {
            return Err(DraftError::Name(name.chars().take(64).collect()));
        }
    }
    let twice = bodies.iter().enumerate().any(|(at, body)| {
        bodies
            .iter()
            .skip(at + 1)
            .any(|other| other.name == body.name)
    });
    if bodies.len() > BODIES_MAX || twice {
        return Err(DraftError::Bodies);
    }
    Ok(())
}

/// The text so far. After a gap comes either the closing quote of the gap's string or a comma.
struct Line {
    text: Vec<u8>,
    gaps: [usize; 4],
}

impl Line {
    fn comma(&mut self) {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
    }

    fn string(&mut self, name: &str, value: &str) {
        self.comma();
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
        canonical::write_string(value, &mut self.text);
    }

    fn field(&mut self, name: &str, value: &Value) -> Result<(), DraftError> {
        self.comma();
        let failed = |error| DraftError::Value {
            name: name.to_owned(),
            error,
        };
        canonical::write_key(name, &mut self.text).map_err(failed)?;
        canonical::write(value, 1, &mut self.text).map_err(failed)
    }

    fn bodies(&mut self, bodies: &[BodyRef]) -> Result<(), DraftError> {
        self.comma();
        self.text.extend_from_slice(b"\"bodies\":[");
        for (place, body) in bodies.iter().enumerate() {
            if place > 0 {
                self.text.push(b',');
            }
            body.write(&mut self.text).map_err(|_| DraftError::Bodies)?;
        }
        self.text.push(b']');
        Ok(())
    }

    /// Opens a gap after `before`. An empty `before` is a gap that nothing will fill.
    fn gap(&mut self, which: usize, before: &str) {
        if !before.is_empty() {
            self.comma();
            self.text.extend_from_slice(before.as_bytes());
        }
        if let Some(gap) = self.gaps.get_mut(which) {
            *gap = self.text.len();
        }
        if before.ends_with('"') && before.len() > 1 && before.ends_with(":\"") {
            self.text.push(b'"');
        }
    }
}
