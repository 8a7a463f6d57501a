//! Free TCP ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Result, StageError};

/// A port that was free a moment ago. Somebody else may take it before it is used, so whoever starts a
/// server on it tries again with another one.
pub fn free() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(StageError::io("looking for a free port"))
}
