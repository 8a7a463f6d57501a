//! Making a record fit: bodies become references, and fields that are too long become bodies.
//!
//! A statement of 40 KiB must be recorded like any other, so the longest field moves beside the record and
//! leaves `{"body": k}` in its place, where `k` is the body's index. What still does not fit is an error,
//! and the exchange with it: nothing is cut short in silence.

use almoner_ledger::record::field;
use almoner_ledger::{BodyRef, Draft, Prepared, RECORD_BYTES_MAX, canonical};
use bytes::Bytes;
use serde_json::json;

use crate::append::{Body, Entry};
use crate::error::AuditError;

/// All bodies of one record together, in bytes. Larger replies are recorded in windows.
pub(crate) const BODIES_BYTES_MAX: usize = 16 << 20;
/// Fields shorter than this stay: moving them would save less than the reference takes.
const FIELD_BYTES_MIN: usize = 512;
/// What searches and verifications read stays in the record, whatever its length.
const STAYING: [&str; 6] = [
    field::EXCHANGE,
    field::SUBJECT,
    field::ACTOR,
    field::RESOURCE,
    field::VERDICT,
    field::KEY,
];

/// A record ready for sealing, and the bytes beside it.
pub(crate) struct Fitted {
    pub(crate) prepared: Prepared,
    pub(crate) bodies: Vec<Bytes>,
}

pub(crate) fn fit(
    entry: Entry,
    session: Option<&str>,
    origin_bytes: usize,
) -> Result<Fitted, AuditError> {
    let Entry {
        mut draft,
        mut bodies,
    } = entry;
    let mut references: Vec<BodyRef> = bodies.iter().map(refer).collect();
    loop {
        let total: usize = bodies.iter().map(|body| body.bytes.len()).sum();
        if total > BODIES_BYTES_MAX {
            return Err(AuditError::BodyTooLarge {
                bytes: total,
                max: BODIES_BYTES_MAX,
            });
        }
        let prepared = draft.prepare(session, &references)?;
        let bytes = prepared.line_bytes_max(origin_bytes);
        if bytes <= RECORD_BYTES_MAX {
            return Ok(Fitted {
                prepared,
                bodies: bodies.into_iter().map(|body| body.bytes).collect(),
            });
        }
        let moved = move_longest(&mut draft, bodies.len()).ok_or(AuditError::TooLarge { bytes })?;
        references.push(refer(&moved));
        bodies.push(moved);
    }
}

fn refer(body: &Body) -> BodyRef {
    BodyRef::of(&body.name, &body.media, &body.bytes)
}

/// Takes the field that takes most room out of the draft. A string goes as it is, anything else as JSON.
fn move_longest(draft: &mut Draft, index: usize) -> Option<Body> {
    let movable = draft
        .fields()
        .filter(|(name, value)| !STAYING.contains(name) && value.len() >= FIELD_BYTES_MIN);
    let (name, value) = movable.max_by_key(|(_, value)| value.len())?;
    let name = name.to_owned();
    let (media, bytes) = match canonical::string(value) {
        Some(text) => ("text/plain; charset=utf-8", text.into_owned().into_bytes()),
        None => ("application/json", value.to_owned()),
    };
    draft.set(&name, json!({ "body": index }));
    Some(Body {
        name: format!("field:{name}"),
        media: media.to_owned(),
        bytes: bytes.into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::*;
    use almoner_ledger::{DraftError, Head, Kind, Timestamp, seal};
    use serde_json::Value;

    fn draft() -> Draft {
        Draft::new(Kind::Intent, Timestamp::from_micros(0))
    }

    fn record(fitted: &Fitted) -> Value {
        let sealed = seal(&Head::EMPTY, "log/1", None, &fitted.prepared).unwrap();
        serde_json::from_slice(&sealed.line).unwrap()
    }

    #[test]
    fn a_long_statement_moves_beside_its_record_which_says_so() {
        let long = "select 1 -- ".repeat(4_000);
        let entry = Entry::new(draft().with("action", long.clone()).with("rule", "r")).body(
            "request",
            "text/plain",
            "x",
        );
        let fitted = fit(entry, None, 5).unwrap();
        let record = record(&fitted);
        assert_eq!(record["action"], json!({"body": 1}));
        assert_eq!(record["rule"], "r");
        assert_eq!(record["bodies"][1]["name"], "field:action");
        assert_eq!(fitted.bodies[1], long.as_bytes());
    }

    #[test]
    fn a_long_list_moves_as_json() {
        let columns: Vec<String> = (0..2_000).map(|i| format!("column_{i}")).collect();
        let fitted = fit(
            Entry::new(draft().with("columns", columns.clone())),
            None,
            5,
        )
        .unwrap();
        assert_eq!(record(&fitted)["columns"], json!({"body": 0}));
        assert_eq!(
            serde_json::from_slice::<Vec<String>>(&fitted.bodies[0]).unwrap(),
            columns
        );
    }

    #[test]
    fn what_cannot_fit_is_an_error() {
        let long = "x".repeat(20_000);
        let error = fit(Entry::new(draft().with("subject", long)), None, 5)
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(error, AuditError::TooLarge { .. }));
        let huge = vec![0_u8; BODIES_BYTES_MAX + 1];
        let error = fit(Entry::new(draft()).body("response", "x", huge), None, 5)
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(error, AuditError::BodyTooLarge { .. }));
        let twice = Entry::new(draft()).body("a", "x", "1").body("a", "x", "2");
        assert_eq!(
            fit(twice, None, 5).map(|_| ()).unwrap_err(),
            AuditError::Draft(DraftError::Bodies)
        );
    }
}
