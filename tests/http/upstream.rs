//! The server behind: encrypted, wrongly certified, unreachable, breaking off, too large, too strange.

use almoner_tests::certificates::Authority;
use almoner_tests::http::{Answer, Connection};
use almoner_tests::http_server::{self, Canned};
use almoner_tests::{HttpPlan, HttpWorld};

async fn get(world: &HttpWorld, path: &str) -> Answer {
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    client.get(path).await.unwrap()
}

fn encrypted(tls: almoner_stage::postgres::Tls, authority: &Authority) -> HttpWorld {
    HttpPlan {
        tls: Some((tls, authority.pem())),
        patients: 5,
        ..HttpPlan::default()
    }
    .start()
    .unwrap()
}

#[tokio::test]
async fn an_upstream_with_a_good_certificate_is_used_over_http_2() {
    let authority = Authority::new().unwrap();
    let world = encrypted(authority.certify(&["127.0.0.1"]).unwrap(), &authority);
    let answer = get(&world, "/fhir/Patient").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.assert_masked(&answer.text());
    assert!(
        world.server.seen()[0].line.ends_with("HTTP/2.0"),
        "{:?}",
        world.server.seen()[0].line
    );
}

#[tokio::test]
async fn an_upstream_whose_certificate_does_not_hold_is_not_used() {
    let authority = Authority::new().unwrap();
    let other = Authority::new().unwrap();
    for (what, tls) in [
        (
            "of another authority",
            other.certify(&["127.0.0.1"]).unwrap(),
        ),
        (
            "for another name",
            authority.certify(&["elsewhere.example"]).unwrap(),
        ),
        (
            "expired",
            authority.certify_expired(&["127.0.0.1"]).unwrap(),
        ),
    ] {
        let world = encrypted(tls, &authority);
        let answer = get(&world, "/fhir/Patient").await;
        let problem = answer.json().unwrap();
        assert_eq!(
            (answer.status, problem["code"].as_str()),
            (502, Some("upstream/unreachable")),
            "{what}"
        );
        assert!(world.server.seen().is_empty());
        assert!(
            world.gateway.log().contains("certificate"),
            "{}",
            world.gateway.log()
        );
        assert!(!answer.text().contains("certificate"));
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_is_an_error_on_record() {
    let plan = HttpPlan {
        upstream_port: Some(1),
        ..HttpPlan::default()
    };
    let world = plan.start().unwrap();
    let answer = get(&world, "/fhir/Patient").await;
    assert_eq!(
        (answer.status, answer.json().unwrap()["code"].as_str()),
        (502, Some("upstream/unreachable"))
    );
    let records = world.records().unwrap();
    assert!(
        records.contains("\"outcome\":\"error:upstream/unreachable\""),
        "{records}"
    );
}

#[tokio::test]
async fn a_reply_that_breaks_off_or_lies_about_its_framing_is_no_reply() {
    for reply in [
        &b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nMRN 10334455"[..],
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\nc\r\nMRN 10334455\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\ncontent-length: 12\r\n\r\nMRN 10334455",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nMRN 10334455",
        b"MRN 10334455",
        b"HTTP/0.9 200\r\n\r\n",
        b"",
    ] {
        let port = http_server::start_raw(reply.to_vec()).unwrap();
        let plan = HttpPlan {
            upstream_port: Some(port),
            patients: 1,
            ..HttpPlan::default()
        };
        let world = plan.start().unwrap();
        let answer = get(&world, "/fhir/x").await;
        let shown = String::from_utf8_lossy(reply).into_owned();
        assert_eq!(answer.status, 502, "{shown:?}: {}", answer.text());
        assert!(!answer.text().contains("10334455"), "{shown:?}");
    }
}

#[tokio::test]
async fn bodies_beyond_the_bound_are_refused_both_ways() {
    let plan = HttpPlan {
        more: "[limits]\nmessage = \"64 KiB\"\nrow = \"64 KiB\"\n".into(),
        ..HttpPlan::default()
    };
    let world = plan.start().unwrap();
    world
        .server
        .put("/r4/large", Canned::new("text/plain", vec![b'x'; 70 << 10]));
    world
        .server
        .put("/r4/fits", Canned::new("text/plain", vec![b'x'; 60 << 10]));
    let answer = get(&world, "/fhir/large").await;
    assert_eq!(
        (answer.status, answer.json().unwrap()["code"].as_str()),
        (502, Some("upstream/too-large"))
    );
    assert_eq!(get(&world, "/fhir/fits").await.body.len(), 60 << 10);
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let sent = world.server.seen().len();
    let answer = client
        .send("POST", "/fhir/fits", &[], &"x".repeat(70 << 10))
        .await
        .unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(world.server.seen().len(), sent);
}

#[tokio::test]
async fn a_credential_that_cannot_be_fetched_sends_nothing() {
    let world = HttpWorld::start().unwrap();
    std::fs::remove_file(world.gateway.folder().join("fhir.token")).unwrap();
    let answer = get(&world, "/fhir/Patient").await;
    assert_eq!(
        (answer.status, answer.json().unwrap()["code"].as_str()),
        (502, Some("upstream/credential"))
    );
    assert!(world.server.seen().is_empty());
}
