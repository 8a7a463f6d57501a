//! Whether a statement would store values where nothing masks them: what is copied out of a tagged column
//! into another, or made of searched text in a form no detector knows, would be shown on the next reading.
//! Blunt on purpose: it looks at what the statement reads, not at where each value goes.

use almoner_sql::{Fed, Statement};
use almoner_wire::postgres::types::oid::{self, Builtin};

use super::action::Ground;
use super::names::label;
use crate::policy::Provenance;

/// What a column that is read holds, as far as storing it goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Numbers, dates, flags that no tag names.
    Plain,
    /// Text of a sensitive relation, shown after a search.
    Searched,
    /// What is masked, or may be.
    Masked,
    /// Not a relation's column: what a sub-select yields, whose own columns are looked at themselves.
    Derived,
}

/// Whether it may store what is masked, or what is searched in another form.
pub(super) fn escapes(facts: &Statement, ground: &Ground<'_>) -> bool {
    let mut searched = false;
    let mut computed = false;
    for fed in &facts.fed {
        let holds = holds(fed, facts, ground);
        if holds == Holds::Masked {
            return true;
        }
        searched |= holds == Holds::Searched;
        computed |= fed.computed && holds != Holds::Plain;
    }
    searched && computed
}

fn holds(fed: &Fed, facts: &Statement, ground: &Ground<'_>) -> Holds {
    let named = fed.relation.as_ref().and_then(|of| {
        facts
            .relations
            .iter()
            .find(|relation| label(relation.schema.as_deref(), &relation.name) == *of)
    });
    if let Some(relation) = named {
        return match ground.relation(relation.schema.as_deref(), &relation.name) {
            None => Holds::Masked,
            Some(oid) if !ground.tags.is_sensitive(oid) => Holds::Plain,
            Some(oid) => of_relation(oid, &fed.column, ground).unwrap_or(Holds::Masked),
        };
    }
    // It may be a column of any relation of the statement, or of none.
    let mut worst = Holds::Derived;
    let mut sensitive = false;
    for relation in &facts.relations {
        // Nobody knows what columns that has, or which relation it is at all: a temporary one, one that is
        // being changed.
        let Some(oid) = ground.relation(relation.schema.as_deref(), &relation.name) else {
            return Holds::Masked;
        };
        sensitive |= ground.tags.is_sensitive(oid);
        if fed.column == "*" {
            continue;
        }
        match of_relation(oid, &fed.column, ground) {
            Some(Holds::Masked) => return Holds::Masked,
            Some(Holds::Searched) => worst = Holds::Searched,
            // A column of that name proves nothing: what is meant may be a sub-select's.
            _ => {}
        }
    }
    if sensitive && facts.renames {
        return Holds::Masked;
    }
    worst
}

/// `None`: it has no such column.
fn of_relation(relation: u32, name: &str, ground: &Ground<'_>) -> Option<Holds> {
    let sensitive = ground.tags.is_sensitive(relation);
    let known = ground.catalog.relations.get(&relation)?;
    if !sensitive {
        // What no tag touches holds nothing that masking would hide.
        return Some(Holds::Plain);
    }
    if name == "*" {
        return Some(Holds::Masked);
    }
    let (number, column) = known
        .columns
        .iter()
        .find(|(_, column)| column.name == name)?;
    let provenance = ground.tags.provenance(ground.catalog, relation, *number);
    Some(match provenance {
        Provenance::Proven if is_plain(column.type_oid, ground) => Holds::Plain,
        Provenance::Proven => Holds::Searched,
        _ => Holds::Masked,
    })
}

fn is_plain(type_oid: u32, ground: &Ground<'_>) -> bool {
    ground.catalog.enums.contains(&type_oid)
        || Builtin::of(type_oid).is_some_and(|builtin| {
            !builtin.is_text() && !matches!(type_oid, oid::JSON | oid::JSONB | oid::BYTEA)
        })
}
