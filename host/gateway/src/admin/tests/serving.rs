//! The server itself: problems, bytes that are no request, stopping.

use super::*;

#[tokio::test]
async fn what_cannot_be_answered_is_a_problem_in_json() {
    let stage = Stage::new();
    for (path, expected) in [
        ("/", (404, "not-found")),
        ("/v1/nothing", (404, "not-found")),
        ("/v1/approvals/A-0000-0000", (404, "unknown")),
        ("/v1/approvals/x", (400, "bad-request")),
        ("/v1/approvals?al=true", (400, "bad-request")),
        ("/v1/audit/records?kind=gossip", (400, "bad-request")),
        ("/v1/audit/records?limit=0", (400, "bad-request")),
        ("/v1/audit/records?limit=100000", (400, "bad-request")),
        ("/v1/audit/records?since=yesterday", (400, "bad-request")),
        ("/v1/audit/records/999999", (404, "not-found")),
        ("/v1/audit/records/-1", (400, "bad-request")),
        ("/v1/audit/copy", (405, "method-not-allowed")),
    ] {
        let error = stage
            .client
            .get::<serde_json::Value>(path)
            .await
            .unwrap_err();
        assert_eq!(problem(&error), expected, "{path}");
    }
    let long = serde_json::json!({ "dir": format!("/{}", "x".repeat(20_000)) });
    let error = stage
        .client
        .post::<CopyMade>("/v1/audit/copy", &long, None)
        .await
        .unwrap_err();
    assert_eq!(problem(&error), (413, "too-large"));
    let odd = serde_json::json!({ "directory": "/tmp" });
    let error = stage
        .client
        .post::<CopyMade>("/v1/audit/copy", &odd, None)
        .await
        .unwrap_err();
    assert_eq!(problem(&error), (400, "bad-request"));
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_removes_the_socket() {
    let mut stage = Stage::new();
    let after = stage.gateway.audit.status().durable_seq;
    let under_way = tokio::spawn({
        let client = stage.client.clone();
        async move {
            client
                .get::<RecordPage>(&format!("/v1/audit/tail?after={after}&wait=1"))
                .await
        }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.stop.take().unwrap().send(()).unwrap();
    assert_eq!(under_way.await.unwrap().unwrap().after, Some(after));
    stage.served.await.unwrap();
    let error = stage.client.get::<Status>("/v1/status").await.unwrap_err();
    assert!(matches!(error, ClientError::NoGateway(_)), "{error}");
    assert!(!stage.client.socket().exists());
}

#[tokio::test]
async fn bytes_that_are_no_request_disturb_nobody() {
    let stage = Stage::new();
    let mut stream = UnixStream::connect(stage.client.socket()).await.unwrap();
    stream
        .write_all(b"\x16\x03\x01 not http\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 400"));
    stage.client.get::<Status>("/v1/status").await.unwrap();
}
