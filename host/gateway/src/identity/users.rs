//! The local users: looks logins up, checks passwords, and reads the users file again when it changes.
//!
//! Who asks for a login that does not exist, is disabled or has no password gets a verifier that nothing
//! matches, made from the name: nothing tells the three from a wrong password.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use almoner_wire::postgres::scram::{ITERATIONS, Mock, Verifier};
use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::principal::Principal;
use crate::config::load;
use crate::config::policy::Place;
use crate::config::problem::{ConfigErrors, Problem};
use crate::config::users::User;

/// Issuer of principals known from the users file.
pub const ISSUER: &str = "local";
/// Permissions the file may have: its owner writes, its group may read.
const MODE_ALLOWED: u32 = 0o640;
/// How often the file is looked at, at most; a change is obeyed within this time.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a login name stands for. Exists for every name.
pub struct Login {
    /// Who logs in, if the verifier accepts the proof; none behind a mock, which accepts none.
    pub principal: Option<Principal>,
    /// What the proof is checked against.
    pub verifier: Verifier,
}

/// The users file, kept current.
pub struct Users {
    path: PathBuf,
    mock_secret: [u8; 32],
    current: ArcSwap<Snapshot>,
    looked: Mutex<Looked>,
}

struct Snapshot {
    /// Which reading of a file it is, of all in this process; never 0.
    reading: u64,
    by_name: BTreeMap<String, User>,
    /// Iterations that most users have: a mock with others would stand out.
    iterations: u32,
}

struct Looked {
    at: Instant,
    stamp: Option<Stamp>,
    /// Why the file as it lies there is not the one in force.
    refused: Option<ConfigErrors>,
}

/// Size, inode, change time.
type Stamp = (u64, u64, i64, i64);

impl Users {
    /// Reads the file. `mock_secret` is random and the same on every start, or the salt of a name would
    /// change and give it away as unknown.
    pub fn open(path: &Path, mock_secret: [u8; 32]) -> Result<Self, ConfigErrors> {
        let stamp = stamp(path);
        let current = ArcSwap::from_pointee(Snapshot::read(path)?);
        let looked = Mutex::new(Looked {
            at: Instant::now(),
            stamp,
            refused: None,
        });
        Ok(Self {
            path: path.to_owned(),
            mock_secret,
            current,
            looked,
        })
    }

    /// Looks a login name up.
    pub fn login(&self, name: &str) -> Login {
        let users = self.current();
        let known = users.by_name.get(name).filter(|user| !user.disabled);
        match known.and_then(|user| Some((user, user.verifier.clone()?))) {
            Some((user, verifier)) => Login {
                principal: Some(principal(user, "scram-sha-256")),
                verifier,
            },
            None => {
                let mock = Mock::new(self.mock_secret, users.iterations);
                Login {
                    principal: None,
                    verifier: Verifier::mock(name.as_bytes(), &mock),
                }
            }
        }
    }

    /// The principal a session of this login has at the moment: groups may have changed since it began,
    /// and `None` means that it must end.
    pub fn principal(&self, name: &str) -> Option<Principal> {
        let users = self.current();
        let user = users
            .by_name
            .get(name)
            .filter(|user| !user.disabled && user.verifier.is_some())?;
        Some(principal(user, "scram-sha-256"))
    }

    /// Whether a session of this login may go on as whom it began: the login is still there and enabled, and
    /// stands for the same person with the same groups. `seen` is the session's own note of the reading for
    /// which that was found, so that it is found once for each.
    pub fn is_still(&self, name: &str, principal: &Principal, seen: &AtomicU64) -> bool {
        let users = self.current();
        if users.reading == seen.load(Ordering::Relaxed) {
            return true;
        }
        let user = users.by_name.get(name);
        user.filter(|user| !user.disabled && user.verifier.is_some())
            .is_some_and(|user| {
                user.subject == principal.subject
                    && user.actor == principal.actor
                    && user.person == principal.person
                    && user.groups == principal.groups
            })
            .then(|| seen.store(users.reading, Ordering::Relaxed))
            .is_some()
    }

    /// Checks a password that was sent as it is (admin API). Takes some milliseconds of computing, the
    /// same for every name: call it off the runtime's workers.
    pub fn verify_password(&self, name: &str, password: &str) -> Option<Principal> {
        let Login {
            principal,
            verifier,
        } = self.login(name);
        let stored = verifier.to_postgres();
        // A mock has no salt to read; any salt costs the same time.
        let salt = stored
            .as_deref()
            .and_then(salt_of)
            .unwrap_or_else(|| vec![0; 16]);
        let given = Verifier::generate(password.as_bytes(), &salt, verifier.iterations()).ok()?;
        let (stored, given) = (
            stored.unwrap_or_default(),
            given.to_postgres().unwrap_or_default(),
        );
        let right = bool::from(stored.as_bytes().ct_eq(given.as_bytes()));
        principal.filter(|_| right).map(|who| Principal {
            method: "password".to_owned(),
            ..who
        })
    }

    /// Why the file as it lies there is not obeyed, if so: the one read before stays in force.
    pub fn refused(&self) -> Option<ConfigErrors> {
        self.current();
        self.looked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .refused
            .clone()
    }

    fn current(&self) -> Arc<Snapshot> {
        // Whoever comes while another one looks takes what there is.
        let looked = match self.looked.try_lock() {
            Ok(looked) => Some(looked),
            Err(TryLockError::Poisoned(looked)) => Some(looked.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut looked) = looked
            && looked.at.elapsed() >= LOOK_EVERY
        {
            looked.at = Instant::now();
            // Taken before reading: a change in between is seen at the next look.
            let stamp = stamp(&self.path);
            if stamp != looked.stamp {
                looked.stamp = stamp;
                match Snapshot::read(&self.path) {
                    Ok(snapshot) => {
                        tracing::info!(users = snapshot.by_name.len(), "users file read again");
                        self.current.store(Arc::new(snapshot));
                        looked.refused = None;
                    }
                    Err(errors) => {
                        // Nothing changes, as with policies: half a file must lock nobody out, nor let anybody in.
                        tracing::error!(
                            "the users file is not obeyed, the one before stays in force: {errors}"
                        );
                        looked.refused = Some(errors);
                    }
                }
            }
        }
        self.current.load_full()
    }
}

/// Shows where the users come from, and none of them.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    fn read(path: &Path) -> Result<Self, ConfigErrors> {
        check_permissions(path)?;
        let by_name = load::users(path)?;
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for verifier in by_name.values().filter_map(|user| user.verifier.as_ref()) {
            *counts.entry(verifier.iterations()).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, users)| *users);
        static READINGS: AtomicU64 = AtomicU64::new(1);
        Ok(Self {
            reading: READINGS.fetch_add(1, Ordering::Relaxed),
            by_name,
            iterations: most.map_or(ITERATIONS, |(iterations, _)| iterations),
        })
    }
}

/// Refuses a file that others can read or change: with a verifier passwords can be guessed offline, and
/// whoever changes the file becomes whom they like.
pub fn check_permissions(path: &Path) -> Result<(), ConfigErrors> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.mode() & 0o777 & !MODE_ALLOWED != 0 => {
            let mode = metadata.mode() & 0o777;
            Err(ConfigErrors(vec![Problem {
                place: Place {
                    file: path.display().to_string(),
                    line: 0,
                },
                column: 0,
                what: format!(
                    "the users file has mode {mode:04o}, so others can read or change it"
                ),
                remedy: format!("Run: chmod 600 {}", path.display()),
            }]))
        }
        // A file that cannot be looked at cannot be read either, which says so better.
        _ => Ok(()),
    }
}

fn principal(user: &User, method: &str) -> Principal {
    Principal {
        subject: user.subject.clone(),
        actor: user.actor.clone(),
        groups: user.groups.clone(),
        issuer: ISSUER.to_owned(),
        method: method.to_owned(),
        person: user.person.clone(),
    }
}

/// The salt within `SCRAM-SHA-256$iterations:salt$stored:server`.
fn salt_of(verifier: &str) -> Option<Vec<u8>> {
    let (_, salt) = verifier.split('$').nth(1)?.split_once(':')?;
    STANDARD.decode(salt).ok()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((
        metadata.len(),
        metadata.ino(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use std::os::unix::fs::PermissionsExt;

    use almoner_wire::postgres::scram::{AwaitFirst, Binding};

    use super::*;

    fn entry(name: &str, password: &str, rest: &str) -> String {
        let verifier = Verifier::generate(password.as_bytes(), b"0123456789abcdef", 5000).unwrap();
        format!(
            "[[user]]\nname = \"{name}\"\nverifier = \"{}\"\n{rest}\n",
            verifier.to_postgres().unwrap()
        )
    }

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("users.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        (dir, path)
    }

    #[test]
    fn the_right_password_yields_the_principal_and_no_other_does() {
        let bot = "actor = \"scheduler\"\nsubject = \"joy\"\ngroups = [\"nurses\"]";
        let (_dir, path) =
            written(&(entry("bot", "correct horse", bot) + &entry("out", "x", "disabled = true")));
        let users = Users::open(&path, [7; 32]).unwrap();
        let who = users.verify_password("bot", "correct horse").unwrap();
        assert_eq!(
            (who.subject.as_str(), who.actor.as_deref()),
            ("joy", Some("scheduler"))
        );
        assert_eq!(
            (who.issuer.as_str(), who.method.as_str()),
            ("local", "password")
        );
        assert_eq!(
            (who.person.as_str(), who.groups.as_slice()),
            ("joy", &["nurses".to_owned()][..])
        );
        for (name, password) in [
            ("bot", "wrong horse"),
            ("out", "x"),
            ("nobody", "x"),
            ("nobody", ""),
        ] {
            assert_eq!(users.verify_password(name, password), None, "{name}");
        }
    }

    #[test]
    fn a_name_that_does_not_exist_looks_like_one_that_does() {
        let (_dir, path) = written(&(entry("joy", "pw", "") + "[[user]]\nname = \"empty\"\n"));
        let challenge = |users: &Users, name: &str| {
            let login = users.login(name);
            assert_eq!(login.principal.is_some(), name == "joy");
            let first = AwaitFirst::new(login.verifier, Binding::None);
            let (_, challenge) = first
                .first(b"SCRAM-SHA-256", b"n,,n=,r=abc", "xyz")
                .unwrap();
            String::from_utf8(challenge.to_vec()).unwrap()
        };
        let users = Users::open(&path, [7; 32]).unwrap();
        let known = challenge(&users, "joy");
        for name in ["nobody", "empty"] {
            let unknown = challenge(&users, name);
            assert_eq!(unknown.len(), known.len());
            assert!(unknown.ends_with(",i=5000"), "{unknown}");
            // The same after a restart, another one for another name.
            assert_eq!(
                unknown,
                challenge(&Users::open(&path, [7; 32]).unwrap(), name)
            );
            assert_ne!(unknown, challenge(&users, "nobody2"));
        }
    }

    #[test]
    fn a_changed_file_is_obeyed_and_a_broken_one_is_not() {
        let (_dir, path) = written(&entry("joy", "pw", "groups = [\"a\"]"));
        let users = Users::open(&path, [7; 32]).unwrap();
        assert_eq!(users.principal("joy").unwrap().groups, ["a"]);
        let replace = |text: &str| {
            std::fs::write(&path, text).unwrap();
            std::thread::sleep(LOOK_EVERY + Duration::from_millis(50));
        };
        replace(&entry("joy", "pw", "groups = [\"b\"]"));
        assert_eq!(users.principal("joy").unwrap().groups, ["b"]);
        assert!(users.refused().is_none());
        replace("[[user]\n");
        assert_eq!(users.principal("joy").unwrap().groups, ["b"]);
        assert!(
            users
                .refused()
                .unwrap()
                .to_string()
                .contains("not valid TOML")
        );
        replace(&entry("joy", "pw", "disabled = true"));
        assert_eq!(users.principal("joy"), None);
        assert!(users.refused().is_none());
    }

    #[test]
    fn a_file_that_others_can_read_or_change_is_refused() {
        let (_dir, path) = written(&entry("joy", "pw", ""));
        for (mode, accepted) in [
            (0o600, true),
            (0o640, true),
            (0o400, true),
            (0o644, false),
            (0o660, false),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Users::open(&path, [7; 32]).is_ok(), accepted, "{mode:o}");
        }
    }
}
