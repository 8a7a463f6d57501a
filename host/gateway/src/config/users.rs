//! The users file, as meant: who may log in, as whom, with which groups.

use almoner_wire::postgres::scram::Verifier;

use super::policy::Place;

/// One login. `Debug` shows nothing of the verifier, because the verifier's own does not.
#[derive(Clone, Debug)]
pub struct User {
    /// What the caller gives as user name.
    pub name: String,
    /// The human or service the login belongs to; by default the subject.
    pub person: String,
    /// The agent this login is, if it acts for somebody else.
    pub actor: Option<String>,
    /// On whose authority it acts; by default the login itself.
    pub subject: String,
    /// Groups of the subject.
    pub groups: Vec<String>,
    /// What passwords are checked against; without one nobody can log in by this name.
    pub verifier: Option<Verifier>,
    /// No login, whatever the password.
    pub disabled: bool,
    /// File and line of the entry.
    pub place: Place,
}
