//! Guards: block, rewrite or hold an action before it is done.

use serde::{Deserialize, Serialize};

use crate::{Assessment, CallContext, Failure, Operation, Plugin, Reason};

/// Judges one action before it is done.
///
/// ```
/// use almoner_plugin_sdk::prelude::*;
///
/// struct ReadOnly;
///
/// impl Plugin for ReadOnly {
///     type Settings = NoSettings;
///     fn manifest() -> Manifest {
///         Manifest::new("read-only", "1.0.0").message("write", "{verb} is not a read")
///     }
///     fn configure(_: NoSettings) -> Result<Self, Vec<SettingsError>> {
///         Ok(ReadOnly)
///     }
/// }
///
/// impl Guard for ReadOnly {
///     fn inspect(&self, _: &CallContext, op: &Operation) -> Result<Verdict, Failure> {
///         match op.verb.as_str() {
///             "select" => Ok(Verdict::Allow),
///             verb => Ok(Verdict::Deny(Reason::new("write").arg("verb", verb))),
///         }
///     }
/// }
///
/// export!(Guard, ReadOnly);
///
/// let op = Operation { verb: "delete".into(), ..Operation::default() };
/// let verdict = ReadOnly.inspect(&CallContext::default(), &op).unwrap();
/// assert!(matches!(verdict, Verdict::Deny(_)));
/// ```
pub trait Guard: Plugin {
    /// Judges `op`. Over all guards the gateway takes deny before hold before rewrite before allow.
    ///
    /// # Errors
    /// A failure denies the action, as does a trap or a missed deadline.
    fn inspect(&self, ctx: &CallContext, op: &Operation) -> Result<Verdict, Failure>;
}

/// A guard's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing against it.
    Allow,
    /// Not to be done.
    Deny(Reason),
    /// Not without approval.
    Hold(Assessment),
    /// Only in other words. The gateway parses them again and runs every guard once more.
    Rewrite(Rewrite),
}

/// The same action in other words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewrite {
    /// The whole body, replaced.
    pub body: String,
    /// Why, for the record.
    pub reason: Reason,
}

/// The body holds the values of the exchange and is not shown.
impl std::fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rewrite(<{} bytes>, {:?})", self.body.len(), self.reason)
    }
}
