//! What policy says: denials, and changes that open connections obey.

use std::time::{Duration, Instant};

use almoner_tests::HttpWorld;
use almoner_tests::http::Connection;
use almoner_tests::http_world::POLICY;

#[tokio::test]
async fn a_denial_is_a_problem_with_rule_and_exchange_and_nothing_is_sent() {
    let world = HttpWorld::start().unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let answer = client
        .get("/fhir/secret/10334455?name=Garcia")
        .await
        .unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let problem = answer.json().unwrap();
    assert_eq!(problem["code"], "http-guard/path");
    assert_eq!(problem["type"], "urn:almoner:problem:http-guard/path");
    assert_eq!(
        (problem["status"].as_u64(), problem["rule"].as_str()),
        (Some(403), Some("care"))
    );
    assert_eq!(problem["detail"], "GET on /secret/:id is restricted");
    let exchange = problem["exchange"].as_str().unwrap().to_owned();
    assert!(world.server.seen().is_empty());
    // The connection lives on.
    assert_eq!(client.get("/fhir/Patient/p1").await.unwrap().status, 200);
    let records = world.records().unwrap();
    let denied = records
        .lines()
        .find(|line| line.contains("\"kind\":\"denied\""))
        .unwrap();
    assert!(
        denied.contains(&exchange) && denied.contains("GET /secret/{id}?name=?"),
        "{denied}"
    );
    assert!(
        !records.contains("10334455") && !records.contains("Garcia"),
        "{records}"
    );
}

#[tokio::test]
async fn methods_are_judged_and_writes_are_on_record_before_they_are_sent() {
    let world = HttpWorld::start().unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let json = [("content-type", "application/json")];
    let denied = client
        .send("PUT", "/fhir/Patient/p1", &json, "{}")
        .await
        .unwrap();
    assert_eq!(denied.json().unwrap()["code"], "http-guard/method");
    assert!(world.server.seen().is_empty());
    let sent = client
        .send("POST", "/fhir/Patient/p1", &json, "{\"a\":\"987-65-4320\"}")
        .await
        .unwrap();
    assert_eq!(sent.status, 200);
    assert_eq!(world.server.seen()[0].body, b"{\"a\":\"987-65-4320\"}");
    let records = world.records().unwrap();
    let kinds = |kind: &str| {
        records
            .lines()
            .filter(|line| line.contains(&format!("\"kind\":\"{kind}\"")))
            .count()
    };
    assert_eq!(
        (kinds("intent"), kinds("outcome"), kinds("denied")),
        (1, 1, 1),
        "{records}"
    );
    let intent = records
        .lines()
        .find(|line| line.contains("\"kind\":\"intent\""))
        .unwrap();
    assert!(
        intent.contains("\"effect\":\"write\"") && intent.contains("POST /Patient/{id}"),
        "{intent}"
    );
    assert!(!records.contains("987-65-4320"));
}

#[tokio::test]
async fn a_kept_alive_connection_obeys_a_saved_policy() {
    let world = HttpWorld::start().unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    assert_eq!(client.get("/fhir/Patient/p1").await.unwrap().status, 200);
    let stricter = POLICY.replace("/secret/**", "/Patient/**");
    world
        .gateway
        .save_policy("10-http.toml", &stricter)
        .unwrap();
    let began = Instant::now();
    loop {
        let answer = client.get("/fhir/Patient/p1").await.unwrap();
        if answer.status == 403 {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the policy is not obeyed"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world
        .gateway
        .save_policy("10-http.toml", POLICY.replace("nurses", "nobody"))
        .unwrap();
    let began = Instant::now();
    while client
        .get("/fhir/Patient/p1")
        .await
        .unwrap()
        .json()
        .unwrap()["code"]
        != "policy/no-rule"
    {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the policy is not obeyed"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_budget_of_requests_is_held() {
    let world = HttpWorld::start().unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let budget = "methods = { POST = \"allow\", DELETE = \"hold\" }\nbudget = { requests = 3, action = \"deny\" }";
    let policy = POLICY.replace("methods = { POST = \"allow\", DELETE = \"hold\" }", budget);
    world.gateway.save_policy("10-http.toml", &policy).unwrap();
    let began = Instant::now();
    loop {
        let answer = client.get("/fhir/Patient/p1").await.unwrap();
        if answer.status == 403 {
            assert_eq!(answer.json().unwrap()["code"], "http-guard/budget");
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the budget is not held"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
