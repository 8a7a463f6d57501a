//! What one statement does to the meaning of the next: it may change where names are looked up, what they
//! mean, or which cursors there are. Statements of one message follow one another as those of a session do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use almoner_sql::Kind;

use super::action::{Cursor, Resolved};
use crate::policy::Before;

/// Cursors of one session whose declaration is remembered.
const CURSORS_MAX: usize = 1_000;

/// What a cursor or portal has yielded, over all exchanges.
#[derive(Default)]
pub(super) struct Given(Mutex<Before>);

impl Given {
    pub(super) fn get(&self) -> Before {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, before: Before) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = before;
    }
}

/// The meaning of names at one place in a session.
#[derive(Clone)]
pub(super) struct Course {
    /// The search path or temporary tables may give names another meaning.
    pub(super) names_uncertain: bool,
    /// A definition may have changed.
    pub(super) defines: bool,
    /// Cursors by name.
    pub(super) cursors: Arc<HashMap<String, Cursor>>,
    /// Code that nobody has read may have opened cursors.
    pub(super) cursors_unknown: bool,
}

impl Course {
    /// Behind `statement`.
    pub(super) fn take(&mut self, statement: &Resolved) {
        let parsed = &statement.parsed;
        if statement.is_opaque() {
            self.cursors = Arc::default();
            self.cursors_unknown = true;
        }
        let Some(facts) = &parsed.facts else {
            self.names_uncertain = true;
            self.defines = true;
            return;
        };
        self.names_uncertain |= facts
            .session_effects
            .iter()
            .any(|effect| moves_path(effect));
        if matches!(
            facts.kind,
            Kind::Create | Kind::Alter | Kind::Drop | Kind::Refresh
        ) || facts.verb == "SELECT INTO"
            || statement.runs_unseen
        {
            self.defines = true;
            // A temporary relation hides one of the same name.
            self.names_uncertain |= parsed.sql.to_ascii_lowercase().contains("temp")
                // … which escapes can spell otherwise.
                || parsed.sql.contains("U&")
                || parsed.sql.contains("u&")
                || statement.runs_unseen;
        }
        if facts.kind == Kind::DeclareCursor
            && let Some(name) = facts.cursor.as_ref().and_then(|cursor| cursor.name.clone())
        {
            self.declare(name, statement);
        }
    }

    fn declare(&mut self, name: String, statement: &Resolved) {
        if self.cursors_unknown {
            return;
        }
        let cursors = Arc::make_mut(&mut self.cursors);
        if cursors.len() >= CURSORS_MAX && !cursors.contains_key(&name) {
            // Not remembered, so what it yields counts as sensitive.
            return;
        }
        let declared = Cursor {
            sensitive: statement.sensitive,
            effect: statement.effect,
            outputs: statement.outputs.clone(),
            given: Arc::default(),
        };
        // The server may refuse a second declaration and keep the first: then both are thought of.
        let both = match cursors.get(&name) {
            None => declared,
            Some(first) => Cursor {
                sensitive: first.sensitive || declared.sensitive,
                effect: first.effect.max(declared.effect),
                outputs: Vec::new(),
                given: Arc::default(),
            },
        };
        cursors.insert(name, both);
    }
}

/// Whether an effect on the session may change where names are looked up.
pub(super) fn moves_path(effect: &str) -> bool {
    matches!(effect, "search-path" | "unknown")
}
