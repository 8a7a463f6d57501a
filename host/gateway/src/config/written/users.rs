//! The users file as written. `Debug` shows no verifier.

use std::fmt;

use serde::Deserialize;

use super::at::At;

/// The users file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct UsersFile {
    /// One entry per login.
    pub user: Option<Vec<At<User>>>,
}

/// One login.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub struct User {
    /// Login name.
    pub name: Option<At<String>>,
    /// The human or service behind it, if several logins belong to one.
    pub person: Option<At<String>>,
    /// The agent this login is, if it acts for somebody else.
    pub actor: Option<At<String>>,
    /// On whose authority it acts.
    pub subject: Option<At<String>>,
    /// Groups of the subject.
    pub groups: Option<At<Vec<At<String>>>>,
    /// SCRAM-SHA-256 verifier of the password.
    pub verifier: Option<At<String>>,
    /// `true`: no login.
    pub disabled: Option<At<bool>>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
