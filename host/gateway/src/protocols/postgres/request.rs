//! What a caller asks for, kept so that it can be judged again: under a newer generation names, tags and
//! known functions may mean something else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::action::{Ground, Resolved, refused_action};
use super::catalog::{Catalogs, Look};
use super::course::Course;
use super::expect::{Portal, Prepared};
use super::statement::{Parsed, Text};
use super::words::OwnWords;
use crate::policy::{Action, Before, Caller, Exchange, ExchangeId, Request, Standing, Waiting};

/// One exchange's request, on the ground of its session.
pub(super) struct Asked {
    id: ExchangeId,
    what: What,
    catalogs: Arc<Catalogs>,
    course: Course,
    portals: Arc<HashMap<Bytes, Arc<Portal>>>,
    resolved: Mutex<Vec<Arc<Resolved>>>,
}

enum What {
    /// Every statement of a simple query.
    Query(Arc<Text>),
    /// A prepared statement, without parameters yet.
    Statement(Arc<Prepared>),
    Portal(Arc<Portal>),
    /// Something that is no statement and always refused.
    Refused(&'static str, &'static str),
    /// Something the server says of its own accord.
    Aside,
}

/// The session's part of an [`Asked`].
pub(super) struct Circumstances {
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) course: Course,
    pub(super) portals: Arc<HashMap<Bytes, Arc<Portal>>>,
}

impl Asked {
    pub(super) fn query(id: ExchangeId, text: Arc<Text>, session: Circumstances) -> Arc<Self> {
        Self::new(id, What::Query(text), session)
    }

    pub(super) fn statement(
        id: ExchangeId,
        statement: Arc<Prepared>,
        session: Circumstances,
    ) -> Arc<Self> {
        Self::new(id, What::Statement(statement), session)
    }

    pub(super) fn portal(id: ExchangeId, portal: Arc<Portal>, session: Circumstances) -> Arc<Self> {
        Self::new(id, What::Portal(portal), session)
    }

    pub(super) fn refused(
        id: ExchangeId,
        verb: &'static str,
        why: &'static str,
        session: Circumstances,
    ) -> Arc<Self> {
        Self::new(id, What::Refused(verb, why), session)
    }

    pub(super) fn aside(id: ExchangeId, session: Circumstances) -> Arc<Self> {
        Self::new(id, What::Aside, session)
    }

    fn new(id: ExchangeId, what: What, session: Circumstances) -> Arc<Self> {
        Arc::new(Self {
            id,
            what,
            catalogs: session.catalogs,
            course: session.course,
            portals: session.portals,
            resolved: Mutex::default(),
        })
    }

    pub(super) fn id(&self) -> &ExchangeId {
        &self.id
    }

    /// The statements as they were resolved when the exchange was last judged.
    pub(super) fn resolved(&self) -> Vec<Arc<Resolved>> {
        self.resolved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn resolve(&self, parsed: &Arc<Parsed>, standing: &Standing, course: &Course) -> Arc<Resolved> {
        let look = self.catalogs.look(standing);
        Arc::new(Resolved::of(parsed, &self.ground(&look, standing, course)))
    }

    fn ground<'a>(
        &'a self,
        look: &'a Look,
        standing: &'a Standing,
        course: &'a Course,
    ) -> Ground<'a> {
        Ground {
            catalog: &look.catalog,
            tags: &look.tags,
            known_functions: standing.known_functions(),
            names_uncertain: course.names_uncertain,
            settled: look.settled && !course.defines,
            cursors: &course.cursors,
            portals: &self.portals,
        }
    }

    /// The statements of one message, each on the ground that the ones before it leave.
    fn resolve_all(&self, text: &Text, standing: &Standing) -> Vec<Arc<Resolved>> {
        let mut course = self.course.clone();
        let resolve = |parsed| {
            let resolved = self.resolve(parsed, standing, &course);
            course.take(&resolved);
            resolved
        };
        text.statements.iter().map(resolve).collect()
    }

    /// A prepared statement's resolution is kept for as long as its ground is the same.
    fn resolve_prepared(&self, prepared: &Prepared, standing: &Standing) -> Vec<Arc<Resolved>> {
        if let Some(known) = prepared.resolved() {
            let look = self.catalogs.look(standing);
            let ground = self.ground(&look, standing, &self.course);
            // What a cursor yields depends on how it was declared, so FETCH is always looked up.
            if known.ground == ground.key() && !known.follows_cursor() {
                return vec![known];
            }
        }
        let statements = self.resolve_all(&prepared.text, standing);
        if let [one] = statements.as_slice() {
            prepared.set_resolved(one);
        }
        statements
    }

    /// Whether a statement that was judged by now reads something sensitive where it did not then.
    pub(super) fn shifted(&self, judged: &Resolved, standing: &Standing, course: &Course) -> bool {
        if judged.sensitive {
            return false;
        }
        let look = self.catalogs.look(standing);
        if look.settled && judged.ground.catalog == look.catalog.version {
            return false;
        }
        self.resolve(&judged.parsed, standing, course).sensitive
    }

    /// What its cursors and its portal have yielded already: of several, the most.
    fn before(&self) -> Before {
        let resolved = self.resolved();
        let cursors = resolved.iter().filter_map(|one| one.given.as_ref());
        let portal = match &self.what {
            What::Portal(portal) => Some(&portal.given),
            _ => None,
        };
        cursors
            .chain(portal)
            .map(|given| given.get())
            .max_by_key(|before| before.rows)
            .unwrap_or_default()
    }

    fn actions(&self, standing: &Standing) -> Vec<Action> {
        let (statements, parameters, formats): (_, &[Option<Bytes>], &[i16]) = match &self.what {
            What::Query(text) => (self.resolve_all(text, standing), &[], &[]),
            What::Statement(prepared) => (self.resolve_prepared(prepared, standing), &[], &[]),
            What::Portal(portal) => (
                self.resolve_prepared(&portal.statement, standing),
                &portal.parameters,
                &portal.parameter_formats,
            ),
            What::Refused(verb, why) => return vec![refused_action(verb, why)],
            What::Aside => return Vec::new(),
        };
        let actions = statements
            .iter()
            .map(|statement| statement.action(parameters, formats))
            .collect();
        *self.resolved.lock().unwrap_or_else(PoisonError::into_inner) = statements;
        actions
    }
}

impl Request for Asked {
    fn exchange(&self, standing: &Standing) -> Exchange {
        let actions = self.actions(standing);
        Exchange {
            id: self.id.clone(),
            actions,
            before: self.before(),
        }
    }

    fn bare(&self) -> Exchange {
        Exchange {
            id: self.id.clone(),
            actions: Vec::new(),
            before: Before::default(),
        }
    }
}

/// Tells a held caller what it waits for, through the session's own queue; and why a wait is given up.
pub(super) struct Notices {
    queue: tokio::sync::mpsc::Sender<OwnWords>,
    canceling: AtomicBool,
}

/// Notices of one session that wait to be written; there is one per approval asked for.
pub(super) const NOTICES_MAX: usize = 8;

impl Notices {
    pub(super) fn new() -> (Arc<Self>, tokio::sync::mpsc::Receiver<OwnWords>) {
        let (sender, receiver) = tokio::sync::mpsc::channel(NOTICES_MAX);
        let notices = Self {
            queue: sender,
            canceling: AtomicBool::new(false),
        };
        (Arc::new(notices), receiver)
    }

    /// Gives up a wait because the caller says so.
    pub(super) fn cancel<W>(&self, wait: W) {
        self.canceling.store(true, Ordering::Relaxed);
        drop(wait);
        self.canceling.store(false, Ordering::Relaxed);
    }
}

impl Caller for Notices {
    fn waiting(&self, waiting: &Waiting) {
        // A full queue means that the caller reads nothing; the approval is on record all the same.
        let _ = self.queue.try_send(OwnWords::waiting(waiting));
    }

    fn canceled(&self) -> bool {
        self.canceling.load(Ordering::Relaxed)
    }
}
