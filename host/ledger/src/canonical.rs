//! Canonical JSON: RFC 8785, for the part of JSON that records use.
//!
//! Keys are printable ASCII, numbers are integers below 2^53 in size, and there are no floats, so two
//! programs in two languages cannot disagree about a byte. `write` makes the canonical form; `walk` accepts
//! nothing else, in one pass and without building a tree, which is the same as parsing, writing again and
//! requiring equality (a property test holds them to each other). Neither ever repairs what it reads.

use std::borrow::Cow;

use serde_json::Value;

/// Objects and arrays may lie this deep in each other, the record's own object included. Records are flat
/// by nature; the bound keeps a hostile export from driving the verifier's recursion.
pub const DEPTH_MAX: usize = 16;
/// The longest key, in bytes. Keys are names that we or a plugin's manifest wrote, never data.
pub const KEY_BYTES_MAX: usize = 128;
/// Integers stay strictly below this in size, so that every JSON reader holds them exactly.
pub const INTEGER_LIMIT: u64 = 1 << 53;

/// Why a value has no canonical form. Never holds the value itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// A number with a fraction or an exponent, or one that is 2^53 or more in size.
    #[error("a number in a record must be an integer below 2^53; write anything else as a string")]
    Number,
    /// A key that is empty, too long, or not printable ASCII free of quotes and backslashes.
    #[error("a key in a record must be 1 to {KEY_BYTES_MAX} printable ASCII characters")]
    Key,
    /// More nesting than [`DEPTH_MAX`].
    #[error("a record nests deeper than {DEPTH_MAX} levels")]
    Depth,
    /// Members of an object that are not said in order, or twice.
    #[error("the members of an object in a record must be said in the order of their keys")]
    Order,
}

/// Where a text leaves the canonical form. The offset is in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not canonical at byte {offset}: {why}")]
pub struct NotCanonical {
    /// Bytes before the first one that cannot be there.
    pub offset: usize,
    /// What was expected or forbidden there.
    pub why: &'static str,
}

/// Appends the canonical form of `value`, which lies `depth` levels deep, to `out`.
pub fn write(value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(positive), _) => write_u64(positive, out)?,
            (None, Some(negative)) => {
                out.push(b'-');
                write_u64(negative.unsigned_abs(), out)?;
            }
            (None, None) => return Err(CanonicalError::Number),
        },
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            if depth >= DEPTH_MAX {
                return Err(CanonicalError::Depth);
            }
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write(item, depth + 1, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => write_object(members, depth, out)?,
    }
    Ok(())
}

/// The same for an object. The map may or may not keep insertion order, depending on how serde_json was
/// built, so the order is never taken for granted.
pub fn write_object(
    members: &serde_json::Map<String, Value>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), CanonicalError> {
    if depth >= DEPTH_MAX {
        return Err(CanonicalError::Depth);
    }
    let write_members = |members: &mut dyn Iterator<Item = (&String, &Value)>,
                         out: &mut Vec<u8>| {
        for (place, (key, member)) in members.enumerate() {
            if place > 0 {
                out.push(b',');
            }
            write_key(key, out)?;
            write(member, depth + 1, out)?;
        }
        Ok(())
    };
    out.push(b'{');
    if members.keys().is_sorted() {
        write_members(&mut members.iter(), out)?;
    } else {
        let mut pairs: Vec<_> = members.iter().collect();
        pairs.sort_unstable_by(|left, right| left.0.cmp(right.0));
        write_members(&mut pairs.into_iter(), out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends `"key":`.
pub fn write_key(key: &str, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    let plain = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\';
    if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(plain) {
        return Err(CanonicalError::Key);
    }
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    Ok(())
}

/// Appends a number in decimal.
pub fn write_u64(mut value: u64, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    if value >= INTEGER_LIMIT {
        return Err(CanonicalError::Number);
    }
    let mut digits = [0_u8; 20];
    let mut len = 0;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (value % 10) as u8;
        len += 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(20 - len));
    Ok(())
}

/// Appends a string with its quotes: the two-letter escapes where JSON has one, `\u00xx` for the other
/// control characters, everything else as it is.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, tail) = rest.split_at(plain_len::<false>(rest));
        out.extend_from_slice(plain);
        let Some((&byte, tail)) = tail.split_first() else {
            break;
        };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            control => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[b'0' + (control >> 4), hex_digit(control & 15)]);
            }
        }
        rest = tail;
    }
    out.push(b'"');
}

/// Walks a canonical object, strictly, and calls `member(key, value)` for each of its own members, both as
/// the bytes stand in the text (a string value with its quotes).
pub fn walk<'t>(
    text: &'t [u8],
    mut member: impl FnMut(&'t [u8], &'t [u8]),
) -> Result<(), NotCanonical> {
    if std::str::from_utf8(text).is_err() {
        return Err(NotCanonical {
            offset: 0,
            why: "bytes that are not UTF-8",
        });
    }
    let mut walker = Walker { text, at: 0 };
    walker.object(1, &mut member)?;
    if walker.at != text.len() {
        return Err(walker.fault("bytes after the end of the object"));
    }
    Ok(())
}

/// The text of a string that [`walk`] handed out with its quotes, if it holds no escape.
pub fn plain_string(value: &[u8]) -> Option<&str> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inner.contains(&b'\\') {
        return None;
    }
    std::str::from_utf8(inner).ok()
}

/// The text of a string in canonical form, quotes and escapes undone.
pub fn string(value: &[u8]) -> Option<Cow<'_, str>> {
    match plain_string(value) {
        Some(plain) => Some(Cow::Borrowed(plain)),
        None => serde_json::from_slice(value).ok().map(Cow::Owned),
    }
}

struct Walker<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Walker<'t> {
    fn fault(&self, why: &'static str) -> NotCanonical {
        NotCanonical {
            offset: self.at,
            why,
        }
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8, why: &'static str) -> Result<(), NotCanonical> {
        if self.peek() != Some(byte) {
            return Err(self.fault(why));
        }
        self.at += 1;
        Ok(())
    }

    fn object(
        &mut self,
        depth: usize,
        member: &mut impl FnMut(&'t [u8], &'t [u8]),
    ) -> Result<(), NotCanonical> {
        self.eat(b'{', "an object must begin here")?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut last: &[u8] = b"";
        loop {
            let start = self.at;
            let key = self.key()?;
            if key <= last {
                self.at = start;
                return Err(self.fault("a key that is not in order, or is there twice"));
            }
            last = key;
            self.eat(b':', "a colon must follow the key")?;
            let from = self.at;
            self.value(depth)?;
            member(key, self.text.get(from..self.at).unwrap_or_default());
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.fault("a comma or the end of the object must follow")),
            }
        }
    }

    fn key(&mut self) -> Result<&'t [u8], NotCanonical> {
        self.eat(b'"', "a key must begin here")?;
        let rest = self.rest();
        let key = rest.get(..plain_len::<true>(rest)).unwrap_or_default();
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(self.fault("a key that is empty or too long"));
        }
        self.at += key.len();
        self.eat(
            b'"',
            "a key that does not end, or a character that keys cannot have",
        )?;
        Ok(key)
    }

    fn value(&mut self, depth: usize) -> Result<(), NotCanonical> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{' | b'[') if depth >= DEPTH_MAX => Err(self.fault("too many levels")),
            Some(b'{') => self.object(depth + 1, &mut |_, _| ()),
            Some(b'[') => self.array(depth + 1),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(self.fault("a value must begin here")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), NotCanonical> {
        self.eat(b'[', "an array must begin here")?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.fault("a comma or the end of the array must follow")),
            }
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), NotCanonical> {
        if !self.rest().starts_with(word) {
            return Err(self.fault("a word that JSON does not have"));
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotCanonical> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let first = self.peek();
        let mut size = 0_u64;
        let mut digits = 0_usize;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            size = size
                .saturating_mul(10)
                .saturating_add(u64::from(digit - b'0'));
            digits += 1;
            self.at += 1;
        }
        let spelled_one_way =
            digits == 1 && !(negative && size == 0) || digits > 1 && first != Some(b'0');
        if !spelled_one_way || size >= INTEGER_LIMIT {
            self.at = start;
            return Err(self.fault("a number that is not a plain integer below 2^53"));
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), NotCanonical> {
        self.at += 1;
        loop {
            self.at += plain_len::<false>(self.rest());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.fault("a control character, or a string that does not end")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotCanonical> {
        let len = match self.rest() {
            [_, b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r', ..] => 2,
            [
                _,
                b'u',
                b'0',
                b'0',
                b'0',
                b'0'..=b'7' | b'b' | b'e' | b'f',
                ..,
            ] => 6,
            [_, b'u', b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f', ..] => 6,
            _ => return Err(self.fault("an escape that the canonical form does not use")),
        };
        self.at += len;
        Ok(())
    }
}

/// How many bytes at the start of `text` stand for themselves inside a string, or, for a `KEY`, inside a key,
/// which is printable ASCII. Eight at a time, because the verifier spends most of its time outside of
/// hashing here.
fn plain_len<const KEY: bool>(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    /// High bits where a byte is `byte`; above the lowest such place also where it is one more.
    const fn is(word: u64, byte: u64) -> u64 {
        let differs = word ^ (ONES * byte);
        differs.wrapping_sub(ONES) & !differs
    }
    let mut len = 0;
    let (words, _) = text.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        // A byte below 0x20 borrows into its high bit; bytes of 0x80 and more are left out by `!word`.
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let mut special = control | is(word, 0x22) | is(word, 0x5c);
        if KEY {
            special |= word | is(word, 0x7f);
        }
        special &= HIGH;
        if special != 0 {
            return len + (special.trailing_zeros() / 8) as usize;
        }
        len += 8;
    }
    let special =
        |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\' || (KEY && byte >= 0x7f);
    let tail = text.get(len..).unwrap_or_default();
    len + tail.iter().position(special).unwrap_or(tail.len())
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + nibble - 10
    }
}
