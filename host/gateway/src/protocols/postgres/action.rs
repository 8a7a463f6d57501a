//! A statement in a session: which relations its names mean, whether they are sensitive, whether it may
//! change state, whether its text tells what it does. Everything uncertain counts against it.

use std::collections::HashMap;
use std::sync::Arc;

use almoner_sandbox::{Attr, Operation, Payload};
use almoner_sql::{CopyFormat, Kind, OutputClass, Statement};
use bytes::Bytes;
use serde_json::{Value, json};

use super::catalog::Catalog;
use super::statement::Parsed;
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
}

/// A cursor the session declared.
#[derive(Clone)]
pub(super) struct Cursor {
    pub(super) sensitive: bool,
    pub(super) effect: Effect,
    pub(super) outputs: Vec<OutputClass>,
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
    /// What its result's columns are made of.
    pub(super) outputs: Vec<OutputClass>,
    /// The ground it was resolved on.
    pub(super) ground: GroundKey,
}

/// Tells whether something resolved earlier still holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct GroundKey {
    catalog: u64,
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

    fn is_known(&self, schema: Option<&str>, name: &str) -> bool {
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
            outputs: Vec::new(),
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
            resolved.refused = refused(parsed, facts);
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
        self.opaque.is_some()
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

/// What the names of a statement mean on this ground.
#[derive(Default)]
struct Names {
    relations: Vec<String>,
    sensitive: Vec<String>,
    unknown_functions: Vec<String>,
    all_quiet: bool,
    /// A function outside `pg_catalog` may return anything.
    taints: bool,
}

impl Names {
    fn of(facts: &Statement, ground: &Ground<'_>) -> Self {
        let mut names = Self {
            all_quiet: true,
            ..Self::default()
        };
        for relation in &facts.relations {
            let schema = relation.schema.as_deref();
            let written = match schema {
                Some(schema) => format!("{schema}.{}", relation.name),
                None => relation.name.clone(),
            };
            let uncertain = !ground.settled || (schema.is_none() && ground.names_uncertain);
            let known = ground.catalog.resolve(schema, &relation.name);
            let sensitive = match known {
                Some(oid) if !uncertain => ground.tags.is_sensitive(oid),
                _ => true,
            };
            if sensitive && !names.sensitive.contains(&written) {
                names.sensitive.push(written.clone());
            }
            if !names.relations.contains(&written) {
                names.relations.push(written);
            }
        }
        for function in &facts.functions {
            names.function(function.schema.as_deref(), &function.name, ground);
        }
        // `x.name` calls a function where it is no column.
        for attribute in &facts.attributes {
            let catalog = ground.catalog;
            if catalog.loud_functions.contains(attribute)
                || catalog.foreign_functions.contains(attribute)
            {
                names.function(None, attribute, ground);
            }
        }
        names
    }

    fn function(&mut self, schema: Option<&str>, name: &str, ground: &Ground<'_>) {
        let catalog = ground.catalog;
        if catalog.is_quiet(schema, name) {
            return;
        }
        if catalog.is_builtin(schema, name) && catalog.loud_functions.contains(name) {
            self.all_quiet = false;
            return;
        }
        self.taints = true;
        if ground.is_known(schema, name) {
            return;
        }
        self.all_quiet = false;
        let written = match schema {
            Some(schema) => format!("{schema}.{name}"),
            None => name.to_owned(),
        };
        if !self.unknown_functions.contains(&written) {
            self.unknown_functions.push(written);
        }
    }
}

/// What this gateway does not carry, whatever the policy says.
fn refused(parsed: &Parsed, facts: &Statement) -> Option<String> {
    let why = match facts.kind {
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

/// Whether a plain `SET name = value` ends in one of these values.
fn sets(sql: &str, values: &[&str]) -> bool {
    let lower = sql.trim().trim_end_matches(';').to_ascii_lowercase();
    lower.starts_with("set ")
        && lower
            .rsplit([' ', '=', '\t', '\n'])
            .next()
            .is_some_and(|last| values.contains(&last.trim_matches(['\'', '"'])))
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
