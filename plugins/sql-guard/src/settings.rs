//! What operators can set, and what holds when they set nothing.

use std::collections::BTreeMap;

use almoner_plugin_sdk::{
    SettingsError,
    facts::{may_match, surely_matches},
    judgement::{Action, HoldSettings},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of the SQL guard. Everything that is not mentioned keeps its safe default.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Only statements that grammar and catalog show to be reads may run; transaction control stays possible.
    pub read_only: bool,
    /// By kind (`drop`, `copy-to`) or by verb (`create-table`); a verb comes before its kind. Without an entry: queries,
    /// inserts, updates, deletes, merges, COPY to and from the client, transactions, cursors, prepared statements,
    /// LISTEN/NOTIFY, SET and SHOW are allowed, all else is denied.
    pub kinds: BTreeMap<String, Action>,
    /// UPDATE, DELETE or MERGE that no condition limits. `WHERE true` does not limit.
    pub missing_where: Action,
    /// Statements that hide what they do (DO blocks, CALL, COPY … PROGRAM, dynamic SQL, functions of unknown effect), by
    /// reason. `default` is for reasons without an entry of their own; it is `deny` unless set.
    pub opaque: BTreeMap<String, Action>,
    /// Functions that are fine although nobody vouches for their effects, as they are written in statements. `*` and `?`
    /// as in file names.
    pub functions_allowed: Vec<String>,
    /// Changes of the session's own settings: `role`, `session-authorization`, `search-path`, `other:work_mem`, `unknown`.
    /// Without an entry, changes of role and computed names are denied, others allowed.
    pub session: BTreeMap<String, Action>,
    /// Relations that the policy marks as sensitive, however they are touched.
    pub sensitive: Action,
    /// For some tables. The first rule that surely matches a table decides about it, in place of `kinds`.
    pub tables: Vec<TableRule>,
    /// What approval takes, for everything that is held.
    pub hold: HoldSettings,
}

/// One rule about tables.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableRule {
    /// Names, as `schema.name` or `name`; `*` and `?` as in file names. Where a statement leaves the schema out, a rule
    /// can make matters stricter, never milder: the table may be in another schema.
    pub tables: Vec<String>,
    /// Kinds or verbs this rule is about; empty for all. Tables that a writing statement only reads are judged as `select`.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// What happens.
    pub action: Action,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_only: false,
            kinds: BTreeMap::new(),
            missing_where: Action::Deny,
            opaque: BTreeMap::new(),
            functions_allowed: Vec::new(),
            session: BTreeMap::new(),
            sensitive: Action::Allow,
            tables: Vec::new(),
            hold: HoldSettings::default(),
        }
    }
}

/// Kinds that may run unless `kinds` says otherwise. Two-phase commit and LISTEN are the gateway's to judge.
const ALLOWED: &[&str] = &[
    "begin",
    // CALL and DO are judged by `opaque`.
    "call",
    "close-cursor",
    "commit",
    "commit-prepared",
    "copy-from",
    "copy-to",
    "deallocate",
    "declare-cursor",
    "delete",
    "discard",
    "do",
    "execute",
    "explain",
    "fetch",
    "insert",
    "listen",
    "merge",
    "move",
    "notify",
    "prepare",
    "prepare-transaction",
    "release",
    "reset",
    "rollback",
    "rollback-prepared",
    "rollback-to",
    "savepoint",
    "select",
    "set",
    "set-constraints",
    "show",
    "unlisten",
    "update",
];

impl Settings {
    /// What `kinds` says about a statement of this kind and verb.
    pub(crate) fn kind_action(&self, kind: &str, verb: &str) -> Action {
        let set = |name: &str| self.kinds.get(name).copied();
        set(&verb_key(verb))
            .or_else(|| set(kind))
            .unwrap_or_else(|| {
                if ALLOWED.contains(&kind) {
                    Action::Allow
                } else {
                    Action::Deny
                }
            })
    }

    pub(crate) fn opaque_action(&self, reason: &str) -> Action {
        let set = |name: &str| self.opaque.get(name).copied();
        set(reason).or_else(|| set("default")).unwrap_or_default()
    }

    pub(crate) fn session_action(&self, effect: &str) -> Action {
        self.session.get(effect).copied().unwrap_or(match effect {
            "role" | "session-authorization" | "unknown" => Action::Deny,
            _ => Action::Allow,
        })
    }

    /// What has the right shape but cannot be meant.
    pub(crate) fn mistakes(&self) -> Vec<SettingsError> {
        let mut mistakes = self.hold.mistakes("/hold");
        let mut wrong = |pointer: String, message: &str| {
            mistakes.push(SettingsError::new(pointer, message));
        };
        for (index, rule) in self.tables.iter().enumerate() {
            if rule.tables.is_empty() {
                wrong(
                    format!("/tables/{index}/tables"),
                    "name a table; \"*\" is all",
                );
            }
        }
        for kind in self.kinds.keys() {
            if *kind != verb_key(kind) {
                wrong(
                    format!("/kinds/{}", kind.replace('~', "~0").replace('/', "~1")),
                    "kinds are written in lower case with hyphens: drop, copy-to, create-table",
                );
            }
        }
        mistakes
    }
}

impl TableRule {
    /// Whether this rule is about the table, and if so, whether that is certain.
    pub(crate) fn covers(&self, table: &str, kind: &str, verb: &str) -> Option<Certainty> {
        let kinds = &self.kinds;
        if !kinds.is_empty() && !kinds.iter().any(|k| k == kind || *k == verb_key(verb)) {
            return None;
        }
        let any = |matches: fn(&str, &str) -> bool| self.tables.iter().any(|p| matches(p, table));
        if any(surely_matches) {
            Some(Certainty::Sure)
        } else if any(may_match) {
            Some(Certainty::Maybe)
        } else {
            None
        }
    }
}

/// A name without its schema may or may not be the table that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    Sure,
    Maybe,
}

/// `DROP TABLE` as operators write it: `drop-table`.
fn verb_key(verb: &str) -> String {
    verb.to_lowercase().replace(' ', "-")
}
