//! Who the caller is: HTTP Basic against the local users file. The password is checked with the work that
//! its verifier asks for, off the runtime's workers and a few at a time; what was right a moment ago is
//! remembered by a keyed hash. The credentials go no further than this file.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderMap};
use tokio::sync::Semaphore;

use crate::identity::failures::{Logins, Note};
use crate::identity::principal::Principal;
use crate::identity::users::Users;
use crate::policy::Pipeline;

/// How long a password that was right is taken without computing. A changed password, group or disabled
/// login is obeyed at once all the same.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Logins remembered at a time.
const REMEMBERED_MAX: usize = 10_000;
/// Passwords checked at a time: each takes a core for some milliseconds.
const CHECKS_MAX: usize = 2;
/// Checks that may wait for their turn; beyond it callers are told to come back.
const WAITING_MAX: usize = 64;
/// Longest `Authorization` value that is looked at.
const CREDENTIALS_BYTES_MAX: usize = 4 << 10;

/// What came of looking at a request's credentials.
pub(super) enum Login {
    In {
        login: String,
        principal: Principal,
    },
    /// None were shown, or none that are understood here.
    Missing,
    Wrong,
    /// Too many are being checked.
    Busy,
}

/// The door for HTTP callers.
pub(super) struct Door {
    users: Arc<Users>,
    failures: Logins,
    /// Random at each start, so that nobody can test a guess against memory. `None`: nothing is remembered.
    key: Option<[u8; 32]>,
    remembered: Mutex<HashMap<[u8; 32], Instant>>,
    checks: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Door {
    pub(super) fn new(users: Arc<Users>, recorded_per_minute_max: u32) -> Self {
        let mut key = [0; 32];
        let random = getrandom::fill(&mut key).is_ok();
        Self {
            users,
            failures: Logins::new(recorded_per_minute_max),
            key: random.then_some(key),
            remembered: Mutex::default(),
            checks: Arc::new(Semaphore::new(CHECKS_MAX)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Looks at a request's credentials.
    pub(super) async fn enter(&self, headers: &HeaderMap) -> Login {
        let Some((login, password)) = credentials(headers) else {
            return Login::Missing;
        };
        let mark = self.mark(&login, &password);
        if mark.is_some_and(|mark| self.is_remembered(&mark))
            && let Some(principal) = self.users.principal(&login)
        {
            return Login::In {
                login,
                principal: by_password(principal),
            };
        }
        match self.check(login.clone(), password).await {
            Some(Some(principal)) => {
                if let Some(mark) = mark {
                    self.remember(mark);
                }
                Login::In { login, principal }
            }
            Some(None) => Login::Wrong,
            None => Login::Busy,
        }
    }

    /// Records a failure, or counts it. `login` is what the peer claimed.
    pub(super) async fn note_failure(
        &self,
        pipeline: &Pipeline,
        peer: SocketAddr,
        headers: &HeaderMap,
        resource: &str,
        why: &str,
    ) {
        let login = credentials(headers).map_or(String::new(), |(login, _)| login);
        match self.failures.failed(peer.ip()) {
            Note::Record { counted } => {
                if counted > 0 {
                    pipeline.logins_counted("http", peer.ip(), counted).await;
                }
                pipeline
                    .login_failed("http", peer, &login, resource, why)
                    .await;
            }
            Note::Count => pipeline.metrics().login_failed(),
        }
    }

    /// `None`: too many are waiting.
    async fn check(&self, login: String, password: String) -> Option<Option<Principal>> {
        let waiting = Waiting::enter(&self.waiting)?;
        let turn = Arc::clone(&self.checks).acquire_owned().await.ok()?;
        drop(waiting);
        let users = Arc::clone(&self.users);
        let checked = tokio::task::spawn_blocking(move || {
            let principal = users.verify_password(&login, &password);
            drop(turn);
            principal
        });
        checked.await.ok()
    }

    /// Stands for a login with its password and the verifier it was checked against.
    fn mark(&self, login: &str, password: &str) -> Option<[u8; 32]> {
        let verifier = self.users.login(login).verifier.to_postgres()?;
        let mut hasher = blake3::Hasher::new_keyed(&self.key?);
        for part in [login, password, &verifier] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Some(*hasher.finalize().as_bytes())
    }

    fn is_remembered(&self, mark: &[u8; 32]) -> bool {
        let remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        remembered
            .get(mark)
            .is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    fn remember(&self, mark: [u8; 32]) {
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, at| at.elapsed() < REMEMBERED);
        }
        if remembered.len() < REMEMBERED_MAX {
            remembered.insert(mark, Instant::now());
        }
    }
}

/// One who waits for a check.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize) -> Option<Self> {
        let entered = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(entered)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn by_password(principal: Principal) -> Principal {
    Principal {
        method: "password".to_owned(),
        ..principal
    }
}

/// Login and password of `Authorization: Basic` (RFC 7617), UTF-8.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    if value.len() > CREDENTIALS_BYTES_MAX {
        return None;
    }
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(rest.trim_ascii()).ok()?).ok()?;
    let (login, password) = pair.split_once(':')?;
    Some((login.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn given(value: &str) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        credentials(&headers)
    }

    #[test]
    fn credentials_are_read_as_the_standard_says() {
        let both = |login: &str, password: &str| Some((login.to_owned(), password.to_owned()));
        assert_eq!(given("Basic am95OnA6dw=="), both("joy", "p:w"));
        assert_eq!(given("bAsIc   am95Og=="), both("joy", ""));
        for wrong in [
            "Basic",
            "Basic ",
            "Basic am95",
            "Bearer am95OnA6dw==",
            "Basic !!!",
            "Basic am95OsM=",
        ] {
            assert_eq!(given(wrong), None, "{wrong}");
        }
        let long = format!("Basic {}", "A".repeat(CREDENTIALS_BYTES_MAX));
        assert_eq!(given(&long), None);
    }

    #[test]
    fn the_queue_for_checks_has_an_end() {
        let waiting = AtomicUsize::new(0);
        let inside: Vec<_> = (0..WAITING_MAX)
            .map(|_| Waiting::enter(&waiting).unwrap())
            .collect();
        assert!(Waiting::enter(&waiting).is_none());
        drop(inside);
        assert!(Waiting::enter(&waiting).is_some());
    }
}
