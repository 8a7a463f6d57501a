//! From a policy set as meant to a running [`Generation`]: components found, verified, compiled, tested
//! against their golden vectors and configured. Only the sandbox crate names the engine that runs them.

mod builtin;
mod generation;
mod pseudonym_keys;

pub use builtin::{BUILTIN_NAMES, builtin_component};
pub use generation::{BuildError, Builder, Generation, PluginInfo, RuleRuntime};
pub use pseudonym_keys::{KeyFile, KeyFileError};
