//! A connection from its first byte to its session: TLS asked for, direct or refused; GSSAPI declined;
//! cancel requests passed on; everything within the handshake's time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use almoner_wire::postgres::channel_binding::tls_server_end_point;
use almoner_wire::postgres::fields::Severity;
use almoner_wire::postgres::{FirstBytes, Startup};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::cancel::CancelRegistry;
use super::catalog::Catalogs;
use super::login::{self, LoginError};
use super::session;
use super::startup::{self, Wanted};
use super::statement::Texts;
use super::stream::Stream;
use super::upstream::Dialer;
use super::words::OwnWords;
use crate::config::gateway::{Limits, Resource, UpstreamTls};
use crate::identity::failures::{Logins, Note};
use crate::identity::principal::Principal;
use crate::identity::users::Users;
use crate::listener::{Place, SessionPlace};
use crate::policy::{Opening, Pipeline};

/// ALPN of direct TLS (PostgreSQL documentation, "SSL Session Encryption").
pub(crate) const ALPN: &[u8] = b"postgresql";
/// TLS, then GSSAPI, then TLS again: more requests than that before a session is somebody playing.
const REQUESTS_MAX: usize = 4;
/// SQLSTATE of a refused session (`invalid_authorization_specification`).
const NO_ACCESS: &str = "28000";

/// What all PostgreSQL connections of the gateway share.
pub struct Shared {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) users: Arc<Users>,
    pub(super) logins: Logins,
    pub(super) limits: Limits,
    pub(super) cancels: Arc<CancelRegistry>,
    pub(super) texts: Texts,
    pub(super) resources: HashMap<String, Target>,
    tls: TlsAcceptor,
    tls_required: bool,
    /// Hash of our certificate, for channel binding.
    end_point: Option<Bytes>,
    /// Turns true when the gateway drains.
    pub(super) draining: watch::Receiver<bool>,
}

/// A resource, ready to be used.
pub(super) struct Target {
    pub(super) dialer: Arc<Dialer>,
    pub(super) catalogs: Arc<Catalogs>,
}

impl Shared {
    /// Puts together what connections need. `certificate` is the leaf we present, DER.
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
        certificate: &[u8],
        tls_required: bool,
        draining: watch::Receiver<bool>,
    ) -> Arc<Self> {
        let resources = resources
            .iter()
            .filter_map(|resource| Some((resource, resource.postgres()?)))
            .map(|(resource, upstream)| {
                let tls = match upstream.tls {
                    UpstreamTls::Disable => None,
                    UpstreamTls::VerifyCa | UpstreamTls::VerifyFull => upstream_tls(resource),
                };
                let dialer = Dialer::new(
                    upstream.clone(),
                    tls,
                    limits.upstream_connect,
                    limits.message_bytes_max,
                );
                let catalogs = Catalogs::new(resource.name.clone(), Arc::clone(&dialer));
                (resource.name.clone(), Target { dialer, catalogs })
            })
            .collect();
        Arc::new(Self {
            pipeline,
            users,
            logins: Logins::new(limits.failed_logins_recorded_per_minute),
            cancels: Arc::default(),
            texts: Texts::default(),
            resources,
            tls: TlsAcceptor::from(tls),
            tls_required,
            end_point: tls_server_end_point(certificate),
            draining,
            limits,
        })
    }

    /// The tasks that keep the catalogs fresh, one per resource.
    pub fn catalogs(&self) -> Vec<Arc<Catalogs>> {
        self.resources
            .values()
            .map(|target| Arc::clone(&target.catalogs))
            .collect()
    }
}

/// Serves one connection to its end.
pub async fn serve(shared: Arc<Shared>, socket: TcpStream, peer: SocketAddr, place: Place) {
    let mut failed = None;
    let handshake = Box::pin(open(&shared, socket, peer, place, &mut failed));
    let outcome = tokio::time::timeout(shared.limits.handshake, handshake).await;
    // Outside of the handshake's time: who lets it run out behind a wrong proof is on record all the same.
    if let Some(Failure { wanted, why }) = failed {
        note_failure(&shared, peer, &wanted, &why).await;
    }
    match outcome {
        Ok(Ok(Some((opened, place)))) => {
            session::run(&shared, opened).await;
            drop(place);
        }
        Ok(Ok(None)) => {}
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a connection ended before its session began");
        }
        Err(_) => tracing::debug!(%peer, "a connection did not log in within the time allowed"),
    }
}

/// A caller who has logged in.
pub(super) struct Opened {
    pub(super) stream: Stream,
    pub(super) buffer: BytesMut,
    pub(super) session: Arc<crate::policy::Session>,
    pub(super) wanted: Wanted,
}

/// The same with the place it has.
type Placed = (Opened, SessionPlace);

async fn open(
    shared: &Arc<Shared>,
    socket: TcpStream,
    peer: SocketAddr,
    place: Place,
    failed: &mut Option<Failure>,
) -> Result<Option<Placed>, LoginError> {
    socket.set_nodelay(true)?;
    let mut first = [0; 2];
    let direct = loop {
        let seen = socket.peek(&mut first).await?;
        match FirstBytes::of(first.get(..seen).unwrap_or_default())? {
            FirstBytes::Packet => break false,
            FirstBytes::TlsClientHello => break true,
            FirstBytes::NeedMore if seen == 0 => return Ok(None),
            // Peeking again at one byte returns at once: give the second one time.
            FirstBytes::NeedMore => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let mut encrypted = direct;
    let mut buffer = BytesMut::new();
    let mut stream: Stream = if direct {
        let tls = shared.tls.accept(socket).await?;
        // Without ALPN another protocol's request could be replayed to us (PostgreSQL requires it, too).
        if tls.get_ref().1.alpn_protocol() != Some(ALPN) {
            return Err(LoginError::Refused("direct TLS without ALPN"));
        }
        Box::new(tls)
    } else {
        Box::new(socket)
    };
    for _ in 0..REQUESTS_MAX {
        match packet(&mut stream, &mut buffer).await? {
            Startup::Ssl if !encrypted => {
                // What is buffered already came in the clear and must not pass for encrypted.
                if !buffer.is_empty() {
                    return Err(LoginError::Refused(
                        "bytes in the clear behind the request for TLS",
                    ));
                }
                stream.write_all(b"S").await?;
                stream.flush().await?;
                stream = Box::new(shared.tls.accept(stream).await?);
                encrypted = true;
            }
            Startup::GssEnc | Startup::Ssl => {
                stream.write_all(b"N").await?;
                stream.flush().await?;
            }
            Startup::Cancel { pid, key } => {
                let found = shared.cancels.cancel(pid, &key);
                tracing::debug!(%peer, found, "cancel request");
                return Ok(None);
            }
            Startup::Session { minor, params, .. } => {
                let hello = Hello {
                    peer,
                    encrypted,
                    minor,
                    params,
                    place,
                };
                return begin(shared, stream, buffer, hello, failed).await;
            }
        }
    }
    Err(LoginError::Refused("too many requests before a session"))
}

/// A login that failed, to be recorded.
struct Failure {
    wanted: Wanted,
    why: String,
}

/// Who asks for a session, and how.
struct Hello {
    peer: SocketAddr,
    encrypted: bool,
    minor: u16,
    params: Vec<(Bytes, Bytes)>,
    place: Place,
}

async fn begin(
    shared: &Arc<Shared>,
    mut stream: Stream,
    mut buffer: BytesMut,
    hello: Hello,
    failed: &mut Option<Failure>,
) -> Result<Option<Placed>, LoginError> {
    let Hello {
        peer,
        encrypted,
        minor,
        params,
        place,
    } = hello;
    if shared.tls_required && !encrypted {
        let words = OwnWords::error_with_hint(
            Severity::Fatal,
            NO_ACCESS,
            "this gateway takes encrypted connections only",
            "Use sslmode=require or stronger.",
        );
        return refuse(&mut stream, words, "no TLS").await;
    }
    let wanted = match startup::understand(minor, params) {
        Ok(wanted) => wanted,
        Err(refused) => {
            let words = OwnWords::error(Severity::Fatal, "0A000", &refused.to_string());
            return refuse(&mut stream, words, "a startup packet that is not carried").await;
        }
    };
    if let Some((minor, options)) = wanted.negotiate.clone() {
        let words = OwnWords::negotiate(minor, options).into_bytes();
        stream.write_all(&words).await?;
    }
    let binding = shared.end_point.clone().filter(|_| encrypted);
    let login = login::log_in(
        &mut stream,
        &mut buffer,
        &shared.users,
        &wanted.user,
        binding,
    )
    .await;
    let principal = match login {
        Ok(principal) => principal,
        Err(error) => {
            // A caller who hangs up (to ask a person for the password, say) has not failed.
            if !matches!(error, LoginError::Io(_)) {
                let why = error.to_string();
                let user = wanted.user.clone();
                *failed = Some(Failure { wanted, why });
                login::say_failed(&mut stream, &user).await;
            }
            return Err(error);
        }
    };
    let Some(place) = place.for_session() else {
        shared.pipeline.metrics().connection_refused();
        let words = OwnWords::error(
            Severity::Fatal,
            "53300",
            "almoner: too many sessions; try again later",
        );
        return refuse(&mut stream, words, "too many sessions").await;
    };
    let caller = Caller {
        peer,
        wanted,
        principal,
        place,
    };
    open_session(shared, stream, buffer, caller).await
}

/// Somebody who has logged in.
struct Caller {
    peer: SocketAddr,
    wanted: Wanted,
    principal: Principal,
    place: SessionPlace,
}

async fn open_session(
    shared: &Arc<Shared>,
    mut stream: Stream,
    buffer: BytesMut,
    caller: Caller,
) -> Result<Option<Placed>, LoginError> {
    let Caller {
        peer,
        wanted,
        principal,
        place,
    } = caller;
    let opened = if shared.resources.contains_key(&wanted.database) {
        let opening = Opening {
            login: wanted.user.clone(),
            principal,
            source: peer,
            resource: wanted.database.clone(),
            protocol: "postgres",
            media: startup::MEDIA,
        };
        shared.pipeline.open_session(opening).await
    } else {
        note_failure(shared, peer, &wanted, "no such resource").await;
        Ok(None)
    };
    match opened {
        Ok(Some(session)) => {
            let opened = Opened {
                stream,
                buffer,
                session,
                wanted,
            };
            Ok(Some((opened, place)))
        }
        Ok(None) => {
            // The same words whether it exists or not.
            let message = format!("no access to database \"{}\"", wanted.database);
            let words = OwnWords::error(Severity::Fatal, NO_ACCESS, &message);
            refuse(&mut stream, words, "no access to the resource").await
        }
        Err(error) => {
            tracing::error!(%error, "a session could not be recorded; it is not opened");
            let words = OwnWords::error(
                Severity::Fatal,
                "58000",
                "almoner: the session could not be recorded, and nothing passes unrecorded",
            );
            refuse(&mut stream, words, "it could not be recorded").await
        }
    }
}

async fn note_failure(shared: &Shared, peer: SocketAddr, wanted: &Wanted, why: &str) {
    let pipeline = &shared.pipeline;
    match shared.logins.failed(peer.ip()) {
        Note::Record { counted } => {
            if counted > 0 {
                pipeline
                    .logins_counted("postgres", peer.ip(), counted)
                    .await;
            }
            pipeline
                .login_failed("postgres", peer, &wanted.user, &wanted.database, why)
                .await;
        }
        Note::Count => pipeline.metrics().login_failed(),
    }
}

async fn refuse<T>(
    stream: &mut Stream,
    words: OwnWords,
    why: &'static str,
) -> Result<Option<T>, LoginError> {
    stream.write_all(&words.into_bytes()).await?;
    stream.flush().await?;
    Err(LoginError::Refused(why))
}

async fn packet(stream: &mut Stream, buffer: &mut BytesMut) -> Result<Startup, LoginError> {
    loop {
        if let Some(packet) = Startup::decode(buffer)? {
            return Ok(packet);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(LoginError::Io(std::io::ErrorKind::UnexpectedEof.into()));
        }
    }
}
