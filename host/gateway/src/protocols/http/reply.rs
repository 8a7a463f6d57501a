//! A reply of the upstream, as policy sees it: headers and body as pieces with cells, and what is known of
//! each. Validators, ranges and framing are left out, since they are about other bytes.

use std::fmt::Write;

use bytes::{BufMut, Bytes, BytesMut};
use hyper::header::{self, HeaderMap};
use hyper::{Method, StatusCode};

use super::body::{self, Body, Unmaskable};
use super::columns::Columns;
use super::headers::REPLY;
use super::piece::{Cell, Piece, Shape};
use super::upstream::Place;
use crate::policy::{ColumnFacts, Standing};

/// Media type of recorded replies: status line, headers, body.
pub(super) const MEDIA: &str = "application/http";

/// A record of a body that says of itself no number of records.
const RECORD_BYTES_USUAL: usize = 1 << 10;

/// What the upstream answered.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A reply, read: head first, then the body.
pub(super) struct Reply {
    pub(super) pieces: Vec<Piece>,
    pub(super) facts: Vec<ColumnFacts>,
    pub(super) rows: u64,
    /// The same as thresholds count it.
    pub(super) bulk: u64,
    /// Whether the body passes unmasked, by the rule's word.
    pub(super) unmasked: bool,
}

impl Reply {
    /// Reads a reply.
    pub(super) fn read(
        answered: &Answered,
        method: &Method,
        resource: &str,
        place: &Place,
        standing: &Standing,
    ) -> Result<Self, Unmaskable> {
        let media = body::media(&answered.headers);
        let mut columns = Columns::new(resource, &media, standing.fields());
        let no_body = method == Method::HEAD
            || answered.status == StatusCode::NO_CONTENT
            || answered.status == StatusCode::NOT_MODIFIED;
        let empty = Bytes::new();
        let bytes = if no_body { &empty } else { &answered.body };
        let body = body::read(
            &answered.headers,
            bytes,
            &mut columns,
            standing.unmasked_types(),
            standing.this_year(),
        )?;
        let head = head(answered, &body, &mut columns, place);
        let mut pieces = vec![head];
        pieces.extend(body.pieces);
        Ok(Self {
            pieces,
            facts: columns.into_facts(),
            rows: body.rows,
            bulk: body.rows.max(kibibytes(bytes)),
            unmasked: body.unmasked,
        })
    }
}

/// A body counts for at least as many records as it has KiB: what is a list is for its author to say, and
/// thousands of people as members of one object, or within one string, are thousands all the same.
fn kibibytes(body: &Bytes) -> u64 {
    body.len().div_ceil(RECORD_BYTES_USUAL) as u64
}

/// Status line and headers. Values are the upstream's own text: each is a cell.
fn head(answered: &Answered, body: &Body, columns: &mut Columns<'_>, place: &Place) -> Piece {
    let mut piece = Piece::default();
    let status = answered.status.as_u16();
    let mut written = format!("HTTP/1.1 {status} \r\ncache-control: no-store\r\n");
    if let Some(media) = &body.media {
        let _ = write!(written, "content-type: {media}\r\n");
    }
    piece.raw(Bytes::from(written));
    let location = answered
        .headers
        .get(header::LOCATION)
        .and_then(|value| value.to_str().ok());
    let location = location.map(|value| ("location", place.seen_by_callers(value)));
    let others = REPLY.iter().flat_map(|name| {
        answered
            .headers
            .get_all(*name)
            .iter()
            .filter_map(move |value| Some((*name, value.to_str().ok()?.to_owned())))
    });
    for (name, value) in location.into_iter().chain(others) {
        let column = columns.loose(name);
        piece.raw(Bytes::from(format!("{name}: ")));
        let raw = Bytes::from(value.clone());
        piece.cell(Cell::new(column, 0, Shape::Header, value, raw));
        piece.raw(Bytes::from_static(b"\r\n"));
    }
    piece.raw(Bytes::from_static(b"\r\n"));
    piece
}

/// The bytes to record and release.
pub(super) fn encode(pieces: Vec<Piece>) -> Bytes {
    let mut out = BytesMut::new();
    for piece in pieces {
        piece.write(&mut out);
    }
    out.freeze()
}

/// The gateway's own words in the same form, for the record of an exchange that failed.
pub(super) fn encode_words(status: StatusCode, body: &Bytes) -> Bytes {
    let mut out = BytesMut::new();
    out.put_slice(format!("HTTP/1.1 {} \r\n\r\n", status.as_u16()).as_bytes());
    out.put_slice(body);
    out.freeze()
}
