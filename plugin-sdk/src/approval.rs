//! Approvals: say whether, and from whom, an exchange needs approval, before it is done and while rows come back.

use serde::{Deserialize, Serialize};

use crate::{Assessment, CallContext, Failure, Operation, Plugin};

/// Says whether and from whom approval is needed. It may raise what the rule asks for, never lower it.
///
/// ```
/// use almoner_plugin_sdk::prelude::*;
///
/// struct Fifty;
///
/// impl Plugin for Fifty {
///     type Settings = NoSettings;
///     fn manifest() -> Manifest {
///         Manifest::new("fifty", "1.0.0").message("rows", "more than fifty rows")
///     }
///     fn configure(_: NoSettings) -> Result<Self, Vec<SettingsError>> {
///         Ok(Fifty)
///     }
/// }
///
/// impl Approval for Fifty {
///     fn assess(&self, _: &CallContext, _: &Operation, rows: u64) -> Result<Answer, Failure> {
///         if rows < 50 {
///             return Ok(Answer::not_needed().recheck_at(50));
///         }
///         Ok(Answer::needed(Assessment::new(50, Reason::new("rows")).approved_by("privacy", 1)))
///     }
/// }
///
/// export!(Approval, Fifty);
/// ```
pub trait Approval: Plugin {
    /// Assesses `op`. `rows_so_far` is 0 before it is done; later it is the count of rows that reached the point
    /// named by [`Answer::recheck_at_rows`].
    ///
    /// # Errors
    /// After a failure the strictest approvers of the rule are asked, as after a trap.
    fn assess(
        &self,
        ctx: &CallContext,
        op: &Operation,
        rows_so_far: u64,
    ) -> Result<Answer, Failure>;
}

/// What an approval plugin answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answer {
    /// The approval that is needed at this point, if any.
    pub need: Option<Assessment>,
    /// Ask again when the response reaches so many rows.
    pub recheck_at_rows: Option<u64>,
}

impl Answer {
    /// No approval at this point.
    pub fn not_needed() -> Self {
        Self::default()
    }

    /// Approval at this point.
    pub fn needed(assessment: Assessment) -> Self {
        Self {
            need: Some(assessment),
            recheck_at_rows: None,
        }
    }

    /// Ask again at so many rows.
    #[must_use]
    pub fn recheck_at(mut self, rows: u64) -> Self {
        self.recheck_at_rows = Some(rows);
        self
    }
}
