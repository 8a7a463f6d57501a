//! The other end of the admin socket: what commands use to ask a running gateway.
//!
//! One connection for each request; no retries, because a decision must not be sent twice without the
//! approver knowing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

pub use super::problem::Problem;
pub use super::records::Search;
pub(crate) use super::records::{one, views};
use crate::config::secret::Secret;

/// Longest answer that is read: a full page of the largest records, or a large body.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// Longest wait for an answer, long polls included. Copies take their time on slow disks, so they have none.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// Asks one gateway.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// Login and password of an approver.
pub struct Credentials {
    /// The login.
    pub login: String,
    /// The password.
    pub password: Secret,
}

/// Why there is no answer, or not the one hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no gateway answers on {0}; start one with `almoner serve`, or say where it is with --socket or --config"
    )]
    NoGateway(PathBuf),
    /// Not for this user.
    #[error("{0} is for the gateway's user alone; run this as that user (or as root)")]
    NotAllowed(PathBuf),
    /// The connection broke, or the other end speaks something else.
    #[error("asking the gateway on {socket}: {error}")]
    Broken {
        /// Where.
        socket: PathBuf,
        /// What happened.
        error: String,
    },
    /// The gateway says no, and why.
    #[error("{}", .0.detail)]
    Refused(Problem),
}

impl ClientError {
    /// The problem's code, if the gateway gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(problem.code()),
            _ => None,
        }
    }
}

impl Client {
    /// For the gateway behind this socket.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Where it asks.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A JSON answer. `path` begins with a slash and holds nothing that needs escaping; see [`escape`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let bytes = self.get_bytes(path).await?;
        self.parse(&bytes)
    }

    /// An answer as it is.
    pub async fn get_bytes(&self, path: &str) -> Result<Bytes, ClientError> {
        let request = Request::get(path).body(Full::default());
        match tokio::time::timeout(ANSWER_WAIT_MAX, self.send(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.broken(format!(
                "no answer within {} seconds",
                ANSWER_WAIT_MAX.as_secs()
            ))),
        }
    }

    /// Sends JSON, as somebody if credentials are given. Waits for as long as it takes.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        credentials: Option<&Credentials>,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(Credentials { login, password }) = credentials {
            let pair = base64::engine::general_purpose::STANDARD
                .encode(format!("{login}:{}", password.expose()));
            request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
        }
        let bytes = self.send(request.body(Full::from(body))).await?;
        self.parse(&bytes)
    }

    async fn send(
        &self,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<Bytes, ClientError> {
        let mut request = request.map_err(|error| self.broken(error))?;
        request
            .headers_mut()
            .insert(header::HOST, header::HeaderValue::from_static("almoner"));
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.unreachable(error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(error))?;
        // Ends with the sender.
        let connection = tokio::spawn(connection);
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| self.broken(error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let bytes = body.map_err(|error| self.broken(error))?.to_bytes();
        connection.abort();
        if status.is_success() {
            Ok(bytes)
        } else {
            Err(self.refused(status, &bytes))
        }
    }

    fn refused(&self, status: StatusCode, bytes: &[u8]) -> ClientError {
        match serde_json::from_slice(bytes) {
            Ok(problem) => ClientError::Refused(problem),
            Err(_) => self.broken(format!("it answered {status} without saying why")),
        }
    }

    fn parse<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, ClientError> {
        let explain = |error| {
            self.broken(format!(
                "the answer is not understood ({error}); is the gateway of another version?"
            ))
        };
        serde_json::from_slice(bytes).map_err(explain)
    }

    fn unreachable(&self, error: io::Error) -> ClientError {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NoGateway(self.socket.clone())
            }
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed(self.socket.clone()),
            _ => self.broken(error),
        }
    }

    fn broken(&self, error: impl ToString) -> ClientError {
        ClientError::Broken {
            socket: self.socket.clone(),
            error: error.to_string(),
        }
    }
}

/// Percent-encodes what is not unreserved (RFC 3986), for a path segment or a query value.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte))
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_cannot_leave_its_place() {
        assert_eq!(
            escape("a/../b?c=d&e f%é"),
            "a%2F..%2Fb%3Fc%3Dd%26e%20f%25%C3%A9"
        );
    }

    #[tokio::test]
    async fn without_a_gateway_the_error_says_what_to_do() {
        let client = Client::new("/nonexistent/admin.sock");
        let error = client
            .get::<serde_json::Value>("/v1/status")
            .await
            .map(|_| ())
            .map_err(|error| error.to_string());
        assert!(
            error.is_err_and(|text| text.contains("almoner serve") && text.contains("--socket"))
        );
    }
}
