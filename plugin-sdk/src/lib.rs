//! Write Almoner plugins in Rust: implement [`Plugin`] and one of [`Guard`], [`Approval`], [`Detector`] or
//! [`Transformer`] on a plain type, name it in [`export!`], build for `wasm32-unknown-unknown`.
//!
//! The traits know nothing of WebAssembly, so `cargo test` runs a plugin's logic natively. Everything a plugin
//! can see is an argument: it has no clock, no files, no network, and sessions never share an instance.
//!
//! A whole plugin that finds badge numbers:
//!
//! ```
//! use almoner_plugin_sdk::prelude::*;
//!
//! struct Badge;
//!
//! impl Plugin for Badge {
//!     type Settings = NoSettings;
//!     fn manifest() -> Manifest {
//!         Manifest::new("badge", "1.0.0").emits(["phi.id.badge"])
//!     }
//!     fn configure(_: NoSettings) -> Result<Self, Vec<SettingsError>> {
//!         Ok(Badge)
//!     }
//! }
//!
//! impl Detector for Badge {
//!     fn declare(&self) -> Declaration {
//!         Declaration::patterns([Pattern::finding(r"\bB-\d{6}\b", 0, 60).context(["badge"], 95)])
//!     }
//! }
//!
//! export!(Detector, Badge);
//! ```

mod approval;
mod detector;
mod export;
pub mod facts;
mod guard;
mod host;
pub mod http;
pub mod judgement;
mod manifest;
mod plugin;
mod settings;
mod transformer;
mod types;

#[cfg(all(feature = "emulate", not(target_arch = "wasm32")))]
pub mod emulate;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;

pub use approval::{Answer, Approval};
pub use detector::{
    Appetite, Batch, Declaration, Detector, Field, FieldFinding, Finding, Hit, Pattern, Role,
};
pub use guard::{Guard, Rewrite, Verdict};
pub use host::{log, lookup, pseudonym};
pub use manifest::{Manifest, Message, OffsetUnit};
pub use plugin::{Plugin, Unread};
pub use settings::{NoSettings, SettingsError, parse_settings, settings_schema};
pub use transformer::{Found, Transformer};
pub use types::{
    Assessment, Attr, CallContext, Direction, Failure, Operation, Payload, Reason, Requirement,
    Usage,
};

/// What nearly every plugin needs: `use almoner_plugin_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Answer, Appetite, Approval, Assessment, Attr, Batch, CallContext, Declaration, Detector,
        Direction, Failure, Field, FieldFinding, Finding, Found, Guard, Hit, Manifest, NoSettings,
        Operation, Pattern, Payload, Plugin, Reason, Requirement, Rewrite, Role, SettingsError,
        Transformer, Unread, Usage, Verdict, export, facts, http, log, lookup, pseudonym,
    };
    pub use schemars::JsonSchema;
    pub use serde::Deserialize;
}
