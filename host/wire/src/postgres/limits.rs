//! How large a message may be, by direction and type.
//!
//! Most types are always small, and a peer that announces a large one of them
//! is broken or hostile; the few that may be large share one limit that the
//! configuration sets. A type that does not exist has no limit: it is refused.

use super::{
    WireError,
    tag::{backend as b, frontend as f},
};

/// Default for the largest message of any type. The server itself stops at
/// 1 GiB, but whoever relays a message holds it whole; 64 MiB carries any row
/// that a person or an agent could read, and a few thousand sessions cannot
/// each claim a gigabyte.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Messages of a client that are always small (names, a row limit, a reason);
/// PostgreSQL applies the same figure.
pub const FRONTEND_SMALL_BYTES_MAX: usize = 10_000;

/// Messages of a server that are always small; libpq applies the same figure.
pub const BACKEND_SMALL_BYTES_MAX: usize = 30_000;

/// Password and SASL messages. A signed token presented as a password has up
/// to 8 KiB; twice that leaves room.
pub const AUTH_BYTES_MAX: usize = 16 << 10;

/// ParameterDescription: a count, and 65,535 types of four bytes.
const PARAMETER_DESCRIPTION_BYTES_MAX: usize = 4 + 2 + 65_535 * 4;

/// Who sends the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A client.
    Frontend,
    /// A server.
    Backend,
}

/// How large a message may be, by type. Lengths are those the message
/// declares: the body and its own four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    direction: Direction,
    message_bytes_max: usize,
    login: bool,
}

impl Limits {
    /// For a logged-in session; `message_bytes_max` holds for the types that
    /// may be large, see [`MESSAGE_BYTES_MAX`].
    #[must_use]
    pub const fn new(direction: Direction, message_bytes_max: usize) -> Self {
        Self {
            direction,
            message_bytes_max,
            login: false,
        }
    }

    /// For a connection that has not logged in: a stranger gets
    /// [`AUTH_BYTES_MAX`] and, as a client, may send password messages only.
    #[must_use]
    pub const fn login(direction: Direction) -> Self {
        Self {
            direction,
            message_bytes_max: AUTH_BYTES_MAX,
            login: true,
        }
    }

    /// The limit for one type, in bytes; `UnknownTag` if it does not exist.
    pub fn of(&self, tag: u8) -> Result<usize, WireError> {
        let for_type = match self.direction {
            Direction::Frontend => frontend_max(tag, self.login),
            Direction::Backend => backend_max(tag),
        };
        for_type
            .map(|max| max.min(self.message_bytes_max))
            .ok_or(WireError::UnknownTag { tag })
    }
}

const fn frontend_max(tag: u8, login: bool) -> Option<usize> {
    Some(match tag {
        f::PASSWORD => AUTH_BYTES_MAX,
        _ if login => return None,
        f::QUERY | f::PARSE | f::BIND | f::FUNCTION_CALL | f::COPY_DATA => usize::MAX,
        f::CLOSE | f::DESCRIBE | f::EXECUTE | f::COPY_FAIL => FRONTEND_SMALL_BYTES_MAX,
        f::SYNC | f::FLUSH | f::COPY_DONE | f::TERMINATE => 4,
        _ => return None,
    })
}

const fn backend_max(tag: u8) -> Option<usize> {
    Some(match tag {
        b::DATA_ROW
        | b::ROW_DESCRIPTION
        | b::COPY_DATA
        | b::ERROR_RESPONSE
        | b::NOTICE_RESPONSE
        | b::NOTIFICATION_RESPONSE
        | b::FUNCTION_CALL_RESPONSE => usize::MAX,
        b::PARAMETER_DESCRIPTION => PARAMETER_DESCRIPTION_BYTES_MAX,
        b::AUTHENTICATION => AUTH_BYTES_MAX,
        b::PARAMETER_STATUS
        | b::COMMAND_COMPLETE
        | b::BACKEND_KEY_DATA
        | b::NEGOTIATE_PROTOCOL_VERSION
        | b::COPY_IN_RESPONSE
        | b::COPY_OUT_RESPONSE
        | b::COPY_BOTH_RESPONSE => BACKEND_SMALL_BYTES_MAX,
        b::READY_FOR_QUERY => 5,
        b::PARSE_COMPLETE
        | b::BIND_COMPLETE
        | b::CLOSE_COMPLETE
        | b::EMPTY_QUERY_RESPONSE
        | b::NO_DATA
        | b::PORTAL_SUSPENDED
        | b::COPY_DONE => 4,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_depend_on_direction_and_type() {
        let frontend = Limits::new(Direction::Frontend, MESSAGE_BYTES_MAX);
        assert_eq!(frontend.of(b'Q'), Ok(MESSAGE_BYTES_MAX));
        assert_eq!(frontend.of(b'D'), Ok(FRONTEND_SMALL_BYTES_MAX));
        assert_eq!(frontend.of(b'S'), Ok(4));
        assert_eq!(frontend.of(b'p'), Ok(AUTH_BYTES_MAX));
        assert_eq!(frontend.of(b'Z'), Err(WireError::UnknownTag { tag: b'Z' }));
        let backend = Limits::new(Direction::Backend, MESSAGE_BYTES_MAX);
        assert_eq!(backend.of(b'D'), Ok(MESSAGE_BYTES_MAX));
        assert_eq!(backend.of(b'S'), Ok(BACKEND_SMALL_BYTES_MAX));
        assert_eq!(backend.of(b'Q'), Err(WireError::UnknownTag { tag: b'Q' }));
    }
}
