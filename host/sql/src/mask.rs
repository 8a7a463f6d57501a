//! A statement text without its values, for the audit record.
//!
//! The record must say what was asked and must not repeat what was asked about. PostgreSQL's own scanner tells constants
//! from names; constants, comments and doubtful names become placeholders, everything else stays legible. What the scanner
//! does not vouch for is never copied, and a text it cannot read leaves only its length behind.

use pg_query::protobuf::{KeywordKind, ScanToken, Token};

use crate::{TEXT_BYTES_MAX, desk};

/// Longest masked text, in bytes, unless the caller says otherwise. A record holds 16 KiB in all.
pub const MASKED_BYTES_MAX: usize = 4 << 10;

/// Longest name the server keeps (`NAMEDATALEN` - 1). A longer one is not a name of anything.
const NAME_BYTES_MAX: usize = 63;

/// A quoted name with so many digits in a row may be a value in the wrong quotes.
const QUOTED_DIGITS_MAX: usize = 3;

/// The same for plain names, which carry years and dates (`visits_20240131`) but hardly a phone number.
const PLAIN_DIGITS_MAX: usize = 8;

/// What a text becomes when the scanner cannot read it.
fn unparsed(sql: &str) -> String {
    format!("<unparsed {} bytes>", sql.len())
}

/// `sql` with every constant, comment and doubtful name replaced, at most [`MASKED_BYTES_MAX`] bytes long.
pub fn masked_text(sql: &str) -> String {
    masked_text_within(sql, MASKED_BYTES_MAX)
}

/// [`masked_text`] of at most `bytes_max` bytes; what is cut off is counted in a note at the end, which comes on top.
pub fn masked_text_within(sql: &str, bytes_max: usize) -> String {
    let masked = masked(sql).unwrap_or_else(|| unparsed(sql));
    if masked.len() <= bytes_max {
        return masked;
    }
    let end = masked.floor_char_boundary(bytes_max);
    let kept = masked.get(..end).unwrap_or_default();
    format!("{kept}<cut {} bytes>", masked.len() - end)
}

/// What stands between the first parenthesis behind `COPY` and the one that closes it.
pub(crate) fn copied_query(sql: &str) -> Option<String> {
    let text = admissible_text(sql)?;
    let tokens = desk::run(move || pg_query::scan_tokens(&text).ok()).ok()??;
    let mut tokens = tokens
        .iter()
        .filter(|token| !matches!(token.token(), Token::SqlComment | Token::CComment));
    if tokens.next()?.token() != Token::Copy {
        return None;
    }
    let open = tokens
        .next()
        .filter(|token| token.token() == Token::Ascii40)?;
    let mut depth = 1;
    for token in tokens {
        match token.token() {
            Token::Ascii40 => depth += 1,
            Token::Ascii41 => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let (from, to) = (
                usize::try_from(open.end).ok()?,
                usize::try_from(token.start).ok()?,
            );
            return sql.get(from..to).map(|query| query.trim().to_owned());
        }
    }
    None
}

fn admissible_text(sql: &str) -> Option<String> {
    (sql.len() <= TEXT_BYTES_MAX && !sql.as_bytes().contains(&0)).then(|| sql.to_owned())
}

fn masked(sql: &str) -> Option<String> {
    if sql.len() > TEXT_BYTES_MAX || sql.as_bytes().contains(&0) {
        return None;
    }
    let text = sql.to_owned();
    let tokens = desk::run(move || pg_query::scan_tokens(&text).ok()).ok()??;
    let mut masked = String::with_capacity(sql.len().min(1 << 16));
    let mut end = 0;
    for token in &tokens {
        let start = usize::try_from(token.start).ok()?;
        gap(sql.get(end..start)?, &mut masked)?;
        end = usize::try_from(token.end).ok()?;
        masked.push_str(written(token, sql.get(start..end)?));
    }
    gap(sql.get(end..)?, &mut masked)?;
    Some(masked)
}

/// White space between tokens, as one character. Anything else there was not scanned.
fn gap(between: &str, masked: &mut String) -> Option<()> {
    if !between
        .bytes()
        .all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c'))
    {
        return None;
    }
    if between.contains('\n') {
        masked.push('\n');
    } else if !between.is_empty() {
        masked.push(' ');
    }
    Some(())
}

/// What is written for `token`, whose text is `own`.
fn written<'a>(token: &ScanToken, own: &'a str) -> &'a str {
    let keyword = token.keyword_kind != KeywordKind::NoKeyword as i32;
    if keyword
        && own
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    {
        return own;
    }
    match Token::try_from(token.token) {
        Ok(Token::Sconst) if own.starts_with('$') => "$?$",
        Ok(Token::Sconst | Token::Usconst | Token::Bconst | Token::Xconst) => "'?'",
        Ok(Token::SqlComment | Token::CComment) => "/* ? */",
        Ok(Token::Ident) if own.starts_with('"') => {
            if quoted_name(own) {
                own
            } else {
                "\"?\""
            }
        }
        Ok(Token::Ident) if plain_name(own) => own,
        Ok(Token::Uident) => "\"?\"",
        Ok(Token::Param) if own.len() <= "$65535".len() => own,
        Ok(_) if !own.is_empty() && own.bytes().all(is_operator) => own,
        _ => "?",
    }
}

/// Whether a name in double quotes, quotes included, looks like a name. People in a hurry quote values so.
fn quoted_name(own: &str) -> bool {
    let inner = own
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_default();
    let doubtful = |c: char| c.is_whitespace() || c.is_control() || "@/:,;'\"\\".contains(c);
    !inner.is_empty()
        && inner.len() <= NAME_BYTES_MAX
        && !inner.contains(doubtful)
        && digits_in_a_row(inner) <= QUOTED_DIGITS_MAX
}

fn plain_name(own: &str) -> bool {
    own.len() <= NAME_BYTES_MAX
        && !own.contains(['\'', '"', '@'])
        && digits_in_a_row(own) <= PLAIN_DIGITS_MAX
}

fn digits_in_a_row(text: &str) -> usize {
    let run = |(longest, run): (usize, usize), c: char| {
        let run = if c.is_numeric() { run + 1 } else { 0 };
        (longest.max(run), run)
    };
    text.chars().fold((0, 0), run).0
}

/// Characters of operators and punctuation, from the scanner's rules `self` and `operator`.
fn is_operator(byte: u8) -> bool {
    b"+-*/<>=~!@#%^&|`?,()[].;:".contains(&byte)
}
