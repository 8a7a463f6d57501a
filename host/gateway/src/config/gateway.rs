//! The gateway's own settings, as meant: where it listens, which resources stand behind it, where its
//! evidence lies. Read once at start; never holds a secret's value, only where to fetch it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything `almoner serve` needs to know, defaults filled in, paths absolute.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Where PostgreSQL callers connect.
    pub postgres_listen: SocketAddr,
    /// Where HTTP callers connect, if they do.
    pub http_listen: Option<SocketAddr>,
    /// Certificate and key offered to callers.
    pub tls: ListenerTls,
    /// Refuse callers that do not ask for TLS. Default: true unless listening on loopback only.
    pub tls_required: bool,
    /// `/healthz`, `/readyz`, `/metrics`; plain HTTP.
    pub observe_listen: Option<SocketAddr>,
    /// The admin API's local socket (mode 0600, owned by the gateway's user).
    pub admin_socket: PathBuf,
    /// The evidence: records, bodies, signing key.
    pub audit_dir: PathBuf,
    /// The head anchor; by default beside the audit folder, better on another file system.
    pub anchor_file: PathBuf,
    /// Disk space below which no exchange is admitted, bytes.
    pub audit_reserve_bytes: u64,
    /// Masked responses are kept beside their records up to this size per exchange, bytes; 0 keeps none.
    pub response_body_bytes_max: u64,
    /// Folder of policy files.
    pub policy_dir: PathBuf,
    /// Users, groups and verifiers.
    pub users_file: PathBuf,
    /// Keys of pseudonyms (mode 0600), made on first use.
    pub keys_file: PathBuf,
    /// Locally compiled plugins (mode 0700).
    pub cache_dir: PathBuf,
    /// Sizes and waits.
    pub limits: Limits,
    /// What stands behind the gateway.
    pub resources: Vec<Resource>,
}

/// Where the listener's certificate comes from.
#[derive(Clone, Debug)]
pub enum ListenerTls {
    /// PEM files.
    Files {
        /// Certificate chain, leaf first.
        certificate: PathBuf,
        /// Private key (PKCS#8, SEC 1 or PKCS#1).
        key: PathBuf,
    },
    /// A self-signed certificate made on first use in the data folder; for development.
    SelfSigned {
        /// Folder that keeps `cert.pem` and `key.pem`.
        dir: PathBuf,
    },
}

/// Bounds on what callers may make the gateway hold or wait for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Live sessions.
    pub sessions_max: usize,
    /// From accept to the end of authentication.
    pub handshake: Duration,
    /// One protocol message, bytes.
    pub message_bytes_max: usize,
    /// One row of a response, bytes.
    pub row_bytes_max: usize,
    /// A session with nothing to do for so long is closed.
    pub idle: Duration,
    /// How long shutdown waits for sessions to finish what they do.
    pub drain: Duration,
    /// Connecting and logging in to an upstream.
    pub upstream_connect: Duration,
    /// Failed logins a minute and source that are recorded one by one; further ones are counted.
    pub failed_logins_recorded_per_minute: u32,
}

/// A named upstream.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its name in rules and records; what PostgreSQL callers use as the database name.
    pub name: String,
    /// Where and how to reach it.
    pub upstream: Upstream,
}

/// What a resource is.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// A PostgreSQL server.
    Postgres(PostgresUpstream),
    /// An HTTP server.
    Http(HttpUpstream),
}

impl Resource {
    /// `postgres`, `http`: as records and sessions name it.
    pub fn protocol(&self) -> &'static str {
        match self.upstream {
            Upstream::Postgres(_) => "postgres",
            Upstream::Http(_) => "http",
        }
    }

    /// The PostgreSQL server behind it, if it is one.
    pub fn postgres(&self) -> Option<&PostgresUpstream> {
        match &self.upstream {
            Upstream::Postgres(upstream) => Some(upstream),
            Upstream::Http(_) => None,
        }
    }

    /// The HTTP server behind it, if it is one.
    pub fn http(&self) -> Option<&HttpUpstream> {
        match &self.upstream {
            Upstream::Http(upstream) => Some(upstream),
            Upstream::Postgres(_) => None,
        }
    }
}

/// An HTTP server, how callers name it, and the credential the gateway shows there.
#[derive(Clone, Debug)]
pub struct HttpUpstream {
    /// Encrypted and checked, chain and host name. `false`: plain text.
    pub tls: bool,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path that all requests are below; empty, or begins with a slash and does not end with one.
    pub base: String,
    /// How callers choose it.
    pub route: HttpRoute,
    /// What the gateway shows there; callers never see it.
    pub credential: Option<HttpCredential>,
    /// PEM bundle to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// How callers choose an HTTP resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpRoute {
    /// By the host name they ask for, lower case, without port.
    Host(String),
    /// By how the path begins, which is taken off: `/fhir`.
    Prefix(String),
}

/// What the gateway shows an HTTP server to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpCredential {
    /// `Authorization: Bearer …`
    Bearer(SecretSource),
    /// `Authorization: Basic …`
    Basic {
        /// The gateway's account there.
        user: String,
        /// Its password.
        password: SecretSource,
    },
    /// A header of the server's own.
    Header {
        /// Its name, lower case.
        name: String,
        /// Its value.
        value: SecretSource,
    },
}

/// A PostgreSQL server and the account the gateway uses there.
#[derive(Clone, Debug)]
pub struct PostgresUpstream {
    /// Host name, address, or folder of a Unix socket (begins with `/`).
    pub host: String,
    /// TCP port, or the number in the socket's name.
    pub port: u16,
    /// Database at the upstream.
    pub database: String,
    /// Account at the upstream; callers never see it.
    pub user: String,
    /// Where the account's password is fetched from.
    pub password: Option<SecretSource>,
    /// How far the upstream's certificate is checked.
    pub tls: UpstreamTls,
    /// PEM bundle to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// How far the upstream's certificate is checked. There is no "prefer": it would fall back silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamTls {
    /// Plain text: loopback and Unix sockets only, unless the file says `allow-plaintext = true`.
    Disable,
    /// Encrypted, chain checked, name not.
    VerifyCa,
    /// Encrypted, chain and host name checked. The default.
    VerifyFull,
}

/// Where a secret is fetched from, at each use, so that rotation needs no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// First line of a file.
    File(PathBuf),
    /// An environment variable of the gateway.
    Env(String),
    /// First line that a command prints (program and arguments; no shell).
    Command(Vec<String>),
}
