//! How a wait ends: by time, by withdrawal, by interruption.

use super::*;

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
