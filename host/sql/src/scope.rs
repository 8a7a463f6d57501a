//! Which names stand for what at a place in a statement: common table expressions that hide relations, and the aliases
//! columns are qualified with.
//!
//! Scopes form a tree and are never closed; a place knows its own. When in doubt a name is taken for a relation, and a
//! column for one of unknown relation.

use std::collections::HashMap;

use crate::NAMES_MAX;
use crate::object::relation_name;
use crate::sheet::RelationName;
use crate::tree::Tree;

/// A scope's number. The outermost is [`ROOT`].
pub(crate) type ScopeId = usize;

/// The scope outside every query.
pub(crate) const ROOT: ScopeId = 0;

#[derive(Debug, Default)]
struct Scope {
    parent: Option<ScopeId>,
    expressions: Vec<String>,
    sources: Vec<Source>,
    by_name: HashMap<String, usize>,
    target: Option<String>,
}

/// One item of a `FROM` list: the name its columns are qualified with, and the relation behind it.
#[derive(Debug)]
struct Source {
    name: String,
    relation: Option<String>,
}

impl Source {
    fn label(&self) -> String {
        self.relation.as_ref().unwrap_or(&self.name).clone()
    }
}

#[derive(Debug)]
pub(crate) struct Scopes {
    scopes: Vec<Scope>,
    names: usize,
}

impl Scopes {
    pub(crate) fn new() -> Self {
        Self {
            scopes: vec![Scope::default()],
            names: 0,
        }
    }

    /// A scope inside `parent` in which `expressions` hide relations of their names.
    pub(crate) fn open(&mut self, parent: ScopeId, expressions: Vec<String>) -> ScopeId {
        self.names += expressions.len();
        self.scopes.push(Scope {
            parent: Some(parent),
            expressions,
            ..Scope::default()
        });
        self.scopes.len() - 1
    }

    /// Whether more names were declared than lookups can afford.
    pub(crate) fn overflown(&self) -> bool {
        self.names > NAMES_MAX
    }

    /// The relation that writes in `scope` go to.
    pub(crate) fn set_target(&mut self, scope: ScopeId, relation: &Tree) {
        let label = range_label(relation);
        if let Some(scope) = self.scopes.get_mut(scope) {
            scope.target = Some(label);
        }
    }

    pub(crate) fn target(&self, scope: ScopeId) -> Option<String> {
        self.outwards(scope).find_map(|scope| scope.target.clone())
    }

    /// Declares the sources of one `FROM` item in `scope`, joins included.
    pub(crate) fn add_source(&mut self, scope: ScopeId, item: &Tree) {
        let alias = item.node("alias").and_then(|alias| alias.text("aliasname"));
        match item.kind {
            "RangeVar" => {
                let name = range_name(item);
                // The columns of a common table expression are not the columns of a relation of its name.
                let relation = (!self.hides(scope, &name)).then(|| label(&name));
                self.declare(scope, alias.unwrap_or(&name.name), relation);
            }
            "JoinExpr" => {
                for side in ["larg", "rarg"] {
                    if let Some(side) = item.node(side) {
                        self.add_source(scope, side);
                    }
                }
                let using = item
                    .node("join_using_alias")
                    .and_then(|alias| alias.text("aliasname"));
                for name in [alias, using].into_iter().flatten() {
                    self.declare(scope, name, None);
                }
            }
            "RangeTableSample" => {
                if let Some(relation) = item.node("relation") {
                    self.add_source(scope, relation);
                }
            }
            _ => {
                if let Some(name) = alias {
                    self.declare(scope, name, None);
                } else {
                    // Functions without an alias are named after themselves; an empty name still counts as a source.
                    self.declare(scope, "", None);
                }
            }
        }
    }

    fn declare(&mut self, scope: ScopeId, name: &str, relation: Option<String>) {
        self.names += 1;
        if let Some(scope) = self.scopes.get_mut(scope) {
            scope
                .by_name
                .entry(name.to_owned())
                .or_insert(scope.sources.len());
            scope.sources.push(Source {
                name: name.to_owned(),
                relation,
            });
        }
    }

    /// Whether a common table expression hides the relation `name` in `scope`.
    pub(crate) fn hides(&self, scope: ScopeId, name: &RelationName) -> bool {
        name.schema.is_none()
            && self
                .outwards(scope)
                .any(|scope| scope.expressions.contains(&name.name))
    }

    /// What the qualifier of a column stands for: its relation if the text shows it, else the qualifier.
    pub(crate) fn qualified(&self, scope: ScopeId, qualifier: &str) -> String {
        if let Some(source) = self.source(scope, qualifier) {
            return source.label();
        }
        match (qualifier, self.target(scope)) {
            ("old" | "new" | "excluded", Some(target)) => target,
            _ => qualifier.to_owned(),
        }
    }

    /// The relation behind a source named exactly `name`: a bare `name` may be a whole row of it.
    pub(crate) fn whole_row(&self, scope: ScopeId, name: &str) -> Option<String> {
        self.source(scope, name).map(Source::label)
    }

    /// What an unqualified column belongs to: known only when there is a single source all the way out.
    pub(crate) fn unqualified(&self, scope: ScopeId) -> Option<String> {
        let mut sources = self.outwards(scope).flat_map(|scope| &scope.sources);
        match (sources.next(), sources.next()) {
            (Some(only), None) if !only.label().is_empty() => Some(only.label()),
            _ => None,
        }
    }

    /// What `*` stands for in `scope`.
    pub(crate) fn stars(&self, scope: ScopeId) -> Vec<Option<String>> {
        let here = self
            .scopes
            .get(scope)
            .map(|scope| scope.sources.as_slice())
            .unwrap_or_default();
        if here.is_empty() {
            return vec![None];
        }
        here.iter()
            .map(|source| Some(source.label()).filter(|label| !label.is_empty()))
            .collect()
    }

    fn source(&self, scope: ScopeId, name: &str) -> Option<&Source> {
        self.outwards(scope).find_map(|scope| {
            scope
                .by_name
                .get(name)
                .and_then(|at| scope.sources.get(*at))
        })
    }

    fn outwards(&self, scope: ScopeId) -> impl Iterator<Item = &Scope> {
        std::iter::successors(self.scopes.get(scope), |scope| {
            self.scopes.get(scope.parent?)
        })
    }
}

/// The name in a `RangeVar`. A database name can only be the current one.
pub(crate) fn range_name(range: &Tree) -> RelationName {
    RelationName {
        schema: range.text("schemaname").map(str::to_owned),
        name: range.text("relname").unwrap_or_default().to_owned(),
    }
}

/// The same as one text.
pub(crate) fn range_label(range: &Tree) -> String {
    label(&range_name(range))
}

/// The relation named by the words before a column: `t` of `s.t.c` as `s.t`.
pub(crate) fn worded_label(words: &[&str]) -> Option<String> {
    relation_name(words).as_ref().map(label)
}

fn label(name: &RelationName) -> String {
    match &name.schema {
        Some(schema) => format!("{schema}.{}", name.name),
        None => name.name.clone(),
    }
}
