//! Whose word counts, and what an approver's word says.

use super::*;

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
