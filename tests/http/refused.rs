//! What is not carried: each is refused in so many words and on record, and nothing of it passes by unmasked.

use std::time::{Duration, Instant};

use almoner_tests::http::Connection;
use almoner_tests::http_server::{self, Canned};
use almoner_tests::http_world::POLICY;
use almoner_tests::{HttpPlan, HttpWorld};

async fn open(world: &HttpWorld) -> Connection {
    Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap()
}

#[tokio::test]
async fn other_protocols_within_http_reach_no_server() {
    let world = HttpWorld::start().unwrap();
    for (what, method, headers, status, says) in [
        (
            "WebSocket",
            "GET",
            vec![
                ("connection", "Upgrade"),
                ("upgrade", "websocket"),
                ("sec-websocket-version", "13"),
                ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ],
            501,
            "WebSocket and other upgrades are not carried",
        ),
        (
            "gRPC",
            "POST",
            vec![("content-type", "application/grpc+proto")],
            415,
            "gRPC is not carried",
        ),
        (
            "MCP",
            "POST",
            vec![
                ("content-type", "application/json"),
                ("mcp-protocol-version", "2025-06-18"),
            ],
            501,
            "MCP is not carried",
        ),
        (
            "MCP, its first message",
            "POST",
            vec![
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
            ],
            406,
            "event streams",
        ),
        (
            "server-sent events",
            "GET",
            vec![("accept", "text/event-stream")],
            406,
            "event streams",
        ),
    ] {
        let mut client = open(&world).await;
        let body = if method == "POST" { "{}" } else { "" };
        let answer = client
            .send(method, "/fhir/Patient/p1", &headers, body)
            .await
            .unwrap();
        let problem = answer.json().unwrap();
        assert_eq!(
            (answer.status, problem["code"].as_str()),
            (status, Some("gateway/unsupported")),
            "{what}: {problem}"
        );
        assert!(answer.text().contains(says), "{what}: {problem}");
        let exchange = problem["exchange"].as_str().unwrap();
        let records = world.records().unwrap();
        let denied = records.lines().find(|line| line.contains(exchange));
        assert!(
            denied.is_some_and(|line| line.contains("\"kind\":\"denied\"")),
            "{what}: {records}"
        );
    }
    assert!(world.server.seen().is_empty(), "{:?}", world.server.seen());
}

#[tokio::test]
async fn replies_that_nobody_here_can_read_are_replaced_by_a_problem() {
    let world = HttpWorld::start().unwrap();
    let secret = "MRN 10334455 987-65-4320";
    let json = || Canned::new("application/json", format!("{{\"a\":\"{secret}\"}}"));
    for (what, canned, code) in [
        (
            "gzip",
            json().header("content-encoding", "gzip"),
            "http/unmaskable-malformed",
        ),
        (
            "one of two codings",
            json()
                .header("content-encoding", "identity")
                .header("content-encoding", "br"),
            "http/unmaskable-malformed",
        ),
        (
            "events",
            Canned::new("text/event-stream", format!("data: {secret}\n\n")).chunks_of(4),
            "http/unmaskable-type",
        ),
        (
            "gRPC",
            Canned::new("application/grpc", secret),
            "http/unmaskable-type",
        ),
        (
            "parts",
            Canned::new("multipart/mixed", secret),
            "http/unmaskable-type",
        ),
        (
            "HTML",
            Canned::new("text/html", secret),
            "http/unmaskable-type",
        ),
        (
            "XML",
            Canned::new("application/fhir+xml", secret),
            "http/unmaskable-type",
        ),
        (
            "no type",
            Canned {
                body: secret.into(),
                ..Canned::default()
            },
            "http/unmaskable-type",
        ),
        (
            "an error page",
            Canned::new("text/html", secret).status(500),
            "http/unmaskable-type",
        ),
        (
            "half a document",
            Canned::new("application/json", format!("{{\"a\":\"{secret}\"")),
            "http/unmaskable-malformed",
        ),
        (
            "two documents",
            Canned::new("application/json", format!("{{}}{{\"a\":\"{secret}\"}}")),
            "http/unmaskable-malformed",
        ),
        (
            "another charset",
            Canned::new("text/plain; charset=utf-16", secret),
            "http/unmaskable-charset",
        ),
    ] {
        world.server.put("/r4/x", canned);
        let mut client = open(&world).await;
        let answer = client.get("/fhir/x").await.unwrap();
        let problem = answer.json().unwrap();
        assert_eq!(
            (answer.status, problem["code"].as_str()),
            (502, Some(code)),
            "{what}: {problem}"
        );
        assert!(!answer.text().contains("10334455"), "{what}: {problem}");
        let exchange = problem["exchange"].as_str().unwrap();
        let records = world.records().unwrap();
        let outcome = records
            .lines()
            .find(|line| line.contains(exchange) && line.contains("\"kind\":\"outcome\""));
        assert!(
            outcome.is_some_and(|line| line.contains(&format!("error:{code}"))),
            "{what}: {records}"
        );
        assert!(!records.contains("10334455"), "{what}: {records}");
    }
    assert!(!world.gateway.log().contains("10334455"));
}

#[tokio::test]
async fn a_stream_without_an_end_is_refused_at_its_first_byte() {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    // No last chunk follows, and the connection stays open.
    let port = http_server::start_dripping(format!("{head}5\r\ndata:\r\n").into_bytes()).unwrap();
    let plan = HttpPlan {
        upstream_port: Some(port),
        patients: 1,
        ..HttpPlan::default()
    };
    let world = plan.start().unwrap();
    let began = Instant::now();
    let answer = open(&world).await.get("/fhir/x").await.unwrap();
    assert_eq!(
        (answer.status, answer.json().unwrap()["code"].as_str()),
        (502, Some("http/unmaskable-type"))
    );
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn what_comes_before_and_behind_a_reply_does_not_pass() {
    for (what, reply) in [
        (
            "trailers",
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntrailer: x-note\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-note: MRN 10334455\r\n\r\n",
        ),
        (
            "an early hint",
            "HTTP/1.1 103 Early Hints\r\nlink: </MRN-10334455>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok",
        ),
        (
            "a second reply",
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 12\r\n\r\nMRN 10334455",
        ),
        (
            "headers",
            "HTTP/1.1 200 MRN 10334455\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nset-cookie: a=10334455\r\netag: \"10334455\"\r\nlink: </10334455>\r\nx-patient: 10334455\r\nserver: 10334455\r\nwww-authenticate: Basic realm=\"10334455\"\r\ncontent-location: /10334455\r\n\r\nok",
        ),
    ] {
        let port = http_server::start_raw(reply.into()).unwrap();
        let plan = HttpPlan {
            upstream_port: Some(port),
            patients: 1,
            ..HttpPlan::default()
        };
        let world = plan.start().unwrap();
        let mut client = open(&world).await;
        let answer = client.get("/fhir/x").await.unwrap();
        let log = world.gateway.log();
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "ok"),
            "{what}: {log}"
        );
        let shown = format!("{:?}", answer.headers);
        assert!(!shown.contains("10334455"), "{what}: {shown}");
        let second = client.get("/fhir/x").await.unwrap();
        assert!(
            !second.text().contains("10334455"),
            "{what}: {}",
            second.text()
        );
    }
}

#[tokio::test]
async fn a_thousand_people_in_one_object_are_no_single_record() {
    let plan = HttpPlan {
        patients: 1,
        policy: POLICY.replace("rows = 1000", "rows = 100"),
        ..HttpPlan::default()
    };
    let world = plan.start().unwrap();
    let person = |n: usize| format!("\"p{n}\":{{\"note\":\"{}\"}}", "seen in clinic ".repeat(20));
    let people: Vec<String> = (0..1000).map(person).collect();
    let (few, all) = (people[..100].join(","), people.join(","));
    let put = |path: &str, body: String| {
        world
            .server
            .put(path, Canned::new("application/json", body));
    };
    put("/r4/few", format!("{{{few}}}"));
    put("/r4/object", format!("{{{all}}}"));
    put("/r4/deep", format!("{{\"a\":{{\"b\":[{{{all}}}]}}}}"));
    let string = serde_json::Value::from(format!("{{{all}}}"));
    put("/r4/string", format!("{{\"a\":{string}}}"));
    let mut client = open(&world).await;
    for path in ["/fhir/object", "/fhir/deep", "/fhir/string"] {
        let answer = client.get(path).await.unwrap();
        assert_eq!(answer.status, 202, "{path}");
        assert!(!answer.text().contains("clinic"), "{path}");
    }
    assert_eq!(client.get("/fhir/few").await.unwrap().status, 200);
}

#[tokio::test]
async fn one_header_in_two_ways_of_writing_it_reaches_the_server_once() {
    let world = HttpWorld::start().unwrap();
    let mut client = open(&world).await;
    let headers = [
        ("content-type", "application/json"),
        ("content_type", "text/plain"),
        ("x-api-key", "theirs"),
        ("x_forwarded_user", "root"),
    ];
    let answer = client
        .send("POST", "/fhir/Patient/p1", &headers, "{}")
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = &world.server.seen()[0];
    assert_eq!(seen.header("content-type"), ["application/json"]);
    assert!(
        seen.headers
            .iter()
            .all(|(name, value)| !name.contains('_') && value != "theirs"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn numbers_of_people_in_places_of_codes_are_masked() {
    let world = HttpWorld::start().unwrap();
    let patient = r#"{"resourceType":"Patient","id":"219-09-9999","identifier":[{"value":10334455}],
        "link":[{"other":{"reference":"Patient/219-09-9999"}}],"address":[{"postalCode":21390}],
        "gender":"female","multipleBirthInteger":2}"#;
    world
        .server
        .put("/r4/x", Canned::new("application/fhir+json", patient));
    let answer = open(&world).await.get("/fhir/x").await.unwrap();
    let shown = answer.text();
    for raw in ["219-09-9999", "10334455", "21390"] {
        assert!(!shown.contains(raw), "{shown}");
    }
    let json = answer.json().unwrap();
    assert_eq!(json["gender"], "female");
    assert_eq!(json["multipleBirthInteger"], 2);
}
