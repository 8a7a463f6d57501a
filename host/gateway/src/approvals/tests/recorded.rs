//! Nothing takes effect before it is on record, and nothing on record is without effect.

use super::*;

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
