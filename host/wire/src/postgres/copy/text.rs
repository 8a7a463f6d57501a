//! The text format: one delimiter, backslash escapes, `\N` for NULL.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::{CopyError, row::Cell};

/// Options of `FORMAT text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextFormat {
    /// Between cells.
    pub delimiter: u8,
    /// What stands for NULL, before escapes are resolved.
    pub null: Vec<u8>,
    /// Whether the first row names the columns.
    pub header: bool,
}

impl Default for TextFormat {
    fn default() -> Self {
        Self {
            delimiter: b'\t',
            null: b"\\N".to_vec(),
            header: false,
        }
    }
}

impl TextFormat {
    /// The server forbids the delimiters that could be part of an escape.
    pub(super) const fn check(&self) -> Result<(), CopyError> {
        if matches!(self.delimiter, b'\\' | b'.' | b'a'..=b'z' | b'0'..=b'9') {
            return Err(CopyError::Options(
                "the delimiter could be part of an escape",
            ));
        }
        Ok(())
    }

    /// Finds the cells of a line.
    pub(super) fn split(&self, line: &[u8], cells: &mut Vec<Cell>) -> Result<(), CopyError> {
        let (mut start, mut at) = (0, 0);
        while let Some(&byte) = line.get(at) {
            if byte == self.delimiter {
                cells.push(self.place(line, start, at));
                (start, at) = (at + 1, at + 1);
            } else if byte == b'\\' {
                let rest = line.get(at + 1..).unwrap_or_default();
                if rest.first() == Some(&b'.') {
                    // The server takes it for a spoilt end marker.
                    return Err(CopyError::Malformed("an end marker inside a row"));
                }
                at += 1 + escape(rest).1;
            } else {
                at += 1;
            }
        }
        cells.push(self.place(line, start, line.len()));
        Ok(())
    }

    /// Resolves the escapes of a cell.
    pub(super) fn decode<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(first) = raw.iter().position(|&byte| byte == b'\\') else {
            return Cow::Borrowed(raw);
        };
        let (plain, mut rest) = raw.split_at(first);
        let mut value = Vec::with_capacity(raw.len());
        value.extend_from_slice(plain);
        while let Some((&byte, behind)) = rest.split_first() {
            if byte == b'\\' {
                let (meaning, len) = escape(behind);
                value.extend(meaning);
                rest = behind.get(len..).unwrap_or_default();
            } else {
                value.push(byte);
                rest = behind;
            }
        }
        Cow::Owned(value)
    }

    /// Appends a value with its escapes. A value that would read like the NULL
    /// string gets its first byte in hex; an empty one cannot be told from an
    /// empty NULL string at all, and becomes NULL.
    pub(super) fn encode(&self, value: &[u8], out: &mut BytesMut) {
        let start = out.len();
        self.escape_all(value, out);
        if let (true, Some((first, rest))) =
            (out.get(start..) == Some(&self.null), value.split_first())
        {
            out.truncate(start);
            out.put_slice(format!("\\x{first:02x}").as_bytes());
            self.escape_all(rest, out);
        }
    }

    fn escape_all(&self, value: &[u8], out: &mut BytesMut) {
        for &byte in value {
            let letter = match byte {
                0x08 => b'b',
                0x0c => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x0b => b'v',
                byte if byte == b'\\' || byte == self.delimiter => byte,
                byte => {
                    out.put_u8(byte);
                    continue;
                }
            };
            out.put_slice(&[b'\\', letter]);
        }
    }

    fn place(&self, line: &[u8], start: usize, end: usize) -> Cell {
        // Compared before escapes are resolved, as the server does.
        let null = line.get(start..end) == Some(&self.null);
        Cell { start, end, null }
    }
}

/// What follows a backslash: the byte it means, and how many bytes it takes.
fn escape(rest: &[u8]) -> (Option<u8>, usize) {
    let Some((&first, behind)) = rest.split_first() else {
        return (None, 0);
    };
    let byte = match first {
        b'0'..=b'7' => {
            let (value, len) = number(rest, 3, 8);
            return (Some(value), len);
        }
        b'x' => match number(behind, 2, 16) {
            (_, 0) => b'x',
            (value, len) => return (Some(value), 1 + len),
        },
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        other => other,
    };
    (Some(byte), 1)
}

/// The number that `text` starts with, of up to `digits_max` digits, and how
/// many it has. The server keeps the low eight bits of `\777`.
fn number(text: &[u8], digits_max: usize, radix: u32) -> (u8, usize) {
    let digits = text
        .iter()
        .take(digits_max)
        .map_while(|&byte| char::from(byte).to_digit(radix));
    let (value, len) = digits.fold((0, 0), |(value, len), digit| {
        (value * radix + digit, len + 1)
    });
    ((value & 0xff) as u8, len)
}
