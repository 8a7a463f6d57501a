//! An upstream's error or notice. Its texts quote values (`invalid input syntax … "123-45-6789"`), so each
//! is a cell: searched where nothing sensitive was touched, replaced by the gateway's own words where
//! something was. SQLSTATE and the names of objects stay.

use almoner_sandbox::Field;
use almoner_wire::postgres::Fields;
use almoner_wire::postgres::fields::{CODE, MESSAGE, SEVERITY, SEVERITY_PLAIN};
use bytes::{Bytes, BytesMut};

use super::sqlstate;
use crate::policy::{CellText, ColumnFacts, Provenance, Replacement};

/// Fields that hold free text: message, detail, hint, context, internal query.
const TEXTS: [u8; 5] = [b'M', b'D', b'H', b'W', b'q'];
/// Names of a schema, table, column, data type and constraint.
const NAMES: [u8; 5] = [b's', b't', b'c', b'd', b'n'];
/// Fields that say where something is and what it is called; file and line of the server's source go too.
const KEPT: [u8; 10] = [b'S', b'V', b'C', b'P', b'p', b's', b't', b'c', b'd', b'n'];

/// An error or notice.
pub(super) struct Message {
    fields: Fields,
    notice: bool,
}

impl Message {
    /// Takes what may be taken. `withhold`: its texts may hold anything, so none stays.
    pub(super) fn new(mut fields: Fields, notice: bool, withhold: bool) -> Self {
        let mut seen = Vec::new();
        fields.retain(|kind| {
            // Each once, as servers send them: cells are told apart by their place.
            let first = !seen.contains(&kind);
            seen.push(kind);
            first && (KEPT.contains(&kind) || TEXTS.contains(&kind))
        });
        if withhold {
            let code = code_of(&fields);
            let words = format!(
                "{} (the server's words are withheld: the statement may concern sensitive relations)",
                condition(&code)
            );
            fields.retain(|kind| !TEXTS.contains(&kind));
            fields.set(MESSAGE, Bytes::from(words));
        }
        Self { fields, notice }
    }

    /// Bytes of its texts.
    pub(super) fn bytes(&self) -> usize {
        self.fields
            .as_slice()
            .iter()
            .map(|(_, text)| text.len() + 2)
            .sum()
    }

    /// Code that nobody has read can raise an error with any text as its names, and any five characters as its
    /// SQLSTATE: no name stays, and the code only if it is one of the server's own.
    #[must_use]
    pub(super) fn of_unread_code(mut self) -> Self {
        self.fields.retain(|kind| !NAMES.contains(&kind));
        let code = self.code();
        self.fields
            .set(CODE, Bytes::from_static(sqlstate::own(&code).as_bytes()));
        self
    }

    /// SQLSTATE, for the record.
    pub(super) fn code(&self) -> String {
        code_of(&self.fields)
    }

    /// Ends the whole session.
    pub(super) fn is_fatal(&self) -> bool {
        let severity = self
            .fields
            .get(SEVERITY_PLAIN)
            .or(self.fields.get(SEVERITY));
        severity.is_some_and(|word| matches!(word.as_ref(), b"FATAL" | b"PANIC"))
    }

    /// One column for all its texts.
    pub(super) fn columns() -> [ColumnFacts; 1] {
        [ColumnFacts {
            field: Field {
                container: "message".to_owned(),
                path: "text".to_owned(),
                declared_type: "text".to_owned(),
                media_type: "text/plain".to_owned(),
            },
            provenance: Provenance::Harmless,
            text: true,
            binary: false,
            kind_of_type: None,
        }]
    }

    pub(super) fn visit<'a>(&'a self, visit: &mut dyn FnMut(usize, usize, u32, CellText<'a>)) {
        for (index, (kind, text)) in self.fields.as_slice().iter().enumerate() {
            if TEXTS.contains(kind) {
                visit(index, 0, 0, CellText::Text(String::from_utf8_lossy(text)));
            }
        }
    }

    pub(super) fn replace(&mut self, cell: usize, with: Replacement) {
        let Some(kind) = self.fields.as_slice().get(cell).map(|(kind, _)| *kind) else {
            return;
        };
        let text = match with {
            Replacement::Text(text) => text,
            Replacement::Null | Replacement::Typed { .. } => "[MASKED]".to_owned(),
        };
        self.fields.set(kind, Bytes::from(text));
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        let written = if self.notice {
            self.fields.encode_notice(out)
        } else {
            self.fields.encode_error(out)
        };
        if written.is_err() {
            tracing::error!("a message of the server could not be written and was left out");
        }
    }
}

/// Whether an error is raised before any row is looked at, so that its words can only quote the request: it
/// is of class 42 (syntax error or access rule violation) and points at a place in the statement's text.
/// Errors of that class without a place come from rows, too: `family_name::regclass` looks for a relation of
/// each patient's name.
pub(super) fn precedes_rows(fields: &Fields) -> bool {
    fields.code().is_some_and(|code| code.starts_with(b"42"))
        && fields.get(b'P').is_some()
        && fields.get(b'W').is_none()
        && fields.get(b'q').is_none()
}

/// Whether it speaks of the transaction's own state, which holds no value (class 25, but for what a
/// transaction that is over says).
pub(super) fn speaks_of_state(fields: &Fields) -> bool {
    fields.code().is_some_and(|code| code.starts_with(b"25"))
}

fn code_of(fields: &Fields) -> String {
    fields
        .code()
        .map(|code| String::from_utf8_lossy(code).into_owned())
        .filter(|code| code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .unwrap_or_else(|| "XX000".to_owned())
}

/// The class of a condition in words (PostgreSQL documentation, appendix "Error Codes").
fn condition(code: &str) -> &'static str {
    match code {
        "22P02" => "invalid text representation",
        "22003" => "numeric value out of range",
        "22001" => "value too long for its type",
        "22007" | "22008" => "invalid or out-of-range date or time",
        "22012" => "division by zero",
        "23502" => "a column must not be null",
        "23503" => "a foreign key is violated",
        "23505" => "a unique constraint is violated",
        "23514" => "a check constraint is violated",
        "25P02" => "the transaction is aborted; roll back first",
        "40001" => "could not serialize access",
        "40P01" => "deadlock detected",
        "57014" => "canceled by timeout or on request",
        "57P01" => "the server ends the connection on an administrator's command",
        _ => match code.get(..2) {
            Some("00" | "01" | "02") => "a notice",
            Some("08") => "connection exception",
            Some("22") => "data exception",
            Some("23") => "integrity constraint violation",
            Some("25") => "invalid transaction state",
            Some("42") => "syntax error or access rule violation",
            Some("53") => "insufficient resources",
            Some("54") => "program limit exceeded",
            Some("55") => "object not in prerequisite state",
            Some("57") => "operator intervention",
            Some("P0") => "raised by a procedure",
            _ => "the server reports an error",
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;
    use almoner_wire::postgres::fields::Severity;

    #[test]
    fn no_word_of_the_server_survives_withholding() {
        let mut fields = Fields::own(Severity::Error, "22P02", "invalid input \"123-45-6789\"")
            .with_detail("Key (ssn)=(123-45-6789)")
            .with_hint("123-45-6789");
        fields.set(b'W', Bytes::from("line 123-45-6789"));
        fields.set(b'F', Bytes::from("numeric.c"));
        let message = Message::new(fields, false, true);
        let mut out = BytesMut::new();
        message.encode(&mut out);
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(
            !text.contains("6789") && !text.contains("numeric.c"),
            "{text}"
        );
        assert!(text.contains("22P02") && text.contains("invalid text representation"));
    }

    #[test]
    fn an_error_of_unread_code_says_nothing_that_the_code_could_choose() {
        let mut fields = Fields::own(Severity::Error, "12345", "m");
        for kind in NAMES {
            fields.set(kind, Bytes::from("123-45-6789"));
        }
        let message = Message::new(fields, false, true).of_unread_code();
        assert_eq!(message.code(), "P0001");
        let mut out = BytesMut::new();
        message.encode(&mut out);
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(!text.contains("12345") && !text.contains("6789"), "{text}");
    }

    #[test]
    fn only_an_error_that_points_into_the_text_precedes_the_rows() {
        let mut fields = Fields::own(
            Severity::Error,
            "42P01",
            "relation \"smith\" does not exist",
        );
        assert!(!precedes_rows(&fields), "a cast of a value to regclass");
        fields.set(b'P', Bytes::from("15"));
        assert!(precedes_rows(&fields));
        fields.set(b'W', Bytes::from("PL/pgSQL function f() line 3"));
        assert!(!precedes_rows(&fields));
    }

    #[test]
    fn a_field_that_is_there_twice_is_shown_once_and_its_cell_is_the_right_one() {
        let mut twice = BytesMut::from(&b"SERROR\0CXX000\0Mone\0Mtwo\0D123-45-6789\0\0"[..]);
        let fields = Fields::decode(twice.split().freeze()).unwrap();
        let mut message = Message::new(fields, false, false);
        let mut cells = Vec::new();
        message.visit(&mut |cell, _, _, text| {
            if let CellText::Text(text) = text {
                cells.push((cell, text.into_owned()));
            }
        });
        for (cell, text) in cells {
            message.replace(cell, Replacement::Text(format!("<{}>", text.len())));
        }
        let mut out = BytesMut::new();
        message.encode(&mut out);
        let text = String::from_utf8_lossy(&out).into_owned();
        assert!(
            text.contains("M<3>") && text.contains("D<11>") && !text.contains("two"),
            "{text}"
        );
    }

    #[test]
    fn every_free_text_is_a_cell() {
        let mut fields = Fields::own(Severity::Notice, "00000", "m")
            .with_detail("d")
            .with_hint("h");
        for kind in [b'W', b'q'] {
            fields.set(kind, Bytes::from("x"));
        }
        fields.set(CODE, Bytes::from("00000"));
        let message = Message::new(fields, true, false);
        let mut seen = 0;
        message.visit(&mut |_, _, _, _| seen += 1);
        assert_eq!(seen, TEXTS.len());
    }
}
