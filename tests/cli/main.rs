//! Commands end to end: the real binary, against a real gateway where one is needed, and a real compiler for plugins.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests state what they expect"
)]

mod keys;
mod plugin;
mod trail;

use serde_json::Value;

/// A command's JSON document.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
