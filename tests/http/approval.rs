//! Requests that people decide: with an id to come back with, or by waiting.

use std::time::Duration;

use almoner_tests::http::{Answer, Connection};
use almoner_tests::http_server::Canned;
use almoner_tests::http_world::POLICY;
use almoner_tests::{HttpPlan, HttpWorld};

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    let id = answer.header("almoner-approval").unwrap().to_owned();
    assert_eq!(
        answer.header("location"),
        Some(format!("/.almoner/approvals/{id}").as_str())
    );
    assert_eq!(answer.json().unwrap()["approval"], id.as_str());
    id
}

async fn open(world: &HttpWorld, user: &str) -> Connection {
    Connection::open(world.gateway.http_port(), user)
        .await
        .unwrap()
}

fn held() -> HttpWorld {
    let world = HttpPlan {
        patients: 5,
        ..HttpPlan::default()
    }
    .start()
    .unwrap();
    world.server.put(
        "/r4/held",
        Canned::new("application/json", "{\"ssn\":\"987-65-4320\"}"),
    );
    world
        .server
        .put("/r4/Patient/p9", Canned::default().status(204));
    world
}

#[tokio::test]
async fn an_approved_request_is_repeated_once() {
    let world = held();
    let mut client = open(&world, "ward-assistant").await;
    let id = id(&client.get("/fhir/held").await.unwrap());
    assert_eq!(
        client
            .get(&format!("/.almoner/approvals/{id}"))
            .await
            .unwrap()
            .json()
            .unwrap()["state"],
        "waiting"
    );
    // Before anybody decided, the same answer again.
    let with_id = [("almoner-approval", id.as_str())];
    assert_eq!(
        client
            .send("GET", "/fhir/held", &with_id, "")
            .await
            .unwrap()
            .status,
        202
    );
    world.approve(&id).unwrap();
    // Approved, and still nothing is sent before the caller is there.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.server.seen().is_empty());
    assert_eq!(
        client
            .get(&format!("/.almoner/approvals/{id}"))
            .await
            .unwrap()
            .json()
            .unwrap()["state"],
        "approved"
    );
    // On another connection just as well.
    let mut other = open(&world, "ward-assistant").await;
    let answer = other.send("GET", "/fhir/held", &with_id, "").await.unwrap();
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "{\"ssn\":\"[SSN]\"}")
    );
    assert_eq!(world.server.seen().len(), 1);
    // It is spent.
    let again = other.send("GET", "/fhir/held", &with_id, "").await.unwrap();
    assert_eq!(again.status, 409, "{}", again.text());
    assert_eq!(world.server.seen().len(), 1);
    let records = world.records().unwrap();
    let outcome = records
        .lines()
        .find(|line| line.contains("\"kind\":\"outcome\""))
        .unwrap();
    assert!(
        outcome.contains(&id) && outcome.contains("olivia.grant"),
        "{outcome}"
    );
}

#[tokio::test]
async fn an_approval_is_good_for_the_identical_request_of_the_same_caller_only() {
    let world = held();
    let mut client = open(&world, "ward-assistant").await;
    let json = ("content-type", "application/json");
    let id = id(&client
        .send("DELETE", "/fhir/Patient/p9?x=1", &[json], "{\"a\":1}")
        .await
        .unwrap());
    world.approve(&id).unwrap();
    let approval = ("almoner-approval", id.as_str());
    let mut other = open(&world, "other-assistant").await;
    let theirs = other
        .send(
            "DELETE",
            "/fhir/Patient/p9?x=1",
            &[json, approval],
            "{\"a\":1}",
        )
        .await
        .unwrap();
    assert_eq!(theirs.status, 409);
    for (path, headers, body) in [
        ("/fhir/Patient/p9?x=2", vec![json, approval], "{\"a\":1}"),
        ("/fhir/Patient/p1?x=1", vec![json, approval], "{\"a\":1}"),
        ("/fhir/Patient/p9?x=1", vec![json, approval], "{\"a\":2}"),
        (
            "/fhir/Patient/p9?x=1",
            vec![json, approval, ("if-none-exist", "a")],
            "{\"a\":1}",
        ),
        ("/fhir/Patient/p9?x=1", vec![approval], "{\"a\":1}"),
    ] {
        let answer = client.send("DELETE", path, &headers, body).await.unwrap();
        assert_eq!(answer.status, 409, "{path} {headers:?} {body}");
        assert_eq!(answer.json().unwrap()["code"], "gateway/unsupported");
    }
    let other_method = client
        .send(
            "POST",
            "/fhir/Patient/p9?x=1",
            &[json, approval],
            "{\"a\":1}",
        )
        .await
        .unwrap();
    assert_eq!(other_method.status, 409);
    assert!(world.server.seen().is_empty());
    // Its own request still stands.
    let answer = client
        .send(
            "DELETE",
            "/fhir/Patient/p9?x=1",
            &[json, approval],
            "{\"a\":1}",
        )
        .await
        .unwrap();
    assert_eq!(answer.status, 204);
    assert_eq!(world.server.seen().len(), 1);
    let records = world.records().unwrap();
    let at = |kind: &str| {
        records
            .lines()
            .position(|line| line.contains(&format!("\"kind\":\"{kind}\"")))
    };
    assert!(at("intent").unwrap() < at("outcome").unwrap());
    assert_eq!(
        records.matches("the same as this one").count(),
        7,
        "{records}"
    );
}

#[tokio::test]
async fn a_caller_who_waits_gets_the_reply_itself() {
    let world = held();
    let mut client = open(&world, "ward-assistant").await;
    let asking = tokio::spawn(async move {
        client
            .send("GET", "/fhir/held", &[("prefer", "wait=15")], "")
            .await
            .unwrap()
    });
    let id = waiting_id(&world).await;
    world.approve(&id).unwrap();
    let answer = asking.await.unwrap();
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "{\"ssn\":\"[SSN]\"}")
    );
}

#[tokio::test]
async fn a_caller_whose_wait_is_over_gets_an_id() {
    let world = held();
    let mut client = open(&world, "ward-assistant").await;
    let answer = client
        .send("GET", "/fhir/held", &[("prefer", "wait=1")], "")
        .await
        .unwrap();
    let id = id(&answer);
    world.approve(&id).unwrap();
    let answer = client
        .send("GET", "/fhir/held", &[("almoner-approval", &id)], "")
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_refusal_is_told_to_who_comes_back() {
    let world = held();
    let mut client = open(&world, "ward-assistant").await;
    let id = id(&client.get("/fhir/held").await.unwrap());
    let arguments = ["approvals", "deny", &id, "--user", "olivia.grant"];
    let finished = world
        .gateway
        .almoner(&arguments, &[("ALMONER_PASSWORD", "olivia.grant-password")])
        .unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let answer = client
        .send("GET", "/fhir/held", &[("almoner-approval", &id)], "")
        .await
        .unwrap();
    assert_eq!(
        (answer.status, answer.json().unwrap()["code"].as_str()),
        (403, Some("approval/denied"))
    );
    assert!(world.server.seen().is_empty());
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_waiting_withdraws_the_request() {
    let world = held();
    let mut client = open(&world, "ward-assistant").await;
    let asking = tokio::spawn(async move {
        client
            .send("GET", "/fhir/held", &[("prefer", "wait=60")], "")
            .await
    });
    waiting_id(&world).await;
    asking.abort();
    let _ = asking.await;
    let mut records = String::new();
    for _ in 0..100 {
        records = world.records().unwrap();
        if records.contains("caller/abandoned") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(records.contains("caller/abandoned"), "{records}");
    assert!(world.server.seen().is_empty());
}

#[tokio::test]
async fn a_reply_with_many_records_waits_for_people_as_a_whole() {
    let world = HttpPlan {
        patients: 150,
        policy: POLICY.replace("rows = 1000", "rows = 100"),
        ..HttpPlan::default()
    }
    .start()
    .unwrap();
    let mut client = open(&world, "ward-assistant").await;
    let first = client.get("/fhir/Patient").await.unwrap();
    let id = id(&first);
    assert!(!first.text().contains("resourceType"));
    assert_eq!(world.server.seen().len(), 1);
    world.approve(&id).unwrap();
    let answer = client
        .send("GET", "/fhir/Patient", &[("almoner-approval", &id)], "")
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        answer.json().unwrap()["entry"].as_array().unwrap().len(),
        150
    );
    world.assert_masked(&answer.text());
    // It was asked for once.
    assert_eq!(world.server.seen().len(), 1);
    let records = world.records().unwrap();
    let outcome = records
        .lines()
        .find(|line| line.contains("\"kind\":\"outcome\""))
        .unwrap();
    assert!(
        outcome.contains("\"rows\":150") && outcome.contains(&id),
        "{outcome}"
    );
}

/// The id of the one request that waits.
async fn waiting_id(world: &HttpWorld) -> String {
    for _ in 0..100 {
        let listed = world
            .gateway
            .almoner(&["approvals", "list", "--json"], &[])
            .unwrap()
            .stdout;
        if let Some(at) = listed.find("\"A-") {
            return listed[at + 1..].split('"').next().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing waits");
}
