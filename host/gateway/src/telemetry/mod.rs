//! What the gateway tells its operators about itself: metrics and logs.
//!
//! Neither ever holds a value of traffic: labels and fields are names that configuration, policy or a plugin's
//! manifest wrote, numbers, and ids. What was said is in the audit trail, as masked.

pub mod logs;
pub mod metrics;
