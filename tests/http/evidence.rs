//! What is on record: every exchange, the very bytes that were released, and nothing that was masked.

use std::time::Duration;

use almoner_tests::http::Connection;
use almoner_tests::{HttpPlan, HttpWorld};

#[tokio::test]
async fn the_trail_verifies_and_holds_no_identifier() {
    let mut world = HttpWorld::start().unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let answer = client.get("/fhir/everything?family=Garcia").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let patient = world.clinic.patients[0].clone();
    client
        .get(&format!("/fhir/people/{}", patient.mrn))
        .await
        .unwrap();
    drop(client);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let records = world.records().unwrap();
    world.assert_masked(&records);
    assert!(!records.contains("Garcia"), "{records}");
    let outcome = records
        .lines()
        .find(|line| line.contains("\"kind\":\"outcome\""))
        .unwrap();
    for part in [
        "\"protocol\":\"http\"",
        "\"resource\":\"fhir\"",
        "\"subject\":\"maria.santos\"",
        "\"actor\":\"ward-assistant\"",
        "\"method\":\"password\"",
        "\"request\":\"GET /everything?family=?\"",
        "\"effect\":\"read\"",
        "\"phi.name\":",
        "\"outcome\":\"ok\"",
    ] {
        assert!(outcome.contains(part), "{part} is not in {outcome}");
    }
    assert!(
        records.contains("\"event\":\"begin\"") && records.contains("\"event\":\"end\""),
        "{records}"
    );
    let verified = world.gateway.almoner(&["audit", "verify"], &[]).unwrap();
    assert!(matches!(verified.code, Some(0 | 3)), "{verified:?}");
    world.gateway.stop().unwrap();
    let audit = world
        .gateway
        .data_folder()
        .join("audit")
        .display()
        .to_string();
    let verified = world
        .gateway
        .almoner(&["audit", "verify", "--store", &audit], &[])
        .unwrap();
    // Files alone cannot show everything; what they can show holds.
    assert!(matches!(verified.code, Some(0 | 3)), "{verified:?}");
    assert!(!verified.stdout.contains("BROKEN"), "{verified:?}");
    assert!(
        verified.stdout.contains("2 of 2 read and as recorded"),
        "{verified:?}"
    );
}

#[tokio::test]
async fn what_was_released_lies_beside_its_record() {
    let world = HttpPlan {
        patients: 2,
        ..HttpPlan::default()
    }
    .start()
    .unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let answer = client.get("/fhir/Patient/p1").await.unwrap();
    let records = world.records().unwrap();
    let outcome = records
        .lines()
        .find(|line| line.contains("\"kind\":\"outcome\""))
        .unwrap();
    let outcome: serde_json::Value = serde_json::from_str(outcome).unwrap();
    let exchange = outcome["exchange"].as_str().unwrap();
    let shown = world
        .gateway
        .almoner(&["audit", "show", exchange, "--body"], &[])
        .unwrap();
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains(&answer.text()), "{}", shown.stdout);
    assert!(shown.stdout.contains("HTTP/1.1 200"), "{}", shown.stdout);
}

#[tokio::test]
async fn stopping_the_gateway_records_what_still_waits() {
    let mut world = HttpPlan {
        patients: 2,
        ..HttpPlan::default()
    }
    .start()
    .unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    assert_eq!(client.get("/fhir/held").await.unwrap().status, 202);
    let status = world.gateway.stop().unwrap();
    assert!(status.unwrap().success(), "{}", world.gateway.log());
    world.gateway.start_again().unwrap();
    let records = world.records().unwrap();
    assert!(
        records.contains("caller/abandoned") && !records.contains("\"kind\":\"interrupted\""),
        "{records}"
    );
}
