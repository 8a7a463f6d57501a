//! The upstream's side: connections over TLS or, on this machine, plain; the gateway's own credential; one
//! request and its whole reply, within bounds of time and size. Callers' credentials never come here.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::action::Outgoing;
use super::body::{self, Unmaskable};
use super::coding::{Codings, NotPlain};
use super::reply::Answered;
use crate::config::gateway::{HttpCredential, HttpRoute, HttpUpstream, SecretSource};
use crate::config::secret;

/// From the request to the reply's head: searches over large stores take minutes, not more.
const REPLY_WAIT_MAX: Duration = Duration::from_secs(120);
/// The whole of a reply's body: a stream that drips does not hold its place for ever.
const BODY_WAIT_MAX: Duration = Duration::from_secs(600);
/// Between two pieces of it.
const PIECE_WAIT_MAX: Duration = Duration::from_secs(60);
/// A fetched credential is used for so long, so that a command is not run for each request; one that was
/// changed is obeyed within this time.
const CREDENTIAL_LIFE: Duration = Duration::from_secs(10);
/// Idle connections kept for one upstream.
const IDLE_MAX: usize = 32;
/// Headers of a reply, and their bytes over HTTP/2.
const HEADERS_MAX: usize = 200;
const HEADERS_BYTES_MAX: u32 = 64 << 10;

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("the credential could not be fetched: {0}")]
    Credential(#[from] secret::SecretError),
    #[error("the credential cannot stand in a header")]
    CredentialForm,
    #[error("the request could not be written")]
    Request,
    /// The reason names addresses and certificates, never a value of the exchange.
    #[error("{0}")]
    Connect(String),
    #[error("the connection failed before the reply was complete")]
    Broken,
    #[error("no reply within the time allowed")]
    Slow,
    #[error("the reply is larger than allowed")]
    Large,
    #[error("the upstream wants to change the protocol")]
    Upgrade,
    #[error("{}", .0.words())]
    Unmaskable(Unmaskable),
}

impl From<NotPlain> for UpstreamError {
    fn from(why: NotPlain) -> Self {
        match why {
            NotPlain::Large => Self::Large,
            NotPlain::Malformed => Self::Unmaskable(Unmaskable::Malformed),
        }
    }
}

/// Where a resource is, on both sides of the gateway.
pub(super) struct Place {
    origin: String,
    base: String,
    prefix: String,
}

impl Place {
    fn new(upstream: &HttpUpstream) -> Self {
        let scheme = if upstream.tls { "https" } else { "http" };
        let host = if upstream.host.contains(':') {
            format!("[{}]", upstream.host)
        } else {
            upstream.host.clone()
        };
        let port = match (upstream.tls, upstream.port) {
            (true, 443) | (false, 80) => String::new(),
            (_, port) => format!(":{port}"),
        };
        Self {
            origin: format!("{scheme}://{host}{port}"),
            base: upstream.base.clone(),
            prefix: match &upstream.route {
                HttpRoute::Prefix(prefix) => prefix.clone(),
                HttpRoute::Host(_) => String::new(),
            },
        }
    }

    /// An address of the upstream's as callers can use it.
    pub(super) fn seen_by_callers(&self, address: &str) -> String {
        let path = address.strip_prefix(&self.origin).unwrap_or(address);
        match path.strip_prefix(&self.base) {
            Some(rest)
                if path.starts_with('/') && (rest.is_empty() || rest.starts_with(['/', '?'])) =>
            {
                format!("{}{rest}", self.prefix)
            }
            _ => address.to_owned(),
        }
    }
}

/// One HTTP server.
pub(super) struct Upstream {
    client: Client<Connector, Full<Bytes>>,
    pub(super) place: Place,
    credential: Option<HttpCredential>,
    fetched: Mutex<Option<(Instant, HeaderValue)>>,
    body_bytes_max: usize,
}

impl Upstream {
    /// Opens no connection yet.
    pub(super) fn new(
        config: &HttpUpstream,
        tls: Option<Arc<rustls::ClientConfig>>,
        connect_wait: Duration,
        body_bytes_max: usize,
    ) -> Self {
        let connector = Connector {
            host: config.host.as_str().into(),
            port: config.port,
            tls,
            wait: connect_wait,
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEADERS_BYTES_MAX)
            // What was sent once is on record as sent once.
            .retry_canceled_requests(false)
            .build(connector);
        Self {
            client,
            place: Place::new(config),
            credential: config.credential.clone(),
            fetched: Mutex::default(),
            body_bytes_max,
        }
    }

    /// Sends a request and reads the whole reply, unless its head tells that it cannot be masked.
    pub(super) async fn send(
        &self,
        outgoing: &Outgoing,
        unmasked_types: &[String],
    ) -> Result<Answered, UpstreamError> {
        let request = self.request(outgoing).await?;
        let sent = tokio::time::timeout(REPLY_WAIT_MAX, self.client.request(request)).await;
        let response = sent
            .map_err(|_| UpstreamError::Slow)?
            .map_err(|error| failed(&error))?;
        if response.status().is_informational() {
            return Err(UpstreamError::Upgrade);
        }
        let (head, body) = response.into_parts();
        let foretold = body::foretold(&head.headers, unmasked_types);
        let body = tokio::time::timeout(BODY_WAIT_MAX, self.collect(body, foretold)).await;
        let body = body.map_err(|_| UpstreamError::Slow)??;
        Ok(Answered {
            status: head.status,
            body: self.plain(&head.headers, body).await?,
            headers: head.headers,
        })
    }

    /// A body without the codings that its head tells of. Codings are not asked for, but some servers do not
    /// ask either.
    async fn plain(&self, headers: &HeaderMap, body: Bytes) -> Result<Bytes, UpstreamError> {
        let encoded = UpstreamError::Unmaskable(Unmaskable::Encoded);
        match Codings::of(headers) {
            _ if body.is_empty() => Ok(body),
            Some(codings) => Ok(codings.plain(body, self.body_bytes_max).await?),
            None => Err(encoded),
        }
    }

    async fn request(&self, outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, UpstreamError> {
        let target = outgoing.target.written(&self.place.base);
        let uri: Uri = format!("{}{target}", self.place.origin)
            .parse()
            .map_err(|_| UpstreamError::Request)?;
        let mut request = Request::new(Full::new(outgoing.body.clone()));
        *request.method_mut() = outgoing.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = outgoing.headers.clone();
        let headers = request.headers_mut();
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        if let Some(credential) = &self.credential {
            let value = self.credential(credential).await?;
            let name = match credential {
                HttpCredential::Header { name, .. } => HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| UpstreamError::CredentialForm)?,
                _ => header::AUTHORIZATION,
            };
            headers.insert(name, value);
        }
        Ok(request)
    }

    async fn credential(&self, credential: &HttpCredential) -> Result<HeaderValue, UpstreamError> {
        let fetched = self
            .fetched
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((at, value)) = fetched
            && at.elapsed() < CREDENTIAL_LIFE
        {
            return Ok(value);
        }
        let source: &SecretSource = match credential {
            HttpCredential::Bearer(source)
            | HttpCredential::Basic {
                password: source, ..
            }
            | HttpCredential::Header { value: source, .. } => source,
        };
        let secret = secret::fetch(source).await?;
        let text = match credential {
            HttpCredential::Bearer(_) => format!("Bearer {}", secret.expose()),
            HttpCredential::Basic { user, .. } => {
                format!(
                    "Basic {}",
                    STANDARD.encode(format!("{user}:{}", secret.expose()))
                )
            }
            HttpCredential::Header { .. } => secret.expose().to_owned(),
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| UpstreamError::CredentialForm)?;
        value.set_sensitive(true);
        *self.fetched.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), value.clone()));
        Ok(value)
    }

    /// The whole body; trailers are left out. If it is foretold that it cannot be masked, it ends with the
    /// first byte.
    async fn collect(
        &self,
        mut body: Incoming,
        foretold: Result<(), Unmaskable>,
    ) -> Result<Bytes, UpstreamError> {
        let mut collected = BytesMut::new();
        loop {
            let frame = tokio::time::timeout(PIECE_WAIT_MAX, body.frame()).await;
            let Some(frame) = frame.map_err(|_| UpstreamError::Slow)? else {
                return Ok(collected.freeze());
            };
            let frame = frame.map_err(|_| UpstreamError::Broken)?;
            if let Some(data) = frame.data_ref().filter(|data| !data.is_empty()) {
                foretold.map_err(UpstreamError::Unmaskable)?;
                if collected.len() + data.len() > self.body_bytes_max {
                    return Err(UpstreamError::Large);
                }
                collected.extend_from_slice(data);
            }
        }
    }
}

/// Only what happened before anything was sent is told in detail: later texts could quote the exchange.
fn failed(error: &hyper_util::client::legacy::Error) -> UpstreamError {
    if !error.is_connect() {
        return UpstreamError::Broken;
    }
    let mut reason = String::from("it could not be connected to");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    UpstreamError::Connect(reason)
}

/// Connects to the one address of a resource, whatever is asked for.
#[derive(Clone)]
struct Connector {
    host: Arc<str>,
    port: u16,
    tls: Option<Arc<rustls::ClientConfig>>,
    wait: Duration,
}

impl Connector {
    async fn connect(self) -> io::Result<TokioIo<Wire>> {
        let connecting = async {
            let socket = TcpStream::connect((&*self.host, self.port)).await?;
            socket.set_nodelay(true)?;
            let Some(tls) = self.tls else {
                return Ok(Wire {
                    stream: Box::pin(socket),
                    h2: false,
                });
            };
            let name = rustls::pki_types::ServerName::try_from(self.host.to_string())
                .map_err(io::Error::other)?;
            let stream = TlsConnector::from(tls).connect(name, socket).await?;
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            Ok(Wire {
                stream: Box::pin(stream),
                h2,
            })
        };
        let connected = tokio::time::timeout(self.wait, connecting).await;
        connected
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
            .map(TokioIo::new)
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Wire>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// A connection, with what was agreed to be spoken on it.
struct Wire {
    stream: Pin<Box<dyn Stream>>,
    h2: bool,
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        if self.h2 {
            Connected::new().negotiated_h2()
        } else {
            Connected::new()
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_upstream_become_those_of_the_gateway() {
        let place = Place {
            origin: "https://fhir.internal:8443".into(),
            base: "/r4".into(),
            prefix: "/fhir".into(),
        };
        for (given, seen) in [
            ("https://fhir.internal:8443/r4/Patient/7", "/fhir/Patient/7"),
            ("/r4/Patient?x=1", "/fhir/Patient?x=1"),
            ("/r4", "/fhir"),
            ("/r45/x", "/r45/x"),
            (
                "https://elsewhere.example/r4/x",
                "https://elsewhere.example/r4/x",
            ),
            (
                "https://fhir.internal:8443.evil.example/r4/x",
                "https://fhir.internal:8443.evil.example/r4/x",
            ),
        ] {
            assert_eq!(place.seen_by_callers(given), seen);
        }
    }
}
