//! PostgreSQL, protocol 3.0 and 3.2, from the first byte of a connection to the last.
//!
//! ```text
//! connection  TLS or not, cancel or session
//! login       SCRAM with the caller, startup options, then the upstream
//! upstream    connecting and logging in to the server
//! catalog     what the server's relations, views and functions are; tags of columns
//! statement   SQL text -> facts, cached by exact bytes
//! action      a statement in a session -> an action for the pipeline; names, stored: what it means and keeps
//! course      what a statement does to the meaning of the next
//! session     the driver: frames from both sides, one exchange after another
//! relay       replies -> masked, recorded, released
//! meanings    what the names of statements, portals and cursors still mean
//! rows, copy, message   the parts of a reply, with their cells
//! ```
//!
//! What it does not understand (replication, function calls, binary COPY, notifications, two-phase commit)
//! it refuses; it never passes bytes it cannot judge.

mod action;
mod cancel;
mod catalog;
mod catalog_load;
mod columns;
mod connection;
mod copy;
mod copying;
mod course;
mod expect;
mod inbound;
mod login;
mod meanings;
mod message;
mod names;
mod relay;
mod request;
mod rows;
mod session;
mod settle;
mod sinks;
mod sqlstate;
mod startup;
mod statement;
mod stored;
mod stream;
mod tags;
mod typed;
mod upstream;
mod words;

pub use cancel::CancelRegistry;
pub use catalog::Catalogs;
pub(crate) use connection::ALPN;
pub use connection::{Shared, serve};
pub use startup::MEDIA;
