//! HTTP end to end: a real server, the real binary, hyper, curl and bare sockets.
//!
//! One binary for all of them, since linking takes longer than most of these tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests state what they expect"
)]

mod ambiguous;
mod approval;
mod evidence;
mod login;
mod masking;
mod policy;
mod refused;
mod upstream;
