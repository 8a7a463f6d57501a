//! The users file: as written to as meant.

use std::collections::BTreeMap;

use super::super::problem::Problem;
use super::super::users::User;
use super::super::written::at::At;
use super::super::written::read::{Entry, Reader, items};
use super::super::written::users as written;
use super::check::{required, word};
use super::policy::place;

/// All logins, by name. `file` as messages shall name it.
pub(super) fn meant(file: &str, text: &str) -> Result<BTreeMap<String, User>, Vec<Problem>> {
    let mut reader = Reader::new(file, text);
    let mut users: BTreeMap<String, User> = BTreeMap::new();
    if let Some(mut document) = reader.document() {
        for entry in reader.entries::<written::User>(&mut document, "user") {
            let Some(user) = user(&mut reader, file, &entry) else {
                continue;
            };
            if let Some(first) = users.get(&user.name) {
                let what = format!(
                    "user \"{}\" is defined twice, first in line {}",
                    user.name, first.place.line
                );
                reader.report(&entry.span, what, "Remove one of them.");
            } else {
                users.insert(user.name.clone(), user);
            }
        }
        reader.finish_document(&document, &["user"]);
    }
    let problems = reader.into_problems();
    if problems.is_empty() {
        Ok(users)
    } else {
        Err(problems)
    }
}

fn user(reader: &mut Reader<'_>, file: &str, entry: &Entry<written::User>) -> Option<User> {
    let written = &entry.value;
    let remedy = "It is what the caller logs in with.";
    let name = required(reader, entry, "user", "name", &written.name, remedy)?;
    let name = word(reader, "user", name)?;
    let about = format!("user \"{name}\"");
    let mut optional = |key: &str, value: &Option<At<String>>| {
        value
            .as_ref()
            .and_then(|at| word(reader, &format!("{about}: \"{key}\""), at))
    };
    let actor = optional("actor", &written.actor);
    let subject = optional("subject", &written.subject);
    let person = optional("person", &written.person);
    if let (Some(at), None) = (&written.actor, &written.subject) {
        let what = format!("{about}: an \"actor\" acts for a \"subject\", and there is none");
        reader.report(
            &at.span,
            what,
            "Name the person or service on whose authority it acts.",
        );
    }
    let mut groups: Vec<String> = Vec::new();
    for at in items(written.groups.as_ref()) {
        let Some(group) = word(reader, &format!("{about}: \"groups\""), at) else {
            continue;
        };
        if groups.contains(&group) {
            let what = format!("{about}: group \"{group}\" is listed twice");
            reader.report(&at.span, what, "Remove one of them.");
        }
        groups.push(group);
    }
    let verifier = written.verifier.as_ref().and_then(|at| {
        let parsed = at.value.parse();
        if let Err(e) = &parsed {
            let remedy = format!("Set the password again: almoner users passwd {name}");
            reader.report(&at.span, format!("{about}: \"verifier\": {e}"), remedy);
        }
        parsed.ok()
    });
    let subject = subject.unwrap_or_else(|| name.clone());
    Some(User {
        // What an agent asks for on somebody's authority, that somebody must not approve.
        person: person.unwrap_or_else(|| subject.clone()),
        actor,
        subject,
        groups,
        verifier,
        disabled: written.disabled.as_ref().is_some_and(|at| at.value),
        place: place(reader, file, entry),
        name,
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, User>, Vec<String>> {
        meant("users.toml", text)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_login_is_its_own_subject_and_person_unless_it_says_otherwise() {
        let users = read(
            "[[user]]\nname = \"joy\"\ngroups = [\"nurses\"]\n\
             [[user]]\nname = \"bot\"\nactor = \"scheduler\"\nsubject = \"joy\"\ndisabled = true\n",
        )
        .unwrap();
        let (joy, bot) = (&users["joy"], &users["bot"]);
        assert_eq!(
            (joy.subject.as_str(), joy.person.as_str(), &joy.actor),
            ("joy", "joy", &None)
        );
        assert_eq!((bot.subject.as_str(), bot.person.as_str()), ("joy", "joy"));
        assert_eq!(bot.actor.as_deref(), Some("scheduler"));
        assert!(bot.disabled && !joy.disabled);
    }

    #[test]
    fn what_is_wrong_is_reported_without_the_verifier() {
        let refused = read(
            "[[user]]\nname = \"joy\"\nverifier = \"SCRAM-SHA-256$secret\"\nactor = \"x\"\n\
             [[user]]\nname = \"joy\"\ngroups = [\"a\", \"a\"]\npasword = \"hunter2\"\n",
        )
        .unwrap_err();
        assert_eq!(refused.len(), 5, "{refused:#?}");
        assert!(
            refused[0]
                .starts_with("users.toml:3: user \"joy\": \"verifier\": reading a SCRAM verifier")
        );
        assert!(refused[1].contains("acts for a \"subject\""));
        assert!(refused[2].contains("defined twice, first in line 1"));
        assert!(refused[3].contains("listed twice"));
        assert!(refused[4].contains("unknown key \"pasword\""));
        assert!(!refused.concat().contains("secret") && !refused.concat().contains("hunter2"));
    }
}
