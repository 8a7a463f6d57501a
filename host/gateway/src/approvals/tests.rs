//! The desk as a whole, against a recorder that can be made slow or broken, on a clock that tests turn.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod bounds;
mod recorded;
mod waiting;
mod who;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{advance, sleep, timeout};

use super::*;
use crate::config::policy::Requirement;
use crate::identity::principal::Principal;

/// Keeps events; each record needs a permit of `gate`; fails while `broken`.
#[derive(Clone)]
struct Book {
    events: Arc<Mutex<Vec<Event>>>,
    gate: Arc<Semaphore>,
    broken: Arc<Mutex<bool>>,
}

impl Book {
    fn new() -> Self {
        Self {
            events: Arc::default(),
            gate: Arc::new(Semaphore::new(10_000)),
            broken: Arc::default(),
        }
    }

    fn shut(&self) {
        self.gate.forget_permits(usize::MAX);
    }

    fn open(&self) {
        self.gate.add_permits(10_000);
    }

    fn break_down(&self, broken: bool) {
        *self.broken.lock().unwrap() = broken;
    }

    fn words(&self) -> Vec<&'static str> {
        self.events
            .lock()
            .unwrap()
            .iter()
            .map(|event| event.what.as_str())
            .collect()
    }

    fn last(&self) -> What {
        self.events.lock().unwrap().last().unwrap().what.clone()
    }
}

impl Recorder for Book {
    fn record(&self, event: Event) -> Recording {
        let book = self.clone();
        Box::pin(async move {
            book.gate.acquire().await.unwrap().forget();
            if *book.broken.lock().unwrap() {
                return Err(Unrecorded("the disk is gone".into()));
            }
            let mut events = book.events.lock().unwrap();
            events.push(event);
            Ok(events.len() as u64)
        })
    }
}

fn desk() -> (Approvals, Book) {
    let book = Book::new();
    (Approvals::new(Limits::default(), book.clone()), book)
}

fn login(subject: &str, groups: &[&str]) -> Principal {
    Principal {
        subject: subject.into(),
        actor: None,
        groups: groups.iter().map(|group| (*group).into()).collect(),
        issuer: "local".into(),
        method: "password".into(),
        person: subject.into(),
    }
}

fn ask(requirements: &[(&str, u8)]) -> Ask {
    Ask {
        exchange: "s1.1".into(),
        session: "s1".into(),
        requester: Principal {
            actor: Some("copilot".into()),
            ..login("ana", &["nurses", "managers"])
        },
        resource: "ehr".into(),
        rule: "bulk".into(),
        statement: "select * from patients".into(),
        parameters: vec!["[ssn]".into()],
        facts: serde_json::json!({}),
        reasons: vec!["more than 100 rows".into()],
        requirements: requirements
            .iter()
            .map(|(group, count)| Requirement {
                group: (*group).into(),
                count: *count,
            })
            .collect(),
        rows_so_far: 0,
        max_rows: Some(500),
        fingerprint: [7; 32],
        generation: 3,
        ttl: Duration::from_secs(60),
    }
}

fn of_session(nr: usize) -> Ask {
    Ask {
        session: format!("s{nr}"),
        ..ask(&[("managers", 1)])
    }
}

async fn settle() {
    // Lets tasks that nothing holds up run to their end; the paused clock moves by a moment only.
    sleep(Duration::from_millis(1)).await;
}
