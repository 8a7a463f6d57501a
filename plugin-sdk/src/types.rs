//! What the gateway tells a plugin about an exchange, and the words a plugin answers with.
//!
//! These mirror `wit/types.wit` field by field. They are plain data: no credentials and no secrets are among
//! them. `Debug` is written by hand where a type carries values from the exchange, so that a failing test or a
//! stray `{:?}` shows lengths instead of contents.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A named string. In a [`Reason`] the value is a name (table, tool, kind), never data.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attr {
    /// What it is.
    pub key: String,
    /// What it says.
    pub value: String,
}

impl Attr {
    /// `key` = `value`.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

impl fmt::Debug for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=<{} bytes>", self.key, self.value.len())
    }
}

/// What a plugin may know about the exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallContext {
    /// One action and what came back.
    pub exchange_id: String,
    /// The caller's connection or login.
    pub session_id: String,
    /// The human or service on whose authority this happens.
    pub subject: String,
    /// The agent acting for the subject, if another one.
    pub actor: Option<String>,
    /// Groups of the subject.
    pub groups: Vec<String>,
    /// Declared purpose of use.
    pub purpose: Option<String>,
    /// Name of the resource.
    pub target: String,
    /// "postgres", "http", "mcp", …
    pub protocol: String,
    /// BCP 47 language of the caller's messages.
    pub locale: String,
    /// Wall clock when the exchange was admitted, milliseconds since 1970. The only clock there is.
    pub now_ms: u64,
    /// What the subject has used in the rule's window so far.
    pub usage: Usage,
    /// Further attributes of the session.
    pub attrs: Vec<Attr>,
}

/// Counted by the gateway per subject over the rule's window, so that stateless plugins can hold budgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Length of the window.
    pub window_seconds: u32,
    /// Exchanges in it.
    pub exchanges: u64,
    /// Rows released in it.
    pub rows: u64,
    /// Bytes released in it.
    pub bytes: u64,
    /// Denials in it.
    pub denials: u64,
}

/// To the resource, or back to the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the resource.
    #[default]
    Request,
    /// Back to the caller.
    Response,
}

/// Why: a code that the manifest declares, and the names that fill its template. Never values.
///
/// ```
/// use almoner_plugin_sdk::Reason;
/// let reason = Reason::new("table-denied").arg("table", "public.patient");
/// assert_eq!(reason.args[0].key, "table");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// One of the manifest's message codes.
    pub code: String,
    /// Names for the template's `{…}`.
    #[serde(default)]
    pub args: Vec<Attr>,
}

impl Reason {
    /// A reason without arguments.
    pub fn new(code: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            args: Vec::new(),
        }
    }

    /// Fills `{key}` of the template with a name.
    #[must_use]
    pub fn arg(mut self, key: impl Into<String>, name: impl Into<String>) -> Self {
        self.args.push(Attr::new(key, name));
        self
    }
}

/// Arguments of a reason are names by contract, so they may be shown.
impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        for arg in &self.args {
            write!(f, " {}={}", arg.key, arg.value)?;
        }
        Ok(())
    }
}

/// An expected failure. The gateway treats it as it treats a trap: closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The plugin was given something it does not understand.
    UnsupportedInput(Reason),
    /// The plugin could not do its work.
    Internal(Reason),
}

/// The body of an action.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Payload {
    /// UTF-8 text, such as a SQL statement.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
    /// No body.
    #[default]
    None,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text(<{} bytes>)", text.len()),
            Self::Bytes(bytes) => write!(f, "Bytes(<{} bytes>)", bytes.len()),
            Self::None => f.write_str("None"),
        }
    }
}

/// One action, before it is done.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Operation {
    /// To the resource, or (for some protocols) a message coming back.
    pub direction: Direction,
    /// "sql.postgres", "http", "mcp.tools/call", "shell".
    pub dialect: String,
    /// What is done: "select", "GET", …
    pub verb: String,
    /// Relations, path template, tool name, program.
    pub targets: Vec<String>,
    /// The text of it, values included.
    pub body: Payload,
    /// The gateway gave a prefix of the body only.
    pub truncated: bool,
    /// Bound parameters, arguments.
    pub parameters: Vec<Attr>,
    /// Which vocabulary `facts` speaks, such as "almoner.sql-facts/1".
    pub facts_schema: String,
    /// Facts that the gateway parsed, as JSON: see [`crate::facts`].
    pub facts: String,
    /// Further attributes.
    pub attrs: Vec<Attr>,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("direction", &self.direction)
            .field("dialect", &self.dialect)
            .field("verb", &self.verb)
            .field("targets", &self.targets)
            .field("body", &self.body)
            .field("truncated", &self.truncated)
            .field("parameters", &self.parameters)
            .field("facts_schema", &self.facts_schema)
            .finish_non_exhaustive()
    }
}

/// `count` members of `group` must approve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Name of the group.
    pub group: String,
    /// How many of its members.
    pub count: u8,
}

/// What an approval must satisfy.
///
/// ```
/// use almoner_plugin_sdk::{Assessment, Reason};
/// let hold = Assessment::new(60, Reason::new("bulk")).approved_by("privacy", 2).rows(10_000);
/// assert_eq!(hold.all_of[0].count, 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Assessment {
    /// 0 (none) to 100; shown to approvers.
    pub risk: u8,
    /// Why it is held.
    pub reasons: Vec<Reason>,
    /// Every one of these must be met.
    pub all_of: Vec<Requirement>,
    /// How long the request stands. 0 leaves it to the rule.
    pub ttl_seconds: u32,
    /// The approval covers so many rows of the exchange, from its first one; beyond them it is held again.
    pub max_rows: Option<u64>,
}

impl Assessment {
    /// Held for one reason, with the approvers of the rule.
    pub fn new(risk: u8, reason: Reason) -> Self {
        Self {
            risk,
            reasons: vec![reason],
            ..Self::default()
        }
    }

    /// `count` members of `group` must approve, besides what is required already.
    #[must_use]
    pub fn approved_by(mut self, group: impl Into<String>, count: u8) -> Self {
        self.all_of.push(Requirement {
            group: group.into(),
            count,
        });
        self
    }

    /// The request expires after so many seconds.
    #[must_use]
    pub fn expires_after(mut self, seconds: u32) -> Self {
        self.ttl_seconds = seconds;
        self
    }

    /// The approval covers so many rows.
    #[must_use]
    pub fn rows(mut self, rows: u64) -> Self {
        self.max_rows = Some(rows);
        self
    }
}
