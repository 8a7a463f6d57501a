//! Almoner: an identity-aware gateway between AI assistants and systems that hold protected health
//! information. The folder tree is the architecture; `ARCHITECTURE.md` follows one exchange through it.
//!
//! Direction of imports: `cli → listener → protocols → policy → {plugins, approvals, identity}`.
//! `policy` knows no protocol; protocols name neither `plugins` nor the audit crate.

pub mod approvals;
pub mod config;
pub mod identity;
pub mod telemetry;
