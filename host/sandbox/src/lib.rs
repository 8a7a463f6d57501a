//! The sandbox: loads plugins as WebAssembly components, calls them within limits, checks what they say.
//!
//! A plugin sees the fields of the WIT contract and three host functions, nothing else: no clock, no
//! random numbers, no files, no network. What it answers is checked before anyone acts on it, and every
//! failure has a class. The sandbox never decides what a failure means: its callers close.
//!
//! ```text
//! Host::new(HostSettings) -> Result<Host, HostError>                 self-test included; Clone
//! host.load(&[u8]) -> Result<Arc<Plugin>, LoadError>                 compiles: call off the runtime's workers
//! Plugin::{digest() -> &Digest, world() -> World, manifest() -> &Manifest, settings_schema() -> &str}
//! host.configure(&Arc<Plugin>, &serde_json::Value, Grant { limits: CallLimits, words: WordSets }) -> Result<Configured, SettingsErrors>
//! enum Configured { Guard(GuardPlugin), Approval(ApprovalPlugin), Detector(DetectorPlugin), Transformer(TransformerPlugin) }
//!     each: plugin() -> &Arc<Plugin>, settings_digest() -> &Digest; Clone
//! Configured::unread(&self) -> Unread                                what it said it never looks at
//! GuardPlugin::inspect(&self, &CallContext, &Operation).await -> Result<Verdict, Failure>
//! ApprovalPlugin::assess(&self, &CallContext, &Operation, rows_so_far: u64).await -> Result<Answer, Failure>
//! TransformerPlugin::transform(&self, &CallContext, &[Found]).await -> Result<Vec<String>, Failure>
//!     each also `*_blocking`: on the calling thread, same limits
//! GuardPlugin::told, ApprovalPlugin::told: the same, and whether the answer is one it gave before
//! DetectorSet::new(&Host, Vec<DetectorPlugin>) -> Result<DetectorSet, PatternError>; Clone; max_span_bytes(); detectors()
//! DetectorSet::session(&self) -> DetectorSession                     owned by one gateway session
//! DetectorSession::find(&mut self, &CallContext, &Batch<'_>).await -> Outcome { findings, failures }
//! DetectorSet::classify(&self, target, protocol, &[Field]).await -> FieldOutcome { findings, failures }
//! golden::Vectors::parse(&[u8]) -> Result<Vectors, GoldenError>
//! vectors.run(&Host, &Arc<Plugin>, &Grant) -> Vec<Mismatch>          empty: passed; blocking
//! ```

mod approval;
mod automaton;
mod busy;
mod cache;
mod component;
mod configured;
mod context;
mod detector;
mod detectors;
mod digest;
mod engine;
mod failure;
mod fold;
mod gate;
pub mod golden;
mod group;
mod guard;
mod host;
mod host_functions;
mod instance;
mod limits;
mod loose;
mod manifest;
mod memory;
mod needs;
mod pattern;
mod patterns;
mod plugin;
mod question;
mod raw;
mod reasons;
mod selftest;
mod session;
mod slot;
mod threads;
mod transformer;
mod types;
mod units;
mod unread;
mod vocabulary;
mod warm;
mod whole;
mod windows;
mod words;

pub use approval::ApprovalPlugin;
pub use configured::{Configured, Grant, SettingsError, SettingsErrors};
pub use detector::DetectorPlugin;
pub use detectors::{DetectorFailure, DetectorSet, FieldOutcome, Outcome};
pub use digest::Digest;
pub use engine::Capacity;
pub use failure::{BadOutput, Failure, Reported};
pub use guard::GuardPlugin;
pub use host::{Host, HostError, HostSettings, THREADS_MIN};
pub use host_functions::PseudonymKey;
pub use limits::CallLimits;
pub use manifest::{Manifest, ManifestError, OffsetUnit, SPAN_MAX};
pub use memory::Told;
pub use pattern::PatternError;
pub use plugin::{LoadError, Plugin, WASM_BYTES_MAX, World};
pub use reasons::MESSAGE_BYTES_MAX;
pub use selftest::SelfTestFailed;
pub use session::DetectorSession;
pub use transformer::TransformerPlugin;
pub use types::{
    Answer, Assessment, Attr, Batch, CallContext, Direction, Field, FieldFinding, Finding, Found,
    Operation, Payload, Reason, Requirement, UNVERIFIED, Usage, Verdict,
};
pub use unread::Unread;
pub use words::WordSets;
