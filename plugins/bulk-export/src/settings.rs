//! What operators can set, and what holds when they set nothing.

use almoner_plugin_sdk::{SettingsError, judgement::Approvers};
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of the bulk-export plugin.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Rows that one exchange may return without approval.
    pub rows: u64,
    /// Further rows that one approval covers; 0 is ten times `rows`.
    pub max_rows: u64,
    /// Rows that a subject may be given within the rule's window without approval; 0 is no such budget.
    pub rows_per_window: u64,
    /// COPY … TO.
    pub copy: Copying,
    /// Queries that name no limit, or one that the text does not tell.
    pub missing_limit: MissingLimit,
    /// Every one of these groups must approve; empty leaves it to the rule.
    pub all_of: Vec<Approvers>,
    /// How long a request stands, in seconds; 0 leaves it to the rule.
    pub ttl_seconds: u32,
}

/// What happens to COPY … TO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Copying {
    /// It is held before it starts, however few rows.
    #[default]
    Hold,
    /// It is counted like any other exchange.
    Allow,
}

/// What happens to queries that name no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MissingLimit {
    /// Held before they start.
    Hold,
    /// Held before they start if they touch a table that the policy marks as sensitive.
    HoldSensitive,
    /// Counted as they run.
    #[default]
    Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rows: 500,
            max_rows: 0,
            rows_per_window: 0,
            copy: Copying::Hold,
            missing_limit: MissingLimit::Allow,
            all_of: Vec::new(),
            ttl_seconds: 0,
        }
    }
}

/// Where nothing is set, one approval covers so many times the threshold: enough to finish a report, few enough that an
/// export of everything is asked about again.
const ALLOWANCE_FACTOR: u64 = 10;

impl Settings {
    /// Rows that an approval given at `rows_so_far` covers in all.
    pub(crate) fn allowance(&self, rows_so_far: u64) -> u64 {
        let more = if self.max_rows == 0 {
            self.rows.saturating_mul(ALLOWANCE_FACTOR)
        } else {
            self.max_rows
        };
        rows_so_far.saturating_add(more)
    }

    /// What has the right shape but cannot be meant.
    pub(crate) fn mistakes(&self) -> Vec<SettingsError> {
        let mut mistakes = Vec::new();
        if self.rows == 0 {
            let message = "at least 1; to hold every query, set missing_limit = \"hold\"";
            mistakes.push(SettingsError::new("/rows", message));
        }
        mistakes.extend(Approvers::mistakes(&self.all_of, "/all_of"));
        mistakes
    }
}
