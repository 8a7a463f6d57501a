//! A JSON document as pieces with cells: every string and scalar stands at a path, names that may be data are
//! cells too, strings that are JSON themselves are read one level deep. Everything else passes as it came.

use std::borrow::Cow;
use std::collections::HashMap;

use almoner_wire::json::{self, Kind, Lexer, Token};
use bytes::Bytes;

use super::columns::{Columns, Sort};
use super::fhir::{self, Element};
use super::piece::{Cell, Piece, Shape};

/// Nesting of a document. FHIR goes to twenty or so.
const DEPTH_MAX: usize = 128;
/// A piece is masked in one go: so many cells or bytes are a quick call for a detector.
const PIECE_CELLS_MAX: usize = 4_096;
const PIECE_BYTES_MAX: usize = 256 << 10;
/// A name in an object that is longer, or looks like a value, is searched as one.
const NAME_CHARS_MAX: usize = 40;

/// Why a document cannot be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// A document's pieces, and how many records it has.
pub(super) struct Pieces {
    pub(super) pieces: Vec<Piece>,
    pub(super) rows: u64,
}

/// Reads a whole document. `row`: the record that it is, where a reply has several documents.
pub(super) fn pieces(
    bytes: &Bytes,
    columns: &mut Columns<'_>,
    this_year: i32,
    row: Option<u32>,
) -> Result<Pieces, Unreadable> {
    let tokens = tokens(bytes, columns)?;
    let marks = marks(bytes, &tokens)?;
    let counted = Counted::of(marks.get(&0));
    let mut walk = Walk {
        counted,
        bytes,
        columns,
        marks,
        open: Vec::new(),
        piece: Piece::new(this_year),
        done: Vec::new(),
        passed: 0,
        piece_from: 0,
        this_year,
        row,
        longest: 0,
        keys: None,
        may_nest: true,
    };
    for (index, token) in tokens.iter().enumerate() {
        walk.token(index, *token)?;
    }
    Ok(walk.finish())
}

fn tokens(bytes: &[u8], columns: &mut Columns<'_>) -> Result<Vec<Token>, Unreadable> {
    let mut tokens = Vec::new();
    let mut lexer = Lexer::new(DEPTH_MAX);
    for chunk in bytes.chunks(64 << 10) {
        let before = tokens.len();
        lexer
            .push(chunk, |token| tokens.push(token))
            .map_err(|_| Unreadable)?;
        if !columns.spend(tokens.len() - before) {
            return Err(Unreadable);
        }
    }
    lexer
        .finish(|token| tokens.push(token))
        .map_err(|_| Unreadable)?;
    Ok(tokens)
}

/// What an object says of itself, wherever in it.
#[derive(Default)]
struct Mark {
    /// `resourceType`, the first.
    resource_type: Option<String>,
    /// `url`, all of them known extensions.
    known_url: Option<bool>,
    /// `url`, all of them without a scheme: part of a larger extension.
    relative_url: Option<bool>,
}

/// By the index of the object's first token. Read before anything is decided, since names come in any order.
fn marks(bytes: &[u8], tokens: &[Token]) -> Result<HashMap<usize, Mark>, Unreadable> {
    let mut marks: HashMap<usize, Mark> = HashMap::new();
    let mut open: Vec<usize> = Vec::new();
    for (index, pair) in tokens.windows(2).enumerate() {
        let [token, next] = pair else { continue };
        match token.kind {
            Kind::ObjectBegin | Kind::ArrayBegin => open.push(index),
            Kind::ObjectEnd | Kind::ArrayEnd => {
                open.pop();
            }
            Kind::Key if next.kind == Kind::String => {
                let Some(object) = open.last() else { continue };
                let value = || text(bytes, *next);
                match &*text(bytes, *token)? {
                    "resourceType" => {
                        let name = value()?;
                        if fhir::is_resource_type(&name) {
                            let mark = marks.entry(*object).or_default();
                            mark.resource_type.get_or_insert_with(|| name.into_owned());
                        }
                    }
                    "url" => {
                        let url = value()?;
                        let mark = marks.entry(*object).or_default();
                        let known = fhir::is_known_extension(&url);
                        mark.known_url = Some(known && mark.known_url.unwrap_or(true));
                        let relative = !url.contains([':', '/']);
                        mark.relative_url = Some(relative && mark.relative_url.unwrap_or(true));
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Ok(marks)
}

fn text(bytes: &[u8], token: Token) -> Result<Cow<'_, str>, Unreadable> {
    json::decode(slice(bytes, token)).map_err(|_| Unreadable)
}

fn slice(bytes: &[u8], token: Token) -> &[u8] {
    let (start, end) = range(token);
    bytes.get(start..end).unwrap_or_default()
}

fn range(token: Token) -> (usize, usize) {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    (at(token.start), at(token.end))
}

/// What the records of a document are.
#[derive(Clone, Copy)]
enum Counted {
    /// Items of its longest list.
    Items,
    /// Entries of a bundle.
    Entries,
    /// It is one itself.
    Itself,
}

impl Counted {
    fn of(top: Option<&Mark>) -> Self {
        match top.and_then(|mark| mark.resource_type.as_deref()) {
            None => Self::Items,
            Some("Bundle") => Self::Entries,
            Some(_) => Self::Itself,
        }
    }

    fn takes(self, list: &str) -> bool {
        match self {
            Self::Items => true,
            Self::Entries => list == "entry",
            Self::Itself => false,
        }
    }
}

/// An object or array that is open.
struct Open {
    array: bool,
    /// What stands in it: the node of the object, or of the array.
    node: usize,
    /// The member that was named last.
    member: usize,
    items: u64,
}

struct Walk<'a, 'c> {
    bytes: &'a Bytes,
    columns: &'a mut Columns<'c>,
    marks: HashMap<usize, Mark>,
    open: Vec<Open>,
    piece: Piece,
    done: Vec<Piece>,
    /// Bytes up to here are in a piece.
    passed: usize,
    piece_from: usize,
    this_year: i32,
    row: Option<u32>,
    /// Items of the longest array that counts, at the top or directly in the object at the top.
    longest: u64,
    counted: Counted,
    keys: Option<usize>,
    may_nest: bool,
}

impl Walk<'_, '_> {
    fn token(&mut self, index: usize, token: Token) -> Result<(), Unreadable> {
        match token.kind {
            Kind::Key => self.key(token),
            Kind::ObjectEnd | Kind::ArrayEnd => {
                self.open.pop();
                self.cut(token);
                Ok(())
            }
            Kind::ObjectBegin | Kind::ArrayBegin => {
                let array = token.kind == Kind::ArrayBegin;
                let node = self.node_of_value(index, array);
                self.open.push(Open {
                    array,
                    node,
                    member: node,
                    items: 0,
                });
                Ok(())
            }
            Kind::String => {
                let node = self.node_of_value(index, true);
                self.string(node, token)
            }
            Kind::Number | Kind::Bool => {
                let node = self.node_of_value(index, true);
                let sort = self.columns.sort_of_scalar(node);
                let column = self.columns.column(node, sort);
                self.cell(column, Shape::Scalar, String::new(), token);
                Ok(())
            }
            Kind::Null => {
                self.node_of_value(index, true);
                Ok(())
            }
        }
    }

    /// Where a value stands. An object may be the beginning of a FHIR resource, or an extension.
    fn node_of_value(&mut self, index: usize, plain: bool) -> usize {
        let depth = self.open.len();
        let mark = self.marks.get(&index);
        let place = match self.open.last_mut() {
            None => self.columns.root(None),
            Some(open) if open.array => {
                open.items += 1;
                if depth <= 2 && self.counted.takes(self.columns.name(open.node)) {
                    self.longest = self.longest.max(open.items);
                }
                if self.columns.holds_extensions(open.node) {
                    let closed = plain || !harmless(mark, self.columns, open.node);
                    return self.columns.item(open.node, closed);
                }
                self.columns.item(open.node, false)
            }
            Some(open) => open.member,
        };
        if plain {
            return place;
        }
        if self.columns.holds_extensions(place) {
            let closed = !harmless(mark, self.columns, place);
            return self.columns.item(place, closed);
        }
        match mark.and_then(|mark| mark.resource_type.as_deref()) {
            Some(name) if self.columns.may_hold_resource(place) => self.columns.root(Some(name)),
            _ => place,
        }
    }

    fn key(&mut self, token: Token) -> Result<(), Unreadable> {
        let name = text(self.bytes, token)?;
        if let Some(open) = self.open.last_mut() {
            open.member = self.columns.member(open.node, &name);
        }
        if may_be_data(&name) {
            let column = *self
                .keys
                .get_or_insert_with(|| self.columns.loose("(name of a field)"));
            self.cell(column, Shape::Key, name.into_owned(), token);
        }
        Ok(())
    }

    fn string(&mut self, node: usize, token: Token) -> Result<(), Unreadable> {
        let value = text(self.bytes, token)?;
        let sort = self.columns.sort_of_text(node, &value);
        let column = self.columns.column(node, sort);
        let shape = match sort {
            Sort::Element(Element::Narrative) => Shape::Narrative,
            Sort::Element(Element::Instant) => Shape::Instant,
            _ => Shape::String,
        };
        let searched = matches!(sort, Sort::Text | Sort::Element(Element::Free));
        if searched && self.may_nest && value.trim_start().starts_with(['{', '[']) {
            let value = Bytes::from(value.into_owned());
            let inside = self.inside(node, &value);
            // Of a reply with too many tokens nothing is read in a milder way.
            if !self.columns.spend(0) {
                return Err(Unreadable);
            }
            if let Some(inside) = inside {
                let (start, end) = range(token);
                self.pass_to(start);
                let raw = self.bytes.slice(start..end);
                let whole = Cell::new(column, self.row(), Shape::Document, String::new(), raw);
                self.piece.nested(whole, inside);
                self.passed = end;
                return Ok(());
            }
            let value = String::from_utf8_lossy(&value).into_owned();
            self.cell(column, shape, value, token);
            return Ok(());
        }
        self.cell(column, shape, value.into_owned(), token);
        Ok(())
    }

    /// A string's own document, below the node where the string stands; `None` if it is none.
    fn inside(&mut self, node: usize, value: &Bytes) -> Option<Piece> {
        let tokens = tokens(value, self.columns).ok()?;
        let marks = marks(value, &tokens).ok()?;
        let top = self.columns.member(node, "(text)");
        let row = self.row();
        let mut walk = Walk {
            bytes: value,
            counted: Counted::Itself,
            columns: self.columns,
            marks,
            open: vec![Open {
                array: false,
                node: top,
                member: top,
                items: 0,
            }],
            piece: Piece::new(self.this_year),
            done: Vec::new(),
            passed: 0,
            piece_from: 0,
            this_year: self.this_year,
            row: Some(row),
            longest: 0,
            keys: self.keys,
            may_nest: false,
        };
        for (index, token) in tokens.iter().enumerate() {
            walk.token(index, *token).ok()?;
        }
        let keys = walk.keys;
        walk.pass_to(value.len());
        let piece = walk.piece;
        self.keys = keys;
        Some(piece)
    }

    fn cell(&mut self, column: usize, shape: Shape, text: String, token: Token) {
        if self.columns.is_kept(column) {
            return;
        }
        let (start, end) = range(token);
        self.pass_to(start);
        let cell = Cell::new(
            column,
            self.row(),
            shape,
            text,
            self.bytes.slice(start..end),
        );
        self.piece.cell(cell);
        self.passed = end;
    }

    fn pass_to(&mut self, at: usize) {
        if at > self.passed {
            self.piece.raw(self.bytes.slice(self.passed..at));
            self.passed = at;
        }
    }

    /// Begins the next piece behind a closed value, if this one is large enough.
    fn cut(&mut self, token: Token) {
        let (_, end) = range(token);
        let large =
            self.piece.cells() >= PIECE_CELLS_MAX || end - self.piece_from >= PIECE_BYTES_MAX;
        if large && self.may_nest {
            self.pass_to(end);
            let next = Piece::new(self.this_year);
            self.done.push(std::mem::replace(&mut self.piece, next));
            self.piece_from = end;
        }
    }

    /// The record that what is read belongs to: the item of the array at the top, or in the object there.
    fn row(&self) -> u32 {
        if let Some(row) = self.row {
            return row;
        }
        let item = self.open.iter().take(2).find(|open| open.array);
        item.map_or(0, |open| u32::try_from(open.items).unwrap_or(u32::MAX))
    }

    fn finish(mut self) -> Pieces {
        self.pass_to(self.bytes.len());
        self.done.push(self.piece);
        Pieces {
            pieces: self.done,
            rows: self.longest.max(1),
        }
    }
}

fn harmless(mark: Option<&Mark>, columns: &Columns<'_>, node: usize) -> bool {
    mark.is_some_and(|mark| {
        mark.known_url == Some(true)
            || (mark.relative_url == Some(true) && columns.within_extension(node))
    })
}

/// Names are words; what has digits, blanks or signs may be a value that somebody used as a name.
fn may_be_data(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | '$' | '.' | ':');
    let digits = name.chars().filter(char::is_ascii_digit).count();
    name.len() > NAME_CHARS_MAX
        || digits > 2
        || !name.chars().all(|c| word(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests;
