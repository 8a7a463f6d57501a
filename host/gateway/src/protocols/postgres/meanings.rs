//! What the names of prepared statements, portals and cursors mean, as a session goes on: SQL reaches them, too
//! (`DEALLOCATE`, `DECLARE`, `CLOSE`, `SET search_path`), and code that nobody has read may. What is doubtful is
//! prepared again from the text that was judged, or forgotten; never believed.

use std::sync::Arc;

use almoner_sql::Kind;
use almoner_wire::postgres::Frontend;
use almoner_wire::postgres::frontend::Parse;
use bytes::BytesMut;

use super::action::Resolved;
use super::course::moves_path;
use super::expect::{Expect, Made, Portal, Prepared};
use super::session::Relay;
use super::sinks::Housekeeping;
use crate::policy::Clearance;

impl Relay {
    /// For a statement that is prepared at this moment.
    pub(super) fn made(&self) -> Made {
        Made {
            epoch: self.noted.epoch,
            catalog: self.catalogs.current().version,
        }
    }

    /// The statement itself, or one of the same name and text that is still to be prepared, if the server
    /// might take the name or the text for something else by now. Portals keep the one they were bound to,
    /// with its columns.
    pub(super) fn renewed(&self, statement: Arc<Prepared>) -> Arc<Prepared> {
        let made = self.made();
        if statement.made == made && self.catalogs.is_settled() {
            return statement;
        }
        self.again(&statement, made)
    }

    /// It could not be prepared again, since its transaction had failed, say. The caller has it still, and the
    /// next Bind tries anew.
    pub(super) fn doubt(&mut self, statement: &Arc<Prepared>) {
        let again = self.again(statement, Made::NEVER);
        if let Some(known) = self.statements.get_mut(&statement.name)
            && Arc::ptr_eq(known, statement)
        {
            *known = again;
        }
    }

    fn again(&self, statement: &Prepared, made: Made) -> Arc<Prepared> {
        let copied = self.copied_query(&statement.text, made);
        let (name, text) = (statement.name.clone(), Arc::clone(&statement.text));
        let renewed = Prepared::new(name, text, statement.types.clone(), copied, made);
        if let Some(clearance) = statement.clearance() {
            renewed.keep_clearance(clearance);
        }
        renewed
    }

    /// Has the server prepare a renewed statement in place of the one it may have by that name.
    pub(super) fn prepare_again(&mut self, statement: &Arc<Prepared>, clearance: &Clearance) {
        let known = self.statements.get(&statement.name);
        if known.is_some_and(|known| Arc::ptr_eq(known, statement)) {
            return;
        }
        let mut message = BytesMut::new();
        let parse = Frontend::Parse(Parse {
            statement: statement.name.clone(),
            sql: statement.text.sql.clone(),
            parameter_types: statement.types.clone(),
        });
        // It came in a message of the same limits, so it fits; if it did not, the Bind behind it would find
        // another statement than is thought, and so the name is given up first.
        self.upstream
            .own(Housekeeping::CloseStatement(statement.name.clone()));
        self.expect.push_back(Expect::Close {
            portal: None,
            said: false,
        });
        if parse.encode(&mut message).is_ok() {
            self.prepare(&message, Arc::clone(statement), clearance, false);
        }
    }

    /// `SET LOCAL` and rollbacks take a search path back.
    pub(super) fn transaction_may_end(&mut self) {
        if self.noted.path_moved {
            self.noted.epoch += 1;
        }
    }

    /// What a statement does to the meaning of later ones. `running` is the portal that it runs in.
    pub(super) fn note_effects(
        &mut self,
        statements: &[Arc<Resolved>],
        running: Option<&Arc<Portal>>,
    ) {
        for statement in statements {
            self.note_meanings(statement, running);
            self.course.take(statement);
            let facts = statement.parsed.facts.as_ref();
            if facts.is_none_or(|facts| facts.session_effects.iter().any(|one| moves_path(one))) {
                self.noted.path_moved = true;
                self.noted.epoch += 1;
            }
        }
        if std::mem::take(&mut self.course.defines) {
            self.noted.epoch += 1;
            if self.change.is_none() {
                self.change = Some(self.catalogs.changing());
            }
        }
    }

    /// What a statement does to the meaning of names, from the moment it is sent.
    fn note_meanings(&mut self, statement: &Resolved, running: Option<&Arc<Portal>>) {
        let parsed = &statement.parsed;
        if parsed.facts.is_none() || statement.is_opaque() {
            self.nothing_is_known(running);
            return;
        }
        match parsed.kind() {
            Kind::Deallocate | Kind::Discard => {
                self.noted.epoch += 1;
                self.portals.retain(|_, portal| !portal.depends_on_names());
            }
            Kind::DeclareCursor | Kind::CloseCursor => {
                self.noted.epoch += 1;
                let name = parsed
                    .facts
                    .as_ref()
                    .and_then(|facts| facts.cursor.as_ref())
                    .and_then(|cursor| cursor.name.as_ref());
                // Cursors and portals are one to the server. Without a name it is all of them.
                self.portals.retain(|portal, bound| {
                    !bound.depends_on_names()
                        && name.is_some_and(|name| portal.as_ref() != name.as_bytes())
                });
            }
            Kind::Commit | Kind::Rollback | Kind::RollbackTo => self.transaction_may_end(),
            _ => {}
        }
    }

    /// Code that nobody has read may have done any of it. What is unnamed is out of SQL's reach, and a portal
    /// that runs cannot be closed.
    fn nothing_is_known(&mut self, running: Option<&Arc<Portal>>) {
        self.noted.epoch += 1;
        // It may have moved the search path, and the end of its transaction may take that back.
        self.noted.path_moved = true;
        self.portals.retain(|name, portal| {
            let runs = running.is_some_and(|running| Arc::ptr_eq(running, portal));
            runs || (name.is_empty() && !portal.depends_on_names())
        });
    }
}
