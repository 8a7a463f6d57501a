//! Edits the users file as text, so that comments and order survive. Whatever comes out is read again
//! before it is written: an edit that would change anything else than was asked for is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use almoner_wire::postgres::scram::Verifier;
use rustix::fs::FlockOperation;

use super::users::check_permissions;
use crate::config::load::users_text;
use crate::config::problem::ConfigErrors;
use crate::config::users::User;
use crate::config::written::users as written;

/// First lines of a users file made here.
const HEADER: &str = "# Who may log in to the gateway. Written by `almoner users`; may be edited by hand.\n\
                      # Keep it to its owner (chmod 600): with a verifier, passwords can be guessed offline.\n";

/// Why a users file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It cannot be read or written.
    #[error("editing {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// It is wrong as it is.
    #[error("{0}\nThe users file was not changed: mend it first.")]
    Broken(ConfigErrors),
    /// The result would be wrong.
    #[error("{0}\nThe users file was not changed.")]
    Refused(ConfigErrors),
    /// There is such a login already.
    #[error("there is a user \"{0}\" already; change the password with: almoner users passwd {0}")]
    Exists(String),
    /// There is no such login.
    #[error("there is no user \"{0}\"; see: almoner users list")]
    Unknown(String),
    /// The entry is written in a way that cannot be edited safely.
    #[error("the entry of user \"{0}\" is written in an unusual way; edit the file by hand")]
    Unusual(String),
}

/// A login to be added.
pub struct NewUser<'a> {
    /// Login name.
    pub name: &'a str,
    /// Its groups.
    pub groups: &'a [String],
    /// See [`User`].
    pub person: Option<&'a str>,
    /// See [`User`].
    pub actor: Option<&'a str>,
    /// See [`User`].
    pub subject: Option<&'a str>,
    /// Its password's verifier.
    pub verifier: &'a Verifier,
}

/// Adds a login at the end of the file, which is made if there is none.
pub fn add(path: &Path, user: &NewUser<'_>) -> Result<(), EditError> {
    edit(path, |text, users| {
        if users.contains_key(user.name) {
            return Err(EditError::Exists(user.name.to_owned()));
        }
        let mut text = if text.is_empty() {
            HEADER.to_owned()
        } else {
            text.to_owned()
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let groups: Vec<String> = user.groups.iter().map(|group| quoted(group)).collect();
        let verifier = user.verifier.to_postgres();
        let keys = [
            ("name", Some(quoted(user.name))),
            ("person", user.person.map(quoted)),
            ("actor", user.actor.map(quoted)),
            ("subject", user.subject.map(quoted)),
            ("groups", Some(format!("[{}]", groups.join(", ")))),
            ("verifier", verifier.as_deref().map(quoted)),
        ];
        text.push_str("\n[[user]]\n");
        for (key, value) in keys {
            if let Some(value) = value {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        Ok(text)
    })
}

/// Takes a login out.
pub fn remove(path: &Path, name: &str) -> Result<(), EditError> {
    edit(path, |text, users| {
        let unusual = || EditError::Unusual(name.to_owned());
        known(users, name)?;
        let entries = toml::from_str::<written::UsersFile>(text)
            .map_err(|_| unusual())?
            .user
            .unwrap_or_default();
        let starts: Vec<usize> = entries.iter().map(|user| user.span.start).collect();
        let index = entries
            .iter()
            .position(|user| is_named(&user.value, name))
            .ok_or_else(unusual)?;
        let start = *starts.get(index).ok_or_else(unusual)?;
        let end = starts.get(index + 1).copied().unwrap_or(text.len());
        let entry = text
            .get(start..end)
            .filter(|entry| entry.starts_with("[["))
            .ok_or_else(unusual)?;
        // Comments right above the next entry belong to it.
        let body = entry.trim_end_matches(|c: char| c.is_whitespace());
        let mut kept_from = entry.len();
        if index + 1 < starts.len() {
            let mut offset = body.len();
            for line in body
                .rsplit('\n')
                .take_while(|line| line.trim_start().starts_with('#'))
            {
                offset = offset.saturating_sub(line.len() + 1);
                kept_from = offset + 1;
            }
        }
        let (before, after) = (text.get(..start), text.get(start + kept_from..));
        let (before, after) = before.zip(after).ok_or_else(unusual)?;
        let text = format!("{before}{after}");
        let text = text.trim_end();
        // A file without any entry still has to say what it is.
        Ok(if text.is_empty() {
            HEADER.to_owned()
        } else {
            format!("{text}\n")
        })
    })
}

/// Gives a login another verifier.
pub fn set_verifier(path: &Path, name: &str, verifier: &Verifier) -> Result<(), EditError> {
    edit(path, |text, users| {
        let unusual = || EditError::Unusual(name.to_owned());
        known(users, name)?;
        let entries = toml::from_str::<written::UsersFile>(text)
            .map_err(|_| unusual())?
            .user
            .unwrap_or_default();
        let mut logins = entries.iter().map(|user| &user.value);
        let user = logins
            .find(|user| is_named(user, name))
            .ok_or_else(unusual)?;
        let value = quoted(&verifier.to_postgres().ok_or_else(unusual)?);
        let (span, value) = match (&user.verifier, &user.name) {
            (Some(old), _) => (old.span.clone(), value),
            (None, Some(name)) => (
                name.span.end..name.span.end,
                format!("\nverifier = {value}"),
            ),
            (None, None) => return Err(unusual()),
        };
        let (before, after) = (text.get(..span.start), text.get(span.end..));
        let (before, after) = before.zip(after).ok_or_else(unusual)?;
        Ok(format!("{before}{value}{after}"))
    })
}

fn known(users: &BTreeMap<String, User>, name: &str) -> Result<(), EditError> {
    users
        .get(name)
        .map(|_| ())
        .ok_or_else(|| EditError::Unknown(name.to_owned()))
}

fn is_named(user: &written::User, name: &str) -> bool {
    user.name.as_ref().is_some_and(|at| at.value == name)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Reads, changes, checks and replaces the file, alone.
fn edit(
    path: &Path,
    change: impl FnOnce(&str, &BTreeMap<String, User>) -> Result<String, EditError>,
) -> Result<(), EditError> {
    let io = |error| EditError::Io {
        path: path.to_owned(),
        error,
    };
    // A link is followed, so that the file it names is replaced and not the link.
    let target = match std::fs::canonicalize(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => std::path::absolute(path).map_err(io)?,
        other => other.map_err(io)?,
    };
    let folder = target.parent().unwrap_or(Path::new("/"));
    let lock = File::open(folder).map_err(io)?;
    // Held until the end: two editors at once would undo each other's change.
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|e| io(e.into()))?;
    let (text, metadata) = match File::open(&target) {
        Ok(file) => {
            check_permissions(&target).map_err(EditError::Broken)?;
            let text = std::io::read_to_string(&file).map_err(io)?;
            (text, Some(file.metadata().map_err(io)?))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => (String::new(), None),
        Err(e) => return Err(io(e)),
    };
    let before = users_text(path, &text).map_err(EditError::Broken)?;
    let changed = change(&text, &before)?;
    let after = users_text(path, &changed).map_err(EditError::Refused)?;
    check_difference(&before, &after)?;
    replace(&target, folder, &changed, metadata.as_ref()).map_err(io)?;
    lock.sync_all().map_err(io)
}

/// At most one login came, went or has another verifier; all else is as it was.
fn check_difference(
    before: &BTreeMap<String, User>,
    after: &BTreeMap<String, User>,
) -> Result<(), EditError> {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut edited = 0;
    for name in names {
        let unchanged = match (before.get(name), after.get(name)) {
            (Some(a), Some(b)) if rights(a) != rights(b) => {
                return Err(EditError::Unusual(name.clone()));
            }
            (Some(a), Some(b)) => key(a) == key(b),
            _ => false,
        };
        edited += usize::from(!unchanged);
        if edited > 1 {
            return Err(EditError::Unusual(name.clone()));
        }
    }
    Ok(())
}

type Rights<'a> = (&'a str, Option<&'a str>, &'a str, &'a [String], bool);

fn rights(user: &User) -> Rights<'_> {
    (
        &user.person,
        user.actor.as_deref(),
        &user.subject,
        &user.groups,
        user.disabled,
    )
}

fn key(user: &User) -> Option<String> {
    user.verifier.as_ref().and_then(Verifier::to_postgres)
}

/// Written beside and renamed into place, with the owner and mode of the file it replaces.
fn replace(
    target: &Path,
    folder: &Path,
    text: &str,
    old: Option<&std::fs::Metadata>,
) -> std::io::Result<()> {
    let beside = folder.join(format!(".users.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new();
        let mut file = std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600)
            .write(true)
            .create_new(true)
            .open(&beside)?;
        if let Some(old) = old {
            let new = file.metadata()?;
            if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
                // Otherwise the gateway could not read what root has edited.
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
            }
            file.set_permissions(Permissions::from_mode(old.mode() & 0o777))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, target)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::*;

    fn verifier(password: &str) -> Verifier {
        Verifier::generate(password.as_bytes(), b"0123456789abcdef", 4096).unwrap()
    }

    fn new<'a>(name: &'a str, verifier: &'a Verifier) -> NewUser<'a> {
        NewUser {
            name,
            groups: &[],
            person: None,
            actor: None,
            subject: None,
            verifier,
        }
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.toml");
        (dir, path)
    }

    fn users(path: &Path) -> BTreeMap<String, User> {
        users_text(path, &std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn a_file_is_made_for_its_owner_alone_and_grows() {
        let (dir, path) = folder();
        let key_of = verifier("pw");
        let groups = ["nurses".to_owned(), "a \"quoted\" one".to_owned()];
        let bot = NewUser {
            groups: &groups,
            actor: Some("scheduler"),
            subject: Some("joy"),
            ..new("bot", &key_of)
        };
        add(&path, &bot).unwrap();
        add(&path, &new("joy", &key_of)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let users = users(&path);
        assert_eq!(users["bot"].groups, groups);
        assert_eq!(users["bot"].subject, "joy");
        assert_eq!(key(&users["joy"]), key_of.to_postgres());
        assert!(matches!(
            add(&path, &new("joy", &key_of)),
            Err(EditError::Exists(_))
        ));
    }

    #[test]
    fn removing_a_login_leaves_the_others_and_the_comments() {
        let (_dir, path) = folder();
        let text = "# Head.\n\n# Ann.\n[[user]]\nname = \"ann\"\n\n# Bob, night shift.\n# Bob again.\n[[user]]\n\
                    name = \"bob\" # bob\n\n[[user]]\nname = \"cyd\"\n# Tail.\n";
        let write = || {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        };
        write();
        remove(&path, "ann").unwrap();
        let expected = "# Head.\n\n# Ann.\n# Bob, night shift.\n# Bob again.\n[[user]]\nname = \"bob\" # bob\n\n\
                        [[user]]\nname = \"cyd\"\n# Tail.\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        write();
        remove(&path, "cyd").unwrap();
        assert_eq!(users(&path).into_keys().collect::<Vec<_>>(), ["ann", "bob"]);
        remove(&path, "ann").unwrap();
        remove(&path, "bob").unwrap();
        assert!(users(&path).is_empty());
        assert!(matches!(remove(&path, "bob"), Err(EditError::Unknown(_))));
    }

    #[test]
    fn a_password_is_changed_where_it_stands_or_set_where_there_was_none() {
        let (_dir, path) = folder();
        add(&path, &new("joy", &verifier("old"))).unwrap();
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(
            &path,
            format!("{before}disabled = true # on leave\n\n[[user]]\nname = \"ann\" # no key\n"),
        )
        .unwrap();
        set_verifier(&path, "joy", &verifier("new")).unwrap();
        set_verifier(&path, "ann", &verifier("first")).unwrap();
        let users = users(&path);
        assert_eq!(key(&users["joy"]), verifier("new").to_postgres());
        assert_eq!(key(&users["ann"]), verifier("first").to_postgres());
        assert!(
            std::fs::read_to_string(&path)
                .unwrap()
                .contains("disabled = true # on leave\n")
        );
    }

    #[test]
    fn a_file_that_is_wrong_or_unusual_is_left_alone() {
        let (_dir, path) = folder();
        let unchanged = |text: &str, name: &str| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let refused = remove(&path, name).unwrap_err();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            refused
        };
        assert!(matches!(unchanged("[[user]\n", "a"), EditError::Broken(_)));
        assert!(matches!(
            unchanged("user = [{ name = \"a\" }]\n", "a"),
            EditError::Unusual(_)
        ));
    }

    #[test]
    fn a_link_stays_a_link() {
        let (dir, path) = folder();
        std::os::unix::fs::symlink(dir.path().join("real.toml"), &path).unwrap();
        std::fs::write(dir.path().join("real.toml"), "# Empty.\n").unwrap();
        std::fs::set_permissions(dir.path().join("real.toml"), Permissions::from_mode(0o600))
            .unwrap();
        add(&path, &new("joy", &verifier("pw"))).unwrap();
        assert!(path.is_symlink());
        assert!(users(&dir.path().join("real.toml")).contains_key("joy"));
    }
}
