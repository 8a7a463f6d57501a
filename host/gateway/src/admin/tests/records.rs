//! The audit trail through the API.

use super::*;

#[tokio::test]
async fn records_are_found_by_what_they_say_and_paged() {
    let stage = Stage::new();
    let draft = |subject: &str, nr: u64| {
        Draft::new(Kind::Denied, almoner_audit::now())
            .with("subject", subject)
            .with("resource", "ehr")
            .with("verdict", "deny")
            .with("exchange", format!("x.{nr}"))
    };
    for nr in 0..6 {
        let subject = if nr % 2 == 0 { "ana" } else { "ben" };
        stage
            .gateway
            .audit
            .append(draft(subject, nr))
            .await
            .unwrap();
    }
    let exchanges = |page: &RecordPage| -> Vec<String> {
        page.records
            .iter()
            .map(|found| found.record["exchange"].as_str().unwrap_or("-").to_owned())
            .collect()
    };
    let get = async |query: &str| -> RecordPage {
        stage
            .client
            .get(&format!("/v1/audit/records?{query}"))
            .await
            .unwrap()
    };
    assert_eq!(exchanges(&get("subject=ana").await), ["x.4", "x.2", "x.0"]);
    assert_eq!(
        exchanges(&get("kind=denied&verdict=deny&resource=ehr&limit=2").await),
        ["x.5", "x.4"]
    );
    assert_eq!(exchanges(&get("exchange=x.3").await), ["x.3"]);
    let first = get("kind=denied&limit=4").await;
    let rest = get(&format!(
        "kind=denied&limit=4&before={}",
        first.before.unwrap()
    ))
    .await;
    assert_eq!(exchanges(&rest), ["x.1", "x.0"]);
    assert_eq!(rest.before, None);
    let from = first.records[1].seq;
    let page = get(&format!("kind=denied&from={from}&limit=4")).await;
    assert_eq!((exchanges(&page).len(), page.before), (2, None));
    let future = get("since=2999-01-01T00:00:00Z").await;
    assert!(future.records.is_empty());
    let one: RecordView = stage
        .client
        .get(&format!("/v1/audit/records/{from}"))
        .await
        .unwrap();
    let line = one.line.unwrap();
    assert_eq!(
        one.hash,
        almoner_ledger::Hash::of_line(line.as_bytes()).to_string()
    );
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&line).unwrap(),
        one.record
    );
}

#[tokio::test]
async fn a_tail_waits_for_the_next_record() {
    let stage = Stage::new();
    let now: RecordPage = stage.client.get("/v1/audit/tail").await.unwrap();
    let after = now.after.unwrap();
    assert_eq!(after, stage.gateway.audit.status().durable_seq);
    let none: RecordPage = stage
        .client
        .get(&format!("/v1/audit/tail?after={after}"))
        .await
        .unwrap();
    assert_eq!((none.records.len(), none.after), (0, Some(after)));
    let waiting = tokio::spawn({
        let client = stage.client.clone();
        async move {
            client
                .get::<RecordPage>(&format!("/v1/audit/tail?after={after}&wait=20"))
                .await
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    let review = Draft::new(Kind::Review, almoner_audit::now());
    stage
        .gateway
        .audit
        .append(Entry::new(review))
        .await
        .unwrap();
    let page = waiting.await.unwrap().unwrap();
    assert_eq!((page.records.len(), page.after), (1, Some(after + 1)));
    assert_eq!(page.records[0].record["kind"], "review");
}

#[tokio::test]
async fn a_copy_is_recorded_and_complete() {
    let stage = Stage::new();
    let dir = stage.folder.path().join("copy");
    let body = |dir: PathBuf| serde_json::json!({ "dir": dir });
    let made: CopyMade = stage
        .client
        .post("/v1/audit/copy", &body(dir.clone()), None)
        .await
        .unwrap();
    let copied = Reader::open_copy(&made.dir).unwrap().tail(1).unwrap();
    let record = copied[0].value().unwrap();
    assert_eq!(
        (&record["event"], &record["dir"]),
        (&"audit-copied".into(), &dir.to_str().unwrap().into())
    );
    assert_eq!(record["uid"], rustix::process::getuid().as_raw());
    for (dir, expected) in [
        (dir, (409, "exists")),
        ("copy".into(), (400, "bad-request")),
        (PathBuf::new(), (400, "bad-request")),
    ] {
        let error = stage
            .client
            .post::<CopyMade>("/v1/audit/copy", &body(dir), None)
            .await
            .unwrap_err();
        assert_eq!(problem(&error), expected);
    }
}
