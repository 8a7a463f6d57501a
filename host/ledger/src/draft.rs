//! What somebody wants recorded, before it takes its place in the chain.
//!
//! A [`Draft`] is written as it is said: each field goes into one buffer in its canonical form, and preparing it
//! only merges the pieces with the members that the format owns. All the work that does not depend on the
//! record before is done here, outside the lock that orders the chain.

use std::borrow::Cow;
use std::ops::Range;

use crate::canonical::{self, CanonicalError};
use crate::record::{BODIES_MAX, BodyRef, Kind, Prepared, RESERVED};
use crate::said::Said;
use crate::time::Timestamp;

/// Room for what is recorded of a read, so that its buffer grows once at most.
const BYTES_USUAL: usize = 2048;
/// Room for the fields of the same.
const FIELDS_USUAL: usize = 32;

/// What somebody wants recorded. The chain adds place, predecessor and origin.
#[derive(Clone)]
pub struct Draft {
    /// What kind of thing happened.
    pub kind: Kind,
    /// When, by the gateway's clock.
    pub time: Timestamp,
    /// `"name":value` of every field, in the order in which they were said.
    text: Vec<u8>,
    /// Sorted by name.
    fields: Vec<Field>,
    /// The first field without a canonical form, and why.
    failed: Option<(String, CanonicalError)>,
}

/// Where a field stands in the text: its name, and from its opening quote to the end of its value.
#[derive(Clone)]
struct Field {
    name: Range<usize>,
    end: usize,
}

impl Draft {
    /// A draft that says nothing yet.
    pub fn new(kind: Kind, time: Timestamp) -> Draft {
        Draft {
            kind,
            time,
            text: Vec::with_capacity(BYTES_USUAL),
            fields: Vec::with_capacity(FIELDS_USUAL),
            failed: None,
        }
    }

    /// The same draft with one more field. Top-level names are lower-case words; values as [`canonical`] allows.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Said) -> Draft {
        self.set(name, value);
        self
    }

    /// Adds a field, or says another thing under its name.
    pub fn set(&mut self, name: &str, value: impl Said) {
        let quote = self.text.len();
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
        if let Err(error) = value.say(1, &mut self.text) {
            self.failed.get_or_insert_with(|| (name.to_owned(), error));
        }
        let field = Field {
            name: quote + 1..quote + 1 + name.len(),
            end: self.text.len(),
        };
        let place = self
            .fields
            .binary_search_by(|known| self.name(known).cmp(name.as_bytes()));
        match place {
            Err(place) => self.fields.insert(place, field),
            Ok(place) => {
                if let Some(known) = self.fields.get_mut(place) {
                    *known = field;
                }
            }
        }
    }

    /// Names of the fields with their values in canonical form, sorted by name.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| {
            let name = std::str::from_utf8(self.name(field)).unwrap_or_default();
            (name, self.value(field))
        })
    }

    /// A field that is a string.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, value) = self.fields().find(|(known, _)| *known == name)?;
        canonical::string(value)
    }

    /// Writes the draft out, with gaps for what the chain fills in. `session` is given if and only if the
    /// record will be numbered within a session.
    pub fn prepare(
        &self,
        session: Option<&str>,
        bodies: &[BodyRef],
    ) -> Result<Prepared, DraftError> {
        prepare(self, session, bodies)
    }

    fn name(&self, field: &Field) -> &[u8] {
        self.text.get(field.name.clone()).unwrap_or_default()
    }

    /// From the opening quote of its name to the end of its value.
    fn piece(&self, field: &Field) -> &[u8] {
        let quote = field.name.start.saturating_sub(1);
        self.text.get(quote..field.end).unwrap_or_default()
    }

    fn value(&self, field: &Field) -> &[u8] {
        // Behind the name come its quote and a colon.
        self.text
            .get(field.name.end + 2..field.end)
            .unwrap_or_default()
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Names only: fields may hold what a caller asked for.
        let names: Vec<_> = self.fields().map(|(name, _)| name).collect();
        f.debug_struct("Draft")
            .field("kind", &self.kind)
            .field("time", &self.time)
            .field("fields", &names)
            .finish()
    }
}

/// Why a draft cannot become a record. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// A field's name is reserved or malformed.
    #[error(
        "the field name {0:?} is reserved, or is not a lower-case word of letters, digits and underscores"
    )]
    Name(String),
    /// A field's value has no canonical form.
    #[error("the field {name:?} cannot be recorded: {error}")]
    Value {
        /// The field.
        name: String,
        /// Why.
        error: CanonicalError,
    },
    /// Too many bodies, or two of one name.
    #[error("a record refers to at most {BODIES_MAX} bodies, each with a name of its own")]
    Bodies,
}

fn prepare(
    draft: &Draft,
    session: Option<&str>,
    bodies: &[BodyRef],
) -> Result<Prepared, DraftError> {
    check_names(draft, bodies)?;
    if let Some((name, error)) = &draft.failed {
        return Err(DraftError::Value {
            name: name.clone(),
            error: *error,
        });
    }
    let mut line = Line {
        text: Vec::with_capacity(draft.text.len() + 256 * (1 + bodies.len())),
        gaps: [0; 4],
    };
    line.text.push(b'{');
    // The reserved names in canonical order; the draft's own fields are merged in between.
    let mut fields = draft.fields.iter().peekable();
    for reserved in RESERVED {
        while let Some(field) = fields.next_if(|field| draft.name(field) < reserved.as_bytes()) {
            line.piece(draft.piece(field));
        }
        match reserved {
            "bodies" if !bodies.is_empty() => line.bodies(bodies)?,
            "kind" => line.string("kind", draft.kind.as_str()),
            "n" => line.gap(0, if session.is_some() { "\"n\":" } else { "" }),
            "origin" => line.gap(1, "\"origin\":\""),
            "prev" => line.gap(2, "\"prev\":\""),
            "seq" => line.gap(3, "\"seq\":"),
            "session" => {
                if let Some(session) = session {
                    line.string("session", session);
                }
            }
            "time" => {
                line.piece(b"\"time\":\"");
                line.text.extend_from_slice(&draft.time.text());
                line.text.push(b'"');
            }
            "v" => line.piece(b"\"v\":1"),
            _ => {}
        }
    }
    for field in fields {
        line.piece(draft.piece(field));
    }
    line.text.push(b'}');
    Ok(Prepared {
        text: line.text,
        gaps: line.gaps,
        in_session: session.is_some(),
    })
}

fn check_names(draft: &Draft, bodies: &[BodyRef]) -> Result<(), DraftError> {
    for (name, _) in draft.fields() {
        let word = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            && name.len() <= canonical::KEY_BYTES_MAX;
        if !word || RESERVED.contains(&name) {
            return Err(DraftError::Name(name.chars().take(64).collect()));
        }
    }
    let twice = bodies.iter().enumerate().any(|(at, body)| {
        bodies
            .iter()
            .skip(at + 1)
            .any(|other| other.name == body.name)
    });
    if bodies.len() > BODIES_MAX || twice {
        return Err(DraftError::Bodies);
    }
    Ok(())
}

/// The text so far. After a gap comes either the closing quote of the gap's string or a comma.
struct Line {
    text: Vec<u8>,
    gaps: [usize; 4],
}

impl Line {
    fn comma(&mut self) {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
    }

    /// A member, or the beginning of one, as it is.
    fn piece(&mut self, piece: &[u8]) {
        self.comma();
        self.text.extend_from_slice(piece);
    }

    fn string(&mut self, name: &str, value: &str) {
        self.piece(b"\"");
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
        canonical::write_string(value, &mut self.text);
    }

    fn bodies(&mut self, bodies: &[BodyRef]) -> Result<(), DraftError> {
        self.piece(b"\"bodies\":[");
        for (place, body) in bodies.iter().enumerate() {
            if place > 0 {
                self.text.push(b',');
            }
            body.write(&mut self.text).map_err(|_| DraftError::Bodies)?;
        }
        self.text.push(b']');
        Ok(())
    }

    /// Opens a gap after `before`. An empty `before` is a gap that nothing will fill.
    fn gap(&mut self, which: usize, before: &str) {
        if !before.is_empty() {
            self.piece(before.as_bytes());
        }
        if let Some(gap) = self.gaps.get_mut(which) {
            *gap = self.text.len();
        }
        if before.ends_with(":\"") {
            self.text.push(b'"');
        }
    }
}
