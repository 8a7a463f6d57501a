//! Bytes to tokens, by the grammar of RFC 8259, in chunks cut anywhere. Keeps a
//! state and the nesting, never the bytes.

use super::JsonError;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{`
    ObjectBegin,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayBegin,
    /// `]`
    ArrayEnd,
    /// A member's name, with its quotes.
    Key,
    /// A string value, with its quotes.
    String,
    /// A number.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// A token and where its bytes are, counted from the first byte pushed. Commas,
/// colons and white space are no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: u64,
    /// Behind its last byte.
    pub end: u64,
}

/// Reads one document.
#[derive(Clone, Debug)]
pub struct Lexer {
    state: State,
    /// `true` for each open object, `false` for each open array.
    open: Vec<bool>,
    depth_max: usize,
    /// Offset of the byte that is read next.
    at: u64,
    /// Where the token that is being read begins.
    start: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Value,
    /// Behind `[`: a value, or the end.
    FirstItem,
    /// Behind `{`: a key, or the end.
    FirstKey,
    Key,
    Colon,
    AfterValue,
    Text {
        key: bool,
        escape: Escape,
    },
    Number(Number),
    Word {
        kind: Kind,
        rest: &'static [u8],
    },
}

#[derive(Clone, Copy, Debug)]
enum Escape {
    None,
    Begun,
    /// So many hexadecimal digits are missing.
    Hex(u8),
}

#[derive(Clone, Copy, Debug)]
enum Number {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Number {
    fn may_end(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Whole | Self::Fraction | Self::ExponentDigits
        )
    }

    fn next(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::ExponentSign,
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => {
                Self::ExponentDigits
            }
            _ => return None,
        })
    }
}

impl Lexer {
    /// Arrays and objects may nest so deep.
    #[must_use]
    pub fn new(depth_max: usize) -> Self {
        Self {
            state: State::Value,
            open: Vec::new(),
            depth_max,
            at: 0,
            start: 0,
        }
    }

    /// Reads on. `on` is called for each token that ends in this chunk.
    pub fn push(&mut self, chunk: &[u8], mut on: impl FnMut(Token)) -> Result<(), JsonError> {
        for &byte in chunk {
            self.byte(byte, &mut on)?;
            self.at += 1;
        }
        Ok(())
    }

    /// The bytes are over. A number at the top level ends only here.
    pub fn finish(mut self, mut on: impl FnMut(Token)) -> Result<(), JsonError> {
        if let State::Number(number) = self.state
            && number.may_end()
        {
            self.emit(Kind::Number, self.at, &mut on);
        }
        match self.state {
            State::AfterValue if self.open.is_empty() => Ok(()),
            _ => Err(JsonError::Incomplete),
        }
    }

    fn byte(&mut self, byte: u8, on: &mut impl FnMut(Token)) -> Result<(), JsonError> {
        match self.state {
            State::Text { key, escape } => return self.text(key, escape, byte, on),
            State::Word { kind, rest } => return self.word(kind, rest, byte, on),
            State::Number(number) => {
                if let Some(next) = number.next(byte) {
                    self.state = State::Number(next);
                    return Ok(());
                }
                if !number.may_end() {
                    return Err(JsonError::Malformed(self.at));
                }
                self.emit(Kind::Number, self.at, on);
                // The byte that ended the number is read as what follows it.
            }
            _ => {}
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            return Ok(());
        }
        match (self.state, byte) {
            (State::FirstItem, b']') | (State::FirstKey, b'}') => self.close(byte, on),
            (State::Value | State::FirstItem, _) => self.value(byte, on),
            (State::FirstKey | State::Key, b'"') => {
                self.begin(State::Text {
                    key: true,
                    escape: Escape::None,
                });
                Ok(())
            }
            (State::Colon, b':') => {
                self.state = State::Value;
                Ok(())
            }
            (State::AfterValue, b',') => match self.open.last() {
                Some(true) => {
                    self.state = State::Key;
                    Ok(())
                }
                Some(false) => {
                    self.state = State::Value;
                    Ok(())
                }
                None => Err(JsonError::Malformed(self.at)),
            },
            (State::AfterValue, b']' | b'}') => self.close(byte, on),
            _ => Err(JsonError::Malformed(self.at)),
        }
    }

    fn value(&mut self, byte: u8, on: &mut impl FnMut(Token)) -> Result<(), JsonError> {
        match byte {
            b'{' | b'[' => {
                if self.open.len() >= self.depth_max {
                    return Err(JsonError::TooDeep(self.depth_max));
                }
                let object = byte == b'{';
                self.start = self.at;
                let kind = if object {
                    Kind::ObjectBegin
                } else {
                    Kind::ArrayBegin
                };
                self.emit(kind, self.at + 1, on);
                self.open.push(object);
                self.state = if object {
                    State::FirstKey
                } else {
                    State::FirstItem
                };
            }
            b'"' => self.begin(State::Text {
                key: false,
                escape: Escape::None,
            }),
            b'-' => self.begin(State::Number(Number::Minus)),
            b'0' => self.begin(State::Number(Number::Zero)),
            b'1'..=b'9' => self.begin(State::Number(Number::Whole)),
            b't' => self.begin_word(Kind::Bool, b"rue"),
            b'f' => self.begin_word(Kind::Bool, b"alse"),
            b'n' => self.begin_word(Kind::Null, b"ull"),
            _ => return Err(JsonError::Malformed(self.at)),
        }
        Ok(())
    }

    fn text(
        &mut self,
        key: bool,
        escape: Escape,
        byte: u8,
        on: &mut impl FnMut(Token),
    ) -> Result<(), JsonError> {
        let escape = match (escape, byte) {
            (Escape::None, b'"') => {
                let kind = if key { Kind::Key } else { Kind::String };
                self.emit(kind, self.at + 1, on);
                if key {
                    self.state = State::Colon;
                }
                return Ok(());
            }
            (Escape::None, b'\\') => Escape::Begun,
            (Escape::None, 0..=0x1f) => return Err(JsonError::Malformed(self.at)),
            (Escape::None, _) => return Ok(()),
            (Escape::Begun, b'u') => Escape::Hex(4),
            (Escape::Begun, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Escape::None,
            (Escape::Hex(1), digit) if digit.is_ascii_hexdigit() => Escape::None,
            (Escape::Hex(missing), digit) if digit.is_ascii_hexdigit() => Escape::Hex(missing - 1),
            _ => return Err(JsonError::Malformed(self.at)),
        };
        self.state = State::Text { key, escape };
        Ok(())
    }

    fn word(
        &mut self,
        kind: Kind,
        rest: &'static [u8],
        byte: u8,
        on: &mut impl FnMut(Token),
    ) -> Result<(), JsonError> {
        match rest.split_first() {
            Some((expected, [])) if *expected == byte => self.emit(kind, self.at + 1, on),
            Some((expected, rest)) if *expected == byte => self.state = State::Word { kind, rest },
            _ => return Err(JsonError::Malformed(self.at)),
        }
        Ok(())
    }

    fn close(&mut self, byte: u8, on: &mut impl FnMut(Token)) -> Result<(), JsonError> {
        let object = byte == b'}';
        if self.open.pop() != Some(object) {
            return Err(JsonError::Malformed(self.at));
        }
        self.start = self.at;
        let kind = if object {
            Kind::ObjectEnd
        } else {
            Kind::ArrayEnd
        };
        self.emit(kind, self.at + 1, on);
        Ok(())
    }

    fn begin(&mut self, state: State) {
        self.start = self.at;
        self.state = state;
    }

    fn begin_word(&mut self, kind: Kind, rest: &'static [u8]) {
        self.begin(State::Word { kind, rest });
    }

    fn emit(&mut self, kind: Kind, end: u64, on: &mut impl FnMut(Token)) {
        on(Token {
            kind,
            start: self.start,
            end,
        });
        self.state = State::AfterValue;
    }
}
