//! Connecting and logging in to the server: TCP or Unix socket, TLS with verification, SCRAM with channel
//! binding. The account's password is fetched at each login and lives no longer than it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use almoner_wire::postgres::backend::Authentication;
use almoner_wire::postgres::channel_binding::tls_server_end_point;
use almoner_wire::postgres::frontend::{SaslInitial, password_message};
use almoner_wire::postgres::scram::ScramError;
use almoner_wire::postgres::scram_client::{Client, ClientBinding};
use almoner_wire::postgres::{Backend, Decoder, Direction, Frontend, Limits, Startup, WireError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::stream::Stream;
use crate::config::gateway::{PostgresUpstream, UpstreamTls};
use crate::config::secret;

/// Messages between login and the first ReadyForQuery; a server sends about twenty.
const GREETING_MESSAGES_MAX: usize = 200;

/// Why the upstream cannot be used. Texts are the gateway's own; none holds a secret or a server's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    /// No connection.
    #[error("connecting: {0}")]
    Connect(#[source] io::Error),
    /// TLS failed: certificate, name, or version.
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    /// The server refuses TLS and the configuration does not allow plain text.
    #[error("the server offers no TLS; set tls = \"disable\" only if the network is trusted")]
    NoTls,
    /// The name cannot be in a certificate.
    #[error("the configured host is not a name or address that a certificate can show")]
    HostName,
    /// The account's password could not be fetched.
    #[error("fetching the password: {0}")]
    Secret(String),
    /// It asks for a login method we do not speak, or not on this connection.
    #[error("logging in: the server asks for a method that is not safe here ({0})")]
    Method(&'static str),
    /// SCRAM failed.
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// It refused.
    #[error("the server refused with SQLSTATE {0}")]
    Refused(String),
    /// It broke the protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// It said something nobody asked for.
    #[error("the server broke the protocol: {0}")]
    Protocol(&'static str),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// It took too long.
    #[error("{0} took too long")]
    Timeout(&'static str),
    /// No random numbers.
    #[error("the system gave no random numbers")]
    NoRandomness,
}

/// Connects and logs in to one server.
pub(super) struct Dialer {
    upstream: PostgresUpstream,
    tls: Option<Arc<rustls::ClientConfig>>,
    wait_max: Duration,
    message_bytes_max: usize,
}

/// A logged-in connection, ready for queries.
pub(super) struct Upstream {
    pub(super) stream: Stream,
    /// What was read behind the greeting.
    pub(super) buffer: BytesMut,
    /// The server's run-time parameters.
    pub(super) parameters: Vec<(Bytes, Bytes)>,
    pub(super) pid: u32,
    pub(super) key: Bytes,
}

impl Dialer {
    pub(super) fn new(
        upstream: PostgresUpstream,
        tls: Option<Arc<rustls::ClientConfig>>,
        wait_max: Duration,
        message_bytes_max: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            tls,
            wait_max,
            message_bytes_max,
        })
    }

    /// Logs in. `options` are run-time parameters of the caller that were found harmless.
    pub(super) async fn log_in(
        &self,
        options: &[(Bytes, Bytes)],
    ) -> Result<Upstream, UpstreamError> {
        tokio::time::timeout(self.wait_max, self.log_in_unbounded(options))
            .await
            .map_err(|_| UpstreamError::Timeout("connecting and logging in"))?
    }

    /// Asks the server to cancel what a connection does.
    pub(super) async fn cancel(&self, pid: u32, key: Bytes) -> Result<(), UpstreamError> {
        let canceling = async {
            let (mut stream, _) = self.connect().await?;
            let mut out = BytesMut::new();
            Startup::Cancel { pid, key }.encode(&mut out)?;
            stream.write_all(&out).await?;
            stream.flush().await?;
            // The server closes without an answer.
            let mut rest = [0; 1];
            let _ = stream.read(&mut rest).await;
            Ok(())
        };
        tokio::time::timeout(self.wait_max, canceling)
            .await
            .map_err(|_| UpstreamError::Timeout("canceling"))?
    }

    async fn log_in_unbounded(
        &self,
        options: &[(Bytes, Bytes)],
    ) -> Result<Upstream, UpstreamError> {
        let (mut stream, binding) = self.connect().await?;
        let mut params = vec![
            (
                Bytes::from_static(b"user"),
                Bytes::copy_from_slice(self.upstream.user.as_bytes()),
            ),
            (
                Bytes::from_static(b"database"),
                Bytes::copy_from_slice(self.upstream.database.as_bytes()),
            ),
        ];
        params.extend(options.iter().cloned());
        let mut out = BytesMut::new();
        let startup = Startup::Session {
            major: 3,
            minor: 0,
            params,
        };
        startup.encode(&mut out)?;
        stream.write_all(&out).await?;
        let mut peer = Peer {
            stream,
            decoder: Decoder::new(Limits::new(Direction::Backend, self.message_bytes_max)),
            buffer: BytesMut::new(),
        };
        self.authenticate(&mut peer, binding).await?;
        greeting(peer).await
    }

    async fn connect(&self) -> Result<(Stream, Option<Bytes>), UpstreamError> {
        let upstream = &self.upstream;
        if upstream.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", upstream.host, upstream.port);
            let stream = UnixStream::connect(path).await;
            return Ok((Box::new(stream.map_err(UpstreamError::Connect)?), None));
        }
        let stream = TcpStream::connect((upstream.host.as_str(), upstream.port)).await;
        let mut stream = stream.map_err(UpstreamError::Connect)?;
        stream.set_nodelay(true)?;
        let (UpstreamTls::VerifyCa | UpstreamTls::VerifyFull, Some(config)) =
            (upstream.tls, &self.tls)
        else {
            return Ok((Box::new(stream), None));
        };
        let mut out = BytesMut::new();
        Startup::Ssl.encode(&mut out)?;
        stream.write_all(&out).await?;
        let mut answer = [0; 1];
        stream.read_exact(&mut answer).await?;
        if answer != *b"S" {
            return Err(UpstreamError::NoTls);
        }
        let name =
            ServerName::try_from(upstream.host.clone()).map_err(|_| UpstreamError::HostName)?;
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await
            .map_err(UpstreamError::Tls)?;
        let binding = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(<[_]>::first)
            .and_then(|certificate| tls_server_end_point(certificate));
        Ok((Box::new(stream), Some(binding.unwrap_or_default())))
    }

    /// `binding`: `None` without TLS, empty where the certificate has no hash for it.
    async fn authenticate(
        &self,
        peer: &mut Peer,
        binding: Option<Bytes>,
    ) -> Result<(), UpstreamError> {
        let encrypted = binding.is_some() || self.upstream.host.starts_with('/');
        let mut scram = None;
        for _ in 0..8 {
            let step = match peer.next().await? {
                Backend::Authentication(step) => step,
                Backend::NegotiateProtocolVersion { .. } | Backend::NoticeResponse(_) => continue,
                Backend::ErrorResponse(fields) => return Err(refused(&fields)),
                _ => return Err(UpstreamError::Protocol("something else than a login step")),
            };
            match step {
                // A server that asked for a proof and then waives it has not shown that it knows the password.
                Authentication::Ok if scram.is_some() => {
                    return Err(UpstreamError::Protocol("a login that was broken off"));
                }
                Authentication::Ok => return Ok(()),
                Authentication::Sasl { mechanisms } => {
                    let binding = match &binding {
                        Some(hash) if !hash.is_empty() => ClientBinding::Preferred(hash.clone()),
                        _ => ClientBinding::Unsupported,
                    };
                    let password = self.password().await?;
                    let client = Client::choose(&mechanisms, binding, password, &nonce()?)?;
                    let (next, mechanism, first) = client.start();
                    let mut out = BytesMut::new();
                    SaslInitial {
                        mechanism: Bytes::from_static(mechanism.as_bytes()),
                        response: Some(first),
                    }
                    .encode(&mut out)?;
                    peer.stream.write_all(&out).await?;
                    scram = Some(ScramStep::Challenge(next));
                }
                Authentication::SaslContinue(challenge) => {
                    let Some(ScramStep::Challenge(state)) = scram.take() else {
                        return Err(UpstreamError::Protocol("a SASL step out of turn"));
                    };
                    let (next, last) = state.challenge(&challenge)?;
                    let mut out = BytesMut::new();
                    Frontend::Password(last).encode(&mut out)?;
                    peer.stream.write_all(&out).await?;
                    scram = Some(ScramStep::Signature(next));
                }
                Authentication::SaslFinal(signature) => {
                    let Some(ScramStep::Signature(state)) = scram.take() else {
                        return Err(UpstreamError::Protocol("a SASL step out of turn"));
                    };
                    state.finish(&signature)?;
                }
                Authentication::Cleartext if encrypted => {
                    let mut out = BytesMut::new();
                    password_message(&self.password().await?, &mut out)?;
                    peer.stream.write_all(&out).await?;
                }
                Authentication::Cleartext => {
                    return Err(UpstreamError::Method("a password in clear text"));
                }
                Authentication::Md5 { .. } => return Err(UpstreamError::Method("MD5")),
                Authentication::Other { .. } => return Err(UpstreamError::Method("unknown")),
            }
        }
        Err(UpstreamError::Protocol("a login that does not end"))
    }

    async fn password(&self) -> Result<Bytes, UpstreamError> {
        let Some(source) = &self.upstream.password else {
            return Err(UpstreamError::Secret(
                "the server asks for one, and none is configured".to_owned(),
            ));
        };
        let secret = secret::fetch(source)
            .await
            .map_err(|error| UpstreamError::Secret(error.to_string()))?;
        Ok(Bytes::copy_from_slice(secret.expose().as_bytes()))
    }
}

enum ScramStep {
    Challenge(almoner_wire::postgres::scram_client::AwaitChallenge),
    Signature(almoner_wire::postgres::scram_client::AwaitSignature),
}

struct Peer {
    stream: Stream,
    decoder: Decoder,
    buffer: BytesMut,
}

impl Peer {
    async fn next(&mut self) -> Result<Backend, UpstreamError> {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.buffer)? {
                return Ok(Backend::decode(&frame)?);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(UpstreamError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

async fn greeting(mut peer: Peer) -> Result<Upstream, UpstreamError> {
    let (mut parameters, mut pid, mut key) = (Vec::new(), 0, Bytes::new());
    for _ in 0..GREETING_MESSAGES_MAX {
        match peer.next().await? {
            Backend::ParameterStatus { name, value } => parameters.push((name, value)),
            Backend::BackendKeyData { pid: p, key: k } => (pid, key) = (p, k),
            Backend::NoticeResponse(_) => {}
            Backend::ErrorResponse(fields) => return Err(refused(&fields)),
            Backend::ReadyForQuery { .. } => {
                return Ok(Upstream {
                    stream: peer.stream,
                    buffer: peer.buffer,
                    parameters,
                    pid,
                    key,
                });
            }
            _ => return Err(UpstreamError::Protocol("something else than a greeting")),
        }
    }
    Err(UpstreamError::Protocol("a greeting that does not end"))
}

fn refused(fields: &almoner_wire::postgres::Fields) -> UpstreamError {
    let code = fields
        .code()
        .map(|code| String::from_utf8_lossy(code).into_owned());
    let code =
        code.filter(|code| code.len() == 5 && code.bytes().all(|b| b.is_ascii_alphanumeric()));
    UpstreamError::Refused(code.unwrap_or_else(|| "?".to_owned()))
}

/// A fresh nonce for SCRAM: 18 random bytes in base64.
pub(super) fn nonce() -> Result<String, UpstreamError> {
    let mut random = [0; 18];
    getrandom::fill(&mut random).map_err(|_| UpstreamError::NoRandomness)?;
    Ok(STANDARD.encode(random))
}
