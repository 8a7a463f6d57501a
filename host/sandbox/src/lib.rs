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
//! host.configure(&Arc<Plugin>, &serde_json::Value, CallLimits) -> Result<Configured, SettingsErrors>
//! enum Configured { Guard(GuardPlugin), Approval(ApprovalPlugin), Detector(DetectorPlugin), Transformer(TransformerPlugin) }
//!     each: plugin() -> &Arc<Plugin>, settings_digest() -> &Digest; Clone
//! GuardPlugin::inspect(&self, &CallContext, &Operation).await -> Result<Verdict, Failure>
//! ApprovalPlugin::assess(&self, &CallContext, &Operation, rows_so_far: u64).await -> Result<Answer, Failure>
//! TransformerPlugin::transform(&self, &CallContext, &[Found]).await -> Result<Vec<String>, Failure>
//!     each also `*_blocking`: on the calling thread, same limits
//! DetectorSet::new(&Host, Vec<DetectorPlugin>) -> Result<DetectorSet, PatternError>; Clone; max_span_bytes(); detectors()
//! DetectorSet::session(&self) -> DetectorSession                     owned by one gateway session
//! DetectorSession::find(&mut self, &CallContext, &Batch<'_>).await -> Outcome { findings, failures }
//! DetectorSet::classify(&self, target, protocol, &[Field]).await -> FieldOutcome { findings, failures }
//! golden::Vectors::parse(&[u8]) -> Result<Vectors, GoldenError>; vectors.run(&Host, &Arc<Plugin>) -> Vec<Mismatch>   empty: passed
//! ```

pub mod failure;
pub mod types;
