//! Status, sessions, and what monitors see.

use super::*;

#[tokio::test]
async fn status_tells_whether_and_why_not() {
    let stage = Stage::new();
    let status: Status = stage.client.get("/v1/status").await.unwrap();
    assert!(status.ready && status.not_ready.is_empty());
    assert_eq!(status.overview, stage.gateway.overview());
    assert_eq!(
        status.audit.durable_seq,
        stage.gateway.audit.status().durable_seq
    );
    status
        .audit
        .verifier_key
        .parse::<almoner_ledger::VerifierKey>()
        .unwrap();
    stage.gateway.draining.store(true, Ordering::SeqCst);
    let status: Status = stage.client.get("/v1/status").await.unwrap();
    assert!(!status.ready && status.not_ready[0].starts_with("draining"));
}

#[tokio::test]
async fn sessions_come_oldest_first() {
    let stage = Stage::new();
    let sessions: Vec<SessionView> = stage.client.get("/v1/sessions").await.unwrap();
    assert_eq!(
        sessions
            .iter()
            .map(|session| session.id.as_str())
            .collect::<Vec<_>>(),
        ["s1", "s2"]
    );
}

#[tokio::test]
async fn monitors_see_health_readiness_and_metrics() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let console = Arc::clone(&stage.gateway) as Arc<dyn Console>;
    tokio::spawn(observe::serve(
        listener,
        console,
        Exposition::none(),
        std::future::pending(),
    ));
    let get = async |path: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(get("/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(get("/metrics").await.contains("text/plain; version=0.0.4"));
    assert!(get("/v1/status").await.starts_with("HTTP/1.1 404"));
    stage.gateway.draining.store(true, Ordering::SeqCst);
    let ready = get("/readyz").await;
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains("draining"),
        "{ready}"
    );
    assert!(get("/healthz").await.starts_with("HTTP/1.1 200"));
}
