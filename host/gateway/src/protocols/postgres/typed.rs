//! What takes the place of a value of a type: always a valid value of that type in the same format, or
//! NULL. Text is decided elsewhere; it is written here, so that JSON stays JSON and arrays arrays.

use std::borrow::Cow;

use almoner_wire::postgres::FORMAT_BINARY;
use almoner_wire::postgres::types::array::TextArray;
use almoner_wire::postgres::types::date::{
    Civil, Finite, decode_date, decode_timestamp, encode_date, encode_timestamp, join_timestamp,
    split_timestamp,
};
use almoner_wire::postgres::types::oid;
use almoner_wire::postgres::types::scalar::{decode_jsonb, decode_uuid, encode_jsonb, uuid_text};

use super::columns::{CellType, Class};
use crate::config::policy::Treatment;
use crate::policy::{Pseudonyms, tag, year_may_show};

/// What a typed treatment needs to know.
#[derive(Clone)]
pub(super) struct Typing {
    pub(super) resource: String,
    pub(super) pseudonyms: Pseudonyms,
    pub(super) this_year: i32,
}

/// The cell as text that can be searched; `None` for values of other types.
pub(super) fn readable<'a>(cell: &CellType, raw: &'a [u8]) -> Option<Cow<'a, str>> {
    match cell.class {
        // Bytes that are not UTF-8 are searched as far as they can be read.
        Class::Text | Class::ArrayText => Some(String::from_utf8_lossy(raw)),
        Class::Json => Some(unescaped(raw)),
        Class::JsonBinary => match decode_jsonb(raw) {
            Ok(json) => Some(unescaped(json)),
            Err(_) => Some(String::from_utf8_lossy(raw)),
        },
        Class::TextArrayBinary => match TextArray::decode_binary(raw) {
            Ok(array) => Some(Cow::Owned(
                String::from_utf8_lossy(&array.encode_text()).into_owned(),
            )),
            Err(_) => Some(String::from_utf8_lossy(raw)),
        },
        Class::Scalar | Class::Network | Class::Bytes | Class::Unknown => None,
    }
}

/// JSON may spell any character as `\u0031`; a detector must see what the reader will see.
fn unescaped(raw: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(raw);
    if !text.contains("\\u") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find("\\u") {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let code = escape
            .get(2..6)
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        match code {
            // Quotes and backslashes stay escaped, so that strings keep their ends.
            Some(c) if c != '"' && c != '\\' && !c.is_control() => {
                out.push(c);
                rest = escape.get(6..).unwrap_or_default();
            }
            _ => {
                out.push_str("\\u");
                rest = escape.get(2..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Text in the cell's own form; `None` (NULL) where it has none.
pub(super) fn written(cell: &CellType, text: String) -> Option<Vec<u8>> {
    match cell.class {
        Class::Text | Class::ArrayText if cell.class == Class::Text || is_array(&text) => {
            Some(text.into_bytes())
        }
        Class::ArrayText => Some(
            TextArray::decode_text(format!("{{{}}}", quoted(&text)).as_bytes())
                .ok()?
                .encode_text(),
        ),
        Class::Json => Some(as_json(text).into_bytes()),
        Class::JsonBinary => Some(encode_jsonb(as_json(text).as_bytes())),
        Class::TextArrayBinary => {
            let text = if is_array(&text) {
                text
            } else {
                format!("{{{}}}", quoted(&text))
            };
            TextArray::decode_text(text.as_bytes())
                .ok()?
                .encode_binary()
                .ok()
        }
        _ => None,
    }
}

fn is_array(text: &str) -> bool {
    TextArray::decode_text(text.as_bytes()).is_ok()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A document that masking has broken becomes a string that says so.
fn as_json(text: String) -> String {
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
        return text;
    }
    let short = text.len() <= 64 && text.starts_with('[') && text.ends_with(']');
    let said = if short { text } else { tag("phi.masked") };
    serde_json::Value::String(said).to_string()
}

/// A value of the cell's own type that the treatment allows; `None` is NULL.
pub(super) fn treated(
    cell: &CellType,
    raw: &[u8],
    kind: &str,
    treatment: Treatment,
    typing: &Typing,
) -> Option<Vec<u8>> {
    let binary = cell.format == FORMAT_BINARY;
    match (treatment, cell.oid) {
        (Treatment::Keep, _) => Some(raw.to_vec()),
        (Treatment::Year, oid::DATE) => {
            if binary {
                let Ok(Finite::At(days)) = decode_date(raw) else {
                    return None;
                };
                let start = new_year(days, typing)?;
                Some(encode_date(Finite::At(start)).to_vec())
            } else {
                iso_year(raw, typing).map(|year| format!("{year:04}-01-01").into_bytes())
            }
        }
        (Treatment::Year, oid::TIMESTAMP | oid::TIMESTAMPTZ) => {
            if binary {
                let Ok(Finite::At(micros)) = decode_timestamp(raw) else {
                    return None;
                };
                let (days, _) = split_timestamp(micros);
                let start = join_timestamp(new_year(days, typing)?, 0)?;
                Some(encode_timestamp(Finite::At(start)).to_vec())
            } else {
                let zone = if cell.oid == oid::TIMESTAMPTZ {
                    "+00"
                } else {
                    ""
                };
                iso_year(raw, typing)
                    .map(|year| format!("{year:04}-01-01 00:00:00{zone}").into_bytes())
            }
        }
        (Treatment::Pseudonym, oid::UUID) => {
            let value = if binary {
                uuid_text(decode_uuid(raw).ok()?).into_bytes()
            } else {
                raw.to_ascii_lowercase()
            };
            let token = typing.pseudonyms.bytes(&typing.resource, kind, &value);
            let mut uuid: [u8; 16] = token.first_chunk().copied()?;
            // Version 8, RFC 9562: made by whoever made it, and no other kind's.
            if let [.., _, _] = uuid
                && let (Some(version), Some(variant)) = split_marks(&mut uuid)
            {
                *version = (*version & 0x0f) | 0x80;
                *variant = (*variant & 0x3f) | 0x80;
            }
            Some(if binary {
                uuid.to_vec()
            } else {
                uuid_text(uuid).into_bytes()
            })
        }
        _ => None,
    }
}

fn split_marks(uuid: &mut [u8; 16]) -> (Option<&mut u8>, Option<&mut u8>) {
    let (head, tail) = uuid.split_at_mut(8);
    (head.get_mut(6), tail.first_mut())
}

/// The first day of the year of a day, where the year may show. Days since 2000-01-01.
fn new_year(days: i32, typing: &Typing) -> Option<i32> {
    let year = Civil::from_days(days).year;
    year_may_show(year, typing.this_year)
        .then(|| {
            Civil {
                year,
                month: 1,
                day: 1,
            }
            .days()
        })
        .flatten()
}

/// The year of a date in ISO form; other date styles are not understood and become NULL.
fn iso_year(raw: &[u8], typing: &Typing) -> Option<i32> {
    let text = std::str::from_utf8(raw).ok()?;
    let (year, rest) = text.split_once('-')?;
    let well_formed = year.len() == 4
        && !rest.ends_with("BC")
        && rest.as_bytes().get(2) == Some(&b'-')
        && rest.bytes().take(2).all(|byte| byte.is_ascii_digit());
    let year: i32 = year.parse().ok()?;
    (well_formed && year_may_show(year, typing.this_year)).then_some(year)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn typing() -> Typing {
        Typing {
            resource: "ehr".into(),
            pseudonyms: Pseudonyms::new("k1", [3; 32]),
            this_year: 2026,
        }
    }

    fn cell(oid: u32, format: i16, class: Class) -> CellType {
        CellType { oid, format, class }
    }

    #[test]
    fn a_date_keeps_its_year_in_both_formats() {
        let text = cell(oid::DATE, 0, Class::Scalar);
        let binary = cell(oid::DATE, 1, Class::Scalar);
        let year = |cell: &CellType, raw: &[u8]| {
            treated(cell, raw, "phi.date", Treatment::Year, &typing())
        };
        assert_eq!(year(&text, b"1957-03-15").unwrap(), b"1957-01-01");
        assert_eq!(year(&text, b"15/03/1957"), None);
        assert_eq!(year(&text, b"0044-03-15 BC"), None);
        assert_eq!(year(&text, b"1931-03-15"), None);
        let days = |year, month, day| {
            let day = Civil { year, month, day }.days().unwrap();
            encode_date(Finite::At(day)).to_vec()
        };
        assert_eq!(year(&binary, &days(1957, 3, 15)).unwrap(), days(1957, 1, 1));
    }

    #[test]
    fn a_typed_value_never_becomes_text() {
        for (oid, raw) in [(oid::INT4, b"\0\0\0\x05".as_slice()), (oid::BOOL, b"\x01")] {
            for treatment in [Treatment::Redact, Treatment::Last4, Treatment::Pseudonym] {
                let cell = cell(oid, 1, Class::Scalar);
                assert_eq!(treated(&cell, raw, "phi.id", treatment, &typing()), None);
            }
        }
    }

    #[test]
    fn a_uuid_becomes_another_uuid_the_same_in_both_formats() {
        let text = cell(oid::UUID, 0, Class::Scalar);
        let binary = cell(oid::UUID, 1, Class::Scalar);
        let token = |cell: &CellType, raw: &[u8]| {
            treated(cell, raw, "phi.id", Treatment::Pseudonym, &typing()).unwrap()
        };
        let as_text = token(&text, b"00112233-4455-6677-8899-AABBCCDDEEFF");
        let as_binary = token(
            &binary,
            &[
                0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255,
            ],
        );
        assert_eq!(
            uuid_text(as_binary.try_into().unwrap()).into_bytes(),
            as_text
        );
        assert_eq!(as_text.len(), 36);
        assert_eq!(as_text.get(14), Some(&b'8'));
    }

    #[test]
    fn json_stays_json() {
        let json = cell(oid::JSONB, 0, Class::Json);
        let write = |text: &str| String::from_utf8(written(&json, text.into()).unwrap()).unwrap();
        assert_eq!(write(r#"{"ssn":"[SSN]"}"#), r#"{"ssn":"[SSN]"}"#);
        assert_eq!(write("[SSN]"), r#""[SSN]""#);
        assert_eq!(write(r#"{"phone":[PHONE]}"#), r#""[MASKED]""#);
    }

    #[test]
    fn escapes_do_not_hide_a_value_from_detectors() {
        let json = cell(oid::JSON, 0, Class::Json);
        let read = readable(&json, br#"{"a":"\u0031\u00323-45-6789"}"#).unwrap();
        assert_eq!(read, r#"{"a":"123-45-6789"}"#);
    }
}
