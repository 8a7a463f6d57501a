//! Sockets to sessions: accepts callers within the limit, hands each to its protocol, and at the end waits
//! for them. Knows nothing of what they say.

pub mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// After a failed accept (too many open files, say) the listener pauses, lest it spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until `draining` turns true, then waits `drain` at most for what is still going on.
/// `refused` is called for a caller beyond the limit, whose connection is closed at once.
pub async fn serve<F>(
    listener: TcpListener,
    sessions_max: usize,
    drain: Duration,
    mut draining: watch::Receiver<bool>,
    serve_one: impl Fn(TcpStream, SocketAddr) -> F,
    refused: impl Fn(),
) where
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(sessions_max));
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let session = serve_one(socket, peer);
                        sessions.spawn(async move {
                            session.await;
                            drop(place);
                        });
                    }
                    Err(_) => {
                        tracing::warn!(%peer, sessions_max, "too many sessions; a connection was refused");
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
