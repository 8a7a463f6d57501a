//! Cuts a byte stream into messages: one type byte, a length, a body.
//!
//! A frame is a slice of the buffer it was read into; nothing is copied. The
//! limit of each type is checked as soon as its header is there, before a
//! single byte of the body is waited for. Meaning is given elsewhere.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{Limits, WireError};

/// Type byte and length field.
pub const HEADER_BYTES: usize = 5;

/// One message, as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    tag: u8,
    raw: Bytes,
}

impl Frame {
    /// The type byte.
    #[must_use]
    pub const fn tag(&self) -> u8 {
        self.tag
    }

    /// The body, sharing the frame's memory.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.raw.slice(HEADER_BYTES..)
    }

    /// The whole message with its header.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The whole message with its header, taken out.
    #[must_use]
    pub fn into_raw(self) -> Bytes {
        self.raw
    }

    /// Bytes of the whole message with its header; never below five.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a frame always has a header")]
    pub const fn len(&self) -> usize {
        self.raw.len()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?}, {} bytes)", char::from(self.tag), self.len())
    }
}

/// Several whole messages that lie side by side, to be relayed in one write.
#[derive(Clone, PartialEq, Eq)]
pub struct Run {
    raw: Bytes,
    frames: usize,
}

impl Run {
    /// All bytes, headers included.
    #[must_use]
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// All bytes, taken out.
    #[must_use]
    pub fn into_raw(self) -> Bytes {
        self.raw
    }

    /// How many messages; never zero.
    #[must_use]
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// Each message, sharing the run's memory.
    pub fn iter(&self) -> impl Iterator<Item = Frame> + '_ {
        let mut rest = self.raw.clone();
        std::iter::from_fn(move || {
            let (tag, declared) = header(&rest)?;
            // The decoder has checked that every message of a run is whole.
            let raw = rest.split_to((declared + 1).min(rest.len()));
            Some(Frame { tag, raw })
        })
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Run({} frames, {} bytes)", self.frames, self.raw.len())
    }
}

/// Cuts one direction of one connection into frames.
#[derive(Debug, Clone)]
pub struct Decoder {
    limits: Limits,
}

impl Decoder {
    /// A decoder under these limits.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// From the next message on, other limits hold (after login).
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Splits the next whole message off `buf`; `None` if it is not all there.
    /// After an error the stream cannot be resynchronised.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Frame>, WireError> {
        let Some((tag, len)) = self.next_len(buf)? else {
            return Ok(None);
        };
        if buf.len() < len {
            return Ok(None);
        }
        let raw = buf.split_to(len).freeze();
        Ok(Some(Frame { tag, raw }))
    }

    /// Splits off as many whole messages as `accept` takes, in one piece.
    /// `None` if the first is incomplete or not accepted: ask `decode` then.
    ///
    /// A broken message behind good ones is reported by the next call, so the
    /// good ones are not lost.
    pub fn decode_run(
        &mut self,
        buf: &mut BytesMut,
        mut accept: impl FnMut(u8) -> bool,
    ) -> Result<Option<Run>, WireError> {
        let (mut end, mut frames) = (0, 0);
        while let Some(rest) = buf.get(end..) {
            let (tag, len) = match self.next_len(rest) {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(error) if frames == 0 => return Err(error),
                Err(_) => break,
            };
            if rest.len() < len || !accept(tag) {
                break;
            }
            end += len;
            frames += 1;
        }
        Ok((frames > 0).then(|| Run {
            raw: buf.split_to(end).freeze(),
            frames,
        }))
    }

    /// How many bytes the next message still lacks; zero if it is all there.
    /// A reader may reserve this much: it is below the limit of its type.
    pub fn missing(&self, buf: &[u8]) -> Result<usize, WireError> {
        Ok(match self.next_len(buf)? {
            Some((_, len)) => len.saturating_sub(buf.len()),
            None => HEADER_BYTES.saturating_sub(buf.len()),
        })
    }

    /// Type and whole length of the message that starts `buf`, if its header
    /// is there; a type that does not exist is refused at its first byte.
    fn next_len(&self, buf: &[u8]) -> Result<Option<(u8, usize)>, WireError> {
        let Some(&tag) = buf.first() else {
            return Ok(None);
        };
        let limit = self.limits.of(tag)?;
        let Some((tag, declared)) = header(buf) else {
            return Ok(None);
        };
        if declared < 4 {
            return Err(WireError::TooShort { tag, declared });
        }
        if declared > limit {
            return Err(WireError::TooLarge {
                tag,
                declared,
                limit,
            });
        }
        Ok(Some((tag, declared + 1)))
    }
}

/// Type byte and declared length. A length field with its highest bit set is
/// negative to PostgreSQL; read unsigned it is above every limit instead.
fn header(buf: &[u8]) -> Option<(u8, usize)> {
    let &[tag, a, b, c, d] = buf.first_chunk::<HEADER_BYTES>()?;
    Some((tag, u32::from_be_bytes([a, b, c, d]) as usize))
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
