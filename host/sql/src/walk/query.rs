//! Queries and writes: the nodes that open scopes.

use super::{Place, Walk};
use crate::sheet::ColumnUse;
use crate::tree::Tree;

impl Walk {
    pub(super) fn query(&mut self, node: &Tree, place: Place) {
        let outermost = !place.nested;
        let place = Place {
            nested: true,
            ..place
        };
        let outer = Place {
            scope: self.expressions(node, place),
            ..place
        };
        let inner = Place {
            scope: self.scopes.open(outer.scope, Vec::new()),
            ..place
        };
        for item in ["from_clause", "using_clause"]
            .into_iter()
            .flat_map(|key| node.nodes(key))
        {
            self.scopes.add_source(inner.scope, item);
        }
        for item in ["relation", "source_relation"]
            .into_iter()
            .filter_map(|key| node.node(key))
        {
            self.scopes.add_source(inner.scope, item);
        }
        self.writes(node, inner);
        if node.kind == "SelectStmt" {
            self.references(node, inner);
        }
        for (key, value) in node.fields() {
            match key {
                "with_clause" => {}
                // The rows to insert come from outside: the target's columns are not visible in there.
                "select_stmt" => self.field(node, key, value, outer),
                "returning_clause" if outermost => {
                    let returned = Place {
                        returned: true,
                        ..inner
                    };
                    self.field(node, key, value, returned);
                }
                _ => self.field(node, key, value, inner),
            }
        }
    }

    /// Walks the common table expressions of `node` and returns the scope in which its body sees them. Each sees the ones
    /// before it; all see each other after `RECURSIVE`.
    fn expressions(&mut self, node: &Tree, place: Place) -> usize {
        let Some(with) = node.node("with_clause") else {
            return place.scope;
        };
        let name = |expression: &Tree| expression.text("ctename").unwrap_or_default().to_owned();
        let mut scope = place.scope;
        if with.is("recursive") {
            scope = self
                .scopes
                .open(scope, with.nodes("ctes").map(name).collect());
            for expression in with.nodes("ctes") {
                self.node(expression, Place { scope, ..place });
            }
        } else {
            for expression in with.nodes("ctes") {
                self.node(expression, Place { scope, ..place });
                scope = self.scopes.open(scope, vec![name(expression)]);
            }
        }
        scope
    }

    /// What a write says about its target.
    fn writes(&mut self, node: &Tree, place: Place) {
        let Some(target) = node.node("relation") else {
            return;
        };
        self.found.writes = true;
        self.found.stores |= node.kind != "DeleteStmt";
        self.scopes.set_target(place.scope, target);
        match node.kind {
            "InsertStmt" if node.list("cols").is_empty() => {
                let relation = Some(crate::scope::range_label(target));
                self.found.written.push(ColumnUse {
                    relation,
                    column: "*".to_owned(),
                });
            }
            "InsertStmt" => self.assigned(node, "cols", place),
            "UpdateStmt" => {
                self.assigned(node, "target_list", place);
                self.unfiltered(node, "where_clause");
            }
            "DeleteStmt" => self.unfiltered(node, "where_clause"),
            "MergeStmt" => {
                self.unfiltered(node, "join_condition");
                // The rows the join does not find are all the others.
                for clause in node.nodes("merge_when_clauses") {
                    if crate::filter::spares_nothing(node, clause) {
                        self.found.unfiltered.push(crate::scope::range_name(target));
                    }
                }
            }
            _ => {}
        }
    }

    /// `ORDER BY 2`, `GROUP BY alias`: the output column meant is used as a predicate, though it is written elsewhere.
    fn references(&mut self, node: &Tree, place: Place) {
        let again = Place {
            predicate: true,
            again: true,
            ..place
        };
        for key in ["sort_clause", "group_clause", "distinct_clause"] {
            for item in node.nodes(key) {
                let reference = if item.kind == "SortBy" {
                    item.node("node")
                } else {
                    Some(item)
                };
                if let Some(reference) = reference {
                    self.reference(node, reference, again);
                }
            }
        }
    }

    fn reference(&mut self, select: &Tree, reference: &Tree, place: Place) {
        if !self.may_revisit(1 + select.list("target_list").len()) {
            return;
        }
        // Grouping sets hold lists of references.
        if reference.kind == "GroupingSet" {
            for item in reference.nodes("content") {
                self.reference(select, item, place);
            }
            return;
        }
        // The branches of a set operation share positions and, in the first of them, names.
        for branch in ["larg", "rarg"]
            .into_iter()
            .filter_map(|side| select.node(side))
        {
            self.reference(branch, reference, place);
        }
        if let Some(position) = ordinal(reference) {
            let target = select
                .nodes("target_list")
                .nth(position)
                .and_then(|target| target.node("val"));
            if let Some(value) = target {
                self.node(value, place);
            }
        } else if let ("ColumnRef", [alias]) =
            (reference.kind, reference.words("fields").as_slice())
        {
            let targets = select
                .nodes("target_list")
                .filter(|target| target.text("name") == Some(alias));
            for value in targets.filter_map(|target| target.node("val")) {
                self.node(value, place);
            }
        }
    }
}

/// The zero-based position that a constant in `ORDER BY` or `GROUP BY` stands for.
fn ordinal(node: &Tree) -> Option<usize> {
    let value = node
        .node("val")
        .filter(|value| node.kind == "AConst" && value.kind == "Integer")?;
    usize::try_from(value.int("ival")).ok()?.checked_sub(1)
}
