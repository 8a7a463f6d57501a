//! Writes one message at the end of a buffer, whole or not at all.
//!
//! Refuses what cannot be said in the protocol: a NUL inside a string would
//! end it early and turn the rest into fields of somebody else's choosing.

use bytes::{BufMut, BytesMut};

use super::WireError;

/// Where the fields of a message go.
pub(super) struct Body<'a> {
    out: &'a mut BytesMut,
    what: &'static str,
}

/// Appends a message of type `tag` whose fields `fill` writes. On an error the
/// buffer is as it was.
pub(super) fn message(
    out: &mut BytesMut,
    tag: u8,
    what: &'static str,
    fill: impl FnOnce(&mut Body<'_>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let start = out.len();
    out.put_u8(tag);
    packet(out, what, fill).inspect_err(|_| out.truncate(start))
}

/// Appends a packet without a type byte, as at the start of a connection.
pub(super) fn packet(
    out: &mut BytesMut,
    what: &'static str,
    fill: impl FnOnce(&mut Body<'_>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let start = out.len();
    out.put_i32(0);
    let filled = fill(&mut Body { out, what }).and_then(|()| {
        i32::try_from(out.len() - start).map_err(|_| WireError::Unwritable {
            what,
            why: "it is larger than 2 GiB",
        })
    });
    match filled {
        Ok(len) => {
            if let Some(field) = out.get_mut(start..start + 4) {
                field.copy_from_slice(&len.to_be_bytes());
            }
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

impl Body<'_> {
    pub(super) fn u8(&mut self, value: u8) {
        self.out.put_u8(value);
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.out.put_i16(value);
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.out.put_i32(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.out.put_u32(value);
    }

    pub(super) fn bytes(&mut self, value: &[u8]) {
        self.out.put_slice(value);
    }

    pub(super) fn count(&mut self, count: usize) -> Result<(), WireError> {
        let count =
            u16::try_from(count).map_err(|_| self.unwritable("a list has over 65,535 items"))?;
        self.out.put_u16(count);
        Ok(())
    }

    /// A string and its final NUL.
    pub(super) fn cstr(&mut self, text: &[u8]) -> Result<(), WireError> {
        if text.contains(&0) {
            return Err(self.unwritable("a string holds a NUL byte"));
        }
        self.out.put_slice(text);
        self.out.put_u8(0);
        Ok(())
    }

    /// A value behind its 32-bit length.
    pub(super) fn value(&mut self, value: Option<&[u8]>) -> Result<(), WireError> {
        match value {
            None => self.out.put_i32(-1),
            Some(bytes) => {
                let len = i32::try_from(bytes.len())
                    .map_err(|_| self.unwritable("a value exceeds 2 GiB"))?;
                self.out.put_i32(len);
                self.out.put_slice(bytes);
            }
        }
        Ok(())
    }

    pub(super) const fn unwritable(&self, why: &'static str) -> WireError {
        WireError::Unwritable {
            what: self.what,
            why,
        }
    }
}
