//! The desk as a whole, against a recorder that can be made slow or broken, on a clock that tests turn.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

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

#[tokio::test(start_paused = true)]
async fn who_counts_for_what() {
    use Refusal::{AlreadyApproved, NotAnApprover, OwnRequest};
    let needs = |groups: &[&str]| {
        Err(NotAnApprover(
            groups.iter().map(|group| (*group).to_owned()).collect(),
        ))
    };
    // Who, in which groups, and how many are still needed after it.
    type Step = (
        &'static str,
        &'static [&'static str],
        Result<usize, Refusal>,
    );
    type Case = (&'static str, &'static [(&'static str, u8)], Vec<Step>);
    let cases: Vec<Case> = vec![
        (
            "one manager",
            &[("managers", 1)],
            vec![("ben", &["managers"], Ok(0))],
        ),
        (
            "somebody else's group",
            &[("managers", 1)],
            vec![
                ("ben", &["nurses"], needs(&["managers"])),
                ("cay", &["managers"], Ok(0)),
            ],
        ),
        (
            "the requester",
            &[("managers", 1)],
            vec![
                ("ana", &["managers"], Err(OwnRequest)),
                ("ben", &["managers"], Ok(0)),
            ],
        ),
        (
            "the requester's agent",
            &[("managers", 1)],
            vec![("copilot", &["managers"], Err(OwnRequest))],
        ),
        (
            "two managers",
            &[("managers", 2)],
            vec![
                ("ben", &["managers"], Ok(1)),
                ("ben", &["managers"], Err(AlreadyApproved)),
                ("cay", &["managers"], Ok(0)),
            ],
        ),
        (
            "one person, two groups",
            &[("managers", 1), ("privacy", 1)],
            vec![
                ("ben", &["managers", "privacy"], Ok(1)),
                ("cay", &["managers"], Ok(0)),
            ],
        ),
        (
            "a filled group",
            &[("managers", 1), ("privacy", 1)],
            vec![
                ("ben", &["managers"], Ok(1)),
                ("cay", &["managers"], needs(&["privacy"])),
                ("dee", &["privacy"], Ok(0)),
            ],
        ),
        (
            "a count of zero",
            &[("managers", 0)],
            vec![("ben", &["managers"], Ok(0))],
        ),
    ];
    for (what, requirements, steps) in cases {
        let (desk, _) = desk();
        let mut pending = desk.ask(ask(requirements)).await.unwrap();
        let mut complete = false;
        for (who, groups, expected) in steps {
            let said = desk.approve(pending.id(), &login(who, groups), None).await;
            complete |= expected == Ok(0);
            assert_eq!(
                said.map(|progress| progress.outstanding.len()),
                expected,
                "{what}: {who}"
            );
        }
        let decided = timeout(Duration::from_secs(1), pending.decided()).await;
        assert_eq!(
            matches!(decided, Ok(Decision::Approved { .. })),
            complete,
            "{what}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_names_who_gave_it_and_what_it_covers() {
    let (desk, book) = desk();
    let mut pending = desk.ask(ask(&[("managers", 2)])).await.unwrap();
    desk.approve(
        pending.id(),
        &login("ben", &["managers"]),
        Some("ward round".into()),
    )
    .await
    .unwrap();
    let progress = desk
        .approve(
            pending.id(),
            &login("cay", &["managers"]),
            Some("  ".into()),
        )
        .await
        .unwrap();
    assert!(progress.complete());
    let word = |person: &str, reason: Option<&str>, seq| Approval {
        person: person.into(),
        login: person.into(),
        reason: reason.map(Into::into),
        seq,
    };
    let expected = Decision::Approved {
        approvers: vec![word("ben", Some("ward round"), 2), word("cay", None, 3)],
        max_rows: Some(500),
    };
    assert_eq!(pending.decided().await, expected);
    assert_eq!(
        pending.decided().await,
        expected,
        "asking again changes nothing"
    );
    drop(pending);
    settle().await;
    assert_eq!(book.words(), ["asked", "approved", "approved"]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_never_approves_even_for_somebody_else() {
    let (desk, book) = desk();
    let pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    let agent = Principal {
        actor: Some("bot".into()),
        ..login("ben", &["managers"])
    };
    assert_eq!(
        desk.approve(pending.id(), &agent, None).await,
        Err(Refusal::Agent)
    );
    assert_eq!(
        desk.deny(pending.id(), &agent, None).await,
        Err(Refusal::Agent)
    );
    assert_eq!(book.words(), ["asked", "refused", "refused"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_on_record_before_anybody_sees_it() {
    let (desk, book) = desk();
    book.shut();
    let asking = tokio::spawn({
        let desk = desk.clone();
        async move { desk.ask(ask(&[("managers", 1)])).await }
    });
    settle().await;
    assert!(desk.list(Which::All).is_empty() && !asking.is_finished());
    book.open();
    let pending = asking.await.unwrap().unwrap();
    assert_eq!(desk.list(Which::Pending)[0].id, *pending.id());
    assert_eq!(book.words(), ["asked"]);
}

#[tokio::test(start_paused = true)]
async fn an_approval_has_no_effect_before_it_is_on_record() {
    let (desk, book) = desk();
    let mut pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    book.shut();
    let id = pending.id().clone();
    let approving = tokio::spawn({
        let (desk, id) = (desk.clone(), id.clone());
        async move { desk.approve(&id, &login("ben", &["managers"]), None).await }
    });
    assert!(
        timeout(Duration::from_secs(5), pending.decided())
            .await
            .is_err()
    );
    assert_eq!(desk.show(&id).unwrap().state, State::Pending);
    book.open();
    assert!(matches!(pending.decided().await, Decision::Approved { .. }));
    assert!(approving.await.unwrap().unwrap().complete());
}

#[tokio::test(start_paused = true)]
async fn a_word_that_cannot_be_recorded_was_never_said() {
    let (desk, book) = desk();
    let mut pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    book.break_down(true);
    for say in [Ok(()), Err(())] {
        let ben = login("ben", &["managers"]);
        let refusal = match say {
            Ok(()) => desk.approve(pending.id(), &ben, None).await.unwrap_err(),
            Err(()) => desk.deny(pending.id(), &ben, None).await.unwrap_err(),
        };
        assert!(matches!(refusal, Refusal::Unrecorded(_)));
    }
    assert!(desk.show(pending.id()).unwrap().approvals.is_empty());
    assert!(
        timeout(Duration::from_secs(1), pending.decided())
            .await
            .is_err()
    );
    book.break_down(false);
    desk.approve(pending.id(), &login("ben", &["managers"]), None)
        .await
        .unwrap();
    assert!(matches!(pending.decided().await, Decision::Approved { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_recorded_does_not_exist() {
    let (desk, book) = desk();
    book.break_down(true);
    for _ in 0..20 {
        assert!(matches!(
            desk.ask(ask(&[("managers", 1)])).await,
            Err(AskError::Unrecorded(_))
        ));
    }
    book.break_down(false);
    settle().await;
    assert!(desk.list(Which::All).is_empty());
    assert!(
        book.words().is_empty(),
        "and nothing of it is withdrawn later"
    );
    desk.ask(ask(&[("managers", 1)])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_is_decided_once() {
    let (desk, book) = desk();
    let mut pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    let id = pending.id().clone();
    let seq = desk
        .deny(
            &id,
            &login("ben", &["managers"]),
            Some("not tonight".into()),
        )
        .await
        .unwrap();
    let done = |state| Err(Refusal::AlreadyDecided(state));
    assert_eq!(
        desk.approve(&id, &login("cay", &["managers"]), None).await,
        done(State::Denied)
    );
    assert_eq!(
        desk.deny(&id, &login("cay", &["managers"]), None).await,
        Err(Refusal::AlreadyDecided(State::Denied))
    );
    let by = Approval {
        person: "ben".into(),
        login: "ben".into(),
        reason: Some("not tonight".into()),
        seq,
    };
    assert_eq!(
        pending.decided().await,
        Decision::Denied {
            by,
            reason: Some("not tonight".into())
        }
    );
    assert_eq!(book.words(), ["asked", "denied"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_who_decide_at_the_same_moment_one_is_refused() {
    let (desk, book) = desk();
    let mut pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    let (ben, cay) = (login("ben", &["managers"]), login("cay", &["managers"]));
    let (yes, no) = tokio::join!(
        desk.approve(pending.id(), &ben, None),
        desk.deny(pending.id(), &cay, None)
    );
    assert!(yes.is_ok() != no.is_ok());
    let approved = matches!(pending.decided().await, Decision::Approved { .. });
    assert_eq!(approved, yes.is_ok());
    assert_eq!(book.words().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_could_approve_may_stop_it_even_after_approving() {
    let (desk, _) = desk();
    let mut pending = desk
        .ask(ask(&[("managers", 1), ("privacy", 1)]))
        .await
        .unwrap();
    let ben = login("ben", &["managers"]);
    desk.approve(pending.id(), &ben, None).await.unwrap();
    let stranger = desk
        .deny(pending.id(), &login("eve", &["guests"]), None)
        .await;
    assert!(matches!(stranger, Err(Refusal::NotAnApprover(_))));
    desk.deny(pending.id(), &ben, None).await.unwrap();
    assert!(matches!(pending.decided().await, Decision::Denied { .. }));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_decides_expires() {
    let (desk, book) = desk();
    let mut pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    let expires = pending.expires();
    assert_eq!(pending.decided().await, Decision::Expired);
    assert!(tokio::time::Instant::now() >= expires);
    settle().await;
    assert_eq!(book.words(), ["asked", "expired"]);
    let late = desk
        .approve(pending.id(), &login("ben", &["managers"]), None)
        .await;
    assert_eq!(late, Err(Refusal::AlreadyDecided(State::Expired)));
    drop(pending);
    settle().await;
    assert_eq!(
        book.words(),
        ["asked", "expired"],
        "an expired request is not withdrawn as well"
    );
}

#[tokio::test(start_paused = true)]
async fn time_runs_out_even_if_nobody_looks() {
    let (desk, _) = desk();
    let pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    advance(Duration::from_secs(61)).await;
    assert!(desk.list(Which::Pending).is_empty());
    assert_eq!(desk.show(pending.id()).unwrap().state, State::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_never_longer_than_the_limit() {
    let (desk, _) = desk();
    let ttl = Duration::from_secs(u64::from(u32::MAX));
    let pending = desk
        .ask(Ask {
            ttl,
            ..ask(&[("managers", 1)])
        })
        .await
        .unwrap();
    assert!(pending.expires() <= tokio::time::Instant::now() + Limits::default().ttl_max);
}

#[tokio::test(start_paused = true)]
async fn a_word_that_is_being_recorded_when_time_runs_out_counts() {
    let (desk, book) = desk();
    let mut pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    book.shut();
    let approving = tokio::spawn({
        let (desk, id) = (desk.clone(), pending.id().clone());
        async move { desk.approve(&id, &login("ben", &["managers"]), None).await }
    });
    settle().await;
    advance(Duration::from_secs(120)).await;
    assert!(
        timeout(Duration::from_secs(1), pending.decided())
            .await
            .is_err()
    );
    book.open();
    assert!(matches!(pending.decided().await, Decision::Approved { .. }));
    approving.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn time_that_ran_out_during_a_partial_approval_still_expires() {
    let (desk, book) = desk();
    let mut pending = desk.ask(ask(&[("managers", 2)])).await.unwrap();
    book.shut();
    let approving = tokio::spawn({
        let (desk, id) = (desk.clone(), pending.id().clone());
        async move { desk.approve(&id, &login("ben", &["managers"]), None).await }
    });
    settle().await;
    advance(Duration::from_secs(120)).await;
    book.open();
    approving.await.unwrap().unwrap();
    assert_eq!(pending.decided().await, Decision::Expired);
    settle().await;
    assert_eq!(book.words(), ["asked", "approved", "expired"]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_withdraws_the_request() {
    let (desk, book) = desk();
    let pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    let id = pending.id().clone();
    drop(pending);
    let late = desk.approve(&id, &login("ben", &["managers"]), None).await;
    assert_eq!(late, Err(Refusal::AlreadyDecided(State::Withdrawn)));
    settle().await;
    assert!(matches!(
        book.last(),
        What::Withdrawn {
            why: Withdrawal::Abandoned
        }
    ));
    assert_eq!(
        desk.show(&id).unwrap().withdrawn.as_deref(),
        Some("abandoned")
    );
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_is_recorded_once_with_its_reason() {
    let (desk, book) = desk();
    desk.ask(ask(&[("managers", 1)]))
        .await
        .unwrap()
        .withdraw(Withdrawal::Superseded);
    settle().await;
    assert_eq!(book.words(), ["asked", "withdrawn"]);
    assert!(matches!(
        book.last(),
        What::Withdrawn {
            why: Withdrawal::Superseded
        }
    ));
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_nobody_used_is_withdrawn() {
    let (desk, book) = desk();
    let pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    let id = pending.id().clone();
    desk.approve(&id, &login("ben", &["managers"]), None)
        .await
        .unwrap();
    drop(pending);
    settle().await;
    assert_eq!(book.words(), ["asked", "approved", "withdrawn"]);
    let view = desk.show(&id).unwrap();
    assert_eq!((view.state, view.approvals.len()), (State::Withdrawn, 1));
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_during_a_recording_comes_after_it_in_the_trail() {
    let (desk, book) = desk();
    let pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    book.shut();
    let approving = tokio::spawn({
        let (desk, id) = (desk.clone(), pending.id().clone());
        async move { desk.approve(&id, &login("ben", &["managers"]), None).await }
    });
    settle().await;
    drop(pending);
    settle().await;
    book.open();
    assert_eq!(
        approving.await.unwrap(),
        Err(Refusal::AlreadyDecided(State::Withdrawn))
    );
    settle().await;
    assert_eq!(book.words(), ["asked", "approved", "withdrawn"]);
}

#[tokio::test(start_paused = true)]
async fn an_approver_who_hangs_up_does_not_undo_what_is_recorded() {
    let (desk, book) = desk();
    let mut pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    book.shut();
    let approving = tokio::spawn({
        let (desk, id) = (desk.clone(), pending.id().clone());
        async move { desk.approve(&id, &login("ben", &["managers"]), None).await }
    });
    settle().await;
    approving.abort();
    settle().await;
    book.open();
    assert!(matches!(pending.decided().await, Decision::Approved { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_wait_can_be_interrupted_and_taken_up_again() {
    let (desk, _) = desk();
    let mut pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    assert!(
        timeout(Duration::from_secs(10), pending.decided())
            .await
            .is_err()
    );
    desk.approve(pending.id(), &login("ben", &["managers"]), None)
        .await
        .unwrap();
    assert!(matches!(pending.decided().await, Decision::Approved { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_session_cannot_crowd_out_the_others() {
    let (desk, _) = desk();
    let mut waiting = Vec::new();
    for _ in 0..Limits::default().pending_per_session_max {
        waiting.push(desk.ask(of_session(1)).await.unwrap());
    }
    assert_eq!(
        desk.ask(of_session(1)).await.unwrap_err(),
        AskError::TooManyOfSession(4)
    );
    desk.ask(of_session(2)).await.unwrap();
    waiting.pop();
    desk.ask(of_session(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_the_limit_and_what_expired_makes_room() {
    let book = Book::new();
    let desk = Approvals::new(
        Limits {
            pending_max: 3,
            kept_max: 2,
            ..Limits::default()
        },
        book.clone(),
    );
    let mut waiting = Vec::new();
    for nr in 0..3 {
        waiting.push(desk.ask(of_session(nr)).await.unwrap());
    }
    assert_eq!(
        desk.ask(of_session(9)).await.unwrap_err(),
        AskError::TooMany(3)
    );
    advance(Duration::from_secs(61)).await;
    waiting.push(desk.ask(of_session(9)).await.unwrap());
    assert_eq!(desk.pending(), 1);
    // Of the three that expired, the last two are remembered.
    assert_eq!(desk.list(Which::All).len(), 3);
    let refused = desk
        .approve(waiting[0].id(), &login("ben", &["managers"]), None)
        .await;
    let known = waiting
        .iter()
        .filter(|pending| desk.show(pending.id()).is_some())
        .count();
    assert_eq!(known, 3);
    assert!(matches!(
        refused,
        Err(Refusal::Unknown(_) | Refusal::AlreadyDecided(State::Expired))
    ));
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_not_put_before_people() {
    let (desk, _) = desk();
    assert_eq!(desk.ask(ask(&[])).await.unwrap_err(), AskError::NobodyAsked);
    let long = Ask {
        statement: "x".repeat(64 * 1024),
        ..ask(&[("managers", 1)])
    };
    assert_eq!(
        desk.ask(long).await.unwrap_err(),
        AskError::TooLong(64 * 1024)
    );
    let pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    let talk = Some("x".repeat(1_001));
    let refused = desk
        .approve(pending.id(), &login("ben", &["managers"]), talk)
        .await;
    assert_eq!(refused, Err(Refusal::ReasonTooLong(1_000)));
}

#[tokio::test(start_paused = true)]
async fn attempts_by_those_who_may_not_are_recorded_up_to_a_bound() {
    let (desk, book) = desk();
    let pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    for _ in 0..40 {
        let own = desk
            .approve(pending.id(), &login("ana", &["managers"]), None)
            .await;
        assert_eq!(own, Err(Refusal::OwnRequest));
    }
    assert_eq!(
        book.words()
            .iter()
            .filter(|word| **word == "refused")
            .count(),
        16
    );
    desk.approve(pending.id(), &login("ben", &["managers"]), None)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_debug_output_shows_a_statement() {
    let (desk, book) = desk();
    let pending = desk.ask(ask(&[("managers", 1)])).await.unwrap();
    let event = book.events.lock().unwrap()[0].clone();
    let view = desk.show(pending.id()).unwrap();
    for text in [
        format!("{pending:?}"),
        format!("{event:?}"),
        format!("{view:?}"),
        format!("{:?}", ask(&[])),
    ] {
        assert!(
            !text.contains("patients") && !text.contains("[ssn]"),
            "{text}"
        );
    }
    assert_eq!(view.statement, "select * from patients");
}
