//! The wasm32 side: bindings, and adapters from the generated traits to the SDK's own.
//!
//! Exists only for the target that plugins run on. Nothing here decides anything; it converts and forwards.

mod arena;
pub mod bindings;
mod component;
mod convert;
mod instance;

pub use component::Component;

use crate::host::log::Level;
use bindings::lifecycle::almoner::plugin::{log as host_log, lookup, pseudonym};

pub(crate) fn log(level: Level, code: &str, detail: Option<&str>) {
    let level = match level {
        Level::Debug => host_log::Level::Debug,
        Level::Info => host_log::Level::Info,
        Level::Warn => host_log::Level::Warn,
        Level::Error => host_log::Level::Error,
    };
    host_log::event(level, code, detail);
}

pub(crate) fn contains(set: &str, values: &[String]) -> Vec<bool> {
    lookup::contains(set, values)
}

pub(crate) fn token(domain: &str, value: &str) -> String {
    pseudonym::token(domain, value)
}
