//! How much may wait, and what may be shown.

use super::*;

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
