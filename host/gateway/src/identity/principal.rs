//! Who acts. Subject and actor are two fields everywhere, so that no record ever names only a machine.

use std::net::SocketAddr;

/// The authenticated originator of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The person or service on whose authority this happens.
    pub subject: String,
    /// The agent acting for the subject, if another one.
    pub actor: Option<String>,
    /// Groups of the subject.
    pub groups: Vec<String>,
    /// Who vouched: `local` for the users file.
    pub issuer: String,
    /// How: `scram-sha-256`, …
    pub method: String,
    /// The human or service the login belongs to, if several logins belong to one (`person` in the users
    /// file). Approvals compare this, so that nobody approves their own request through another login.
    pub person: String,
}

/// Where a session comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source(pub SocketAddr);
