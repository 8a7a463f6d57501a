//! Arrays of text with one dimension, in binary and in text form.
//!
//! Enough to look into `text[]`, `varchar[]` and their like and to write them
//! again. Arrays with more dimensions, or that do not start at 1, are beyond
//! this module: the caller masks them whole.

use std::fmt;

use super::{TypeError, invalid};

/// Most elements taken: a row's arrays are masked element by element, and a
/// longer one is better masked whole.
pub const ELEMENTS_MAX: usize = 100_000;

const NAME: &str = "array";

/// Elements of a one-dimensional array; `None` is NULL.
#[derive(Clone, PartialEq, Eq)]
pub struct TextArray {
    /// Type of the elements; zero when read from text, which does not say.
    pub element_oid: u32,
    /// The elements in order.
    pub elements: Vec<Option<Vec<u8>>>,
}

/// Elements may be health data: only their number is shown.
impl fmt::Debug for TextArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextArray({} elements)", self.elements.len())
    }
}

impl TextArray {
    /// Reads the binary form.
    pub fn decode_binary(value: &[u8]) -> Result<Self, TypeError> {
        let mut rest = value;
        let dimensions = word(&mut rest)?;
        let has_null = word(&mut rest)?;
        let element_oid = word(&mut rest)?;
        if has_null > 1 {
            return Err(invalid(NAME, "its flags do not exist"));
        }
        let count = match dimensions {
            0 => 0,
            1 => {
                let count = word(&mut rest)? as usize;
                if word(&mut rest)? != 1 {
                    return Err(unsupported("it does not start at 1"));
                }
                count
            }
            _ => return Err(unsupported("it has more than one dimension")),
        };
        if count > ELEMENTS_MAX {
            return Err(unsupported("it has over 100,000 elements"));
        }
        if count * 4 > rest.len() {
            return Err(TRUNCATED);
        }
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            let len = word(&mut rest)?;
            if len == u32::MAX {
                elements.push(None);
                continue;
            }
            let (element, behind) = rest.split_at_checked(len as usize).ok_or(TRUNCATED)?;
            elements.push(Some(element.to_vec()));
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(invalid(NAME, "bytes are left over"));
        }
        Ok(Self {
            element_oid,
            elements,
        })
    }

    /// Writes the binary form.
    pub fn encode_binary(&self) -> Result<Vec<u8>, TypeError> {
        let too_large = |_| unsupported("it is above 4 GiB");
        let mut out = Vec::new();
        let mut put = |word: u32| out.extend_from_slice(&word.to_be_bytes());
        put(u32::from(!self.elements.is_empty()));
        put(u32::from(self.elements.iter().any(Option::is_none)));
        put(self.element_oid);
        if !self.elements.is_empty() {
            put(u32::try_from(self.elements.len()).map_err(too_large)?);
            put(1);
        }
        for element in &self.elements {
            match element {
                None => out.extend_from_slice(&[0xff; 4]),
                Some(bytes) => {
                    let len = i32::try_from(bytes.len()).map_err(too_large)?;
                    out.extend_from_slice(&len.to_be_bytes());
                    out.extend_from_slice(bytes);
                }
            }
        }
        Ok(out)
    }

    /// Reads the text form, `{a,"b c",NULL}`.
    pub fn decode_text(value: &[u8]) -> Result<Self, TypeError> {
        let mut rest = value.trim_ascii();
        if rest.first() == Some(&b'[') {
            return Err(unsupported("it does not start at 1"));
        }
        rest = rest
            .strip_prefix(b"{")
            .ok_or(invalid(NAME, "it has no braces"))?;
        let mut elements = Vec::new();
        if let Some(behind) = rest.trim_ascii_start().strip_prefix(b"}") {
            rest = behind;
        } else {
            loop {
                if elements.len() == ELEMENTS_MAX {
                    return Err(unsupported("it has over 100,000 elements"));
                }
                elements.push(text_element(&mut rest)?);
                let (&next, behind) = rest.split_first().ok_or(TRUNCATED)?;
                rest = behind;
                if next == b'}' {
                    break;
                }
            }
        }
        if !rest.is_empty() {
            return Err(invalid(NAME, "bytes are left over"));
        }
        Ok(Self {
            element_oid: 0,
            elements,
        })
    }

    /// Writes the text form, quoted as the server quotes.
    #[must_use]
    pub fn encode_text(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (index, element) in self.elements.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            match element {
                None => out.extend_from_slice(b"NULL"),
                Some(bytes) if needs_quotes(bytes) => {
                    out.push(b'"');
                    for &byte in bytes {
                        if matches!(byte, b'"' | b'\\') {
                            out.push(b'\\');
                        }
                        out.push(byte);
                    }
                    out.push(b'"');
                }
                Some(bytes) => out.extend_from_slice(bytes),
            }
        }
        out.push(b'}');
        out
    }
}

/// Reads one element up to, not including, the comma or brace behind it.
fn text_element(rest: &mut &[u8]) -> Result<Option<Vec<u8>>, TypeError> {
    *rest = skip_space(rest);
    if let Some(behind) = rest.strip_prefix(b"\"") {
        let (element, behind) = quoted(behind)?;
        *rest = skip_space(behind);
        return match rest.first() {
            Some(b',' | b'}') => Ok(Some(element)),
            _ => Err(invalid(NAME, "something follows a quoted element")),
        };
    }
    let mut element = Vec::new();
    // Spaces at the end do not count, but escaped ones do.
    let (mut solid, mut escaped) = (0, false);
    loop {
        let (&byte, behind) = rest.split_first().ok_or(TRUNCATED)?;
        match byte {
            b',' | b'}' => break,
            b'{' => return Err(unsupported("it has more than one dimension")),
            b'"' => return Err(invalid(NAME, "a quote inside an element")),
            b'\\' => {
                let (&next, behind) = behind.split_first().ok_or(TRUNCATED)?;
                element.push(next);
                (solid, escaped) = (element.len(), true);
                *rest = behind;
            }
            byte => {
                element.push(byte);
                if !is_space(byte) {
                    solid = element.len();
                }
                *rest = behind;
            }
        }
    }
    element.truncate(solid);
    if element.is_empty() {
        return Err(invalid(NAME, "an element is missing"));
    }
    let null = !escaped && element.eq_ignore_ascii_case(b"NULL");
    Ok((!null).then_some(element))
}

/// Reads up to and including the closing quote.
fn quoted(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), TypeError> {
    let mut element = Vec::new();
    loop {
        let (&byte, behind) = rest.split_first().ok_or(TRUNCATED)?;
        rest = behind;
        match byte {
            b'"' => return Ok((element, rest)),
            b'\\' => {
                let (&next, behind) = rest.split_first().ok_or(TRUNCATED)?;
                element.push(next);
                rest = behind;
            }
            byte => element.push(byte),
        }
    }
}

fn needs_quotes(bytes: &[u8]) -> bool {
    let special = |&byte: &u8| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || is_space(byte);
    bytes.is_empty() || bytes.eq_ignore_ascii_case(b"NULL") || bytes.iter().any(special)
}

/// The server's idea of white space in arrays.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn skip_space(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| !is_space(byte));
    bytes
        .get(start.unwrap_or(bytes.len())..)
        .unwrap_or_default()
}

fn word(rest: &mut &[u8]) -> Result<u32, TypeError> {
    let (field, behind) = rest.split_first_chunk().ok_or(TRUNCATED)?;
    *rest = behind;
    Ok(u32::from_be_bytes(*field))
}

const fn unsupported(what: &'static str) -> TypeError {
    TypeError::Unsupported {
        type_name: NAME,
        what,
    }
}

const TRUNCATED: TypeError = invalid(NAME, "it ends too early");

#[cfg(test)]
#[path = "array_tests.rs"]
mod tests;
