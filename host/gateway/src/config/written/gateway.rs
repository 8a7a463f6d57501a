//! `almoner.toml` as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::at::At;
use super::units::{Size, Span};

/// The gateway's own settings: where it listens, what stands behind it, where its evidence lies.
/// Read once at start. Paths are relative to the file's folder.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Config {
    /// Sockets.
    pub listen: Option<Listen>,
    /// The certificate shown to callers.
    pub tls: Option<Tls>,
    /// The evidence and what the gateway keeps beside it.
    pub data: Option<Data>,
    /// The policy folder.
    pub policies: Option<Policies>,
    /// The users file.
    pub users: Option<Users>,
    /// Bounds on what callers may make the gateway hold or wait for.
    pub limits: Option<Limits>,
    /// What stands behind the gateway.
    #[schemars(required)]
    pub resource: Option<Vec<At<Resource>>>,
}

/// Sockets.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Listen {
    /// Address and port where PostgreSQL callers connect. Default: 127.0.0.1:6432.
    pub postgres: Option<At<String>>,
    /// Address and port where HTTP callers connect. Default: none.
    pub http: Option<At<String>>,
    /// Address and port of /healthz, /readyz and /metrics, plain HTTP. Default: none.
    pub observe: Option<At<String>>,
    /// Path of the admin API's local socket. Default: run/admin.sock.
    pub admin: Option<At<PathBuf>>,
}

/// The certificate shown to callers. Without files the gateway makes a self-signed one, for development.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Tls {
    /// PEM file: the certificate chain, leaf first.
    pub certificate: Option<At<PathBuf>>,
    /// PEM file: the private key.
    pub key: Option<At<PathBuf>>,
    /// Refuse callers that do not ask for TLS. Default: true, unless listening on loopback only.
    pub required: Option<At<bool>>,
}

/// The evidence and what the gateway keeps beside it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Data {
    /// Folder of the audit trail, keys and caches. Default: data.
    pub dir: Option<At<PathBuf>>,
    /// File that remembers the head of the audit trail; better on another file system.
    /// Default: anchor in the data folder.
    pub anchor: Option<At<PathBuf>>,
    /// Disk space below which no exchange is admitted. Default: 256 MiB.
    pub reserve: Option<At<Size>>,
    /// Masked responses are kept beside their records up to this size each; "0 B" keeps none. Default: 1 MiB.
    pub response_bodies: Option<At<Size>>,
}

/// The policy folder.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Policies {
    /// Folder of policy files (*.toml), read again whenever one is saved. Default: policies.
    pub dir: Option<At<PathBuf>>,
}

/// The users file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Users {
    /// Users, groups and password verifiers. Default: users.toml.
    pub file: Option<At<PathBuf>>,
}

/// Bounds on what callers may make the gateway hold or wait for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Limits {
    /// Live sessions. Default: 1000.
    #[schemars(range(min = 1, max = 100_000))]
    pub sessions: Option<At<u64>>,
    /// From accept to the end of authentication. Default: 10s.
    pub handshake: Option<At<Span>>,
    /// One protocol message. Default: 16 MiB.
    pub message: Option<At<Size>>,
    /// One row of a response. Default: 8 MiB.
    pub row: Option<At<Size>>,
    /// A session with nothing to do for so long is closed. Default: 30m.
    pub idle: Option<At<Span>>,
    /// How long shutdown waits for sessions to finish what they do. Default: 30s.
    pub drain: Option<At<Span>>,
    /// Connecting and logging in to a resource. Default: 10s.
    pub upstream_connect: Option<At<Span>>,
    /// Failed logins a minute and source that are recorded one by one; further ones are counted. Default: 30.
    #[schemars(range(min = 1, max = 10_000))]
    pub failed_logins_recorded_per_minute: Option<At<u64>>,
}

/// A named upstream: exactly one of postgres and http.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct Resource {
    /// Its name in rules and records; PostgreSQL callers use it as the database name.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// A PostgreSQL server and the account the gateway uses there.
    pub postgres: Option<At<Postgres>>,
    /// An HTTP server and the credential the gateway shows there.
    pub http: Option<At<Http>>,
}

/// An HTTP server and the credential the gateway shows there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { url = \"https://fhir.internal/r4\", prefix = \"/fhir\" }"
)]
pub struct Http {
    /// Where it is: https://host:port/path. Requests go below the path.
    #[schemars(required, regex(pattern = "^https?://.+$"))]
    pub url: Option<At<String>>,
    /// Callers choose the resource by this host name. Instead of prefix.
    pub host: Option<At<String>>,
    /// Callers choose the resource by how the path begins; the prefix is taken off. Default: /NAME, unless host is given.
    #[schemars(regex(pattern = "^/.+$"))]
    pub prefix: Option<At<String>>,
    /// What the gateway shows there; callers never see it. Default: none.
    pub credential: Option<At<Credential>>,
    /// PEM bundle to trust instead of the system's.
    pub ca: Option<At<PathBuf>>,
    /// Permits an http:// URL on another machine. For closed networks only.
    #[serde(rename = "allow-plaintext", alias = "allow_plaintext")]
    pub allow_plaintext: Option<At<bool>>,
}

/// What the gateway shows an HTTP server: exactly one of the three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { bearer = { file = \"/etc/almoner/fhir.token\" } }"
)]
pub struct Credential {
    /// A bearer token.
    pub bearer: Option<At<Secret>>,
    /// An account and its password.
    pub basic: Option<At<BasicCredential>>,
    /// A header of the server's own, such as X-Api-Key.
    pub header: Option<At<HeaderCredential>>,
}

/// An account of HTTP Basic authentication.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { user = \"almoner\", password = { file = \"fhir.pw\" } }"
)]
pub struct BasicCredential {
    /// The account.
    #[schemars(required)]
    pub user: Option<At<String>>,
    /// Where its password is fetched from; never the password itself.
    #[schemars(required)]
    pub password: Option<At<Secret>>,
}

/// A header with a secret value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { name = \"X-Api-Key\", value = { file = \"fhir.key\" } }"
)]
pub struct HeaderCredential {
    /// Name of the header.
    #[schemars(required)]
    pub name: Option<At<String>>,
    /// Where its value is fetched from; never the value itself.
    #[schemars(required)]
    pub value: Option<At<Secret>>,
}

/// A PostgreSQL server and the account the gateway uses there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { host = \"db.internal\", user = \"almoner\" }"
)]
pub struct Postgres {
    /// Host name, address, or folder of a Unix socket (begins with a slash).
    #[schemars(required)]
    pub host: Option<At<String>>,
    /// TCP port, or the number in the socket's name. Default: 5432.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<At<u64>>,
    /// Database at the upstream. Default: the resource's name.
    pub database: Option<At<String>>,
    /// Account at the upstream; callers never see it.
    #[schemars(required)]
    pub user: Option<At<String>>,
    /// Where the account's password is fetched from; never the password itself.
    pub password: Option<At<Secret>>,
    /// How far the upstream's certificate is checked. Default: verify-full; disable on Unix sockets.
    pub tls: Option<At<UpstreamTls>>,
    /// PEM bundle to trust instead of the system's.
    pub ca: Option<At<PathBuf>>,
    /// Permits tls = "disable" on a connection that leaves this machine. For closed networks only.
    #[serde(rename = "allow-plaintext", alias = "allow_plaintext")]
    pub allow_plaintext: Option<At<bool>>,
}

/// Where a secret is fetched from, at each use: exactly one of the three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a table such as { file = \"/etc/almoner/ehr.pw\" }"
)]
pub struct Secret {
    /// First line of this file, which only the gateway's user may read.
    pub file: Option<At<PathBuf>>,
    /// This environment variable of the gateway.
    pub env: Option<At<String>>,
    /// First line that this command prints: program and arguments, no shell.
    pub command: Option<At<Vec<String>>>,
}

/// How far the upstream's certificate is checked.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamTls {
    /// Plain text: on this machine only, unless allow-plaintext = true.
    Disable,
    /// Encrypted, chain checked, host name not.
    VerifyCa,
    /// Encrypted, chain and host name checked.
    VerifyFull,
}
