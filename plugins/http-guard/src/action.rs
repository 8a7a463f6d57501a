//! What may happen to a request, from mild to strict. The strictest of all that apply wins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It may run.
    Allow,
    /// It may run once approved.
    Hold,
    /// It may not run.
    #[default]
    Deny,
}
