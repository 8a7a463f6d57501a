//! A string's text within its escapes, and back. What was written with escapes is
//! searched as what it means, so `\u0041nn` hides nobody.

use std::borrow::Cow;

use super::JsonError;

/// The text of a string or key, given with its quotes as the lexer found it. A
/// surrogate without its other half becomes U+FFFD: it stands for no character.
pub fn decode(quoted: &[u8]) -> Result<Cow<'_, str>, JsonError> {
    let inner = quoted
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .ok_or(JsonError::Incomplete)?;
    let text = std::str::from_utf8(inner).map_err(|_| JsonError::NotUtf8)?;
    if !text.contains('\\') {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        rest = escape(after, &mut out).ok_or(JsonError::Incomplete)?;
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// Reads one escape behind its backslash; answers what follows it.
fn escape<'a>(text: &'a str, out: &mut String) -> Option<&'a str> {
    let mut characters = text.chars();
    let character = match characters.next()? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return unit(characters.as_str(), out),
        other => other,
    };
    out.push(character);
    Some(characters.as_str())
}

fn unit<'a>(text: &'a str, out: &mut String) -> Option<&'a str> {
    let (first, rest) = hex(text)?;
    if (0xd800..0xdc00).contains(&first)
        && let Some((second, behind)) = rest.strip_prefix("\\u").and_then(hex)
        && (0xdc00..0xe000).contains(&second)
    {
        let scalar = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        out.push(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
        return Some(behind);
    }
    out.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    Some(rest)
}

fn hex(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// A string with its quotes.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let code = u32::from(control);
                out.push_str("\\u00");
                for nibble in [code >> 4, code & 15] {
                    out.push(char::from_digit(nibble, 16).unwrap_or('0'));
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
