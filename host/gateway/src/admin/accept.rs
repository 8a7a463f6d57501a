//! The accept loop of both listeners, with the bounds that any server needs: so many connections, so long
//! for a request's head, and an end.
//!
//! One loop, because a bound that exists twice is forgotten once.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

/// Connections at a time: some operators, a console, monitors. Further ones wait in the system's backlog.
const CONNECTIONS_MAX: usize = 64;
/// Longest that a request's head may take, and so a connection without requests.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest that a connection lives. A peer that stops reading its answer must not keep a place for ever; the
/// longest answer, a copy of a large trail to another disk, is done well before.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(60 * 60);
/// Pause after the system refused a connection (no descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait for requests under way when the gateway stops.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Who is at the other end, as far as the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// The user id of a local caller.
    pub(super) uid: Option<u32>,
}

/// A listener of either kind.
pub(super) trait Accept {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    fn accept(&self) -> impl Future<Output = std::io::Result<(Self::Stream, Peer)>> + Send;
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> std::io::Result<(UnixStream, Peer)> {
        let (stream, _) = UnixListener::accept(self).await?;
        let uid = stream.peer_cred().ok().map(|cred| cred.uid());
        Ok((stream, Peer { uid }))
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> std::io::Result<(TcpStream, Peer)> {
        let (stream, _) = TcpListener::accept(self).await?;
        Ok((stream, Peer { uid: None }))
    }
}

/// Serves until `stop` resolves, then lets requests under way end.
pub(super) async fn run<L: Accept>(listener: &L, router: Router, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stopping, stopped) = watch::channel(false);
    tokio::pin!(stop);
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = &mut stop => break,
        };
        let Ok(place) = place else { break };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection to the gateway's own API could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let router = router.clone().layer(Extension(peer));
        let stopped = stopped.clone();
        tokio::spawn(async move {
            let _ =
                tokio::time::timeout(CONNECTION_AGE_MAX, connection(stream, router, stopped)).await;
            drop(place);
        });
    }
    let _ = stopping.send(true);
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(DRAIN_MAX, places.acquire_many(all)).await;
}

async fn connection<S>(stream: S, router: Router, mut stopped: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(served);
    // A peer that breaks off or speaks no HTTP is the peer's affair.
    tokio::select! {
        _ = served.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => served.as_mut().graceful_shutdown(),
    }
    let _ = served.await;
}
