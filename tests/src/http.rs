//! HTTP clients: hyper over HTTP/1.1 and 2, curl, and bare sockets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream as StdStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longer than any answer takes; a test that waits so long has found a hang.
const READ_LIMIT: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| self.text())
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// `Basic` credentials of one of the stage's users.
pub fn basic(user: &str) -> String {
    basic_with(user, &format!("{user}-password"))
}

/// `Basic` credentials.
pub fn basic_with(user: &str, password: &str) -> String {
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {pair}")
}

/// One kept-alive connection.
pub struct Connection {
    sender: Sender,
    port: u16,
    user: String,
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// HTTP/1.1 without TLS.
    pub async fn open(port: u16, user: &str) -> anyhow::Result<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender: Sender::One(sender),
            port,
            user: user.into(),
        })
    }

    /// HTTP/2 over TLS.
    pub async fn open_h2(
        port: u16,
        user: &str,
        tls: &Arc<rustls::ClientConfig>,
    ) -> anyhow::Result<Self> {
        let mut config = rustls::ClientConfig::clone(tls);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let name = ServerName::try_from("127.0.0.1")?;
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await?;
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender: Sender::Two(sender),
            port,
            user: user.into(),
        })
    }

    /// `GET`.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        self.send("GET", path, &[], "").await
    }

    /// Any request, with the user's credentials unless `authorization` is among the headers.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> anyhow::Result<Answer> {
        let authority = format!("127.0.0.1:{}", self.port);
        let mut request = match &self.sender {
            Sender::One(_) => Request::builder().uri(path).header("host", &authority),
            Sender::Two(_) => Request::builder().uri(format!("https://{authority}{path}")),
        };
        request = request.method(method);
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        {
            request = request.header("authorization", basic(&self.user));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_ref())))?;
        let response = match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                tokio::time::timeout(READ_LIMIT, sender.send_request(request)).await??
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                tokio::time::timeout(READ_LIMIT, sender.send_request(request)).await??
            }
        };
        read(response).await
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> anyhow::Result<Answer> {
    let (head, body) = response.into_parts();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    })
}

/// What `curl` prints with these arguments: status line, headers, body.
pub fn curl(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--max-time", "20"])
        .args(arguments)
        .output()
        .context("running curl")?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

/// Sends bytes on a bare socket and reads until the peer closes, or says nothing for a second after it began.
pub fn raw(port: u16, bytes: &[u8]) -> std::io::Result<String> {
    let mut stream = StdStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(READ_LIMIT))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => {
                answer.extend_from_slice(buffer.get(..read).unwrap_or_default());
                stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            }
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
