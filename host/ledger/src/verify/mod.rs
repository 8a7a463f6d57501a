//! The verifier.
mod report;
pub use report::{BodyCounts, Break, BreakCode, Report, Signed, Verdict};
