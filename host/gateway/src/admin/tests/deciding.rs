//! Requests for approval through the API.

use super::*;

#[tokio::test]
async fn a_request_is_seen_approved_and_recorded() {
    let stage = Stage::new();
    let mut pending = stage.ask().await;
    let listed: Vec<View> = stage.client.get("/v1/approvals").await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0].id, listed[0].state),
        (pending.id(), State::Pending)
    );
    assert_eq!(
        listed[0].statement,
        "select * from patients where ssn = '[ssn]'"
    );
    // As it may be typed after a phone call.
    let typed = pending.id().as_str().to_lowercase().replace('-', "");
    let decided = stage
        .decide("approve", &typed, "ben", "benben")
        .await
        .unwrap();
    assert!(decided.complete);
    assert_eq!(decided.approval.unwrap().state, State::Approved);
    let Decision::Approved {
        approvers,
        max_rows,
    } = pending.decided().await
    else {
        panic!("not approved")
    };
    assert_eq!(
        (approvers[0].seq, approvers[0].login.as_str(), max_rows),
        (decided.seq, "ben", Some(500))
    );
    let record: RecordView = stage
        .client
        .get(&format!("/v1/audit/records/{}", decided.seq))
        .await
        .unwrap();
    assert_eq!(record.record["kind"], "approval");
    assert_eq!(record.record["event"], "approved");
    assert_eq!(record.record["approver"]["subject"], "ben");
    assert_eq!(record.record["approver"]["method"], "password");
    assert_eq!(record.record["reason"], "ward round");
    assert_eq!(record.record["subject"], "ana");
    let left: Vec<View> = stage.client.get("/v1/approvals").await.unwrap();
    let all: Vec<View> = stage.client.get("/v1/approvals?all=true").await.unwrap();
    assert_eq!((left.len(), all.len()), (0, 1));
}

#[tokio::test]
async fn what_was_asked_lies_beside_its_record() {
    let stage = Stage::new();
    let _pending = stage.ask().await;
    let asked = stage.records(Kind::Approval);
    assert_eq!(asked[0]["event"], "asked");
    assert_eq!(asked[0]["verdict"], "hold");
    assert!(!asked[0].to_string().contains("select"));
    let path = format!("/v1/audit/records/{}/bodies/", asked[0]["seq"]);
    let body = stage
        .client
        .get_bytes(&format!("{path}request"))
        .await
        .unwrap();
    assert_eq!(body, "select * from patients where ssn = '[ssn]'");
    assert_eq!(
        stage
            .client
            .get_bytes(&format!("{path}parameters"))
            .await
            .unwrap(),
        "[\"$1 = ?\"]"
    );
    let missing = stage
        .client
        .get_bytes(&format!("{path}response"))
        .await
        .unwrap_err();
    assert_eq!(problem(&missing), (404, "not-found"));
}

#[tokio::test]
async fn a_denial_ends_it_with_its_reason() {
    let stage = Stage::new();
    let mut pending = stage.ask().await;
    stage
        .decide("deny", pending.id().as_str(), "ben", "benben")
        .await
        .unwrap();
    let Decision::Denied { reason, .. } = pending.decided().await else {
        panic!("not denied")
    };
    assert_eq!(reason.as_deref(), Some("ward round"));
    let view: View = stage
        .client
        .get(&format!("/v1/approvals/{}", pending.id()))
        .await
        .unwrap();
    assert_eq!(
        (view.state, view.denied.unwrap().login),
        (State::Denied, "ben".into())
    );
}

#[tokio::test]
async fn those_who_may_not_decide_are_told_why() {
    let stage = Stage::new();
    let pending = stage.ask().await;
    let id = pending.id().as_str().to_owned();
    for (login, password, id, expected) in [
        ("ben", "wrong", id.as_str(), (401, "unauthorized")),
        ("nobody", "nobodynobody", id.as_str(), (401, "unauthorized")),
        ("ana", "anaana", id.as_str(), (403, "own-request")),
        ("eve", "eveeve", id.as_str(), (403, "not-an-approver")),
        ("ben", "benben", "A-0000-0000", (404, "unknown")),
        ("ben", "benben", "nosuch", (400, "bad-request")),
        // Strangers do not learn whether a request exists.
        ("ben", "wrong", "A-0000-0000", (401, "unauthorized")),
    ] {
        let error = stage
            .decide("approve", id, login, password)
            .await
            .unwrap_err();
        assert_eq!(problem(&error), expected, "{login} {id}");
    }
    let nobody = stage
        .client
        .post::<Decided>(
            &format!("/v1/approvals/{id}/approve"),
            &Deciding::default(),
            None,
        )
        .await;
    assert_eq!(problem(&nobody.unwrap_err()), (401, "unauthorized"));
    stage.decide("approve", &id, "cay", "caycay").await.unwrap();
    let again = stage
        .decide("deny", &id, "ben", "benben")
        .await
        .unwrap_err();
    assert_eq!(problem(&again), (409, "already-decided"));
    let refused: Vec<_> = stage
        .records(Kind::Approval)
        .iter()
        .filter_map(|record| record.get("refusal").cloned())
        .collect();
    assert_eq!(refused, ["own-request", "not-an-approver"]);
}

#[tokio::test]
async fn failed_logins_are_recorded_and_then_have_to_wait() {
    let stage = Stage::new();
    let pending = stage.ask().await;
    for _ in 0..5 {
        let error = stage
            .decide("approve", pending.id().as_str(), "ben", "guess")
            .await
            .unwrap_err();
        assert_eq!(problem(&error), (401, "unauthorized"));
    }
    let checked = stage.gateway.logins.checked.load(Ordering::SeqCst);
    let error = stage
        .decide("approve", pending.id().as_str(), "ben", "benben")
        .await
        .unwrap_err();
    assert_eq!(problem(&error), (429, "too-many-failures"));
    let ClientError::Refused(refused) = &error else {
        panic!("{error}")
    };
    assert!(
        refused
            .retry_after
            .is_some_and(|seconds| (1..=61).contains(&seconds))
    );
    assert_eq!(
        stage.gateway.logins.checked.load(Ordering::SeqCst),
        checked,
        "the right password was not looked at"
    );
    let failures = stage.records(Kind::Denied);
    assert_eq!(failures.len(), 5);
    assert_eq!(
        (&failures[0]["event"], &failures[0]["subject"]),
        (&"login-failed".into(), &"ben".into())
    );
    assert!(!failures[0].to_string().contains("guess"));
    // Others are not held up.
    stage
        .decide("approve", pending.id().as_str(), "cay", "caycay")
        .await
        .unwrap();
}
