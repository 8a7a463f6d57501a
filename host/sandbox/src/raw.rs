//! What a plugin hands to the host, exactly as the WIT has it and not yet checked.
//!
//! Nothing of this file leaves the crate: `reasons.rs`, `findings.rs` and `manifest.rs` turn it into
//! checked values or a failure.
#![allow(
    unsafe_code,
    reason = "the component model's derives write `unsafe impl`; nothing here is unsafe by hand"
)]
#![allow(
    dead_code,
    reason = "enums are made by lifting only, which writes their discriminants"
)]

use wasmtime::component::{ComponentType, Lift, Lower, flags};

use crate::types::{Attr, Direction, Field};

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) args: Vec<Attr>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Failure {
    #[component(name = "unsupported-input")]
    UnsupportedInput(Reason),
    #[component(name = "internal")]
    Internal(Reason),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Requirement {
    pub(crate) group: String,
    pub(crate) count: u8,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Assessment {
    pub(crate) risk: u8,
    pub(crate) reasons: Vec<Reason>,
    #[component(name = "all-of")]
    pub(crate) all_of: Vec<Requirement>,
    #[component(name = "ttl-seconds")]
    pub(crate) ttl_seconds: u32,
    #[component(name = "max-rows")]
    pub(crate) max_rows: Option<u64>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Rewrite {
    pub(crate) body: String,
    pub(crate) reason: Reason,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Verdict {
    #[component(name = "allow")]
    Allow,
    #[component(name = "deny")]
    Deny(Reason),
    #[component(name = "hold")]
    Hold(Assessment),
    #[component(name = "rewrite")]
    Rewrite(Rewrite),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Answer {
    pub(crate) need: Option<Assessment>,
    #[component(name = "recheck-at-rows")]
    pub(crate) recheck_at_rows: Option<u64>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Message {
    pub(crate) code: String,
    pub(crate) template: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum OffsetUnit {
    #[component(name = "utf8-bytes")]
    Utf8Bytes,
    #[component(name = "utf16-units")]
    Utf16Units,
    #[component(name = "code-points")]
    CodePoints,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) emits: Vec<String>,
    pub(crate) messages: Vec<Message>,
    pub(crate) offsets: OffsetUnit,
    #[component(name = "max-span")]
    pub(crate) max_span: u32,
}

flags! {
    Unread {
        #[component(name = "moment")]
        const MOMENT;
        #[component(name = "values")]
        const VALUES;
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct SettingsError {
    pub(crate) pointer: String,
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Role {
    #[component(name = "finding")]
    Finding,
    #[component(name = "candidate")]
    Candidate,
}

#[derive(Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Pattern {
    pub(crate) regex: String,
    pub(crate) kind: u32,
    pub(crate) role: Role,
    pub(crate) confidence: u8,
    #[component(name = "context-words")]
    pub(crate) context_words: Vec<String>,
    #[component(name = "with-context")]
    pub(crate) with_context: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Appetite {
    #[component(name = "every-cell")]
    EveryCell,
    #[component(name = "cells-with-hits")]
    CellsWithHits,
    #[component(name = "none")]
    None,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Declaration {
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) appetite: Appetite,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Hit {
    pub(crate) cell: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) pattern: u32,
}

#[derive(Clone, Copy, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Finding {
    pub(crate) cell: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) kind: u32,
    pub(crate) confidence: u8,
}

#[derive(Clone, Copy, ComponentType, Lift)]
#[component(record)]
pub(crate) struct FieldFinding {
    pub(crate) field: u32,
    pub(crate) kind: u32,
    pub(crate) confidence: u8,
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Batch<'a> {
    pub(crate) direction: Direction,
    pub(crate) fields: &'a [Field],
    pub(crate) cells: &'a [&'a str],
    #[component(name = "field-of")]
    pub(crate) field_of: &'a [u32],
    #[component(name = "row-of")]
    pub(crate) row_of: &'a [u32],
    pub(crate) hits: &'a [Hit],
    pub(crate) offset: u64,
    pub(crate) last: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}
