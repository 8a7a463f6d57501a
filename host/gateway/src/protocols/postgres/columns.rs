//! What is known of each column of a result: where its values come from, how its cells can be read, and
//! how they can be written. A column nothing is known of is unproven.

use std::sync::Arc;

use almoner_sandbox::Field;
use almoner_sql::{Kind, OutputClass};
use almoner_wire::postgres::backend::FieldDescription;
use almoner_wire::postgres::types::oid::{self, Builtin};
use almoner_wire::postgres::{FORMAT_BINARY, FORMAT_TEXT};

use super::action::Resolved;
use super::catalog::{Catalog, Look};
use crate::policy::{ColumnFacts, Provenance};

/// How a column's cells are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CellType {
    pub(super) oid: u32,
    pub(super) format: i16,
    pub(super) class: Class,
}

/// What kind of value a cell holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Text, to be searched and replaced freely.
    Text,
    /// JSON text; what replaces it must be JSON again.
    Json,
    /// `jsonb` in binary: a version byte, then JSON.
    JsonBinary,
    /// An array of text in its binary form.
    TextArrayBinary,
    /// An array written as text.
    ArrayText,
    /// Numbers, dates, flags: not searched.
    Scalar,
    /// Addresses of machines.
    Network,
    /// Bytes that nobody reads.
    Bytes,
    /// A type nobody here knows, in binary.
    Unknown,
}

/// Types of a result's columns, and what is known of them.
pub(super) struct ResultColumns {
    pub(super) types: Arc<[CellType]>,
    pub(super) facts: Vec<ColumnFacts>,
}

/// What a result's columns are looked at with.
pub(super) struct Shown<'a> {
    pub(super) look: &'a Look,
    /// What is computed may be computed from something sensitive, whatever was thought of it.
    pub(super) doubted: bool,
}

/// The columns of a statement's result. `formats` overrides what the description says (a statement's
/// description does not know the formats a portal will use).
pub(super) fn of_result(
    fields: &[FieldDescription],
    formats: Option<&[i16]>,
    resolved: &Resolved,
    shown: &Shown<'_>,
) -> Option<ResultColumns> {
    let catalog = &*shown.look.catalog;
    let mut types = Vec::with_capacity(fields.len());
    let mut facts = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate() {
        let format = match formats {
            Some(codes) => almoner_wire::postgres::format_of(codes, index)?,
            None => field.format,
        };
        let cell = CellType {
            oid: field.type_oid,
            format,
            class: class_of(field.type_oid, format, catalog),
        };
        let provenance = provenance(field, index, fields.len(), resolved, shown);
        facts.push(describe(field, &cell, provenance, catalog));
        types.push(cell);
    }
    Some(ResultColumns {
        types: types.into(),
        facts,
    })
}

/// A column of `COPY … TO`.
pub(super) struct CopyColumn {
    pub(super) container: String,
    pub(super) name: String,
    pub(super) type_oid: u32,
    pub(super) provenance: Provenance,
}

/// The columns of `COPY … TO`: written as text all of them, each a value of its type.
pub(super) fn of_copy(columns: Vec<CopyColumn>, catalog: &Catalog) -> ResultColumns {
    let mut types = Vec::with_capacity(columns.len());
    let mut facts = Vec::with_capacity(columns.len());
    for column in columns {
        let cell = CellType {
            oid: column.type_oid,
            format: FORMAT_TEXT,
            class: class_of(column.type_oid, FORMAT_TEXT, catalog),
        };
        facts.push(column_facts(
            column.container,
            column.name,
            &cell,
            column.provenance,
        ));
        types.push(cell);
    }
    ResultColumns {
        types: types.into(),
        facts,
    }
}

fn provenance(
    field: &FieldDescription,
    index: usize,
    count: usize,
    resolved: &Resolved,
    shown: &Shown<'_>,
) -> Provenance {
    let Look {
        catalog,
        tags,
        settled,
    } = shown.look;
    if field.table_oid != 0 {
        let known = catalog.relations.get(&field.table_oid);
        let shifting = !*settled && known.is_none_or(|relation| relation.is_view);
        return if shifting {
            Provenance::Unproven
        } else {
            tags.provenance(catalog, field.table_oid, field.column)
        };
    }
    match resolved.parsed.kind() {
        Kind::Show => return Provenance::Harmless,
        // Planning computes what is immutable, and a plan shows what came of it.
        Kind::Explain if !resolved.taints => return Provenance::Harmless,
        _ => {}
    }
    let outputs = &resolved.outputs;
    let trusted = outputs.len() == count && !outputs.contains(&OutputClass::Star);
    let class = outputs.get(index).filter(|_| trusted);
    match class {
        // Whatever else may be called `count`, what counts has this type.
        Some(OutputClass::Count) if field.type_oid == oid::INT8 => Provenance::Harmless,
        Some(OutputClass::Constant | OutputClass::Parameter) => Provenance::Harmless,
        _ if resolved.sensitive || shown.doubted => Provenance::Unproven,
        _ => Provenance::Proven,
    }
}

fn describe(
    field: &FieldDescription,
    cell: &CellType,
    provenance: Provenance,
    catalog: &Catalog,
) -> ColumnFacts {
    let relation = catalog.relations.get(&field.table_oid);
    let column = relation.and_then(|relation| relation.columns.get(&field.column));
    let container = relation.map_or_else(String::new, |relation| {
        format!("{}.{}", relation.schema, relation.name)
    });
    // The column's own name tells more than what a query calls it.
    let path = column.map_or_else(
        || String::from_utf8_lossy(&field.name).into_owned(),
        |column| column.name.clone(),
    );
    column_facts(container, path, cell, provenance)
}

fn column_facts(
    container: String,
    path: String,
    cell: &CellType,
    provenance: Provenance,
) -> ColumnFacts {
    let declared_type = Builtin::of(cell.oid).map_or("unknown", Builtin::name);
    ColumnFacts {
        field: Field {
            container,
            path,
            declared_type: declared_type.to_owned(),
            media_type: match cell.class {
                Class::Json | Class::JsonBinary => "application/json",
                _ => "text/plain",
            }
            .to_owned(),
        },
        provenance,
        text: matches!(
            cell.class,
            Class::Text
                | Class::Json
                | Class::JsonBinary
                | Class::TextArrayBinary
                | Class::ArrayText
        ),
        binary: matches!(cell.class, Class::Bytes),
        kind_of_type: match cell.class {
            Class::Network => Some("phi.ip"),
            Class::Unknown => Some("phi.unverified"),
            _ => None,
        },
    }
}

fn class_of(type_oid: u32, format: i16, catalog: &Catalog) -> Class {
    let binary = format == FORMAT_BINARY;
    match type_oid {
        oid::JSON => return Class::Json,
        oid::JSONB if binary => return Class::JsonBinary,
        oid::JSONB => return Class::Json,
        oid::BYTEA => return Class::Bytes,
        oid::INET | oid::CIDR | oid::MACADDR => return Class::Network,
        _ => {}
    }
    if let Some(builtin) = Builtin::of(type_oid) {
        return if builtin.is_text() {
            Class::Text
        } else {
            Class::Scalar
        };
    }
    if let Some(element) = Builtin::element_of(type_oid) {
        return match element.oid() {
            _ if element.is_text() && binary => Class::TextArrayBinary,
            _ if element.is_text() => Class::ArrayText,
            oid::JSON | oid::JSONB | oid::BYTEA | oid::INET | oid::CIDR | oid::MACADDR => {
                if binary {
                    Class::Unknown
                } else {
                    Class::ArrayText
                }
            }
            _ => Class::Scalar,
        };
    }
    if catalog.enums.contains(&type_oid) {
        return Class::Scalar;
    }
    // Extensions, composites, ranges: searched where they come as text.
    if binary { Class::Unknown } else { Class::Text }
}
