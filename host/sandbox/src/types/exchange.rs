//! What a plugin is told about an exchange and its action.
#![allow(
    unsafe_code,
    reason = "the component model's derives write `unsafe impl`; nothing here is unsafe by hand"
)]

use std::fmt;

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
