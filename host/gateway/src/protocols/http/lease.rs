//! A session as the requests and exchanges of its connection share it: recorded when it begins, and when
//! nothing holds it any more. Holds the session's own warm detectors, which no other session gets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::policy::{Pipeline, Searcher, Session};

/// One session, which ends when nothing holds it.
pub(super) struct Lease {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) session: Arc<Session>,
    searchers: Searchers,
    closed: AtomicBool,
}

impl Lease {
    pub(super) fn new(pipeline: Arc<Pipeline>, session: Arc<Session>) -> Self {
        Self {
            pipeline,
            session,
            searchers: Searchers::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn searcher(&self) -> Searcher {
        self.searchers.take()
    }

    pub(super) fn keep(&self, searcher: Searcher) {
        self.searchers.keep(searcher);
    }

    pub(super) async fn close(&self, why: &str) {
        if !self.closed.swap(true, Ordering::Relaxed) {
            self.pipeline.close_session(&self.session, why).await;
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if *self.closed.get_mut() {
            return;
        }
        // The last exchange of a connection that is gone: its end is still to be recorded.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (pipeline, session) = (Arc::clone(&self.pipeline), Arc::clone(&self.session));
            runtime.spawn(async move { pipeline.close_session(&session, "caller left").await });
        }
    }
}

/// Searchers kept warm for one session.
const SEARCHERS_MAX: usize = 4;

/// The warm detectors of a session that nobody uses at the moment.
#[derive(Default)]
struct Searchers(Mutex<Vec<Searcher>>);

impl Searchers {
    fn take(&self) -> Searcher {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop().unwrap_or_default()
    }

    fn keep(&self, searcher: Searcher) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < SEARCHERS_MAX {
            idle.push(searcher);
        }
    }
}
