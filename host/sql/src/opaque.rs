//! Where the grammar stops seeing: statements and functions that run SQL, code or programs from strings, or reach data
//! without naming a relation.
//!
//! One table, each entry with its reason, so that a reviewer can read the whole list. Functions are matched by bare name in
//! whatever schema, because extensions can be installed anywhere; a harmless function of the same name is taken for
//! opaque too. It is a net, not a proof: functions users defined are opaque in themselves, and only a catalog knows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tree::Tree;

/// Why the grammar cannot see all that a statement does, gravest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum OpaqueReason {
    /// `COPY … PROGRAM`: runs a program on the server.
    Program,
    /// Loads a library into the server.
    Load,
    /// Changes the server's own configuration: `ALTER SYSTEM`.
    AlterSystem,
    /// Reads or writes files of the server.
    ServerFile,
    /// Makes code that later statements run: functions, procedures, aggregates, operators, casts, languages.
    CreateFunction,
    /// Installs code from the server's disk.
    CreateExtension,
    /// Makes later statements run something else than they say.
    CreateRule,
    /// Makes later changes run code.
    CreateTrigger,
    /// Runs code in a string: `DO`.
    DoBlock,
    /// Runs SQL in a string.
    DynamicSql,
    /// Reaches other servers, or makes them reachable: foreign servers, tables and user mappings.
    ForeignData,
    /// Streams or copies rows past the query: publications, subscriptions, replication slots, logical decoding.
    Replication,
    /// Reads pages or the write-ahead log beneath the tables.
    RawStorage,
    /// Acts on other sessions or the server process.
    ServerControl,
    /// Reads or writes large objects, which have no relation.
    LargeObject,
    /// Keeps a computed value where it is read without naming a relation: settings, sequences, seeds.
    Keeps,
    /// Runs a procedure, whose body is not in the text.
    Call,
    /// Runs a statement from another text: `EXECUTE`.
    Execute,
    /// Keeps a statement for another text: `PREPARE`.
    Prepare,
}

/// One function, or one family, that the grammar cannot see through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpaqueFunction {
    /// Name without a schema; a trailing `*` stands for any ending.
    pub name: &'static str,
    /// What it is opaque for.
    pub reason: OpaqueReason,
    /// What it does.
    pub because: &'static str,
}

const fn entry(name: &'static str, reason: OpaqueReason, because: &'static str) -> OpaqueFunction {
    OpaqueFunction {
        name,
        reason,
        because,
    }
}

/// Every function known to hide something.
#[rustfmt::skip] // One entry a line, to be read as a table.
pub const OPAQUE_FUNCTIONS: &[OpaqueFunction] = &[
    entry("query_to_xml*", OpaqueReason::DynamicSql, "runs the query in its first argument"),
    entry("table_to_xml*", OpaqueReason::DynamicSql, "reads the relation named in its first argument"),
    entry("schema_to_xml*", OpaqueReason::DynamicSql, "reads every relation of the schema named"),
    entry("database_to_xml*", OpaqueReason::DynamicSql, "reads every relation of the database"),
    entry("cursor_to_xml*", OpaqueReason::DynamicSql, "fetches from the cursor named in its first argument"),
    entry("ts_stat", OpaqueReason::DynamicSql, "runs the query in its first argument"),
    entry("ts_rewrite", OpaqueReason::DynamicSql, "with two arguments, runs the query in the second"),
    entry("crosstab*", OpaqueReason::DynamicSql, "runs the queries in its arguments (tablefunc)"),
    entry("connectby", OpaqueReason::DynamicSql, "reads the relation named in its first argument (tablefunc)"),
    entry("xpath_table", OpaqueReason::DynamicSql, "builds a query from its arguments (xml2)"),
    entry("dblink*", OpaqueReason::DynamicSql, "sends SQL to another server, or to this one as another session"),
    entry("plpgsql_check*", OpaqueReason::DynamicSql, "runs parts of function bodies"),
    entry("spi_*", OpaqueReason::DynamicSql, "runs SQL through the server programming interface"),
    entry("schedule", OpaqueReason::DynamicSql, "keeps SQL for later (cron.schedule of pg_cron)"),
    entry("schedule_in_database", OpaqueReason::DynamicSql, "keeps SQL for later (pg_cron)"),
    entry("alter_job", OpaqueReason::DynamicSql, "changes SQL kept for later (pg_cron)"),
    entry("pg_background_launch*", OpaqueReason::DynamicSql, "runs SQL in another process (pg_background)"),
    entry("postgres_fdw_*", OpaqueReason::ForeignData, "acts on connections to other servers"),
    entry("pg_read_file*", OpaqueReason::ServerFile, "reads a file of the server"),
    entry("pg_read_binary_file", OpaqueReason::ServerFile, "reads a file of the server"),
    entry("pg_ls_*", OpaqueReason::ServerFile, "lists a directory of the server"),
    entry("pg_stat_file", OpaqueReason::ServerFile, "looks at a file of the server"),
    entry("pg_file_*", OpaqueReason::ServerFile, "writes, renames or removes files of the server (adminpack)"),
    entry("pg_logdir_ls", OpaqueReason::ServerFile, "lists the server's logs (adminpack)"),
    entry("pg_hba_file_rules", OpaqueReason::ServerFile, "reads the server's access rules"),
    entry("pg_ident_file_mappings", OpaqueReason::ServerFile, "reads the server's user mappings"),
    entry("pg_show_all_file_settings", OpaqueReason::ServerFile, "reads the server's configuration files"),
    entry("file_fdw_*", OpaqueReason::ServerFile, "reads files of the server (file_fdw)"),
    entry("lo_import*", OpaqueReason::ServerFile, "reads a file of the server into a large object"),
    entry("lo_export*", OpaqueReason::ServerFile, "writes a large object to a file of the server"),
    entry("lo_*", OpaqueReason::LargeObject, "opens, reads, writes or removes a large object"),
    entry("loread", OpaqueReason::LargeObject, "reads a large object"),
    entry("lowrite", OpaqueReason::LargeObject, "writes a large object"),
    entry("pg_logical_slot_*", OpaqueReason::Replication, "reads changed rows from the write-ahead log"),
    entry("pg_logical_emit_message", OpaqueReason::Replication, "writes to the stream other servers read"),
    entry("pg_create_logical_replication_slot", OpaqueReason::Replication, "makes a slot that keeps changed rows"),
    entry("pg_create_physical_replication_slot", OpaqueReason::Replication, "makes a slot that keeps the log"),
    entry("pg_copy_*_replication_slot", OpaqueReason::Replication, "copies a slot"),
    entry("pg_drop_replication_slot", OpaqueReason::Replication, "drops a slot"),
    entry("pg_replication_*", OpaqueReason::Replication, "moves slots and origins"),
    entry("pg_sync_replication_slots", OpaqueReason::Replication, "moves slots"),
    entry("get_raw_page", OpaqueReason::RawStorage, "reads a page of a relation named in a string (pageinspect)"),
    entry("heap_page_*", OpaqueReason::RawStorage, "reads rows out of a page (pageinspect)"),
    entry("heap_tuple_infomask_flags", OpaqueReason::RawStorage, "looks at rows beneath the table (pageinspect)"),
    entry("tuple_data_split", OpaqueReason::RawStorage, "reads columns out of a page (pageinspect)"),
    entry("bt_page_*", OpaqueReason::RawStorage, "reads keys out of an index (pageinspect)"),
    entry("gist_page_*", OpaqueReason::RawStorage, "reads keys out of an index (pageinspect)"),
    entry("hash_page_*", OpaqueReason::RawStorage, "reads keys out of an index (pageinspect)"),
    entry("gin_leafpage_items", OpaqueReason::RawStorage, "reads keys out of an index (pageinspect)"),
    entry("brin_page_items", OpaqueReason::RawStorage, "reads values out of an index (pageinspect)"),
    entry("pg_get_wal_*", OpaqueReason::RawStorage, "reads the write-ahead log (pg_walinspect)"),
    entry("pg_terminate_backend", OpaqueReason::ServerControl, "ends another session"),
    entry("pg_cancel_backend", OpaqueReason::ServerControl, "cancels another session's statement"),
    entry("pg_reload_conf", OpaqueReason::ServerControl, "reloads the server's configuration"),
    entry("pg_rotate_logfile*", OpaqueReason::ServerControl, "rotates the server's log"),
    entry("pg_promote", OpaqueReason::ServerControl, "promotes a standby"),
    entry("pg_wal_replay_*", OpaqueReason::ServerControl, "pauses or resumes recovery"),
    entry("pg_switch_wal", OpaqueReason::ServerControl, "switches the write-ahead log"),
    entry("pg_create_restore_point", OpaqueReason::ServerControl, "writes to the write-ahead log"),
    entry("pg_backup_*", OpaqueReason::ServerControl, "starts or ends a backup"),
    entry("pg_start_backup", OpaqueReason::ServerControl, "starts a backup"),
    entry("pg_stop_backup", OpaqueReason::ServerControl, "ends a backup"),
    entry("pg_import_system_collations", OpaqueReason::ServerControl, "changes the catalog"),
    entry("pg_log_backend_memory_contexts", OpaqueReason::ServerControl, "makes another session write to the log"),
    entry("binary_upgrade_*", OpaqueReason::ServerControl, "changes the catalog beneath it"),
];

/// Functions that keep their arguments in the session or in a sequence. What they were given comes back without a word of
/// where it came from (`SHOW`, `lastval`, `random`), so what they are given must be in the text, or a parameter.
pub(crate) const KEEPING_FUNCTIONS: &[&str] = &["set_config", "setval", "setseed"];

/// What a call of the function `name` is opaque for. The first entry that fits decides.
pub(crate) fn function(name: &str) -> Option<OpaqueReason> {
    OPAQUE_FUNCTIONS
        .iter()
        .find(|entry| fits(entry.name, name))
        .map(|entry| entry.reason)
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        None => pattern == name,
    }
}

/// What a node is opaque for by itself, wherever it stands.
pub(crate) fn node(node: &Tree) -> Option<OpaqueReason> {
    match node.kind {
        "CopyStmt" if node.is("is_program") => Some(OpaqueReason::Program),
        "CopyStmt" if node.text("filename").is_some() => Some(OpaqueReason::ServerFile),
        "LoadStmt" => Some(OpaqueReason::Load),
        "AlterSystemStmt" => Some(OpaqueReason::AlterSystem),
        "CreateFunctionStmt"
        | "AlterFunctionStmt"
        | "CreatePLangStmt"
        | "CreateCastStmt"
        | "CreateTransformStmt"
        | "CreateConversionStmt"
        | "CreateAmStmt"
        | "CreateOpClassStmt"
        | "CreateOpFamilyStmt"
        | "AlterOpFamilyStmt"
        | "DefineStmt" => Some(OpaqueReason::CreateFunction),
        "CreateExtensionStmt" | "AlterExtensionStmt" | "AlterExtensionContentsStmt" => {
            Some(OpaqueReason::CreateExtension)
        }
        "RuleStmt" => Some(OpaqueReason::CreateRule),
        "CreateTrigStmt" | "CreateEventTrigStmt" | "AlterEventTrigStmt" => {
            Some(OpaqueReason::CreateTrigger)
        }
        "DoStmt" => Some(OpaqueReason::DoBlock),
        "CallStmt" => Some(OpaqueReason::Call),
        "ExecuteStmt" => Some(OpaqueReason::Execute),
        "PrepareStmt" => Some(OpaqueReason::Prepare),
        "CreateFdwStmt"
        | "AlterFdwStmt"
        | "CreateForeignServerStmt"
        | "AlterForeignServerStmt"
        | "CreateForeignTableStmt"
        | "CreateUserMappingStmt"
        | "AlterUserMappingStmt"
        | "ImportForeignSchemaStmt" => Some(OpaqueReason::ForeignData),
        "CreateSubscriptionStmt"
        | "AlterSubscriptionStmt"
        | "CreatePublicationStmt"
        | "AlterPublicationStmt" => Some(OpaqueReason::Replication),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_that_fits_decides() {
        assert_eq!(function("lo_export"), Some(OpaqueReason::ServerFile));
        assert_eq!(function("lo_get"), Some(OpaqueReason::LargeObject));
        assert_eq!(
            function("pg_copy_logical_replication_slot"),
            Some(OpaqueReason::Replication)
        );
    }

    #[test]
    fn ordinary_functions_are_not_opaque() {
        for name in [
            "xpath",
            "lower",
            "log",
            "count",
            "pg_sleep",
            "to_json",
            "now",
            "set_config",
            "pg_notify",
        ] {
            assert_eq!(function(name), None, "{name}");
        }
    }
}
