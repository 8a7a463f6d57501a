//! Golden vectors: what a plugin must answer, written beside it as `NAME.golden.json`. They gate its
//! activation, and they are its author's regression tests.
//!
//! ```json
//! {"cases": [
//!   {"name": "no WHERE", "settings": {},
//!    "context": {"purpose": "treatment", "groups": ["nurses"], "usage": {"rows": 10}},
//!    "guard": {"dialect": "sql.postgres", "verb": "delete", "targets": ["ehr.patients"], "text": "DELETE ...", "facts": {}},
//!    "expect": {"verdict": "deny", "code": "no-where"}},
//!   {"name": "many rows", "approval": {"operation": {"verb": "select"}, "rows_so_far": 500},
//!    "expect": {"need": {"codes": ["bulk"], "groups": {"privacy": 2}, "max_rows": 1000}, "recheck_at_rows": 1000}},
//!   {"name": "an ssn", "detector": {"cells": ["SSN 123-45-6789", "none"]},
//!    "expect": {"findings": [{"cell": 0, "text": "123-45-6789", "kind": "phi.ssn", "confidence_min": 80}]}},
//!   {"name": "by name", "classify": {"target": "ehr", "protocol": "postgres", "fields": [{"container": "t", "path": "ssn"}]},
//!    "expect": {"fields": [{"field": 0, "kind": "phi.ssn"}]}},
//!   {"name": "bad settings", "settings": {"max": -1}, "expect": {"settings_errors": ["/max"]}}
//! ]}
//! ```
//! Also `"expect": {"verdict": "allow"}`, `{"verdict": "hold", "need": {...}}`, `{"verdict": "rewrite", "code": .., "text": ..}`,
//! `{"need": null}`, `{"failure": "reported-internal"}`, and for transformers `"transformer": {"values": [{"kind": .., "value": ..}]}`
//! with `{"values": [..]}`. What `need` does not mention is not compared. `findings` and `fields` are complete
//! lists unless `"others": true`; a finding that lies within another of the same cell may be left out.

mod check;
mod input;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use self::input::Answered;
use crate::configured::{Configured, Grant};
use crate::host::Host;
use crate::plugin::Plugin;

/// Cases in one file.
const CASES_MAX: usize = 10_000;

/// The cases of one file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    cases: Vec<Case>,
}

/// A file that holds no vectors.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// Not the format.
    #[error("not a file of golden vectors: {0}")]
    Format(#[from] serde_json::Error),
    /// Nothing to compare, or too much.
    #[error("a file of golden vectors has between 1 and {CASES_MAX} cases")]
    Count,
}

/// A case in which the plugin answers otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Name of the case.
    pub case: String,
    /// What is expected and what was answered. Shows the case's own, synthetic values.
    pub what: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "no_settings")]
    settings: Value,
    #[serde(default)]
    context: input::Context,
    guard: Option<input::Op>,
    approval: Option<input::Approval>,
    detector: Option<input::Detector>,
    classify: Option<input::Classify>,
    transformer: Option<input::Transformer>,
    expect: check::Expect,
}

fn no_settings() -> Value {
    Value::Object(serde_json::Map::new())
}

impl Vectors {
    /// Reads a file.
    pub fn parse(json: &[u8]) -> Result<Self, GoldenError> {
        let vectors: Self = serde_json::from_slice(json)?;
        if vectors.cases.is_empty() || vectors.cases.len() > CASES_MAX {
            return Err(GoldenError::Count);
        }
        Ok(vectors)
    }

    /// How many cases there are.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Never true of parsed vectors.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Asks the plugin every case, under the limits and with the word sets of `grant`. An empty list: it
    /// passed. Holds the calling thread.
    pub fn run(&self, host: &Host, plugin: &Arc<Plugin>, grant: &Grant) -> Vec<Mismatch> {
        self.cases
            .iter()
            .filter_map(|case| case.run(host, plugin, grant))
            .collect()
    }
}

impl Case {
    fn run(&self, host: &Host, plugin: &Arc<Plugin>, grant: &Grant) -> Option<Mismatch> {
        let what = match host.configure(plugin, &self.settings, grant.clone()) {
            Ok(configured) => self.expect.mismatch(self.ask(&configured)),
            Err(errors) => self.expect.mismatch_of_settings(&errors),
        }?;
        Some(Mismatch {
            case: self.name.clone(),
            what,
        })
    }

    /// `None`: the case asks nothing.
    fn ask(&self, configured: &Configured) -> Option<Answered> {
        let ctx = self.context.meant();
        match (configured, self) {
            (
                Configured::Guard(guard),
                Case {
                    guard: Some(op), ..
                },
            ) => Some(op.ask(guard, &ctx)),
            (
                Configured::Approval(approval),
                Case {
                    approval: Some(asked),
                    ..
                },
            ) => Some(asked.ask(approval, &ctx)),
            (
                Configured::Detector(detector),
                Case {
                    detector: Some(asked),
                    ..
                },
            ) => Some(asked.ask(detector, &ctx)),
            (
                Configured::Detector(detector),
                Case {
                    classify: Some(asked),
                    ..
                },
            ) => Some(asked.ask(detector)),
            (
                Configured::Transformer(transformer),
                Case {
                    transformer: Some(asked),
                    ..
                },
            ) => Some(asked.ask(transformer, &ctx)),
            _ => None,
        }
    }
}
