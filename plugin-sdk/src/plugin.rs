//! The part that every plugin has: who it is and how it is configured.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Manifest, SettingsError};

/// Who a plugin is and how it is configured. Implement this, and one of the four kinds.
pub trait Plugin: Sized + 'static {
    /// What operators write under `settings`. `#[serde(default, deny_unknown_fields)]` is encouraged: a misspelt
    /// setting is then an error with its place, rather than a rule that silently does not apply.
    type Settings: DeserializeOwned + JsonSchema + Default;

    /// Name, version, kinds and messages. Must not depend on settings.
    fn manifest() -> Manifest;

    /// Makes an instance from settings that have the right shape. Called once per instance, and in a throw-away
    /// one as the validation before a policy becomes active.
    ///
    /// # Errors
    /// One entry per mistake, each with the JSON pointer of the setting it is about. Any entry refuses the policy.
    fn configure(settings: Self::Settings) -> Result<Self, Vec<SettingsError>>;
}
