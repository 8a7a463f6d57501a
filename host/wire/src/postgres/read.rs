//! Reads the fields of one message from its bytes, checking every step.
//!
//! Hands out slices of the message (`Bytes`), never copies, and never
//! allocates on the word of a count that the bytes present cannot hold.

use bytes::{Buf, Bytes};

use super::WireError;

/// What is left of one message.
pub(super) struct Reader {
    rest: Bytes,
    what: &'static str,
}

impl Reader {
    /// `what` names the message in errors.
    pub(super) const fn new(body: Bytes, what: &'static str) -> Self {
        Self { rest: body, what }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let head = *self.rest.first_chunk::<N>().ok_or(self.truncated())?;
        self.rest.advance(N);
        Ok(head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn i16(&mut self) -> Result<i16, WireError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, WireError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A 16-bit count of things that take at least `each_bytes_min` bytes each.
    /// The server reads these counts as unsigned, and so do we.
    pub(super) fn count(&mut self, each_bytes_min: usize) -> Result<usize, WireError> {
        let count = usize::from(u16::from_be_bytes(self.array()?));
        if count * each_bytes_min > self.rest.len() {
            return Err(self.truncated());
        }
        Ok(count)
    }

    /// A list behind a 16-bit count.
    pub(super) fn list<T>(
        &mut self,
        each_bytes_min: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let count = self.count(each_bytes_min)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<Bytes, WireError> {
        if len > self.rest.len() {
            return Err(self.truncated());
        }
        Ok(self.rest.split_to(len))
    }

    /// A value behind a 32-bit length, where -1 is NULL.
    pub(super) fn value(&mut self) -> Result<Option<Bytes>, WireError> {
        match self.i32()? {
            -1 => Ok(None),
            len => {
                let len = usize::try_from(len)
                    .map_err(|_| self.invalid("a value has a length below -1"))?;
                self.bytes(len).map(Some)
            }
        }
    }

    /// A string without its final NUL.
    pub(super) fn cstr(&mut self) -> Result<Bytes, WireError> {
        let end = self
            .rest
            .iter()
            .position(|&byte| byte == 0)
            .ok_or(self.truncated())?;
        let text = self.rest.split_to(end);
        self.rest.advance(1);
        Ok(text)
    }

    /// All that is left.
    pub(super) fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The message must be used up.
    pub(super) fn finish(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(WireError::Trailing {
                what: self.what,
                bytes,
            }),
        }
    }

    pub(super) const fn invalid(&self, why: &'static str) -> WireError {
        WireError::Invalid {
            what: self.what,
            why,
        }
    }

    const fn truncated(&self) -> WireError {
        WireError::Truncated { what: self.what }
    }
}
