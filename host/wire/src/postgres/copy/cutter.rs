//! Finds the ends of rows in a stream that arrives in pieces.
//!
//! Follows the server's own rules: the first line break fixes the kind for the
//! whole stream, and a bare line break of another kind is an error. No byte is
//! looked at twice, however small the pieces.

use std::{fmt, sync::Arc};

use bytes::BytesMut;

use super::{
    CopyError, CopyFormat, CopyRow, RowKind,
    row::{Cell, Scratch},
};

/// Default for the largest row. Rows of clinical text have kilobytes; 16 MiB
/// leaves room for a scanned document and still bounds what one session holds.
pub const ROW_BYTES_MAX: usize = 16 << 20;

/// The line break a stream uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineBreak {
    Lf,
    Cr,
    CrLf,
}

impl LineBreak {
    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::Cr => b"\r",
            Self::CrLf => b"\r\n",
        }
    }
}

/// Cuts a COPY stream into rows.
pub struct Cutter {
    format: Arc<CopyFormat>,
    row_bytes_max: usize,
    buffer: BytesMut,
    /// How far the row at the head of the buffer has been looked at.
    scanned: usize,
    state: State,
    line_break: Option<LineBreak>,
    /// All whole rows of the buffer have been taken.
    starved: bool,
    rows: u64,
    ended: bool,
    scratch: Scratch,
}

/// What the bytes of a row so far mean for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between escapes (text), or outside quotes (CSV).
    Plain,
    /// Text: behind a backslash.
    Escape,
    /// CSV: inside quotes; `escaped` behind an escape that is not the quote.
    Quoted { escaped: bool },
    /// Behind a carriage return that may belong to a line break.
    Cr,
}

impl Cutter {
    /// A cutter for one stream; rows above `row_bytes_max` are an error.
    pub fn new(format: CopyFormat, row_bytes_max: usize) -> Result<Self, CopyError> {
        format.check()?;
        Ok(Self {
            format: Arc::new(format),
            row_bytes_max,
            buffer: BytesMut::new(),
            scanned: 0,
            state: State::Plain,
            line_break: None,
            starved: true,
            rows: 0,
            ended: false,
            scratch: Scratch::default(),
        })
    }

    /// Adds the bytes of one CopyData message. Rows must be taken in between:
    /// what is buffered stays below the limit of a row and one message.
    pub fn push(&mut self, data: &[u8]) -> Result<(), CopyError> {
        if !self.starved && self.buffer.len() > self.row_bytes_max {
            return Err(CopyError::NotTaken);
        }
        if !data.is_empty() {
            if self.ended {
                return Err(CopyError::Malformed("there is data behind the end marker"));
            }
            self.starved = false;
            self.buffer.extend_from_slice(data);
        }
        Ok(())
    }

    /// The next row, if it is whole.
    pub fn next_row(&mut self) -> Result<Option<CopyRow>, CopyError> {
        if self.ended {
            return match self.buffer.len() {
                0 => Ok(None),
                _ => Err(CopyError::Malformed("there is data behind the end marker")),
            };
        }
        let Some((content, end)) = self.find_end()? else {
            self.starved = true;
            if self.buffer.len() > self.row_bytes_max {
                return Err(self.too_large());
            }
            return Ok(None);
        };
        self.cut(content, end).map(Some)
    }

    /// The stream is complete: its last row, if that had no line break.
    pub fn finish(&mut self) -> Result<Option<CopyRow>, CopyError> {
        if let Some(row) = self.next_row()? {
            // The caller has not taken all rows; it may go on.
            return Ok(Some(row));
        }
        let len = self.buffer.len();
        match self.state {
            State::Plain if len == 0 => Ok(None),
            State::Plain => self.cut(len, len).map(Some),
            // Nothing follows, so it was the line break.
            State::Cr => match self.line_break {
                None | Some(LineBreak::Cr) => self.cut(len - 1, len).map(Some),
                Some(_) => Err(BARE_CR),
            },
            State::Escape => Err(CopyError::Malformed("it ends in the middle of an escape")),
            State::Quoted { .. } => Err(CopyError::Malformed("it ends inside quotes")),
        }
    }

    /// Takes back the memory of a row that is done with.
    pub fn recycle(&mut self, scratch: Scratch) {
        self.scratch = scratch;
    }

    /// Splits off a row: `content` bytes, then its line break up to `end`.
    fn cut(&mut self, content: usize, end: usize) -> Result<CopyRow, CopyError> {
        if end > self.row_bytes_max {
            return Err(self.too_large());
        }
        let raw = self.buffer.split_to(end).freeze();
        (self.scanned, self.state) = (0, State::Plain);
        let first = self.rows == 0;
        self.rows += 1;
        let mut cells: Vec<Cell> = std::mem::take(&mut self.scratch).into_cells();
        let line = raw.get(..content).unwrap_or_default();
        // Both formats know this line; versions differ on whether it ends CSV,
        // but nothing may follow it here, so the difference cannot matter.
        let kind = if line == b"\\." {
            self.ended = true;
            RowKind::End
        } else {
            match &*self.format {
                CopyFormat::Text(format) => format.split(line, &mut cells)?,
                CopyFormat::Csv(format) => format.split(line, &mut cells)?,
            }
            if first && self.format.header() {
                RowKind::Header
            } else {
                RowKind::Data
            }
        };
        Ok(CopyRow::new(
            Arc::clone(&self.format),
            raw,
            content,
            cells,
            kind,
            self.line_break.unwrap_or(LineBreak::Lf).bytes(),
        ))
    }

    /// Looks on for the end of the row at the head of the buffer: how long its
    /// content is, and where the row behind it starts.
    fn find_end(&mut self) -> Result<Option<(usize, usize)>, CopyError> {
        // Quotes mean something in CSV only, backslashes in text only.
        let (quote, escape) = match &*self.format {
            CopyFormat::Text(_) => (None, None),
            CopyFormat::Csv(csv) => (Some(csv.quote), csv.escape_unless_quote()),
        };
        while let Some(&byte) = self.buffer.get(self.scanned) {
            match self.state {
                State::Cr => {
                    let lf = byte == b'\n';
                    match (self.line_break, lf) {
                        (None | Some(LineBreak::CrLf), true) => {
                            self.line_break = Some(LineBreak::CrLf);
                            return Ok(Some((self.scanned - 1, self.scanned + 1)));
                        }
                        (None, false) => {
                            self.line_break = Some(LineBreak::Cr);
                            return Ok(Some((self.scanned - 1, self.scanned)));
                        }
                        _ => return Err(BARE_CR),
                    }
                }
                State::Escape => self.state = State::Plain,
                State::Quoted { escaped } => {
                    self.state = if Some(byte) == quote && !escaped {
                        State::Plain
                    } else {
                        let escaped = Some(byte) == escape && !escaped;
                        State::Quoted { escaped }
                    };
                }
                State::Plain => match byte {
                    b'\\' if quote.is_none() => self.state = State::Escape,
                    b'\n' => match self.line_break {
                        None | Some(LineBreak::Lf) => {
                            self.line_break = Some(LineBreak::Lf);
                            return Ok(Some((self.scanned, self.scanned + 1)));
                        }
                        Some(_) => {
                            return Err(CopyError::Malformed("a bare line feed in the data"));
                        }
                    },
                    b'\r' => match self.line_break {
                        Some(LineBreak::Lf) => return Err(BARE_CR),
                        Some(LineBreak::Cr) => {
                            return Ok(Some((self.scanned, self.scanned + 1)));
                        }
                        None | Some(LineBreak::CrLf) => self.state = State::Cr,
                    },
                    byte if Some(byte) == quote => self.state = State::Quoted { escaped: false },
                    _ => {}
                },
            }
            self.scanned += 1;
        }
        Ok(None)
    }

    const fn too_large(&self) -> CopyError {
        CopyError::RowTooLarge {
            limit: self.row_bytes_max,
        }
    }
}

const BARE_CR: CopyError = CopyError::Malformed("a bare carriage return in the data");

/// The buffer may hold health data: only its size is shown.
impl fmt::Debug for Cutter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, bytes) = (self.rows, self.buffer.len());
        write!(f, "Cutter({rows} rows cut, {bytes} bytes buffered)")
    }
}
