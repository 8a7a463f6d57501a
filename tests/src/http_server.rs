//! A real HTTP server for the gateway's other side: hyper, HTTP/1.1 and 2, plain or TLS. It serves what a
//! test puts there and keeps what it was asked, byte for byte.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use almoner_stage::postgres::Tls;
use anyhow::Context;
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// What is served at a path.
#[derive(Clone, Debug, Default)]
pub struct Canned {
    /// 200 unless set.
    pub status: u16,
    /// Headers, `content-type` among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Before anything is said.
    pub delay: Duration,
    /// The body goes out in chunks of so many bytes; 0: at once, with its length.
    pub chunk: usize,
}

impl Canned {
    /// A body of a type.
    pub fn new(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
            ..Self::default()
        }
    }

    /// In chunks of so many bytes.
    #[must_use]
    pub fn chunks_of(mut self, bytes: usize) -> Self {
        self.chunk = bytes;
        self
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What the server was asked.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET /r4/Patient?x=1 HTTP/1.1`, as hyper has it.
    pub line: String,
    /// Headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Seen {
    /// The values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .collect()
    }
}

#[derive(Default)]
struct State {
    canned: Mutex<HashMap<String, Canned>>,
    seen: Mutex<Vec<Seen>>,
}

/// A running server; it stops when dropped.
pub struct HttpServer {
    address: SocketAddr,
    state: Arc<State>,
    _stop: oneshot::Sender<()>,
}

impl HttpServer {
    /// Starts it, with TLS if there is a certificate.
    pub fn start(tls: Option<&Tls>) -> anyhow::Result<Self> {
        let tls = tls.map(acceptor).transpose()?;
        let state = Arc::new(State::default());
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = std::sync::mpsc::sync_channel(1);
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(serve(shared, tls, ready, stopped));
            }
        });
        let address = address.recv().context("the server did not start")?;
        Ok(Self {
            address,
            state,
            _stop: stop,
        })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Serves this at a path, whatever the query.
    pub fn put(&self, path: &str, canned: Canned) {
        let mut all = self
            .state
            .canned
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(path.to_owned(), canned);
    }

    /// What it was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn acceptor(tls: &Tls) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_slice_iter(tls.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(
    state: Arc<State>,
    tls: Option<TlsAcceptor>,
    ready: std::sync::mpsc::SyncSender<SocketAddr>,
    mut stopped: oneshot::Receiver<()>,
) {
    let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await else {
        return;
    };
    let Ok(address) = listener.local_addr() else {
        return;
    };
    let _ = ready.send(address);
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((socket, _)) = accepted {
                tokio::spawn(connection(Arc::clone(&state), tls.clone(), socket));
            },
            _ = &mut stopped => return,
        }
    }
}

async fn connection(state: Arc<State>, tls: Option<TlsAcceptor>, socket: TcpStream) {
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(socket).await {
                requests(state, stream).await;
            }
        }
        None => requests(state, socket).await,
    }
}

async fn requests(state: Arc<State>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = hyper::service::service_fn(move |request| answer(Arc::clone(&state), request));
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let target = head
        .uri
        .path_and_query()
        .map_or("*", |target| target.as_str());
    let mut seen = Seen {
        line: format!("{} {target} {:?}", head.method, head.version),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body: Vec::new(),
    };
    if let Ok(body) = body.collect().await {
        seen.body = body.to_bytes().to_vec();
    }
    state
        .seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(seen);
    let canned = {
        let all = state.canned.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(head.uri.path()).cloned()
    };
    let canned = canned.unwrap_or_else(|| {
        Canned::new("application/json", "{\"error\":\"not found\"}").status(404)
    });
    tokio::time::sleep(canned.delay).await;
    let mut response = Response::builder().status(if canned.status == 0 {
        200
    } else {
        canned.status
    });
    for (name, value) in &canned.headers {
        response = response.header(name, value);
    }
    let body = Bytes::from(canned.body);
    let body = match canned.chunk {
        0 => Full::new(body).boxed(),
        size => {
            let chunks: Vec<Bytes> = body
                .chunks(size)
                .map(|chunk| body.slice_ref(chunk))
                .collect();
            let frames = chunks.into_iter().map(|chunk| Ok(Frame::data(chunk)));
            BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)))
        }
    };
    Ok(response
        .body(body)
        .unwrap_or_else(|_| Response::new(Full::default().boxed())))
}

/// A server that answers each connection with the same bytes, whatever it is sent.
pub fn start_raw(reply: Vec<u8>) -> anyhow::Result<u16> {
    start_bytes(reply, false)
}

/// The same, and then leaves the connection open and says nothing more.
pub fn start_dripping(reply: Vec<u8>) -> anyhow::Result<u16> {
    start_bytes(reply, true)
}

fn start_bytes(reply: Vec<u8>, stays: bool) -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else {
                    return;
                };
                while let Ok((socket, _)) = listener.accept().await {
                    tokio::spawn(say(socket, reply.clone(), stays));
                }
            });
        }
    });
    Ok(port)
}

/// Answers one request. The request is read to its end first, and the peer's end is waited for: closing a
/// socket with bytes unread would take the reply back.
async fn say(mut socket: TcpStream, reply: Vec<u8>, stays: bool) {
    let (mut asked, mut chunk) = (Vec::new(), [0; 4096]);
    while !asked.windows(4).any(|window| window == b"\r\n\r\n") {
        match socket.read(&mut chunk).await {
            Ok(length @ 1..) => asked.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            _ => return,
        }
    }
    let _ = socket.write_all(&reply).await;
    if !stays {
        let _ = socket.shutdown().await;
    }
    while matches!(socket.read(&mut chunk).await, Ok(1..)) {}
}
