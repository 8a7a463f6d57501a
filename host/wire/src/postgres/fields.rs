//! The fields of errors and notices.
//!
//! Order and unknown fields are kept, so that what is not rewritten passes as
//! it came. Our own errors are built here too, with severity and SQLSTATE in
//! the places every driver looks for them.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{
    WireError,
    read::Reader,
    tag::backend as tag,
    write::{Body, message},
};

/// Severity, translated for people.
pub const SEVERITY: u8 = b'S';
/// Severity, never translated.
pub const SEVERITY_PLAIN: u8 = b'V';
/// SQLSTATE.
pub const CODE: u8 = b'C';
/// The message.
pub const MESSAGE: u8 = b'M';
/// Detail.
pub const DETAIL: u8 = b'D';
/// Hint.
pub const HINT: u8 = b'H';

const WHAT: &str = "the fields of an error or notice";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The session ends.
    Fatal,
    /// The statement fails, the session lives on.
    Error,
    /// Nothing fails.
    Notice,
}

impl Severity {
    /// The word for it on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Notice => "NOTICE",
        }
    }
}

/// Fields of one error or notice: type and text, in order.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fields(Vec<(u8, Bytes)>);

impl Fields {
    /// Words of our own: severity, SQLSTATE (five characters), message.
    #[must_use]
    pub fn own(severity: Severity, code: &'static str, message: &str) -> Self {
        let word = Bytes::from_static(severity.word().as_bytes());
        Self(vec![
            (SEVERITY, word.clone()),
            (SEVERITY_PLAIN, word),
            (CODE, Bytes::from_static(code.as_bytes())),
            (MESSAGE, own_words(message)),
        ])
    }

    /// Adds a detail to words of our own.
    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.set(DETAIL, own_words(detail));
        self
    }

    /// Adds a hint to words of our own.
    #[must_use]
    pub fn with_hint(mut self, hint: &str) -> Self {
        self.set(HINT, own_words(hint));
        self
    }

    /// The first field of this type.
    #[must_use]
    pub fn get(&self, kind: u8) -> Option<&Bytes> {
        self.0
            .iter()
            .find(|(known, _)| *known == kind)
            .map(|(_, text)| text)
    }

    /// SQLSTATE.
    #[must_use]
    pub fn code(&self) -> Option<&Bytes> {
        self.get(CODE)
    }

    /// Severity, the untranslated one where there is one.
    #[must_use]
    pub fn severity(&self) -> Option<&Bytes> {
        self.get(SEVERITY_PLAIN).or_else(|| self.get(SEVERITY))
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> Option<&Bytes> {
        self.get(MESSAGE)
    }

    /// All fields in order.
    #[must_use]
    pub fn as_slice(&self) -> &[(u8, Bytes)] {
        &self.0
    }

    /// Replaces every field of this type by one, or appends it.
    pub fn set(&mut self, kind: u8, text: Bytes) {
        match self.0.iter().position(|(known, _)| *known == kind) {
            None => self.0.push((kind, text)),
            Some(first) => {
                let mut at = 0;
                self.0.retain(|(known, _)| {
                    at += 1;
                    at - 1 == first || *known != kind
                });
                if let Some(field) = self.0.get_mut(first) {
                    field.1 = text;
                }
            }
        }
    }

    /// Keeps the fields whose type `keep` takes.
    pub fn retain(&mut self, mut keep: impl FnMut(u8) -> bool) {
        self.0.retain(|(kind, _)| keep(*kind));
    }

    /// Reads the body of an ErrorResponse or NoticeResponse.
    pub fn decode(body: Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(body, WHAT);
        let mut fields = Vec::new();
        loop {
            match reader.u8()? {
                0 => break,
                kind => fields.push((kind, reader.cstr()?)),
            }
        }
        reader.finish()?;
        Ok(Self(fields))
    }

    /// Appends an ErrorResponse.
    pub fn encode_error(&self, out: &mut BytesMut) -> Result<(), WireError> {
        message(out, tag::ERROR_RESPONSE, WHAT, |body| self.fill(body))
    }

    /// Appends a NoticeResponse.
    pub fn encode_notice(&self, out: &mut BytesMut) -> Result<(), WireError> {
        message(out, tag::NOTICE_RESPONSE, WHAT, |body| self.fill(body))
    }

    fn fill(&self, body: &mut Body<'_>) -> Result<(), WireError> {
        for (kind, text) in &self.0 {
            if *kind == 0 {
                return Err(body.unwritable("a field has type zero"));
            }
            body.u8(*kind);
            body.cstr(text)?;
        }
        body.u8(0);
        Ok(())
    }
}

/// Messages quote values (`invalid input syntax ... "123-45-6789"`): only the
/// code is shown.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fields({:?}, {} fields)", self.code(), self.0.len())
    }
}

/// Our words must always be writable, so a NUL in them is made visible.
fn own_words(text: &str) -> Bytes {
    Bytes::from(text.replace('\0', "\u{fffd}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[test]
    fn our_own_error_has_the_bytes_every_driver_expects() {
        let fields = Fields::own(Severity::Error, "42501", "denied").with_hint("ask");
        let mut out = BytesMut::new();
        fields.encode_error(&mut out).unwrap();
        assert_eq!(
            &out[..],
            b"E\0\0\0\x27SERROR\0VERROR\0C42501\0Mdenied\0Hask\0\0".as_slice()
        );
        assert_eq!(Fields::decode(out.split_off(5).freeze()).unwrap(), fields);
        assert_eq!(fields.code().unwrap(), "42501");
        assert_eq!(fields.severity().unwrap(), "ERROR");
        assert_eq!(fields.message().unwrap(), "denied");
    }

    #[test]
    fn a_nul_in_our_words_does_not_end_them_early() {
        let fields = Fields::own(Severity::Fatal, "28000", "a\0Db");
        let mut out = BytesMut::new();
        fields.encode_error(&mut out).unwrap();
        let back = Fields::decode(out.split_off(5).freeze()).unwrap();
        assert_eq!(back.message().unwrap(), "a\u{fffd}Db");
        assert_eq!(back.get(DETAIL), None);
    }

    #[test]
    fn setting_a_field_leaves_exactly_one_of_its_type() {
        let mut fields = Fields(vec![
            (MESSAGE, Bytes::from_static(b"x")),
            (b'P', Bytes::from_static(b"1")),
            (MESSAGE, Bytes::from_static(b"y")),
        ]);
        fields.set(MESSAGE, Bytes::from_static(b"z"));
        assert_eq!(
            fields.as_slice(),
            [
                (MESSAGE, Bytes::from_static(b"z")),
                (b'P', Bytes::from_static(b"1"))
            ]
        );
    }

    #[test]
    fn debug_output_shows_no_message() {
        let fields = Fields::own(Severity::Error, "22P02", "bad \"123-45-6789\"");
        assert!(!format!("{fields:?}").contains("6789"));
    }

    #[test]
    fn fields_without_an_end_or_with_more_behind_it_are_refused() {
        assert!(Fields::decode(Bytes::from_static(b"Mx\0")).is_err());
        assert!(Fields::decode(Bytes::from_static(b"Mx\0\0x")).is_err());
    }
}
