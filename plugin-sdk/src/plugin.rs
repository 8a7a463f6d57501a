//! The part that every plugin has: who it is and how it is configured.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Manifest, SettingsError};

/// What a configuration never looks at. The gateway empties it before each call of a guard or an approval plugin:
/// what is promised here is what happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// `exchange_id`, `session_id`, `now_ms` and `usage` of the context. Equal questions then have equal answers,
    /// and the gateway may answer from memory instead of calling the plugin again. It remembers no failures, and
    /// no answer that came with a log event.
    pub moment: bool,
    /// The operation's `body`, and the values of its `parameters`; their number and keys stay. Statements that differ
    /// in values only are then one question.
    pub values: bool,
}

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

    /// What this configuration never looks at; nothing unless a plugin says so. A guard or an approval plugin that
    /// says it is not called again where the same is asked again.
    fn unread(&self) -> Unread {
        Unread::default()
    }
}
