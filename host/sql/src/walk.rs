//! One pass over everything in a statement: every relation, function, column, lock, write and opaque thing in it.
//!
//! The pass goes through all fields of all nodes and treats only those it knows in a special way, so that a construct it has
//! never heard of is still searched. It decides nothing about the statement as a whole.

mod names;
mod query;

use std::collections::BTreeSet;

use crate::opaque;
use crate::scope::{ROOT, ScopeId, Scopes};
use crate::session;
use crate::sheet::{ColumnUse, Fed, Function, Relation, RelationName};
use crate::tree::{Tree, Value};
use crate::unique::Unique;
use crate::{OpaqueReason, Unparseable, filter, object};

/// Most nodes visited a second time for `ORDER BY 1` and its like. Nested references multiply: without an end, forty levels
/// of `order by 1` would keep the parser for days.
const REVISITS_MAX: usize = 100_000;

/// What one pass finds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) relations: Unique<Relation>,
    pub(crate) functions: Unique<Function>,
    pub(crate) attributes: Unique<String>,
    pub(crate) read: Unique<ColumnUse>,
    pub(crate) predicate: Unique<ColumnUse>,
    pub(crate) written: Unique<ColumnUse>,
    /// What may end up in what a write stores.
    pub(crate) fed: Unique<Fed>,
    pub(crate) unfiltered: Unique<RelationName>,
    pub(crate) effects: Unique<String>,
    pub(crate) opaque: BTreeSet<OpaqueReason>,
    pub(crate) qualified_operators: bool,
    pub(crate) locking: bool,
    /// An `INSERT`, `UPDATE`, `DELETE` or `MERGE` anywhere.
    pub(crate) writes: bool,
    /// A `SELECT INTO` or `CREATE TABLE AS` anywhere.
    pub(crate) into: bool,
    /// Anything that stores values: all of the above but `DELETE`, and `ALTER TABLE`.
    pub(crate) stores: bool,
    /// A relation or a join is given names of its own for its columns.
    pub(crate) renames: bool,
    pub(crate) parameters: u32,
    pub(crate) literals: u32,
}

/// Searches the statement `node`.
pub(crate) fn search(node: &Tree) -> Result<Found, Unparseable> {
    let mut walk = Walk {
        found: Found::default(),
        scopes: Scopes::new(),
        revisits: 0,
    };
    walk.node(
        node,
        Place {
            scope: ROOT,
            predicate: false,
            again: false,
            nested: false,
            returned: false,
            computed: false,
        },
    );
    let found = walk.found;
    let overflown = walk.revisits > REVISITS_MAX
        || walk.scopes.overflown()
        || found.relations.overflown()
        || found.functions.overflown()
        || found.attributes.overflown()
        || found.read.overflown()
        || found.predicate.overflown()
        || found.written.overflown()
        || found.fed.overflown()
        || found.unfiltered.overflown()
        || found.effects.overflown();
    if overflown {
        Err(Unparseable::TooManyNames)
    } else {
        Ok(found)
    }
}

/// Where the pass is.
#[derive(Debug, Clone, Copy)]
struct Place {
    scope: ScopeId,
    /// Inside something that chooses or orders rows; everything below is as well.
    predicate: bool,
    /// Seen before, and visited again for another use: constants are not counted twice.
    again: bool,
    /// Inside a query or write already.
    nested: bool,
    /// In the `RETURNING` list of the outermost write: it goes to the caller, and is stored nowhere.
    returned: bool,
    /// Inside an expression: what comes out is not what was read.
    computed: bool,
}

struct Walk {
    found: Found,
    scopes: Scopes,
    revisits: usize,
}

impl Walk {
    fn node(&mut self, node: &Tree, place: Place) {
        if place.again && !self.may_revisit(1) {
            return;
        }
        if let Some(reason) = opaque::node(node) {
            self.found.opaque.insert(reason);
        }
        match node.kind {
            "SelectStmt" | "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => {
                return self.query(node, place);
            }
            // These name sources of the query around them, not relations.
            "LockingClause" => {
                self.found.locking = true;
                return;
            }
            "ColumnRef" => return self.column(node, place),
            "AIndirection" => self.indirection(node, place),
            "FuncCall" => self.call(node),
            "ParamRef" => {
                let number = u32::try_from(node.int("number")).unwrap_or(u32::MAX);
                self.found.parameters = self.found.parameters.max(number);
            }
            "AConst" => {
                if !node.is("isnull") && !place.again {
                    self.found.literals = self.found.literals.saturating_add(1);
                }
                return;
            }
            "IntoClause" => {
                self.found.into = true;
                self.found.stores = true;
            }
            "AlterTableStmt" => self.found.stores = true,
            "CopyStmt" => self.copied(node),
            "JoinExpr" => {
                self.found.renames |= ["alias", "join_using_alias"]
                    .into_iter()
                    .any(|key| node.node(key).is_some());
                self.join(node);
            }
            "AExpr" => self.operator(node, "name"),
            "SubLink" => self.operator(node, "oper_name"),
            "SortBy" => self.operator(node, "use_op"),
            "CreateTrigStmt" | "CreateEventTrigStmt" => self.function(&node.words("funcname")),
            "RangeTableSample" => self.function(&node.words("method")),
            "OnConflictClause" | "MergeWhenClause" => self.assigned(node, "target_list", place),
            _ => {}
        }
        for name in object::worded_relations(node) {
            self.relation(name, crate::Access::Define);
        }
        for (key, value) in node.fields() {
            self.field(node, key, value, place);
        }
    }

    /// One field of `parent`, with what the field's name says about its content.
    fn field(&mut self, parent: &Tree, key: &str, value: &Value, place: Place) {
        let place = Place {
            predicate: place.predicate || chooses_rows(parent.kind, key),
            computed: place.computed || !passes_on(parent.kind),
            ..place
        };
        self.value(parent, key, value, place);
    }

    fn value(&mut self, parent: &Tree, key: &str, value: &Value, place: Place) {
        match value {
            Value::Node(node) if node.kind == "RangeVar" => self.range(parent, key, node, place),
            Value::Node(node) => self.node(node, place),
            Value::List(items) => {
                for item in items {
                    self.value(parent, key, item, place);
                }
            }
            _ => {}
        }
    }

    /// Takes `nodes` from what is left for second visits. Once that is spent, the pass is void.
    fn may_revisit(&mut self, nodes: usize) -> bool {
        self.revisits = self.revisits.saturating_add(nodes);
        self.revisits <= REVISITS_MAX
    }

    fn call(&mut self, node: &Tree) {
        let words = node.words("funcname");
        self.function(&words);
        self.kept(node, words.last().copied().unwrap_or_default());
        if let Some(effect) = session::of_call(node) {
            self.found.effects.push(effect);
        }
    }

    fn function(&mut self, words: &[&str]) {
        let Some(RelationName { schema, name }) = object::relation_name(words) else {
            return;
        };
        if let Some(reason) = opaque::function(&name) {
            self.found.opaque.insert(reason);
        }
        self.found.functions.push(Function { schema, name });
    }

    /// A function that keeps what it is given may be given only what the caller wrote.
    fn kept(&mut self, node: &Tree, name: &str) {
        if opaque::KEEPING_FUNCTIONS.contains(&name)
            && !node.nodes("args").all(crate::outputs::is_own)
        {
            self.found.opaque.insert(OpaqueReason::Keeps);
        }
    }

    fn operator(&mut self, node: &Tree, key: &str) {
        self.found.qualified_operators |= node.list(key).len() > 1;
    }

    fn unfiltered(&mut self, node: &Tree, condition: &str) {
        if let Some(target) = node
            .node("relation")
            .filter(|_| !filter::limits(node, condition))
        {
            self.found.unfiltered.push(crate::scope::range_name(target));
        }
    }
}

/// Whether a `kind` node hands on what stands in it as it is. All others are taken to compute something.
fn passes_on(kind: &str) -> bool {
    matches!(
        kind,
        "SelectStmt"
            | "InsertStmt"
            | "UpdateStmt"
            | "DeleteStmt"
            | "MergeStmt"
            | "MergeWhenClause"
            | "OnConflictClause"
            | "ReturningClause"
            | "ResTarget"
            | "List"
            | "WithClause"
            | "CommonTableExpr"
            | "JoinExpr"
            | "RangeSubselect"
            | "ExplainStmt"
            | "PrepareStmt"
            | "CreateTableAsStmt"
            | "CopyStmt"
            | "DeclareCursorStmt"
    )
}

/// Whether what stands in field `key` of a `kind` node decides which rows there are, or in what order.
fn chooses_rows(kind: &str, key: &str) -> bool {
    match key {
        "where_clause" | "having_clause" | "group_clause" | "sort_clause" | "window_clause"
        | "distinct_clause" => true,
        "quals" | "join_condition" | "agg_order" | "agg_filter" | "over" | "limit_count"
        | "limit_offset" => true,
        "qual" | "with_check" | "when_clause" => true,
        "condition" => kind == "MergeWhenClause",
        "infer" => kind == "OnConflictClause",
        _ => false,
    }
}
