//! The users file of a staged gateway.

use std::fmt::Write;

/// One login. The password is the stage's; the file gets its verifier alone.
#[derive(Clone, Debug, Default)]
pub struct User {
    /// Login name.
    pub name: String,
    /// What is typed at the prompt.
    pub password: String,
    /// Groups of the subject.
    pub groups: Vec<String>,
    /// On whose authority the login acts, if not its own.
    pub subject: Option<String>,
    /// The agent that the login is.
    pub actor: Option<String>,
    /// The human behind the login.
    pub person: Option<String>,
}

impl User {
    /// A login in these groups. Its password is its name with `-password` behind it.
    pub fn new(name: &str, groups: &[&str]) -> Self {
        Self {
            name: name.into(),
            password: format!("{name}-password"),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// An agent that acts for this person.
    #[must_use]
    pub fn acting_for(mut self, subject: &str) -> Self {
        self.actor = Some(self.name.clone());
        self.subject = Some(subject.into());
        self
    }

    /// Another login of this human.
    #[must_use]
    pub fn of_person(mut self, person: &str) -> Self {
        self.person = Some(person.into());
        self
    }
}

/// The file's text.
pub(crate) fn file(users: &[User]) -> String {
    let mut text = String::new();
    for user in users {
        let groups: Vec<String> = user.groups.iter().map(|group| quoted(group)).collect();
        let verifier = postgres_protocol::password::scram_sha_256(user.password.as_bytes());
        let optional = [
            ("subject", &user.subject),
            ("actor", &user.actor),
            ("person", &user.person),
        ];
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "[[user]]\nname = {}\ngroups = [{}]",
            quoted(&user.name),
            groups.join(", ")
        );
        for (key, value) in optional {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
        }
        let _ = writeln!(text, "verifier = {}\n", quoted(&verifier));
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_verifiers_and_no_passwords() {
        let text = file(&[
            User::new("ward-assistant", &["nurses"]).acting_for("maria.santos"),
            User::new("b", &[]),
        ]);
        assert!(
            text.contains("subject = \"maria.santos\"\nactor = \"ward-assistant\"\n"),
            "{text}"
        );
        assert!(
            text.contains("verifier = \"SCRAM-SHA-256$4096:") && !text.contains("-password"),
            "{text}"
        );
        assert_eq!(text.matches("[[user]]").count(), 2);
    }
}
