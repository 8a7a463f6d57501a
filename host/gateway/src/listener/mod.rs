//! Sockets to sessions: accepts callers within the limit, hands each to its protocol, and at the end waits
//! for them. Knows nothing of what they say.

pub mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// Connections that have not logged in yet, beside those that have: enough for a burst of callers, and for the
/// requests to cancel that come when all places are taken.
const STRANGERS_MAX: usize = 256;
/// After a failed accept (too many open files, say) the listener pauses, lest it spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection's place: a stranger's at first, a session's once it has logged in. So strangers cannot take the
/// places of those who belong here.
pub struct Place {
    sessions: Arc<Semaphore>,
    _held: OwnedSemaphorePermit,
}

impl Place {
    /// Takes a session's place in exchange for the stranger's. `None`: all are taken.
    #[must_use]
    pub fn for_session(self) -> Option<SessionPlace> {
        let held = self.sessions.try_acquire_owned().ok()?;
        Some(SessionPlace { _held: held })
    }
}

/// A session's place, given back when it is dropped.
pub struct SessionPlace {
    _held: OwnedSemaphorePermit,
}

/// Accepts until `draining` turns true, then waits `drain` at most for what is still going on.
/// `refused` is called for a stranger beyond the limit, whose connection is closed at once.
pub async fn serve<F>(
    listener: TcpListener,
    sessions_max: usize,
    drain: Duration,
    mut draining: watch::Receiver<bool>,
    serve_one: impl Fn(TcpStream, SocketAddr, Place) -> F,
    refused: impl Fn(),
) where
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(sessions_max));
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => match Arc::clone(&strangers).try_acquire_owned() {
                    Ok(held) => {
                        let place = Place { sessions: Arc::clone(&places), _held: held };
                        sessions.spawn(serve_one(socket, peer, place));
                    }
                    Err(_) => {
                        tracing::warn!(%peer, "too many connections that have not logged in; one was refused");
                        refused();
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = sessions.join_next(), if !sessions.is_empty() => {
                if let Err(error) = ended {
                    // A panic's text may hold anything; where it happened is enough.
                    tracing::error!(panicked = error.is_panic(), "a session ended abnormally");
                }
            }
            _ = draining.wait_for(|draining| *draining) => break,
        }
    }
    drop(listener);
    let ended = async { while sessions.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, ended).await.is_err() {
        tracing::warn!("some sessions were still at work when the time to stop was over");
        sessions.abort_all();
        while sessions.join_next().await.is_some() {}
    }
}
