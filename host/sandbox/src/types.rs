//! The values that cross between the host and a plugin, as the host sees them.
//!
//! Inputs mirror the WIT one to one, so that they cross without a copy on the host's side. Outputs are
//! what is left after checking: a [`Reason`] here carries a message written by the host, a [`Finding`]
//! counts in UTF-8 bytes and names a kind that the plugin's manifest declares.
//! No `Debug` output of this file shows a value of the exchange.
#![allow(
    unsafe_code,
    reason = "the component model's derives write `unsafe impl`; nothing here is unsafe by hand"
)]

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::{ComponentType, Lift, Lower};

/// A name and a value.
#[derive(Clone, PartialEq, Eq, Default, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Attr {
    /// What the value is.
    pub key: String,
    /// The value; may be sensitive.
    pub value: String,
}

impl Attr {
    /// A pair of the two.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

impl fmt::Debug for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attr")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What a subject did within the rule's window, counted by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ComponentType, Lower)]
#[component(record)]
pub struct Usage {
    /// Length of the window in seconds.
    #[component(name = "window-seconds")]
    pub window_seconds: u32,
    /// Exchanges admitted.
    pub exchanges: u64,
    /// Rows released.
    pub rows: u64,
    /// Bytes released.
    pub bytes: u64,
    /// Exchanges denied.
    pub denials: u64,
}

/// What a plugin may know about the exchange. No credentials, no secrets.
#[derive(Clone, Default, ComponentType, Lower)]
#[component(record)]
pub struct CallContext {
    /// The exchange's id.
    #[component(name = "exchange-id")]
    pub exchange_id: String,
    /// The session's id.
    #[component(name = "session-id")]
    pub session_id: String,
    /// The person or service on whose authority this happens.
    pub subject: String,
    /// The agent acting for the subject, if another one.
    pub actor: Option<String>,
    /// Groups of the subject.
    pub groups: Vec<String>,
    /// Declared purpose of use.
    pub purpose: Option<String>,
    /// Name of the resource.
    pub target: String,
    /// "postgres", "http", "mcp", ...
    pub protocol: String,
    /// BCP 47, from the rule.
    pub locale: String,
    /// Wall clock when the exchange was admitted, in milliseconds since the epoch.
    #[component(name = "now-ms")]
    pub now_ms: u64,
    /// The subject's use so far.
    pub usage: Usage,
    /// Further facts, open vocabulary.
    pub attrs: Vec<Attr>,
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("exchange_id", &self.exchange_id)
            .field("target", &self.target)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// To the resource, or back to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum Direction {
    /// To the resource.
    #[default]
    #[component(name = "request")]
    Request,
    /// Back to the caller.
    #[component(name = "response")]
    Response,
}

/// The body of an operation.
#[derive(Clone, PartialEq, Eq, Default, ComponentType, Lower)]
#[component(variant)]
pub enum Payload {
    /// Text, UTF-8.
    #[component(name = "text")]
    Text(String),
    /// Anything else.
    #[component(name = "bytes")]
    Bytes(Vec<u8>),
    /// No body.
    #[default]
    #[component(name = "none")]
    None,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::None => f.write_str("None"),
        }
    }
}

/// One action before it is done, or a message of an open-ended stream.
#[derive(Clone, Default, ComponentType, Lower)]
#[component(record)]
pub struct Operation {
    /// To the resource, or back.
    pub direction: Direction,
    /// "sql.postgres", "http", "mcp.tools/call", "shell"
    pub dialect: String,
    /// What is done: "select", "GET", ...
    pub verb: String,
    /// Relations, path template, tool name, program.
    pub targets: Vec<String>,
    /// The statement, request body, arguments.
    pub body: Payload,
    /// The body is a prefix only.
    pub truncated: bool,
    /// Bound parameters, arguments.
    pub parameters: Vec<Attr>,
    /// Name of the schema of `facts`.
    #[component(name = "facts-schema")]
    pub facts_schema: String,
    /// JSON: what the host parsed.
    pub facts: String,
    /// Further facts, open vocabulary.
    pub attrs: Vec<Attr>,
}

impl Operation {
    /// Size of what a plugin has to read of it.
    pub(crate) fn body_bytes(&self) -> usize {
        let body = match &self.body {
            Payload::Text(text) => text.len(),
            Payload::Bytes(bytes) => bytes.len(),
            Payload::None => 0,
        };
        body + self.facts.len()
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("direction", &self.direction)
            .field("dialect", &self.dialect)
            .field("verb", &self.verb)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// Why a plugin decided as it did. The code is one that its manifest declares; the host wrote the message
/// from the manifest's template and those args that look like names. Safe for callers, logs and records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Declared by the plugin's manifest.
    pub code: String,
    /// For people; at most [`crate::MESSAGE_BYTES_MAX`] bytes.
    pub message: String,
    /// Names by which the template was filled: (key, name).
    pub args: Vec<(String, String)>,
}

/// So many approvers of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Name of the group.
    pub group: String,
    /// How many of its members must approve, at least 1.
    pub count: u8,
}

/// What approval a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// 0 to 255, higher is riskier.
    pub risk: u8,
    /// At least one.
    pub reasons: Vec<Reason>,
    /// All must be met. Empty: the rule's own requirement.
    pub all_of: Vec<Requirement>,
    /// How long an approval is good for. 0: the rule's own time.
    pub ttl_seconds: u32,
    /// An approval covers so many rows.
    pub max_rows: Option<u64>,
}

/// What a guard decided.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Go ahead.
    Allow,
    /// Refuse.
    Deny(Reason),
    /// Wait for approval.
    Hold(Assessment),
    /// Send this instead, after parsing and guarding it anew.
    Rewrite {
        /// The whole new body.
        body: String,
        /// Why.
        reason: Reason,
    },
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("Allow"),
            Self::Deny(reason) => f.debug_tuple("Deny").field(reason).finish(),
            Self::Hold(assessment) => f.debug_tuple("Hold").field(assessment).finish(),
            Self::Rewrite { reason, .. } => f
                .debug_struct("Rewrite")
                .field("reason", reason)
                .finish_non_exhaustive(),
        }
    }
}

/// What an approval plugin answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The approval it asks for; `None`: nothing beyond what the rule asks for.
    pub need: Option<Assessment>,
    /// Ask again when the response reaches so many rows.
    pub recheck_at_rows: Option<u64>,
}

/// A column, a JSON path, a header, a form field.
#[derive(Clone, Debug, PartialEq, Eq, Default, ComponentType, Lower)]
#[component(record)]
pub struct Field {
    /// Table, resource type, tool.
    pub container: String,
    /// Column or path.
    pub path: String,
    /// "text", "date", ...
    #[component(name = "declared-type")]
    pub declared_type: String,
    /// "text/plain", "application/json", ...
    #[component(name = "media-type")]
    pub media_type: String,
}

/// Cells to search, with the fields they belong to. NULL cells are not part of it.
#[derive(Clone, Default)]
pub struct Batch<'a> {
    /// Which way the cells travel.
    pub direction: Direction,
    /// What `push` refers to by index.
    pub fields: Cow<'a, [Field]>,
    /// For streamed text: where this window starts.
    pub offset: u64,
    /// For streamed text: whether it is the last. `true` for rows.
    pub last: bool,
    pub(crate) cells: Vec<Cow<'a, str>>,
    pub(crate) field_of: Vec<u32>,
    pub(crate) row_of: Vec<u32>,
}

impl<'a> Batch<'a> {
    /// Cells in one batch; a batch with more is unverified as a whole.
    pub const CELLS_MAX: usize = 65_536;
    /// Bytes in one batch, or in one cell; a batch with more is unverified as a whole.
    pub const BYTES_MAX: usize = 8 * 1024 * 1024;
    /// A good size: up to this many bytes, a quick detector runs without a change of threads.
    pub const BYTES_ADVISED: usize = crate::gate::INLINE_BYTES_MAX;

    /// An empty batch over these fields.
    pub fn new(direction: Direction, fields: impl Into<Cow<'a, [Field]>>) -> Self {
        Self {
            direction,
            fields: fields.into(),
            last: true,
            ..Self::default()
        }
    }

    /// Adds a cell and returns its index: `field` is an index into `fields`, `row` any number that
    /// cells of one record share.
    pub fn push(&mut self, text: impl Into<Cow<'a, str>>, field: u32, row: u32) -> u32 {
        self.cells.push(text.into());
        self.field_of.push(field);
        self.row_of.push(row);
        u32::try_from(self.cells.len() - 1).unwrap_or(u32::MAX)
    }

    /// The text of a cell.
    pub fn cell(&self, index: u32) -> Option<&str> {
        self.cells.get(index as usize).map(AsRef::as_ref)
    }

    /// How many cells it holds.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it holds no cells.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Bytes of all cells together.
    pub fn text_bytes(&self) -> usize {
        self.cells.iter().map(|cell| cell.len()).sum()
    }
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("direction", &self.direction)
            .field("fields", &self.fields.len())
            .field("cells", &self.cells.len())
            .finish_non_exhaustive()
    }
}

/// A span that must be treated. Spans of one cell may overlap; they add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Index of the cell in the batch.
    pub cell: u32,
    /// First byte, on a character boundary.
    pub start: u32,
    /// One past the last byte, on a character boundary.
    pub end: u32,
    /// Dotted: "phi.ssn". [`UNVERIFIED`] where a detector failed.
    pub kind: Arc<str>,
    /// 0 to 100.
    pub confidence: u8,
    /// Index of the detector in its set.
    pub detector: u32,
}

/// A field that is of a kind by its name and type alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFinding {
    /// Index of the field in the question.
    pub field: u32,
    /// Dotted: "phi.name". [`UNVERIFIED`] where a detector failed.
    pub kind: Arc<str>,
    /// 0 to 100.
    pub confidence: u8,
    /// Index of the detector in its set.
    pub detector: u32,
}

/// The kind of a whole cell or field that a detector should have examined and did not.
pub const UNVERIFIED: &str = "phi.unverified";

/// A value that was found, for a transformer to replace.
#[derive(Clone, Default, ComponentType, Lower)]
#[component(record)]
pub struct Found {
    /// The finding's kind.
    pub kind: String,
    /// What was found.
    pub value: String,
    /// Column or path.
    pub path: String,
    /// "text", "date", ...
    #[component(name = "declared-type")]
    pub declared_type: String,
    /// Keyed token of the person or record the value belongs to, if known.
    pub entity: Option<String>,
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("kind", &self.kind)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
