//! What the server still owes an answer to, in order; and what the session knows of the statements and
//! portals the answers are about. The server answers in the order it was asked, so one queue is enough.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use almoner_sql::Kind;
use almoner_wire::postgres::backend::FieldDescription;
use bytes::Bytes;

use super::action::Resolved;
use super::columns::CellType;
use super::copy::CopyOut;
use super::course::Given;
use super::request::Asked;
use super::rows::{Piece, Rows};
use super::statement::Text;
use super::words::OwnWords;
use crate::policy::{Clearance, Denial, InFlight, Masked, Masking};

/// One answer owed.
pub(super) enum Expect {
    /// To Parse. `said`: the caller asked and is told.
    Parse {
        statement: Arc<Prepared>,
        said: bool,
    },
    Bind {
        portal: Arc<Portal>,
        said: bool,
    },
    /// To Describe of a statement or of a portal of it.
    Describe {
        of: Arc<Prepared>,
        said: bool,
    },
    /// To Close; of a portal, with what was bound by its name.
    Close {
        portal: Option<(Bytes, Arc<Portal>)>,
        said: bool,
    },
    Execute(Box<Flight>),
    /// To a simple query, up to its ReadyForQuery.
    Query(Box<Flight>),
    /// An error that the gateway asked for in place of a refused message.
    Refused {
        words: Option<OwnWords>,
        query: bool,
    },
    /// `must_fail`: something before it was refused of which the server knows nothing, so a transaction
    /// that is still open behind it has to fail.
    Sync {
        said: bool,
        must_fail: bool,
    },
}

impl Expect {
    /// To a Sync of the caller's, or of the gateway's own.
    pub(super) fn sync(said: bool) -> Self {
        Self::Sync {
            said,
            must_fail: false,
        }
    }
}

/// A prepared statement.
pub(super) struct Prepared {
    pub(super) name: Bytes,
    pub(super) text: Arc<Text>,
    /// Types of its parameters, as the caller gave them.
    pub(super) types: Vec<u32>,
    /// When the server took it in.
    pub(super) made: Made,
    /// For `COPY (query) TO`: the query, described for its columns.
    pub(super) copied: Option<Arc<Prepared>>,
    described: Mutex<Option<Arc<Described>>>,
    resolved: Mutex<Option<Arc<Resolved>>>,
    columns: Mutex<Option<Arc<Columns>>>,
    clearance: Mutex<Option<Arc<Clearance>>>,
}

/// When a statement was prepared, for telling whether the server would still take it for the same. Names, in
/// the text and of the statement itself, may have got another meaning since.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    /// What the session did to meanings, counted.
    pub(super) epoch: u64,
    /// The catalog's version.
    pub(super) catalog: u64,
}

impl Made {
    /// Before everything: always doubtful.
    pub(super) const NEVER: Self = Self {
        epoch: u64::MAX,
        catalog: u64::MAX,
    };
}

/// What the server says of a statement.
pub(super) struct Described {
    pub(super) parameters: Vec<u32>,
    /// `None`: it returns no rows.
    pub(super) fields: Option<Vec<FieldDescription>>,
}

/// Columns with their masking, and what they were decided for.
pub(super) struct Columns {
    pub(super) types: Arc<[CellType]>,
    pub(super) masking: Masking,
    pub(super) resolved: Arc<Resolved>,
    pub(super) formats: Vec<i16>,
}

impl Prepared {
    pub(super) fn new(
        name: Bytes,
        text: Arc<Text>,
        types: Vec<u32>,
        copied: Option<Arc<Prepared>>,
        made: Made,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            text,
            types,
            made,
            copied,
            described: Mutex::default(),
            resolved: Mutex::default(),
            columns: Mutex::default(),
            clearance: Mutex::default(),
        })
    }

    pub(super) fn described(&self) -> Option<Arc<Described>> {
        lock(&self.described).clone()
    }

    /// The server's answer in two steps: parameters, then columns.
    pub(super) fn set_parameters(&self, parameters: Vec<u32>) {
        *lock(&self.described) = Some(Arc::new(Described {
            parameters,
            fields: None,
        }));
    }

    pub(super) fn set_fields(&self, fields: Vec<FieldDescription>) {
        let mut described = lock(&self.described);
        let parameters = described
            .as_ref()
            .map(|known| known.parameters.clone())
            .unwrap_or_default();
        *described = Some(Arc::new(Described {
            parameters,
            fields: Some(fields),
        }));
    }

    pub(super) fn resolved(&self) -> Option<Arc<Resolved>> {
        lock(&self.resolved).clone()
    }

    pub(super) fn set_resolved(&self, resolved: &Arc<Resolved>) {
        *lock(&self.resolved) = Some(Arc::clone(resolved));
    }

    pub(super) fn columns(&self) -> Option<Arc<Columns>> {
        lock(&self.columns).clone()
    }

    pub(super) fn set_columns(&self, columns: &Arc<Columns>) {
        *lock(&self.columns) = Some(Arc::clone(columns));
    }

    /// The guards' leave to prepare it, under the generation that gave it.
    pub(super) fn clearance(&self) -> Option<Arc<Clearance>> {
        lock(&self.clearance).clone()
    }

    /// The clearance of another one with the same text.
    pub(super) fn keep_clearance(&self, clearance: Arc<Clearance>) {
        *lock(&self.clearance) = Some(clearance);
    }

    pub(super) fn set_clearance(&self, clearance: Clearance) -> Arc<Clearance> {
        let clearance = Arc::new(clearance);
        *lock(&self.clearance) = Some(Arc::clone(&clearance));
        clearance
    }
}

/// One session's task uses these; the lock is never waited for.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A portal.
pub(super) struct Portal {
    pub(super) statement: Arc<Prepared>,
    pub(super) parameters: Vec<Option<Bytes>>,
    pub(super) parameter_formats: Vec<i16>,
    pub(super) result_formats: Vec<i16>,
    /// What it has yielded, over all its Executes.
    pub(super) given: Arc<Given>,
    /// The server has made it. What a ReadyForQuery or an error ends are the portals it has made by then;
    /// one whose Bind is still on its way belongs to what comes after.
    bound: AtomicBool,
}

impl Portal {
    pub(super) fn new(
        statement: Arc<Prepared>,
        parameters: Vec<Option<Bytes>>,
        parameter_formats: Vec<i16>,
        result_formats: Vec<i16>,
    ) -> Arc<Self> {
        Arc::new(Self {
            statement,
            parameters,
            parameter_formats,
            result_formats,
            given: Arc::default(),
            bound: AtomicBool::new(false),
        })
    }

    /// What its parameters take.
    pub(super) fn parameter_bytes(&self) -> usize {
        self.parameters.iter().flatten().map(Bytes::len).sum()
    }

    /// Whether what it runs is found by a name when it runs: a cursor's, or another prepared statement's.
    pub(super) fn depends_on_names(&self) -> bool {
        self.statement.text.statements.iter().any(|parsed| {
            matches!(
                parsed.kind(),
                Kind::Fetch | Kind::Move | Kind::Execute | Kind::Explain | Kind::Other
            )
        })
    }

    pub(super) fn set_bound(&self) {
        self.bound.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_bound(&self) -> bool {
        self.bound.load(Ordering::Relaxed)
    }
}

/// An exchange that is being answered.
pub(super) struct Flight {
    pub(super) inflight: InFlight,
    /// To judge it again in mid-response.
    pub(super) asked: Arc<Asked>,
    /// Its statements under the generation it was admitted by.
    pub(super) statements: Vec<Arc<Resolved>>,
    /// Which of them the server is answering.
    pub(super) at: usize,
    /// The portal it runs, unless it is a simple query.
    pub(super) portal: Option<Arc<Portal>>,
    /// For a simple `COPY (query) TO`: the query, described for its columns.
    pub(super) copied: Option<Arc<Prepared>>,
    /// Columns of the result that is coming in.
    pub(super) columns: Option<Arc<Columns>>,
    pub(super) rows: Option<Rows>,
    pub(super) rows_bytes: usize,
    pub(super) copy: Option<CopyOut>,
    /// Masked pieces that wait for their record.
    pub(super) window: Vec<Masked<Piece>>,
    pub(super) window_bytes: usize,
    /// Refused in mid-response: what still comes is dropped, and these words take its place.
    pub(super) stopped: Option<Denial>,
    /// It is stopped because one before it was; nothing is said of it.
    pub(super) silent: bool,
    /// `error:…` once the server has reported one.
    pub(super) failed: Option<String>,
}

impl Flight {
    pub(super) fn new(inflight: InFlight, asked: Arc<Asked>) -> Self {
        Self {
            statements: asked.resolved(),
            inflight,
            asked,
            at: 0,
            portal: None,
            copied: None,
            columns: None,
            rows: None,
            rows_bytes: 0,
            copy: None,
            window: Vec::new(),
            window_bytes: 0,
            stopped: None,
            silent: false,
            failed: None,
        }
    }

    /// The statement that is being answered.
    pub(super) fn statement(&self) -> Option<&Arc<Resolved>> {
        self.statements.get(self.at)
    }

    /// Whether what the server says of it may quote a sensitive relation.
    pub(super) fn may_quote(&self) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.sensitive || statement.echoes)
    }

    /// Whether code that is not in its text runs in it.
    pub(super) fn runs_unseen(&self) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.runs_unseen)
    }

    /// Its cursor or portal has yielded so many rows by now.
    pub(super) fn note_given(&self) {
        let after = self.inflight.after();
        let cursors = self.statements.iter().filter_map(|one| one.given.as_ref());
        let portal = self.portal.as_ref().map(|portal| &portal.given);
        for given in cursors.chain(portal) {
            given.set(after);
        }
    }

    /// Whether code that nobody has read may run for it.
    pub(super) fn is_opaque(&self) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.is_opaque())
    }

    /// Whether the statement that is being answered is one that takes rows from the caller.
    pub(super) fn copies_in(&self) -> bool {
        self.statement()
            .is_some_and(|statement| statement.parsed.kind() == Kind::CopyFrom)
    }

    /// Whether rows come of it, and policy may stop them.
    pub(super) fn may_stop(&self) -> bool {
        let returns = |statement: &Arc<Resolved>| {
            let facts = statement.parsed.facts.as_ref();
            facts.is_none_or(|facts| facts.returns_rows)
        };
        self.inflight.may_stop() && self.statements.iter().any(returns)
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.window.is_empty() || self.rows.as_ref().is_some_and(|rows| !rows.is_empty())
    }

    pub(super) fn outcome(&self) -> String {
        match (&self.stopped, &self.failed) {
            (Some(_), _) => "stopped".to_owned(),
            (None, Some(failed)) => failed.clone(),
            (None, None) => "ok".to_owned(),
        }
    }
}

/// The server has asked for the data of an admitted `COPY … FROM`. Made when it does, by the relay.
pub(super) struct CopyingIn(());

impl CopyingIn {
    pub(super) fn asked_for(_: &Flight) -> Self {
        Self(())
    }
}
