//! Relations and columns as they are named.

use super::{Place, Walk};
use crate::scope::{range_label, range_name, worded_label};
use crate::session;
use crate::sheet::{Access, ColumnUse, Fed, Relation, RelationName};
use crate::tree::Tree;

impl Walk {
    /// A relation node in field `key` of `parent`.
    pub(super) fn range(&mut self, parent: &Tree, key: &str, node: &Tree, place: Place) {
        let name = range_name(node);
        let access = access(parent, key);
        self.found.renames |= node
            .node("alias")
            .is_some_and(|alias| !alias.list("colnames").is_empty());
        // A common table expression can be read but never be the target of anything.
        if access == Access::Read && self.scopes.hides(place.scope, &name) {
            return;
        }
        self.relation(name, access);
    }

    pub(super) fn relation(&mut self, name: RelationName, access: Access) {
        // A rule on this view turns writing to it into changing settings.
        if access == Access::Write && name.name == "pg_settings" {
            self.found.effects.push(session::UNKNOWN.to_owned());
        }
        let RelationName { schema, name } = name;
        self.found.relations.push(Relation {
            schema,
            name,
            access,
        });
    }

    /// `c`, `q.c`, `s.t.c`, `*` or `q.*`.
    pub(super) fn column(&mut self, node: &Tree, place: Place) {
        let words = node.words("fields");
        // What an INSERT proposes was fed to it already, or is the caller's own.
        let star = node.nodes("fields").any(|field| field.kind == "AStar");
        let proposed = matches!(
            (words.as_slice(), star),
            (["excluded"], true) | (["excluded", _], false)
        ) && self.scopes.whole_row(place.scope, "excluded").is_none();
        let place = Place {
            returned: place.returned || proposed,
            ..place
        };
        match words.as_slice() {
            [] => {
                for relation in self.scopes.stars(place.scope) {
                    self.used(place, relation, "*");
                }
            }
            [name] if !star => {
                let relation = self.scopes.unqualified(place.scope);
                let row = self.scopes.whole_row(place.scope, name);
                self.used(place, relation, name);
                if row.is_some() {
                    self.used(place, row, "*");
                }
            }
            [qualifier] => {
                let relation = self.scopes.qualified(place.scope, qualifier);
                self.used(place, Some(relation), "*");
            }
            [qualifier, name] if !star => {
                let relation = self.scopes.qualified(place.scope, qualifier);
                self.used(place, Some(relation), name);
                self.attribute(name);
            }
            longer if star => self.used(place, worded_label(longer), "*"),
            [before @ .., name] => {
                self.used(place, worded_label(before), name);
                self.attribute(name);
            }
        }
    }

    /// `(x).name`, which may be a column of what `x` is.
    pub(super) fn indirection(&mut self, node: &Tree, place: Place) {
        let row = node
            .node("arg")
            .filter(|arg| arg.kind == "ColumnRef")
            .map(|arg| arg.words("fields"));
        let relation = match row.as_deref() {
            Some([name]) => self.scopes.whole_row(place.scope, name),
            _ => None,
        };
        for name in node.words("indirection") {
            self.used(place, relation.clone(), name);
            self.attribute(name);
        }
    }

    /// A join compares columns it does not spell out as expressions.
    pub(super) fn join(&mut self, node: &Tree) {
        for name in node.words("using_clause") {
            self.found.predicate.push(ColumnUse {
                relation: None,
                column: name.to_owned(),
            });
        }
        if node.is("is_natural") {
            self.found.predicate.push(ColumnUse {
                relation: None,
                column: "*".to_owned(),
            });
        }
    }

    /// The columns a `COPY` of a relation moves; without a list, all.
    pub(super) fn copied(&mut self, node: &Tree) {
        let Some(relation) = node.node("relation").map(range_label) else {
            return;
        };
        let uses = if node.is("is_from") {
            &mut self.found.written
        } else {
            &mut self.found.read
        };
        let columns = node.words("attlist");
        let columns = if columns.is_empty() {
            vec!["*"]
        } else {
            columns
        };
        for column in columns {
            uses.push(ColumnUse {
                relation: Some(relation.clone()),
                column: column.to_owned(),
            });
        }
    }

    /// The columns that the targets in field `key` assign.
    pub(super) fn assigned(&mut self, node: &Tree, key: &str, place: Place) {
        let relation = self.scopes.target(place.scope);
        for name in node.nodes(key).filter_map(|target| target.text("name")) {
            self.found.written.push(ColumnUse {
                relation: relation.clone(),
                column: name.to_owned(),
            });
        }
    }

    /// Attribute notation is a function call where there is no such column.
    fn attribute(&mut self, name: &str) {
        if let Some(reason) = crate::opaque::function(name) {
            self.found.opaque.insert(reason);
        }
        if crate::opaque::KEEPING_FUNCTIONS.contains(&name) {
            self.found.opaque.insert(crate::OpaqueReason::Keeps);
        }
        self.found.attributes.push(name.to_owned());
    }

    fn used(&mut self, place: Place, relation: Option<String>, column: &str) {
        if !place.predicate && !place.returned {
            self.found.fed.push(Fed {
                relation: relation.clone(),
                column: column.to_owned(),
                computed: place.computed,
            });
        }
        let uses = if place.predicate {
            &mut self.found.predicate
        } else {
            &mut self.found.read
        };
        uses.push(ColumnUse {
            relation,
            column: column.to_owned(),
        });
    }
}

/// What `parent` does to a relation in its field `key`.
fn access(parent: &Tree, key: &str) -> Access {
    match (parent.kind, key) {
        ("InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt", "relation") => Access::Write,
        (
            "SelectStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" | "JoinExpr"
            | "RangeTableSample" | "List",
            _,
        ) => Access::Read,
        ("CopyStmt", _) if parent.is("is_from") => Access::Write,
        ("CopyStmt" | "TableLikeClause", _)
        | ("CreateStmt", "inh_relations")
        | ("Constraint", "pktable") => Access::Read,
        (
            "TruncateStmt" | "LockStmt" | "VacuumRelation" | "ClusterStmt" | "ReindexStmt"
            | "RefreshMatViewStmt",
            _,
        ) => Access::Write,
        _ => Access::Define,
    }
}
