//! Who is deciding: an approver's own login and password with every decision.
//!
//! Guessing is bounded per login and overall, before a password is looked at; each check takes the same
//! time whether or not the login exists. Failures are recorded one by one up to a rate, then counted.
//! The password lives as long as the check and is never logged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use almoner_audit::Audit;
use almoner_ledger::{Draft, Kind, record::field};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::accept::Peer;
use super::problem::Problem;
use crate::identity::principal::Principal;
use crate::identity::users::Users;
use crate::telemetry::metrics::{Door, DoorMetrics};

/// Failures in a row after which a login has to wait.
const FAILURES_PER_LOGIN: u32 = 5;
/// Failures of all logins together, within one window, after which everybody has to wait.
const FAILURES_OVERALL: u32 = 50;
/// How long failures count. With five tries a minute, six random digits last for ten weeks on average.
const WINDOW: Duration = Duration::from_secs(60);
/// Logins whose failures are remembered; with more, the oldest window is given up. More than `FAILURES_OVERALL`
/// can never be within one window, so nobody's count is lost early.
const LOGINS_REMEMBERED_MAX: usize = 128;
/// Failures recorded one by one within a window; further ones are counted in the next record.
const RECORDED_PER_WINDOW: u32 = 20;
/// Password checks at a time. Each takes milliseconds of one core by design; the exchanges need the others.
const CHECKS_MAX: usize = 2;
/// Longest login that is looked at, bytes.
const LOGIN_BYTES_MAX: usize = 128;
/// Longest password that is looked at, bytes.
const PASSWORD_BYTES_MAX: usize = 1_024;

/// Who may log in.
pub trait Logins: Send + Sync {
    /// The principal whose login and password these are. Takes the same time for every login, known or not.
    /// Computes for milliseconds: call it off the runtime.
    fn verify(&self, login: &str, password: &str) -> Option<Principal>;
}

/// Keeps the door of the deciding endpoints.
pub(super) struct Doorman {
    failures: Arc<Mutex<Failures>>,
    checks: Arc<Semaphore>,
    metrics: DoorMetrics,
}

#[derive(Default)]
struct Failures {
    by_login: HashMap<String, Window>,
    overall: Window,
    recorded: Window,
    /// Failures since the last record that have none of their own.
    unrecorded: u64,
}

#[derive(Clone, Copy, Default)]
struct Window {
    since: Option<Instant>,
    count: u32,
}

impl Window {
    fn count(&self, now: Instant) -> u32 {
        self.since
            .filter(|since| now < *since + WINDOW)
            .map_or(0, |_| self.count)
    }

    fn add(&mut self, now: Instant) {
        match self.count(now) {
            0 => {
                *self = Self {
                    since: Some(now),
                    count: 1,
                }
            }
            count => self.count = count + 1,
        }
    }

    fn wait(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| {
            (since + WINDOW).saturating_duration_since(now)
        })
    }
}

/// What was offered.
struct Credentials {
    login: String,
    password: String,
}

impl Doorman {
    pub(super) fn new() -> Self {
        Self {
            failures: Arc::default(),
            checks: Arc::new(Semaphore::new(CHECKS_MAX)),
            metrics: DoorMetrics::register(),
        }
    }

    /// The principal behind a request's credentials.
    pub(super) async fn identify(
        &self,
        headers: &HeaderMap,
        logins: Arc<dyn Logins>,
        audit: &Audit,
        peer: Peer,
    ) -> Result<Principal, Problem> {
        let Credentials { login, password } = credentials(headers)?;
        let place = Arc::clone(&self.checks)
            .acquire_owned()
            .await
            .map_err(|_| Problem::internal("stopping"))?;
        lock(&self.failures).may_try(&login)?;
        let (name, failures) = (login.clone(), Arc::clone(&self.failures));
        // Counted where it is checked, and the place held until then: hanging up early makes no guess free.
        let check = tokio::task::spawn_blocking(move || {
            let found = logins.verify(&name, &password);
            let unrecorded = lock(&failures).count(&name, found.is_some());
            drop(place);
            (found, unrecorded)
        });
        match check.await {
            Ok((Some(principal), _)) => Ok(principal),
            Ok((None, unrecorded)) => {
                self.metrics.login_failed(Door::Admin);
                if let Some(also) = unrecorded {
                    record(audit, &login, also, peer).await;
                }
                Err(unauthorized("login or password is wrong"))
            }
            // Fails closed: a check that broke off proves nothing.
            Err(_) => Err(Problem::internal("the login could not be checked")),
        }
    }
}

impl Logins for Users {
    fn verify(&self, login: &str, password: &str) -> Option<Principal> {
        self.verify_password(login, password)
    }
}

async fn record(audit: &Audit, login: &str, also: u64, peer: Peer) {
    let mut draft = Draft::new(Kind::Denied, almoner_audit::now())
        .with(field::EVENT, "login-failed")
        .with("door", Door::Admin.as_str())
        .with("also", also);
    if is_name(login) {
        draft = draft.with(field::SUBJECT, login);
    }
    if let Some(uid) = peer.uid {
        draft = draft.with("uid", uid);
    }
    // Refused either way; a trail that takes no records stops the gateway by itself.
    if let Err(error) = audit.append(draft).await {
        tracing::error!(%error, "a failed login at the admin API is not recorded");
    }
}

impl Failures {
    fn may_try(&self, login: &str) -> Result<(), Problem> {
        let now = Instant::now();
        let of_login = self.by_login.get(login).copied().unwrap_or_default();
        let wait = if of_login.count(now) >= FAILURES_PER_LOGIN {
            of_login.wait(now)
        } else if self.overall.count(now) >= FAILURES_OVERALL {
            self.overall.wait(now)
        } else {
            return Ok(());
        };
        let detail = "too many failed logins; wait before the next try";
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-failures", detail);
        Err(Problem {
            retry_after: Some(wait.as_secs() + 1),
            ..problem
        })
    }

    /// Counts a check; of a failure that is to be recorded, answers how many before it were not.
    fn count(&mut self, login: &str, right: bool) -> Option<u64> {
        if right {
            self.by_login.remove(login);
            return None;
        }
        let now = Instant::now();
        self.overall.add(now);
        if !self.by_login.contains_key(login) && self.by_login.len() >= LOGINS_REMEMBERED_MAX {
            let oldest = self.by_login.iter().min_by_key(|(_, window)| window.since);
            if let Some(oldest) = oldest.map(|(login, _)| login.clone()) {
                self.by_login.remove(&oldest);
            }
        }
        self.by_login.entry(login.to_owned()).or_default().add(now);
        if self.recorded.count(now) >= RECORDED_PER_WINDOW {
            self.unrecorded += 1;
            return None;
        }
        self.recorded.add(now);
        Some(std::mem::take(&mut self.unrecorded))
    }
}

fn lock(failures: &Mutex<Failures>) -> MutexGuard<'_, Failures> {
    // A panic while counting leaves at worst one failure uncounted.
    failures.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A failed login may be anything, a password typed into the wrong field included: only what can be a name is recorded.
fn is_name(login: &str) -> bool {
    !login.is_empty()
        && login.len() <= 64
        && login
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'@'))
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

/// RFC 7617: `Basic` and base64 of `login:password`, UTF-8.
fn credentials(headers: &HeaderMap) -> Result<Credentials, Problem> {
    let missing = || unauthorized("deciding takes the approver's own login and password");
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(missing)?
        .to_str()
        .map_err(|_| missing())?;
    let (scheme, encoded) = value.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(missing());
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim())
        .map_err(|_| missing())?;
    let text = String::from_utf8(bytes).map_err(|_| missing())?;
    let (login, password) = text.split_once(':').ok_or_else(missing)?;
    if login.len() > LOGIN_BYTES_MAX || password.len() > PASSWORD_BYTES_MAX {
        return Err(missing());
    }
    Ok(Credentials {
        login: login.to_owned(),
        password: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_login_waits_after_five_failures_and_others_do_not() {
        let mut door = Failures::default();
        for _ in 0..FAILURES_PER_LOGIN {
            door.may_try("ben").unwrap();
            door.count("ben", false);
        }
        let problem = door.may_try("ben").unwrap_err();
        assert_eq!((problem.status, problem.retry_after), (429, Some(61)));
        door.may_try("cay").unwrap();
        tokio::time::advance(WINDOW).await;
        door.may_try("ben").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_clears_the_count() {
        let mut door = Failures::default();
        for _ in 0..FAILURES_PER_LOGIN - 1 {
            door.count("ben", false);
        }
        assert_eq!(door.count("ben", true), None);
        door.count("ben", false);
        door.may_try("ben").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn trying_many_logins_is_bounded_too_and_so_is_the_memory() {
        let mut door = Failures::default();
        for nr in 0..FAILURES_OVERALL {
            door.count(&format!("login{nr}"), false);
        }
        assert_eq!(door.may_try("fresh").unwrap_err().status, 429);
        for nr in 0..1_000 {
            door.count(&format!("other{nr}"), false);
        }
        assert!(door.by_login.len() <= LOGINS_REMEMBERED_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_beyond_the_rate_are_counted_in_the_next_record() {
        let mut door = Failures::default();
        let recorded = (0..30)
            .filter(|_| door.count("ben", false).is_some())
            .count();
        assert_eq!(recorded, RECORDED_PER_WINDOW as usize);
        tokio::time::advance(WINDOW).await;
        assert_eq!(door.count("ben", false), Some(10));
    }

    #[test]
    fn credentials_are_taken_as_rfc_7617_says_and_nothing_else_is() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            credentials(&headers)
                .ok()
                .map(|found| (found.login, found.password))
        };
        let pair = |login: &str, password: &str| Some((login.to_owned(), password.to_owned()));
        assert_eq!(of("Basic YmVuOnBhOnNz"), pair("ben", "pa:ss"));
        assert_eq!(of("basic w6k6w7w="), pair("é", "ü"));
        for wrong in [
            "Bearer YmVuOnBhc3M=",
            "Basic",
            "Basic !!!",
            "Basic YmVu",
            "Basic /zo=",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(
            credentials(&HeaderMap::new())
                .err()
                .map(|problem| problem.status),
            Some(401)
        );
    }

    #[test]
    fn only_what_can_be_a_name_is_recorded() {
        assert!(is_name("ben.oak@clinic"));
        assert!(!is_name("correct horse battery") && !is_name("") && !is_name("a\nb"));
    }
}
