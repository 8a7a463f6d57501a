//! From a policy set as meant to a running [`Generation`]: components found, verified, compiled, tested
//! against their golden vectors and configured. Only the sandbox crate names the engine that runs them.

mod builtin;
mod generation;
mod named;
mod pseudonym_keys;
mod word_sets;

pub use builtin::{BUILTIN_NAMES, builtin_component};
pub use generation::{BuildError, Builder, Generation, PluginInfo, RuleRuntime, limits};
pub use named::{Named, NamedFields};
pub use pseudonym_keys::{KeyAbout, KeyFile, KeyFileError};
pub use word_sets::{SetInfo, read_words};
