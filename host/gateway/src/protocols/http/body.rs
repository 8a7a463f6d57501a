//! A reply's body as pieces, by its media type: JSON, lines of JSON, text, forms. Anything else is not
//! masked, and so not passed on, unless the rule names its type.

use bytes::Bytes;
use hyper::header::{self, HeaderMap};

use super::action::content_type;
use super::coding::Codings;
use super::columns::{Columns, Sort};
use super::document::{self, Unreadable};
use super::piece::{Cell, Piece, Shape};

/// Text is searched in runs of whole lines up to this size; a line that is longer is one run.
const RUN_BYTES_MAX: usize = 16 << 10;
/// Runs of one piece.
const PIECE_RUNS: usize = 16;

/// Why a body cannot be masked, in words for the caller and for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmaskable {
    /// A type that nobody here can read.
    Type,
    /// In a content coding that nobody here knows.
    Encoded,
    /// Text of another encoding than UTF-8.
    Charset,
    /// It is not what its type says.
    Malformed,
}

impl Unmaskable {
    /// A code for records and problems.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Type => "http/unmaskable-type",
            Self::Encoded => "http/unmaskable-encoding",
            Self::Charset => "http/unmaskable-charset",
            Self::Malformed => "http/unmaskable-malformed",
        }
    }

    /// For people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Type => "the reply is of a type that cannot be masked",
            Self::Encoded => "the reply is compressed in a way that this gateway cannot undo",
            Self::Charset => "the reply is text that is not UTF-8",
            Self::Malformed => "the reply is not what its type says",
        }
    }
}

impl From<Unreadable> for Unmaskable {
    fn from(_: Unreadable) -> Self {
        Self::Malformed
    }
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Empty,
    Json,
    Lines,
    Text,
    Pairs,
    /// Passed as it is, because the rule says so.
    Unmasked,
}

/// A body, read.
pub(super) struct Body {
    pub(super) pieces: Vec<Piece>,
    pub(super) rows: u64,
    /// Its type, as it is sent on.
    pub(super) media: Option<String>,
    /// Whether it passes unmasked.
    pub(super) unmasked: bool,
}

/// The type in lower case without parameters, or empty: known before columns are.
pub(super) fn media(headers: &HeaderMap) -> String {
    content_type(headers).unwrap_or_default()
}

/// Reads a body.
pub(super) fn read(
    headers: &HeaderMap,
    bytes: &Bytes,
    columns: &mut Columns<'_>,
    unmasked_types: &[String],
    this_year: i32,
) -> Result<Body, Unmaskable> {
    let media = media(headers);
    let form = form(headers, &media, bytes, unmasked_types)?;
    let (pieces, rows) = match form {
        Form::Empty => (Vec::new(), 0),
        Form::Unmasked => (vec![whole(bytes)], 1),
        Form::Json => {
            let read = document::pieces(bytes, columns, this_year, None)?;
            (read.pieces, read.rows)
        }
        Form::Lines => lines(bytes, columns, this_year)?,
        Form::Text => text(bytes, columns),
        Form::Pairs => (vec![pairs(bytes, columns)?], 1),
    };
    Ok(Body {
        pieces,
        rows,
        media: match form {
            Form::Empty => None,
            Form::Text => Some(format!("{media}; charset=utf-8")),
            _ => Some(media),
        },
        unmasked: form == Form::Unmasked,
    })
}

fn form(
    headers: &HeaderMap,
    media: &str,
    bytes: &Bytes,
    unmasked_types: &[String],
) -> Result<Form, Unmaskable> {
    if bytes.is_empty() {
        return Ok(Form::Empty);
    }
    let form = form_of_type(headers, media, unmasked_types)?;
    // UTF-16 and the like would be searched as something that it is not.
    if form != Form::Unmasked && std::str::from_utf8(bytes).is_err() {
        return Err(Unmaskable::Charset);
    }
    Ok(form)
}

/// Why a body could not be masked, as far as its headers tell: a stream that never ends is not waited for.
pub(super) fn foretold(headers: &HeaderMap, unmasked_types: &[String]) -> Result<(), Unmaskable> {
    form_of_type(headers, &media(headers), unmasked_types).map(|_| ())
}

fn form_of_type(
    headers: &HeaderMap,
    media: &str,
    unmasked_types: &[String],
) -> Result<Form, Unmaskable> {
    if Codings::of(headers).is_none() {
        return Err(Unmaskable::Encoded);
    }
    let form = match media {
        "application/x-ndjson"
        | "application/ndjson"
        | "application/fhir+ndjson"
        | "application/jsonl" => Form::Lines,
        "application/json" | "text/json" => Form::Json,
        media if media.starts_with("application/") && media.ends_with("+json") => Form::Json,
        "text/plain" | "text/csv" | "text/tab-separated-values" => Form::Text,
        "application/x-www-form-urlencoded" => Form::Pairs,
        media if unmasked_types.iter().any(|allowed| allowed == media) => {
            return Ok(Form::Unmasked);
        }
        _ => return Err(Unmaskable::Type),
    };
    if !charset_is_utf8(headers) {
        return Err(Unmaskable::Charset);
    }
    Ok(form)
}

fn charset_is_utf8(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return true;
    };
    value
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .all(|(_, charset)| {
            let charset = charset.trim().trim_matches('"').to_ascii_lowercase();
            matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii" | "ascii")
        })
}

fn whole(bytes: &Bytes) -> Piece {
    let mut piece = Piece::default();
    piece.raw(bytes.clone());
    piece
}

/// A document a line; each is a record.
fn lines(
    bytes: &Bytes,
    columns: &mut Columns<'_>,
    this_year: i32,
) -> Result<(Vec<Piece>, u64), Unmaskable> {
    let mut pieces = Vec::new();
    let mut rows: u32 = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = bytes.slice_ref(line);
        if !columns.spend(1) {
            return Err(Unmaskable::Malformed);
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            pieces.push(whole(&line));
            continue;
        }
        rows = rows.saturating_add(1);
        pieces.extend(document::pieces(&line, columns, this_year, Some(rows))?.pieces);
    }
    Ok((pieces, u64::from(rows)))
}

/// Runs of whole lines, each a cell. A record is a line.
fn text(bytes: &Bytes, columns: &mut Columns<'_>) -> (Vec<Piece>, u64) {
    let column = columns.loose("");
    let mut pieces = Vec::new();
    let mut piece = Piece::default();
    let mut row = 0_u32;
    for run in runs(bytes) {
        let text = String::from_utf8_lossy(&run).into_owned();
        piece.cell(Cell::new(column, row, Shape::Plain, text, run));
        row = row.saturating_add(1);
        if piece.cells() >= PIECE_RUNS {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    pieces.push(piece);
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
    (pieces, lines)
}

/// Cuts behind line ends only: between, a value could be cut in two.
fn runs(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut rest = bytes.clone();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            if end > 0 && end + line.len() > RUN_BYTES_MAX {
                break;
            }
            end += line.len();
        }
        Some(rest.split_to(end))
    })
}

/// A form's values, each at the path of its name.
fn pairs(bytes: &Bytes, columns: &mut Columns<'_>) -> Result<Piece, Unmaskable> {
    let mut piece = Piece::default();
    let root = columns.root(None);
    let mut names = None;
    for (index, pair) in bytes.split(|byte| *byte == b'&').enumerate() {
        if index > 0 {
            piece.raw(Bytes::from_static(b"&"));
        }
        if !columns.spend(1) {
            return Err(Unmaskable::Malformed);
        }
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = pair.split_at(at.map_or(pair.len(), |at| at + 1));
        let meant = decode(name.strip_suffix(b"=").unwrap_or(name))?;
        let node = columns.member(root, &meant);
        // Without a value the name is all there is, and may be one.
        let name = bytes.slice_ref(name);
        if value.is_empty() {
            let column = *names.get_or_insert_with(|| columns.loose("(name of a field)"));
            let end = usize::from(name.ends_with(b"="));
            let (raw, equals) = (
                name.slice(..name.len() - end),
                name.slice(name.len() - end..),
            );
            piece.cell(Cell::new(column, 0, Shape::Form, meant, raw));
            piece.raw(equals);
            continue;
        }
        let column = columns.column(node, Sort::Text);
        piece.raw(name);
        let text = decode(value)?;
        piece.cell(Cell::new(
            column,
            0,
            Shape::Form,
            text,
            bytes.slice_ref(value),
        ));
    }
    Ok(piece)
}

fn decode(text: &[u8]) -> Result<String, Unmaskable> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(Unmaskable::Malformed);
                };
                u8::try_from(high * 16 + low).unwrap_or(b'?')
            }
            byte => byte,
        });
    }
    String::from_utf8(out).map_err(|_| Unmaskable::Charset)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn read_as(media: &'static str, body: String) -> (Result<u64, Unmaskable>, usize) {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static(media),
        );
        let mut columns = Columns::new("api", media, &[]);
        let read = read(&headers, &Bytes::from(body), &mut columns, &[], 2026);
        (read.map(|body| body.rows), columns.into_facts().len())
    }

    #[test]
    fn a_reply_has_an_end_of_tokens_however_it_is_cut() {
        let refused = Err(Unmaskable::Malformed);
        for (media, one, many) in [
            ("application/json", "[1]", "0,".repeat(1_000_001)),
            ("application/x-ndjson", "1\n", "1\n".repeat(500_001)),
            ("application/x-ndjson", "\n", "\n".repeat(1_000_001)),
            (
                "application/x-www-form-urlencoded",
                "a",
                "&".repeat(1_000_001),
            ),
        ] {
            assert!(read_as(media, one.to_owned()).0.is_ok(), "{media}");
            let many = if media == "application/json" {
                format!("[{}0]", many)
            } else {
                many
            };
            assert_eq!(read_as(media, many).0, refused, "{media}");
        }
        // Documents within strings count for the reply, too.
        let inside = format!("\"[{}0]\"", "0,".repeat(400_000));
        let nested = format!("[{inside},{inside},{inside}]");
        assert_eq!(read_as("application/json", nested).0, refused);
    }

    #[test]
    fn names_without_values_are_one_column() {
        let (read, columns) = read_as("application/x-www-form-urlencoded", "a&b&c=&".repeat(100));
        assert_eq!((read, columns), (Ok(1), 1));
    }
}
