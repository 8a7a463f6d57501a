//! What can be wrong with the bytes of a peer, or with what we wanted to send.
//!
//! No variant holds bytes of the message: names of messages and fields are
//! fixed words, so an error may be logged without leaking what it was about.

/// Why a message could not be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The length field is smaller than itself.
    #[error("reading message {}: it declares {declared} bytes, fewer than its own length field; close the connection", shown(*tag))]
    TooShort {
        /// The message's type byte.
        tag: u8,
        /// The length it declares, in bytes.
        declared: usize,
    },
    /// The length field is above what this direction allows for this type.
    #[error("reading message {}: it declares {declared} bytes, the limit is {limit}; close the connection, or raise the limit if the peer is right", shown(*tag))]
    TooLarge {
        /// The message's type byte.
        tag: u8,
        /// The length it declares, in bytes.
        declared: usize,
        /// The limit for this type, in bytes.
        limit: usize,
    },
    /// A type byte that does not exist in this direction.
    #[error("reading a message: type {} does not exist in this direction; close the connection", shown(*tag))]
    UnknownTag {
        /// The type byte found.
        tag: u8,
    },
    /// The bytes end before the message does.
    #[error("reading {what}: it ends too early; close the connection")]
    Truncated {
        /// The message or value.
        what: &'static str,
    },
    /// Bytes are left over after the message.
    #[error("reading {what}: {bytes} bytes are left over; close the connection")]
    Trailing {
        /// The message or value.
        what: &'static str,
        /// How many bytes.
        bytes: usize,
    },
    /// The bytes break a rule of the protocol.
    #[error("reading {what}: {why}; close the connection")]
    Invalid {
        /// The message or value.
        what: &'static str,
        /// The rule that is broken.
        why: &'static str,
    },
    /// What we were asked to write does not fit the protocol.
    #[error("writing {what}: {why}; this is the gateway's fault, nothing was written")]
    Unwritable {
        /// The message or value.
        what: &'static str,
        /// The rule that would be broken.
        why: &'static str,
    },
}

/// A type byte as people write it: `'D'`, or `0x01` if it cannot be printed.
fn shown(tag: u8) -> String {
    if tag.is_ascii_graphic() {
        format!("'{}'", char::from(tag))
    } else {
        format!("0x{tag:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oversize_error_names_the_type_and_the_limit() {
        let error = WireError::TooLarge {
            tag: b'Q',
            declared: 11,
            limit: 10,
        };
        let text = error.to_string();
        assert!(
            text.contains("'Q'") && text.contains("limit is 10"),
            "{text}"
        );
        assert!(
            WireError::UnknownTag { tag: 1 }
                .to_string()
                .contains("0x01")
        );
    }
}
