//! PostgreSQL end to end: a real server, the real binary, `psql`, tokio-postgres and bare sockets.
//!
//! One binary for all of them, since linking takes longer than most of these tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests state what they expect"
)]

mod alone;
mod approval;
mod approver;
mod audit;
mod betrayal;
mod channels;
mod copy;
mod cut;
mod disk;
mod handshake;
mod identity;
mod leaks;
mod login;
mod malformed;
mod masking;
mod meanings;
mod newest_policy;
mod pipeline;
mod plugins;
mod refusal;
mod reload;
mod single_use;
mod status;
mod threshold;
mod transaction;
mod upstream;
mod watching;
mod withdrawn;
