//! HTTP/1.1 and HTTP/2, from the first byte of a connection to the last.
//!
//! ```text
//! connection  TLS or plain, limits; what all connections share
//! session     requests: who, to which resource, and what becomes of them
//! intake      a request's host and body; what is not carried whatever the policy says
//! lease       a session, shared by what is under way in it
//! login       HTTP Basic with the caller
//! target      path and query, read once for policy and upstream
//! headers     which headers pass
//! coding      compressed bodies, made plain within bounds
//! action      a request -> an action for the pipeline
//! exchange    admit, forward, mask, record, release, in order
//! held        callers who wait, or come back with an approval's id
//! upstream    connections to the server, its credential, whole replies
//! reply, body, document, columns, fhir, piece   a reply as pieces with cells
//! ```
//!
//! Framing is never forwarded: a request is written anew from what was understood, a reply from what was
//! released. What it does not understand (upgrades, tunnels, encodings it did not ask for, types it cannot
//! mask) it refuses.

mod action;
mod body;
mod coding;
mod columns;
mod connection;
mod document;
mod exchange;
mod facts;
mod fhir;
mod headers;
mod held;
mod intake;
mod lease;
mod login;
mod piece;
mod reply;
mod session;
mod sinks;
mod target;
mod upstream;
mod words;

pub(crate) use connection::ALPN;
pub use connection::{Shared, serve};
pub(crate) use facts::facts_schema;
