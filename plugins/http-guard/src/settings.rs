//! What operators can set, and what holds when they set nothing.

use std::collections::BTreeMap;

use almoner_plugin_sdk::{
    SettingsError,
    judgement::{Action, HoldSettings},
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of the HTTP guard. Everything that is not mentioned keeps its safe default.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// By method, in capitals. Without an entry: GET, HEAD and OPTIONS are allowed, all others denied.
    pub methods: BTreeMap<String, Action>,
    /// For some paths. The first rule that fits path and method decides, in place of `methods`.
    pub paths: Vec<PathRule>,
    /// Paths that no rule fits: judged by method, or this, whichever is stricter.
    pub other_paths: Option<Action>,
    /// Largest body, bytes; 0 sets no bound of its own.
    pub body_bytes_max: u64,
    /// What a subject may have within the window that the gateway counts (an hour).
    pub budget: Budget,
    /// What approval takes, for everything that is held.
    pub hold: HoldSettings,
}

/// One rule about paths.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    /// Templates: `/Patient/{id}`; `*` stands for any run of characters of one segment, `**` at the end for all that
    /// follows. Case counts.
    pub paths: Vec<String>,
    /// Methods this rule is about; empty for all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Keys that the query must have.
    #[serde(default)]
    pub query_required: Vec<String>,
    /// Keys that the query must not have; `*` stands for any run of characters.
    #[serde(default)]
    pub query_denied: Vec<String>,
    /// If set, keys that the query may have, and no others; `*` stands for any run of characters.
    #[serde(default)]
    pub query_allowed: Option<Vec<String>>,
    /// Keys whose values must be numbers up to these: `{ _count = 100 }`.
    #[serde(default)]
    pub query_at_most: BTreeMap<String, u64>,
    /// Headers that must be there, lower case.
    #[serde(default)]
    pub headers_required: Vec<String>,
    /// Headers that must not be there, lower case; `*` stands for any run of characters.
    #[serde(default)]
    pub headers_denied: Vec<String>,
    /// Media types of bodies, lower case; empty for any.
    #[serde(default)]
    pub content_types: Vec<String>,
    /// Largest body, bytes; 0 sets no bound of its own.
    #[serde(default)]
    pub body_bytes_max: u64,
    /// What happens to requests that meet all of this. One that does not is denied.
    pub action: Action,
}

/// What a subject may have within the window that the gateway counts. 0 is no such budget.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Requests.
    pub requests: u64,
    /// Records in replies: entries of a bundle, or items of the longest list.
    pub records: u64,
    /// Bytes of replies.
    pub bytes: u64,
    /// What happens beyond it.
    pub action: Action,
}

impl Budget {
    /// Whether anything is counted.
    pub(crate) fn is_set(&self) -> bool {
        self.requests > 0 || self.records > 0 || self.bytes > 0
    }
}

impl Settings {
    /// What happens to a method where no rule about paths decides.
    pub(crate) fn method_action(&self, method: &str) -> Action {
        let set = self.methods.get(method).copied();
        set.unwrap_or(match method {
            "GET" | "HEAD" | "OPTIONS" => Action::Allow,
            _ => Action::Deny,
        })
    }

    /// What has the right shape but cannot be meant.
    pub(crate) fn mistakes(&self) -> Vec<SettingsError> {
        let mut mistakes = self.hold.mistakes("/hold");
        let mut wrong = |pointer: String, message: &str| {
            mistakes.push(SettingsError::new(pointer, message));
        };
        let capitals = |method: &str| {
            !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
        };
        for method in self.methods.keys().filter(|method| !capitals(method)) {
            wrong(
                format!("/methods/{}", method.replace('~', "~0").replace('/', "~1")),
                "methods are written in capitals",
            );
        }
        for (index, rule) in self.paths.iter().enumerate() {
            if rule.paths.is_empty() {
                wrong(
                    format!("/paths/{index}/paths"),
                    "name a path; \"/**\" is all",
                );
            }
            if rule.paths.iter().any(|path| !path.starts_with('/')) {
                wrong(format!("/paths/{index}/paths"), "paths begin with a slash");
            }
            if !rule.methods.iter().all(|method| capitals(method)) {
                wrong(
                    format!("/paths/{index}/methods"),
                    "methods are written in capitals",
                );
            }
        }
        mistakes
    }
}
