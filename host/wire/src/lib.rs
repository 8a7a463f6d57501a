//! Codecs between bytes and messages, free of input and output.
//!
//! Every byte a peer sends is judged here first, so this crate is strict: what
//! it does not understand completely is an error, never a guess. It keeps the
//! bytes it was given (names, SQL and cells are `Bytes`, never lossy strings),
//! so that what policy judged is what the other side executes.
//!
//! It opens no socket, reads no clock, draws no random number and writes no
//! log; whoever calls it supplies bytes, nonces and limits.

pub mod json;
pub mod postgres;
