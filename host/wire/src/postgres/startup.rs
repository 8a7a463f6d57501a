//! The packets that open a connection, before messages have type bytes.
//!
//! Whoever opens it is a stranger, so the limit is small and nothing is
//! repaired: a name that is given twice or a string that is not ended closes
//! the connection, because two readers could take it to mean two things.
//!
//! After an [`Startup::Ssl`] is answered with `S`, the session must refuse
//! bytes that are already buffered: they came in the clear.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::{WireError, read::Reader, write};

/// Largest packet; PostgreSQL's own figure.
pub const STARTUP_BYTES_MAX: usize = 10_000;
/// Shortest key of a cancel request (all of them, before version 3.2).
pub const CANCEL_KEY_BYTES_MIN: usize = 4;
/// Longest key of a cancel request.
pub const CANCEL_KEY_BYTES_MAX: usize = 256;
/// Most parameters of a session. Drivers send fewer than twenty; each is compared
/// with all before it, and a stranger shall not make that costly.
pub const PARAMS_MAX: usize = 100;
/// The only major version there is.
pub const MAJOR: u16 = 3;
/// The newest minor version understood here. A client that asks for a newer
/// one is told so with NegotiateProtocolVersion.
pub const MINOR_NEWEST: u16 = 2;

const WHAT: &str = "a startup packet";
/// In place of a major version: a request code follows.
const REQUEST: u16 = 1234;
const CANCEL: u16 = 5678;
const SSL: u16 = 5679;
const GSSENC: u16 = 5680;

/// What a connection's first bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstBytes {
    /// Too few to tell.
    NeedMore,
    /// TLS without a request first (ALPN `postgresql`).
    TlsClientHello,
    /// A packet for [`Startup::decode`].
    Packet,
}

impl FirstBytes {
    /// Classifies; anything else is refused at its first byte, since the
    /// length of a packet within the limit starts with two zeros.
    pub fn of(buf: &[u8]) -> Result<Self, WireError> {
        match buf {
            [] | [0x16] => Ok(Self::NeedMore),
            [0x16, 0x03, ..] => Ok(Self::TlsClientHello),
            [0, ..] => Ok(Self::Packet),
            _ => Err(invalid("the first bytes are neither PostgreSQL nor TLS")),
        }
    }
}

/// One opening packet.
#[derive(Clone, PartialEq, Eq)]
pub enum Startup {
    /// Asks for TLS.
    Ssl,
    /// Asks for GSSAPI encryption.
    GssEnc,
    /// Asks to cancel what another connection is doing.
    Cancel {
        /// Which connection, as BackendKeyData named it.
        pid: u32,
        /// Its secret.
        key: Bytes,
    },
    /// Opens a session.
    Session {
        /// Always [`MAJOR`].
        major: u16,
        /// Minor version asked for; may be above [`MINOR_NEWEST`].
        minor: u16,
        /// Names and values in the order given; no name occurs twice.
        params: Vec<(Bytes, Bytes)>,
    },
}

impl Startup {
    /// Splits the next packet off `buf`; `None` if it is not all there.
    pub fn decode(buf: &mut BytesMut) -> Result<Option<Self>, WireError> {
        let Some(head) = buf.first_chunk::<4>() else {
            return match buf.first() {
                Some(1..) => Err(invalid("its length is above 10,000 bytes")),
                _ => Ok(None),
            };
        };
        let len = u32::from_be_bytes(*head) as usize;
        if len > STARTUP_BYTES_MAX {
            return Err(invalid("its length is above 10,000 bytes"));
        }
        if len < 8 {
            return Err(invalid("its length is below 8 bytes"));
        }
        if buf.len() < len {
            return Ok(None);
        }
        let mut body = buf.split_to(len).freeze();
        body.advance(4);
        decode_body(body).map(Some)
    }

    /// The value of a session's parameter.
    #[must_use]
    pub fn param(&self, name: &[u8]) -> Option<&Bytes> {
        let Self::Session { params, .. } = self else {
            return None;
        };
        params
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// Appends the packet, as a client sends it.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), WireError> {
        let start = out.len();
        write::packet(out, WHAT, |body| {
            match self {
                Self::Ssl => body.u32(code(REQUEST, SSL)),
                Self::GssEnc => body.u32(code(REQUEST, GSSENC)),
                Self::Cancel { pid, key } => {
                    if !key_fits(key) {
                        return Err(body.unwritable("a cancel key has 4 to 256 bytes"));
                    }
                    body.u32(code(REQUEST, CANCEL));
                    body.u32(*pid);
                    body.bytes(key);
                }
                Self::Session {
                    major,
                    minor,
                    params,
                } => {
                    body.u32(code(*major, *minor));
                    for (name, value) in params {
                        if name.is_empty() {
                            return Err(body.unwritable("a parameter has no name"));
                        }
                        body.cstr(name)?;
                        body.cstr(value)?;
                    }
                    body.u8(0);
                }
            }
            Ok(())
        })?;
        if out.len() - start > STARTUP_BYTES_MAX {
            out.truncate(start);
            return Err(WireError::Unwritable {
                what: WHAT,
                why: "it is larger than 10,000 bytes",
            });
        }
        Ok(())
    }
}

/// Values of parameters are the client's own words and stay out of logs.
impl fmt::Debug for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssl => f.write_str("Ssl"),
            Self::GssEnc => f.write_str("GssEnc"),
            Self::Cancel { pid, .. } => write!(f, "Cancel {{ pid: {pid} }}"),
            Self::Session {
                major,
                minor,
                params,
            } => write!(f, "Session {{ {major}.{minor}, {} params }}", params.len()),
        }
    }
}

fn decode_body(body: Bytes) -> Result<Startup, WireError> {
    let mut reader = Reader::new(body, WHAT);
    let version = reader.u32()?;
    let (high, low) = ((version >> 16) as u16, (version & 0xffff) as u16);
    let startup = match (high, low) {
        (REQUEST, SSL) => Startup::Ssl,
        (REQUEST, GSSENC) => Startup::GssEnc,
        (REQUEST, CANCEL) => {
            let pid = reader.u32()?;
            let key = reader.take_rest();
            if !key_fits(&key) {
                return Err(invalid("a cancel key has 4 to 256 bytes"));
            }
            Startup::Cancel { pid, key }
        }
        (MAJOR, minor) => Startup::Session {
            major: MAJOR,
            minor,
            params: params(&mut reader)?,
        },
        _ => return Err(invalid("it asks for an unknown protocol version")),
    };
    reader.finish()?;
    Ok(startup)
}

fn params(reader: &mut Reader) -> Result<Vec<(Bytes, Bytes)>, WireError> {
    let mut params: Vec<(Bytes, Bytes)> = Vec::new();
    loop {
        let name = reader.cstr()?;
        if name.is_empty() {
            return Ok(params);
        }
        if params.len() == PARAMS_MAX {
            return Err(invalid("it has over 100 parameters"));
        }
        if params.iter().any(|(known, _)| *known == name) {
            return Err(invalid("a parameter is given twice"));
        }
        params.push((name, reader.cstr()?));
    }
}

fn key_fits(key: &[u8]) -> bool {
    (CANCEL_KEY_BYTES_MIN..=CANCEL_KEY_BYTES_MAX).contains(&key.len())
}

const fn code(high: u16, low: u16) -> u32 {
    ((high as u32) << 16) | low as u32
}

const fn invalid(why: &'static str) -> WireError {
    WireError::Invalid { what: WHAT, why }
}

#[cfg(test)]
#[path = "startup_tests.rs"]
mod tests;
