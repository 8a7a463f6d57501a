//! SQL text to facts, by PostgreSQL's own grammar. Texts repeat, so what was parsed is kept by its exact
//! bytes; what cannot be parsed is kept, too, as opaque. Nothing here knows a session or a catalog.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use almoner_sql::{Kind, OpaqueReason, Statement, masked_text};
use bytes::Bytes;
use serde_json::Value;

/// Bytes of SQL text kept in each half of the cache.
const CACHE_BYTES_MAX: usize = 8 << 20;
/// Texts kept in each half of the cache.
const CACHE_TEXTS_MAX: usize = 4_096;

/// One message's SQL, parsed.
pub(super) struct Text {
    /// As the caller sent it.
    pub(super) sql: Bytes,
    /// In order. Empty for an empty text; one opaque statement for a text that cannot be parsed.
    pub(super) statements: Vec<Arc<Parsed>>,
}

/// One statement of a text.
pub(super) struct Parsed {
    /// The statement's own text.
    pub(super) sql: String,
    /// The same with every literal masked.
    pub(super) shown: Arc<str>,
    /// What the grammar says; `None` if it cannot be parsed.
    pub(super) facts: Option<Statement>,
    /// The facts as JSON, whole: what guards see.
    pub(super) json: Value,
    /// The same for records: fields that say nothing are left out.
    pub(super) brief: Arc<Value>,
    /// Why it cannot be judged by its text, if so.
    pub(super) opaque: Option<String>,
}

impl Parsed {
    pub(super) fn kind(&self) -> Kind {
        self.facts.as_ref().map_or(Kind::Other, |facts| facts.kind)
    }

    pub(super) fn verb(&self) -> &str {
        self.facts
            .as_ref()
            .map_or("UNPARSEABLE", |facts| facts.verb.as_str())
    }
}

/// Parsed texts by their bytes, in two halves: when the young half is full, the old one is forgotten.
#[derive(Default)]
pub(super) struct Texts {
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    young: HashMap<Bytes, Arc<Text>>,
    young_bytes: usize,
    old: HashMap<Bytes, Arc<Text>>,
}

impl Texts {
    /// The facts of a text, parsed at most once while it is in use.
    pub(super) fn parse(&self, sql: &Bytes) -> Arc<Text> {
        if let Some(known) = self.find(sql) {
            return known;
        }
        // The text may share memory with a large read; what is kept has its own.
        let own = Bytes::copy_from_slice(sql);
        let text = Arc::new(parse(own.clone()));
        self.keep(own, &text);
        text
    }

    fn find(&self, sql: &Bytes) -> Option<Arc<Text>> {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = halves.young.get(sql) {
            return Some(Arc::clone(text));
        }
        let (key, text) = halves.old.remove_entry(sql)?;
        halves.put(key, &text);
        Some(text)
    }

    fn keep(&self, sql: Bytes, text: &Arc<Text>) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        halves.put(sql, text);
    }
}

impl Halves {
    fn put(&mut self, sql: Bytes, text: &Arc<Text>) {
        if self.young.len() >= CACHE_TEXTS_MAX || self.young_bytes + sql.len() > CACHE_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += sql.len();
        self.young.insert(sql, Arc::clone(text));
    }
}

fn parse(sql: Bytes) -> Text {
    let statements = match std::str::from_utf8(&sql) {
        Err(_) => vec![opaque(
            format!("<{} bytes that are not UTF-8>", sql.len()),
            "not-utf8",
        )],
        Ok(text) => match almoner_sql::facts(text) {
            Err(_) => vec![opaque(masked_text(text), "unparseable")],
            Ok(sheet) => sheet
                .statements
                .into_iter()
                .map(|facts| parsed(text, facts))
                .collect(),
        },
    };
    Text { sql, statements }
}

fn opaque(shown: String, why: &str) -> Arc<Parsed> {
    Arc::new(Parsed {
        sql: String::new(),
        shown: shown.into(),
        facts: None,
        json: Value::Null,
        brief: Arc::new(Value::Null),
        opaque: Some(why.to_owned()),
    })
}

fn parsed(text: &str, mut facts: Statement) -> Arc<Parsed> {
    let sql = text
        .get(facts.start..facts.start.saturating_add(facts.len))
        .unwrap_or(text)
        .to_owned();
    facts.start = 0;
    facts.len = sql.len();
    let json = serde_json::to_value(&facts).unwrap_or(Value::Null);
    Arc::new(Parsed {
        shown: masked_text(&sql).into(),
        opaque: facts.opaque.map(reason_word),
        brief: Arc::new(compact(json.clone())),
        json,
        sql,
        facts: Some(facts),
    })
}

fn reason_word(reason: OpaqueReason) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_else(|| "opaque".to_owned())
}

/// Fields that are null, zero, empty or false say nothing, save a missing `WHERE`.
fn compact(value: Value) -> Value {
    let says_nothing = |name: &str, value: &Value| match value {
        Value::Null => true,
        Value::Bool(false) => name != "has_where",
        Value::Number(number) => number.as_u64() == Some(0),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, compact(value)))
            .filter(|(name, value)| !says_nothing(name, value))
            .collect(),
        Value::Array(items) => items.into_iter().map(compact).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_cannot_be_parsed_is_one_opaque_statement_that_shows_no_literal() {
        let texts = Texts::default();
        let text = texts.parse(&Bytes::from_static(
            b"selec ssn from p where n = '123-45-6789'",
        ));
        assert_eq!(text.statements.len(), 1);
        assert!(text.statements.iter().all(|statement| {
            statement.opaque.as_deref() == Some("unparseable") && !statement.shown.contains("6789")
        }));
        let text = texts.parse(&Bytes::from_static(b"select '\xff'"));
        assert!(
            text.statements
                .iter()
                .all(|statement| statement.opaque.as_deref() == Some("not-utf8"))
        );
    }

    #[test]
    fn the_same_bytes_are_parsed_once() {
        let texts = Texts::default();
        let first = texts.parse(&Bytes::from_static(b"select 1; select 2"));
        let again = texts.parse(&Bytes::from_static(b"select 1; select 2"));
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(first.statements.len(), 2);
    }
}
