//! Protocols: bytes to exchanges and back. Each has the same parts under the same names (`connection`,
//! `login`, `action`, `session`); each hands every exchange to `policy` and knows neither plugins nor the
//! audit trail.

pub mod http;
pub mod postgres;
