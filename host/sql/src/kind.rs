//! What sorts of statement there are, and which node of the grammar is which.
//!
//! A node this table does not know is [`Kind::Other`]: nothing is taken for harmless because its name is new.

use pg_query::protobuf::{
    FetchDirection, ObjectType, TransactionStmtKind as Transaction, VariableSetKind,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::object;
use crate::tree::Tree;

/// The sort of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the SQL command of its name")]
pub enum Kind {
    /// A query: `SELECT`, `VALUES`, `TABLE`. Also `SELECT INTO`, which is not read-only.
    Select,
    Insert,
    Update,
    Delete,
    Merge,
    /// `COPY … TO`.
    CopyTo,
    /// `COPY … FROM`.
    CopyFrom,
    Truncate,
    Drop,
    Create,
    Alter,
    Grant,
    Revoke,
    Explain,
    /// `BEGIN` and `START TRANSACTION`.
    Begin,
    /// `COMMIT` and `END`.
    Commit,
    /// `ROLLBACK` and `ABORT`.
    Rollback,
    Savepoint,
    Release,
    RollbackTo,
    /// First phase of a two-phase commit.
    PrepareTransaction,
    CommitPrepared,
    RollbackPrepared,
    /// A named statement for `EXECUTE`.
    Prepare,
    Execute,
    Deallocate,
    DeclareCursor,
    Fetch,
    Move,
    CloseCursor,
    Listen,
    Notify,
    Unlisten,
    Set,
    Reset,
    Show,
    Discard,
    /// `SET CONSTRAINTS`.
    SetConstraints,
    Do,
    Call,
    Lock,
    Vacuum,
    Analyze,
    Cluster,
    Reindex,
    /// `REFRESH MATERIALIZED VIEW`.
    Refresh,
    Comment,
    SecurityLabel,
    Checkpoint,
    Load,
    /// `REASSIGN OWNED`.
    Reassign,
    /// A statement this version does not know.
    Other,
}

/// Kind and verb of a statement's node.
pub(crate) fn of(node: &Tree) -> (Kind, String) {
    let (kind, verb) = match node.kind {
        "SelectStmt" => (Kind::Select, select_verb(node)),
        "InsertStmt" => (Kind::Insert, "INSERT"),
        "UpdateStmt" => (Kind::Update, "UPDATE"),
        "DeleteStmt" => (Kind::Delete, "DELETE"),
        "MergeStmt" => (Kind::Merge, "MERGE"),
        "CopyStmt" if node.is("is_from") => (Kind::CopyFrom, "COPY FROM"),
        "CopyStmt" => (Kind::CopyTo, "COPY TO"),
        "TruncateStmt" => (Kind::Truncate, "TRUNCATE"),
        "ExplainStmt" => (Kind::Explain, "EXPLAIN"),
        "TransactionStmt" => transaction(node),
        "PrepareStmt" => (Kind::Prepare, "PREPARE"),
        "ExecuteStmt" => (Kind::Execute, "EXECUTE"),
        "DeallocateStmt" => (Kind::Deallocate, "DEALLOCATE"),
        "DeclareCursorStmt" => (Kind::DeclareCursor, "DECLARE CURSOR"),
        "FetchStmt" if node.is("ismove") => (Kind::Move, "MOVE"),
        "FetchStmt" => (Kind::Fetch, "FETCH"),
        "ClosePortalStmt" => (Kind::CloseCursor, "CLOSE"),
        "ListenStmt" => (Kind::Listen, "LISTEN"),
        "NotifyStmt" => (Kind::Notify, "NOTIFY"),
        "UnlistenStmt" => (Kind::Unlisten, "UNLISTEN"),
        "VariableSetStmt" if resets(node) => (Kind::Reset, "RESET"),
        "VariableSetStmt" => (Kind::Set, "SET"),
        "VariableShowStmt" => (Kind::Show, "SHOW"),
        "DiscardStmt" => (Kind::Discard, "DISCARD"),
        "ConstraintsSetStmt" => (Kind::SetConstraints, "SET CONSTRAINTS"),
        "DoStmt" => (Kind::Do, "DO"),
        "CallStmt" => (Kind::Call, "CALL"),
        "LockStmt" => (Kind::Lock, "LOCK"),
        "VacuumStmt" if node.is("is_vacuumcmd") => (Kind::Vacuum, "VACUUM"),
        "VacuumStmt" => (Kind::Analyze, "ANALYZE"),
        "ClusterStmt" => (Kind::Cluster, "CLUSTER"),
        "ReindexStmt" => (Kind::Reindex, "REINDEX"),
        "RefreshMatViewStmt" => (Kind::Refresh, "REFRESH MATERIALIZED VIEW"),
        "CommentStmt" => (Kind::Comment, "COMMENT"),
        "SecLabelStmt" => (Kind::SecurityLabel, "SECURITY LABEL"),
        "CheckPointStmt" => (Kind::Checkpoint, "CHECKPOINT"),
        "LoadStmt" => (Kind::Load, "LOAD"),
        "ReassignOwnedStmt" => (Kind::Reassign, "REASSIGN OWNED"),
        "GrantStmt" | "GrantRoleStmt" if node.is("is_grant") => (Kind::Grant, "GRANT"),
        "GrantStmt" | "GrantRoleStmt" => (Kind::Revoke, "REVOKE"),
        _ => return definition(node),
    };
    (kind, verb.to_owned())
}

fn select_verb(node: &Tree) -> &'static str {
    if node.node("into_clause").is_some() {
        "SELECT INTO"
    } else if node.list("values_lists").is_empty() {
        "SELECT"
    } else {
        "VALUES"
    }
}

fn transaction(node: &Tree) -> (Kind, &'static str) {
    match i32::try_from(node.int("kind"))
        .ok()
        .and_then(|kind| Transaction::try_from(kind).ok())
    {
        Some(Transaction::TransStmtBegin) => (Kind::Begin, "BEGIN"),
        Some(Transaction::TransStmtStart) => (Kind::Begin, "START TRANSACTION"),
        Some(Transaction::TransStmtCommit) => (Kind::Commit, "COMMIT"),
        Some(Transaction::TransStmtRollback) => (Kind::Rollback, "ROLLBACK"),
        Some(Transaction::TransStmtSavepoint) => (Kind::Savepoint, "SAVEPOINT"),
        Some(Transaction::TransStmtRelease) => (Kind::Release, "RELEASE SAVEPOINT"),
        Some(Transaction::TransStmtRollbackTo) => (Kind::RollbackTo, "ROLLBACK TO SAVEPOINT"),
        Some(Transaction::TransStmtPrepare) => (Kind::PrepareTransaction, "PREPARE TRANSACTION"),
        Some(Transaction::TransStmtCommitPrepared) => (Kind::CommitPrepared, "COMMIT PREPARED"),
        Some(Transaction::TransStmtRollbackPrepared) => {
            (Kind::RollbackPrepared, "ROLLBACK PREPARED")
        }
        Some(Transaction::Undefined) | None => (Kind::Other, "TRANSACTION"),
    }
}

fn resets(node: &Tree) -> bool {
    let kind = node.int("kind");
    kind == i64::from(VariableSetKind::VarReset as i32)
        || kind == i64::from(VariableSetKind::VarResetAll as i32)
}

/// `CREATE`, `ALTER` and `DROP` of whatever it is. Their nodes are named for what they do.
fn definition(node: &Tree) -> (Kind, String) {
    let words = |verb: &str, noun: &str| {
        if noun.is_empty() {
            verb.to_owned()
        } else {
            format!("{verb} {noun}")
        }
    };
    let noun = object::noun(node);
    match node.kind {
        "ViewStmt" | "CompositeTypeStmt" | "RuleStmt" | "DefineStmt" | "IndexStmt"
        | "CreatedbStmt" => (Kind::Create, words("CREATE", noun)),
        "ImportForeignSchemaStmt" => (Kind::Create, "IMPORT FOREIGN SCHEMA".to_owned()),
        "RenameStmt" | "ReplicaIdentityStmt" => (Kind::Alter, words("ALTER", noun)),
        "DropdbStmt" => (Kind::Drop, words("DROP", noun)),
        kind if kind.starts_with("Create") => (Kind::Create, words("CREATE", noun)),
        kind if kind.starts_with("Alter") => (Kind::Alter, words("ALTER", noun)),
        kind if kind.starts_with("Drop") => (Kind::Drop, words("DROP", noun)),
        _ => (Kind::Other, "OTHER".to_owned()),
    }
}

/// The object type in a node's field, if the grammar knows it.
pub(crate) fn object_type(node: &Tree, key: &str) -> Option<ObjectType> {
    ObjectType::try_from(i32::try_from(node.int(key)).ok()?).ok()
}

/// Which way a `FETCH` goes.
pub(crate) fn fetch_direction(node: &Tree) -> Option<&'static str> {
    match FetchDirection::try_from(i32::try_from(node.int("direction")).ok()?).ok()? {
        FetchDirection::FetchForward => Some("forward"),
        FetchDirection::FetchBackward => Some("backward"),
        FetchDirection::FetchAbsolute => Some("absolute"),
        FetchDirection::FetchRelative => Some("relative"),
        FetchDirection::Undefined => None,
    }
}
