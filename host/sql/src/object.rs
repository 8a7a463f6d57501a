//! What sort of thing a `CREATE`, `ALTER` or `DROP` is about, in SQL's own words, and which relations it names without a
//! relation node: `DROP TABLE a.b` and `COMMENT ON COLUMN a.b.c` carry plain lists of words.

use pg_query::protobuf::ObjectType;

use crate::kind::object_type;
use crate::sheet::RelationName;
use crate::tree::{Tree, Value};

/// The noun of a definition's verb; empty when there is none.
pub(crate) fn noun(node: &Tree) -> &'static str {
    match node.kind {
        "CreateStmt" => "TABLE",
        "CreateTableAsStmt" if object_type(node, "objtype") == Some(ObjectType::ObjectMatview) => {
            "MATERIALIZED VIEW"
        }
        "CreateTableAsStmt" => "TABLE AS",
        "ViewStmt" => "VIEW",
        "IndexStmt" => "INDEX",
        "RuleStmt" => "RULE",
        "CompositeTypeStmt" | "CreateEnumStmt" | "CreateRangeStmt" | "AlterEnumStmt"
        | "AlterTypeStmt" => "TYPE",
        "CreateFunctionStmt" if node.is("is_procedure") => "PROCEDURE",
        "CreateFunctionStmt" => "FUNCTION",
        "CreateTrigStmt" => "TRIGGER",
        "CreateEventTrigStmt" | "AlterEventTrigStmt" => "EVENT TRIGGER",
        "CreateSchemaStmt" => "SCHEMA",
        "CreateSeqStmt" | "AlterSeqStmt" => "SEQUENCE",
        "CreateRoleStmt" | "AlterRoleStmt" | "AlterRoleSetStmt" | "DropRoleStmt" => "ROLE",
        "CreatedbStmt"
        | "AlterDatabaseStmt"
        | "AlterDatabaseRefreshCollStmt"
        | "AlterDatabaseSetStmt"
        | "DropdbStmt" => "DATABASE",
        "CreateTableSpaceStmt" | "DropTableSpaceStmt" | "AlterTableSpaceOptionsStmt" => {
            "TABLESPACE"
        }
        "CreateExtensionStmt" | "AlterExtensionStmt" | "AlterExtensionContentsStmt" => "EXTENSION",
        "CreateFdwStmt" | "AlterFdwStmt" => "FOREIGN DATA WRAPPER",
        "CreateForeignServerStmt" | "AlterForeignServerStmt" => "SERVER",
        "CreateForeignTableStmt" => "FOREIGN TABLE",
        "CreateUserMappingStmt" | "AlterUserMappingStmt" | "DropUserMappingStmt" => "USER MAPPING",
        "CreatePolicyStmt" | "AlterPolicyStmt" => "POLICY",
        "CreatePublicationStmt" | "AlterPublicationStmt" => "PUBLICATION",
        "CreateSubscriptionStmt" | "AlterSubscriptionStmt" | "DropSubscriptionStmt" => {
            "SUBSCRIPTION"
        }
        "CreateDomainStmt" | "AlterDomainStmt" => "DOMAIN",
        "CreatePLangStmt" => "LANGUAGE",
        "CreateCastStmt" => "CAST",
        "CreateConversionStmt" => "CONVERSION",
        "CreateTransformStmt" => "TRANSFORM",
        "CreateAmStmt" => "ACCESS METHOD",
        "CreateOpClassStmt" => "OPERATOR CLASS",
        "CreateOpFamilyStmt" | "AlterOpFamilyStmt" => "OPERATOR FAMILY",
        "CreateStatsStmt" | "AlterStatsStmt" => "STATISTICS",
        "AlterCollationStmt" => "COLLATION",
        "AlterDefaultPrivilegesStmt" => "DEFAULT PRIVILEGES",
        "AlterSystemStmt" => "SYSTEM",
        "AlterOperatorStmt" => "OPERATOR",
        "AlterTsDictionaryStmt" => "TEXT SEARCH DICTIONARY",
        "AlterTsConfigurationStmt" => "TEXT SEARCH CONFIGURATION",
        "DropOwnedStmt" => "OWNED",
        "DefineStmt" => object_noun(object_type(node, "kind")),
        "DropStmt" => object_noun(object_type(node, "remove_type")),
        "RenameStmt" => renamed(node),
        "AlterTableStmt" | "AlterTableMoveAllStmt" | "AlterFunctionStmt" => {
            object_noun(object_type(node, "objtype"))
        }
        _ => object_noun(object_type(node, "object_type")),
    }
}

/// Renaming a column or constraint is a change of what it belongs to.
fn renamed(node: &Tree) -> &'static str {
    match object_type(node, "rename_type") {
        Some(ObjectType::ObjectColumn | ObjectType::ObjectTabconstraint) => {
            object_noun(object_type(node, "relation_type").or(Some(ObjectType::ObjectTable)))
        }
        other => object_noun(other),
    }
}

fn object_noun(object: Option<ObjectType>) -> &'static str {
    use ObjectType as O;
    match object {
        Some(O::ObjectAccessMethod) => "ACCESS METHOD",
        Some(O::ObjectAggregate) => "AGGREGATE",
        Some(O::ObjectCast) => "CAST",
        Some(O::ObjectColumn | O::ObjectTabconstraint | O::ObjectTable) => "TABLE",
        Some(O::ObjectCollation) => "COLLATION",
        Some(O::ObjectConversion) => "CONVERSION",
        Some(O::ObjectDatabase) => "DATABASE",
        Some(O::ObjectDomain | O::ObjectDomconstraint) => "DOMAIN",
        Some(O::ObjectEventTrigger) => "EVENT TRIGGER",
        Some(O::ObjectExtension) => "EXTENSION",
        Some(O::ObjectFdw) => "FOREIGN DATA WRAPPER",
        Some(O::ObjectForeignServer) => "SERVER",
        Some(O::ObjectForeignTable) => "FOREIGN TABLE",
        Some(O::ObjectFunction) => "FUNCTION",
        Some(O::ObjectIndex) => "INDEX",
        Some(O::ObjectLanguage) => "LANGUAGE",
        Some(O::ObjectLargeobject) => "LARGE OBJECT",
        Some(O::ObjectMatview) => "MATERIALIZED VIEW",
        Some(O::ObjectOpclass) => "OPERATOR CLASS",
        Some(O::ObjectOperator) => "OPERATOR",
        Some(O::ObjectOpfamily) => "OPERATOR FAMILY",
        Some(O::ObjectPolicy) => "POLICY",
        Some(O::ObjectProcedure) => "PROCEDURE",
        Some(O::ObjectPublication) => "PUBLICATION",
        Some(O::ObjectRole) => "ROLE",
        Some(O::ObjectRoutine) => "ROUTINE",
        Some(O::ObjectRule) => "RULE",
        Some(O::ObjectSchema) => "SCHEMA",
        Some(O::ObjectSequence) => "SEQUENCE",
        Some(O::ObjectSubscription) => "SUBSCRIPTION",
        Some(O::ObjectStatisticExt) => "STATISTICS",
        Some(O::ObjectTablespace) => "TABLESPACE",
        Some(O::ObjectTransform) => "TRANSFORM",
        Some(O::ObjectTrigger) => "TRIGGER",
        Some(O::ObjectTsconfiguration) => "TEXT SEARCH CONFIGURATION",
        Some(O::ObjectTsdictionary) => "TEXT SEARCH DICTIONARY",
        Some(O::ObjectTsparser) => "TEXT SEARCH PARSER",
        Some(O::ObjectTstemplate) => "TEXT SEARCH TEMPLATE",
        Some(O::ObjectType | O::ObjectAttribute) => "TYPE",
        Some(O::ObjectUserMapping) => "USER MAPPING",
        Some(O::ObjectView) => "VIEW",
        _ => "",
    }
}

/// Relations that `node` names by plain words.
pub(crate) fn worded_relations(node: &Tree) -> Vec<RelationName> {
    match node.kind {
        "DropStmt" => {
            let object = object_type(node, "remove_type");
            node.list("objects")
                .iter()
                .filter_map(|item| relation_in(object, item))
                .collect()
        }
        "CommentStmt" | "SecLabelStmt" => {
            let object = object_type(node, "objtype");
            node.value("object")
                .and_then(|item| relation_in(object, item))
                .into_iter()
                .collect()
        }
        "AlterExtensionContentsStmt" => {
            let object = object_type(node, "objtype");
            node.value("object")
                .and_then(|item| relation_in(object, item))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}

fn relation_in(object: Option<ObjectType>, item: &Value) -> Option<RelationName> {
    use ObjectType as O;
    let words = item.as_node()?.words("items");
    // Things that belong to a relation are named after it: `COLUMN t.c`, `TRIGGER g ON t` (as `t.g`).
    let relation = match object? {
        O::ObjectTable
        | O::ObjectView
        | O::ObjectMatview
        | O::ObjectForeignTable
        | O::ObjectSequence
        | O::ObjectIndex => words.as_slice(),
        O::ObjectColumn
        | O::ObjectTrigger
        | O::ObjectRule
        | O::ObjectPolicy
        | O::ObjectTabconstraint => words.split_last().map(|(_, relation)| relation)?,
        _ => return None,
    };
    relation_name(relation)
}

/// `name`, `schema.name` or `database.schema.name`.
pub(crate) fn relation_name(words: &[&str]) -> Option<RelationName> {
    let (name, before) = words.split_last()?;
    Some(RelationName {
        schema: before.last().map(|schema| (*schema).to_owned()),
        name: (*name).to_owned(),
    })
}
