//! A statement in a session: which relations its names mean, whether they are sensitive, whether it may
//! change state, whether its text tells what it does. Everything uncertain counts against it.

use std::collections::HashMap;
use std::sync::Arc;

use almoner_sandbox::{Attr, Operation, Payload};
use almoner_sql::{CopyFormat, Kind, OpaqueReason, OutputClass, Statement};
use bytes::Bytes;
use serde_json::{Value, json};

use super::catalog::Catalog;
use super::course::Given;
use super::expect::Portal;
use super::names::Names;
use super::statement::Parsed;
use super::stored;
use super::tags::Tags;
use crate::config::policy::Glob;
use crate::policy::{Action, Effect};

/// Bytes of a statement's text that guards see; the facts are of the whole.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Bytes of one parameter that guards see.
const PARAMETER_BYTES_MAX: usize = 4 << 10;

/// What a name or function means depends on these.
pub(super) struct Ground<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) tags: &'a Tags,
    pub(super) known_functions: &'a [Glob],
    /// The session's search path or temporary tables may give names another meaning.
    pub(super) names_uncertain: bool,
    /// Nobody is changing definitions.
    pub(super) settled: bool,
    pub(super) cursors: &'a HashMap<String, Cursor>,
    /// Names of portals bound in this transaction, which SQL could fetch from like cursors.
    pub(super) portals: &'a HashMap<Bytes, Arc<Portal>>,
}

/// A cursor the session declared.
#[derive(Clone)]
pub(super) struct Cursor {
    pub(super) sensitive: bool,
    pub(super) effect: Effect,
    pub(super) outputs: Vec<OutputClass>,
    pub(super) given: Arc<Given>,
}

/// A statement with its names resolved.
pub(super) struct Resolved {
    pub(super) parsed: Arc<Parsed>,
    operation: Arc<Operation>,
    pub(super) effect: Effect,
    opaque: Option<String>,
    refused: Option<String>,
    /// It touches a sensitive relation, or might.
    pub(super) sensitive: bool,
    /// What the server says of it may quote a sensitive relation, though it names none.
    pub(super) echoes: bool,
    /// A function may return anything.
    pub(super) taints: bool,
    /// It runs code that is not in its text.
    pub(super) runs_unseen: bool,
    /// The same, or it keeps or runs a statement by a name of SQL's.
    unread: bool,
    /// It would keep what is masked where nothing masks it.
    escapes: bool,
    /// What its result's columns are made of.
    pub(super) outputs: Vec<OutputClass>,
    /// What its cursor has yielded, for a `FETCH`.
    pub(super) given: Option<Arc<Given>>,
    /// The ground it was resolved on.
    pub(super) ground: GroundKey,
}

/// Tells whether something resolved earlier still holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct GroundKey {
    pub(super) catalog: u64,
    generation: u64,
    names_uncertain: bool,
    settled: bool,
}

impl Ground<'_> {
    pub(super) fn key(&self) -> GroundKey {
        GroundKey {
            catalog: self.catalog.version,
            generation: self.tags.generation,
            names_uncertain: self.names_uncertain,
            settled: self.settled,
        }
    }

    /// The relation a name means for certain.
    pub(super) fn relation(&self, schema: Option<&str>, name: &str) -> Option<u32> {
        let uncertain = !self.settled || (schema.is_none() && self.names_uncertain);
        self.catalog.resolve(schema, name).filter(|_| !uncertain)
    }

    pub(super) fn is_known(&self, schema: Option<&str>, name: &str) -> bool {
        let fits = |schema: &str| {
            let qualified = format!("{schema}.{name}");
            self.known_functions
                .iter()
                .any(|glob| glob.matches(&qualified))
        };
        match schema {
            Some(schema) => fits(schema),
            None => {
                !self.names_uncertain && self.catalog.search_path.iter().any(|schema| fits(schema))
            }
        }
    }
}

impl Resolved {
    pub(super) fn of(parsed: &Arc<Parsed>, ground: &Ground<'_>) -> Self {
        let mut resolved = Self {
            parsed: Arc::clone(parsed),
            operation: Arc::default(),
            effect: Effect::Write,
            opaque: parsed.opaque.clone(),
            refused: None,
            sensitive: true,
            echoes: true,
            taints: true,
            runs_unseen: true,
            unread: true,
            escapes: false,
            outputs: Vec::new(),
            given: None,
            ground: ground.key(),
        };
        let mut names = Names::default();
        if let Some(facts) = &parsed.facts {
            names = Names::of(facts, ground);
            if resolved.opaque.is_none()
                && let Some(function) = names.unknown_functions.first()
            {
                resolved.opaque = Some(format!("it calls {function}, whose effects are unknown"));
            }
            resolved.unread = resolved.opaque.is_some();
            resolved.escapes = stored::escapes(facts, ground);
            if resolved.opaque.is_none() && resolved.escapes {
                resolved.opaque = Some("it stores masked values where nothing masks them".into());
            }
            resolved.refused = refused(parsed, facts, ground);
            resolved.taints = names.taints;
            resolved.echoes = names.echoes || speaks_of_others(facts.kind);
            resolved.runs_unseen =
                !names.unknown_functions.is_empty() || facts.opaque_reasons.iter().any(runs_code);
            resolved.outputs.clone_from(&facts.outputs);
            resolved.sensitive =
                !names.sensitive.is_empty() || names.taints || resolved.opaque.is_some();
            resolved.effect = if facts.read_only
                && !facts.locking
                && !facts.qualified_operators
                && names.all_quiet
                && resolved.opaque.is_none()
            {
                Effect::Read
            } else {
                Effect::Write
            };
            if resolved.follows_cursor() {
                resolved.follow_cursor(facts, ground);
            }
        }
        resolved.operation = Arc::new(resolved.describe(&names));
        resolved
    }

    /// Whether it may do what its text does not tell.
    pub(super) fn is_opaque(&self) -> bool {
        self.unread
    }

    /// What a cursor yields was judged when it was declared; an unknown one may yield anything.
    fn follow_cursor(&mut self, facts: &Statement, ground: &Ground<'_>) {
        let cursor = facts
            .cursor
            .as_ref()
            .and_then(|cursor| cursor.name.as_ref())
            .and_then(|name| ground.cursors.get(name));
        match cursor {
            Some(cursor) => {
                self.sensitive = cursor.sensitive;
                self.effect = cursor.effect;
                self.outputs.clone_from(&cursor.outputs);
                self.given = Some(Arc::clone(&cursor.given));
            }
            None => self.sensitive = true,
        }
    }

    /// Whether what it yields depends on a cursor of the session.
    pub(super) fn follows_cursor(&self) -> bool {
        matches!(
            self.parsed.kind(),
            Kind::Fetch | Kind::Move | Kind::CloseCursor
        )
    }

    fn describe(&self, names: &Names) -> Operation {
        let parsed = &self.parsed;
        let mut body = parsed.sql.clone();
        let truncated = body.len() > BODY_BYTES_MAX;
        if truncated {
            let mut end = BODY_BYTES_MAX;
            while !body.is_char_boundary(end) {
                end -= 1;
            }
            body.truncate(end);
        }
        let mut facts = parsed.json.clone();
        if let Value::Object(fields) = &mut facts {
            fields.insert(
                "resolved".to_owned(),
                json!({
                    "opaque_functions": names.unknown_functions,
                    "sensitive_relations": names.sensitive,
                    "may_write": self.effect == Effect::Write,
                    "stores_masked": self.escapes,
                }),
            );
        }
        Operation {
            dialect: "sql.postgres".to_owned(),
            verb: parsed.verb().to_owned(),
            targets: names.relations.clone(),
            body: Payload::Text(body),
            truncated,
            facts_schema: almoner_sql::SCHEMA_NAME.to_owned(),
            facts: facts.to_string(),
            ..Operation::default()
        }
    }

    /// The action of doing it, with these parameters. `formats` are the bound ones' format codes.
    pub(super) fn action(&self, parameters: &[Option<Bytes>], formats: &[i16]) -> Action {
        let mut hasher = blake3::Hasher::new_derive_key("almoner postgres action v1");
        hasher.update(&(self.parsed.sql.len() as u64).to_le_bytes());
        hasher.update(self.parsed.sql.as_bytes());
        hasher.update(self.parsed.shown.as_bytes());
        for format in formats {
            hasher.update(&format.to_le_bytes());
        }
        for parameter in parameters {
            match parameter {
                None => hasher.update(b"\xff"),
                Some(bytes) => {
                    hasher.update(&(bytes.len() as u64).to_le_bytes());
                    hasher.update(bytes)
                }
            };
        }
        let operation = if parameters.is_empty() {
            Arc::clone(&self.operation)
        } else {
            let mut operation = (*self.operation).clone();
            operation.parameters = shown_to_guards(parameters, formats);
            Arc::new(operation)
        };
        Action {
            operation,
            shown: Arc::clone(&self.parsed.shown),
            parameters: parameters.len(),
            facts: Arc::clone(&self.parsed.brief),
            effect: self.effect,
            opaque: self.opaque.clone(),
            refused: self.refused.clone(),
            identity: *hasher.finalize().as_bytes(),
        }
    }
}

/// An action for something that is no statement and is always refused.
pub(super) fn refused_action(verb: &str, why: &str) -> Action {
    Action {
        operation: Arc::new(Operation {
            dialect: "sql.postgres".to_owned(),
            verb: verb.to_owned(),
            ..Operation::default()
        }),
        shown: format!("<{verb}>").into(),
        parameters: 0,
        facts: Arc::new(Value::Null),
        effect: Effect::Write,
        opaque: None,
        refused: Some(why.to_owned()),
        identity: [0; 32],
    }
}

/// What this gateway does not carry, whatever the policy says.
fn refused(parsed: &Parsed, facts: &Statement, ground: &Ground<'_>) -> Option<String> {
    let why = match facts.kind {
        Kind::Fetch | Kind::Move if names_portal(facts, ground) => {
            "a portal of the extended protocol is run by its own messages, not by FETCH"
        }
        Kind::Listen | Kind::Notify | Kind::Unlisten => "notifications are not carried",
        Kind::PrepareTransaction | Kind::CommitPrepared | Kind::RollbackPrepared => {
            "two-phase commit is not carried"
        }
        Kind::CopyTo | Kind::CopyFrom
            if facts.copy.as_ref().is_some_and(|copy| {
                !matches!(copy.format, CopyFormat::Text | CopyFormat::Csv)
                    || copy.encoding.as_ref().is_some_and(|name| !is_utf8(name))
            }) =>
        {
            "COPY is carried in the text and CSV formats, encoded as UTF-8, only"
        }
        _ if facts.functions.iter().any(|call| call.name == "pg_notify") => {
            "notifications are not carried"
        }
        Kind::Reset | Kind::Discard => return None,
        _ => {
            return facts
                .session_effects
                .iter()
                .find_map(|effect| refused_effect(effect, parsed));
        }
    };
    Some(why.to_owned())
}

fn refused_effect(effect: &str, parsed: &Parsed) -> Option<String> {
    let why = match effect {
        "role" | "session-authorization" => {
            "the role at the resource is the gateway's own and stays"
        }
        "client-encoding" if !sets(&parsed.sql, &["utf8", "utf-8", "unicode"]) => {
            "client_encoding must stay UTF8"
        }
        "standard-conforming-strings" if !sets(&parsed.sql, &["on", "true", "1"]) => {
            "standard_conforming_strings must stay on"
        }
        "unknown" => "a setting whose name is computed cannot be judged",
        _ => return None,
    };
    Some(why.to_owned())
}

/// Whether it is a plain `SET name = value` and nothing else, with one of these values. A comment could hold
/// the word, so that every word has to be one that belongs.
fn sets(sql: &str, values: &[&str]) -> bool {
    let lower = sql.trim().trim_end_matches(';').to_ascii_lowercase();
    let spaced = lower.replace('=', " = ");
    let mut words: Vec<&str> = spaced.split_ascii_whitespace().collect();
    words.retain(|word| !matches!(*word, "session" | "local" | "to" | "="));
    match words.as_slice() {
        [
            "set",
            "client_encoding" | "names" | "standard_conforming_strings",
            value,
        ] => values.contains(&value.trim_matches(['\'', '"'])),
        _ => false,
    }
}

/// Errors of these come of what other statements did, or of relations they do not name: a constraint that
/// waited for COMMIT, a cursor that COMMIT keeps, an index over everything.
fn speaks_of_others(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Commit
            | Kind::SetConstraints
            | Kind::Execute
            | Kind::Call
            | Kind::Do
            | Kind::Vacuum
            | Kind::Analyze
            | Kind::Cluster
            | Kind::Reindex
            | Kind::Refresh
            | Kind::Drop
            | Kind::Other
    )
}

/// What a session keeps for later, or yields, is no code; all else that is opaque may be.
fn runs_code(reason: &OpaqueReason) -> bool {
    !matches!(
        reason,
        OpaqueReason::Prepare
            | OpaqueReason::Execute
            | OpaqueReason::LargeObject
            | OpaqueReason::Keeps
    )
}

/// Whether a `FETCH` or `MOVE` names a portal that the extended protocol bound. Running it so would run
/// what was only prepared: nobody was asked for it, and nothing of it is on record.
fn names_portal(facts: &Statement, ground: &Ground<'_>) -> bool {
    facts
        .cursor
        .as_ref()
        .and_then(|cursor| cursor.name.as_ref())
        .is_some_and(|name| ground.portals.contains_key(name.as_bytes()))
}

fn is_utf8(name: &str) -> bool {
    matches!(
        name.to_ascii_lowercase().as_str(),
        "utf8" | "utf-8" | "unicode"
    )
}

/// Text parameters as they are, others by length alone.
fn shown_to_guards(parameters: &[Option<Bytes>], formats: &[i16]) -> Vec<Attr> {
    parameters
        .iter()
        .enumerate()
        .map(|(index, parameter)| {
            let name = format!("${}", index + 1);
            let text = almoner_wire::postgres::format_of(formats, index) == Some(0);
            let value = match parameter {
                None => "NULL".to_owned(),
                Some(bytes) if text && bytes.len() <= PARAMETER_BYTES_MAX => {
                    String::from_utf8_lossy(bytes).into_owned()
                }
                Some(bytes) => format!("<{} bytes>", bytes.len()),
            };
            Attr::new(name, value)
        })
        .collect()
}
