//! A connection from its first byte on: TLS or plain, HTTP/1.1 or HTTP/2, within the limits; and what all
//! HTTP connections of the gateway share.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::headers::{HEADERS_BYTES_MAX, HEADERS_MAX};
use super::held::Parked;
use super::login::Door;
use super::session::Requests;
use super::target::Target;
use super::upstream::Upstream;
use crate::config::gateway::{HttpRoute, HttpUpstream, Limits, Resource};
use crate::identity::users::Users;
use crate::listener::Place;
use crate::policy::Pipeline;

/// What callers may choose within TLS.
pub(crate) const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
/// From one request's end to the whole head of the next, over HTTP/1.1: clients keep connections for a
/// minute or so.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(60);
/// Requests at a time on one HTTP/2 connection; each may hold a body in memory.
const STREAMS_MAX: u32 = 32;
/// A peer that answers no ping in this time is gone.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_WAIT_MAX: Duration = Duration::from_secs(20);
/// How often an idle connection is looked at.
const IDLE_LOOK_EVERY: Duration = Duration::from_secs(1);

/// What all HTTP connections of the gateway share.
pub struct Shared {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) door: Door,
    pub(super) limits: Limits,
    pub(super) parked: Parked,
    upstreams: HashMap<String, Arc<Upstream>>,
    by_host: HashMap<String, String>,
    /// Longest first, so that `/fhir/r5` is found before `/fhir`.
    by_prefix: Vec<(String, String)>,
    tls: TlsAcceptor,
    tls_required: bool,
    /// Turns true when the gateway drains.
    pub(super) draining: watch::Receiver<bool>,
}

impl Shared {
    /// Puts together what connections need.
    #[expect(
        clippy::too_many_arguments,
        reason = "one call site, each its own thing"
    )]
    pub fn new(
        pipeline: Arc<Pipeline>,
        users: Arc<Users>,
        limits: Limits,
        resources: &[Resource],
        upstream_tls: impl Fn(&Resource) -> Option<Arc<rustls::ClientConfig>>,
        tls: Arc<rustls::ServerConfig>,
        tls_required: bool,
        draining: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let http = || {
            resources
                .iter()
                .filter_map(|resource| Some((resource, resource.http()?)))
        };
        let upstreams = http()
            .map(|(resource, config)| {
                let (wait, max) = (limits.upstream_connect, limits.message_bytes_max);
                let upstream = Upstream::new(config, upstream_tls(resource), wait, max);
                (resource.name.clone(), Arc::new(upstream))
            })
            .collect();
        let routes = |wanted: fn(&HttpUpstream) -> Option<String>| {
            http().filter_map(move |(resource, config)| {
                Some((wanted(config)?, resource.name.clone()))
            })
        };
        let by_host = routes(|config| match &config.route {
            HttpRoute::Host(host) => Some(host.clone()),
            HttpRoute::Prefix(_) => None,
        });
        let by_prefix = routes(|config| match &config.route {
            HttpRoute::Prefix(prefix) => Some(prefix.clone()),
            HttpRoute::Host(_) => None,
        });
        let mut by_prefix: Vec<_> = by_prefix.collect();
        by_prefix.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Arc::new(Self {
            door: Door::new(users, limits.failed_logins_recorded_per_minute),
            parked: Parked::default(),
            upstreams,
            by_host: by_host.collect(),
            by_prefix,
            pipeline,
            limits,
            tls: TlsAcceptor::from(tls),
            tls_required,
            draining,
        })
    }

    /// Gives up the requests that wait for their callers; each is recorded.
    pub async fn give_up(&self) {
        self.parked.give_up().await;
    }

    pub(super) fn upstream(&self, resource: &str) -> Option<Arc<Upstream>> {
        self.upstreams.get(resource).cloned()
    }

    /// The resource asked for, and the prefix that is not part of its own paths.
    pub(super) fn route(&self, host: &str, target: &Target) -> Option<(String, String)> {
        self.route_by_host(host).or_else(|| {
            let found = self
                .by_prefix
                .iter()
                .find(|(prefix, _)| target.without(prefix).is_some());
            found.map(|(prefix, resource)| (resource.clone(), prefix.clone()))
        })
    }

    /// The resource that a path which cannot be read seems to be for: so that its refusal is on record there.
    pub(super) fn route_unread(&self, host: &str, path: &str) -> Option<(String, String)> {
        self.route_by_host(host).or_else(|| {
            let found = self.by_prefix.iter().find(|(prefix, _)| {
                path.strip_prefix(prefix.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            });
            found.map(|(prefix, resource)| (resource.clone(), prefix.clone()))
        })
    }

    fn route_by_host(&self, host: &str) -> Option<(String, String)> {
        Some((self.by_host.get(host)?.clone(), String::new()))
    }
}

/// Serves one connection to its end, in a session's place: one connection may bring many logins.
pub async fn serve(shared: Arc<Shared>, socket: TcpStream, peer: SocketAddr, place: Place) {
    let opening = tokio::time::timeout(shared.limits.handshake, begins_with_tls(&socket));
    let tls = match opening.await {
        Ok(Ok(Some(tls))) => tls,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a connection failed before its first request");
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "a connection said nothing within the time allowed");
            return;
        }
    };
    let Some(_place) = place.for_session() else {
        tracing::warn!(%peer, "too many sessions; a connection was refused");
        shared.pipeline.metrics().connection_refused();
        return;
    };
    if tls {
        match tokio::time::timeout(shared.limits.handshake, shared.tls.accept(socket)).await {
            Ok(Ok(stream)) => requests(shared, stream, peer).await,
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        }
    } else if shared.tls_required {
        // Credentials in the clear are not even read.
        tracing::debug!(%peer, "a connection without TLS was closed");
    } else {
        requests(shared, socket, peer).await;
    }
}

/// `None`: the peer left.
async fn begins_with_tls(socket: &TcpStream) -> std::io::Result<Option<bool>> {
    socket.set_nodelay(true)?;
    let mut first = [0; 1];
    let seen = socket.peek(&mut first).await?;
    Ok((seen > 0).then_some(first == [TLS_HANDSHAKE]))
}

async fn requests(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
) {
    let requests = Requests::new(Arc::clone(&shared), peer);
    let service = {
        let requests = Arc::clone(&requests);
        service_fn(move |request| Arc::clone(&requests).answer(request))
    };
    let builder = builder();
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut draining = shared.draining.clone();
    let mut stopping = false;
    let why = loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a connection ended with an error");
                }
                break if stopping { "gateway stopping" } else { "caller left" };
            }
            _ = draining.wait_for(|draining| *draining), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep(IDLE_LOOK_EVERY) => {
                if requests.idle_for() >= shared.limits.idle {
                    break "idle too long";
                }
            }
        }
    };
    requests.close(why).await;
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADERS_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WAIT_MAX);
    builder
}
