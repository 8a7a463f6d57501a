//! Almoner: an identity-aware gateway between AI assistants and systems that hold protected health
//! information. The folder tree is the architecture; `ARCHITECTURE.md` follows one exchange through it.
//!
//! Direction of imports: `cli → listener → protocols → policy → {plugins, approvals, identity}`.
//! `policy` knows no protocol; protocols name neither `plugins` nor the audit crate.

pub mod admin;
pub mod approvals;
pub mod cli;
pub mod config;
pub mod demo;
pub mod identity;
pub mod listener;
pub mod plugins;
pub mod policy;
pub mod protocols;
pub mod serve;
pub mod telemetry;
