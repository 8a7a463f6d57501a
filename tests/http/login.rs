//! Who gets in: HTTP Basic, failures, limits, and that credentials stay on their side.

use almoner_tests::http::{self, Connection, basic_with};
use almoner_tests::http_world::UPSTREAM_TOKEN;
use almoner_tests::{HttpPlan, HttpWorld, certificates};

#[tokio::test]
async fn without_credentials_there_is_a_challenge_and_nothing_else() {
    let world = HttpWorld::start().unwrap();
    let port = world.gateway.http_port();
    let answer = http::raw(
        port,
        b"GET /fhir/Patient HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(
        answer.contains("www-authenticate: Basic realm=\"almoner\", charset=\"UTF-8\""),
        "{answer}"
    );
    assert!(world.server.seen().is_empty());
}

#[tokio::test]
async fn a_wrong_password_an_unknown_user_and_no_password_look_alike_and_are_recorded() {
    let world = HttpWorld::start().unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let mut bodies = Vec::new();
    for (user, password) in [
        ("ward-assistant", "wrong"),
        ("nobody", "wrong"),
        ("ward-assistant", ""),
    ] {
        let credentials = basic_with(user, password);
        let answer = client
            .send(
                "GET",
                "/fhir/Patient",
                &[("authorization", &credentials)],
                "",
            )
            .await
            .unwrap();
        assert_eq!(answer.status, 401);
        bodies.push(answer.text());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    let records = world.records().unwrap();
    assert_eq!(
        records.matches("\"code\":\"login/failed\"").count(),
        3,
        "{records}"
    );
    assert!(
        records.contains("\"login\":\"nobody\"") && !records.contains("wrong\""),
        "{records}"
    );
    assert!(world.server.seen().is_empty());
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_is_counted_and_not_recorded() {
    let plan = HttpPlan {
        more: "[limits]\nfailed_logins_recorded_per_minute = 2\n".into(),
        ..HttpPlan::default()
    };
    let world = plan.start().unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "x")
        .await
        .unwrap();
    let wrong = basic_with("ward-assistant", "wrong");
    for _ in 0..6 {
        let answer = client
            .send("GET", "/fhir/Patient", &[("authorization", &wrong)], "")
            .await
            .unwrap();
        assert_eq!(answer.status, 401);
    }
    // A new minute may begin in between.
    let recorded = world.records().unwrap().matches("login/failed").count();
    assert!((2..=4).contains(&recorded), "{recorded}");
    assert!(
        client
            .send(
                "GET",
                "/fhir/Patient",
                &[("authorization", &http::basic("ward-assistant"))],
                ""
            )
            .await
            .unwrap()
            .status
            == 200
    );
}

#[tokio::test]
async fn credentials_stay_on_their_side() {
    let world = HttpWorld::start().unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let headers = [
        ("cookie", "a=b"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-remote-user", "root"),
        ("proxy-authorization", "Basic eA=="),
        ("accept", "application/fhir+json"),
        ("range", "bytes=0-9"),
        ("if-none-match", "\"x\""),
        ("accept-encoding", "gzip, br"),
        ("prefer", "wait=1, return=minimal"),
    ];
    let answer = client
        .send("GET", "/fhir/Patient/p1", &headers, "")
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    let seen = world.server.seen().pop().unwrap();
    assert_eq!(
        seen.header("authorization"),
        [format!("Bearer {UPSTREAM_TOKEN}")]
    );
    assert_eq!(seen.header("accept-encoding"), ["identity"]);
    assert_eq!(seen.header("prefer"), ["return=minimal"]);
    assert_eq!(
        seen.header("host"),
        [format!("127.0.0.1:{}", world.server.port())]
    );
    let mut names: Vec<&str> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "accept-encoding",
            "authorization",
            "host",
            "prefer"
        ]
    );
    assert!(
        seen.line.starts_with("GET /r4/Patient/p1 "),
        "{}",
        seen.line
    );
    world.assert_masked(&answer.text());
    world.assert_masked(&world.gateway.log());
}

#[tokio::test]
async fn who_has_no_rule_and_what_does_not_exist_are_refused_in_the_same_words() {
    let world = HttpWorld::start().unwrap();
    let mut stranger = Connection::open(world.gateway.http_port(), "stranger")
        .await
        .unwrap();
    let one = stranger.get("/fhir/Patient").await.unwrap();
    let other = stranger.get("/nothing/here").await.unwrap();
    assert_eq!((one.status, other.status), (403, 403));
    assert_eq!(one.text(), other.text());
    let mut nurse = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    assert_eq!(
        nurse.get("/fhirx/Patient").await.unwrap().text(),
        one.text()
    );
    let records = world.records().unwrap();
    assert!(
        records.contains("policy/no-rule") && records.contains("no such resource"),
        "{records}"
    );
    assert!(world.server.seen().is_empty());
}

#[tokio::test]
async fn http_2_over_tls_is_served_like_http_1() {
    let world = HttpWorld::start().unwrap();
    let certificate =
        std::fs::read_to_string(world.gateway.data_folder().join("tls/cert.pem")).unwrap();
    let tls = certificates::client_trusting(&certificate).unwrap();
    let port = world.gateway.http_port();
    let mut two = Connection::open_h2(port, "ward-assistant", &tls)
        .await
        .unwrap();
    let mut one = Connection::open(port, "ward-assistant").await.unwrap();
    let (two, one) = (
        two.get("/fhir/Patient").await.unwrap(),
        one.get("/fhir/Patient").await.unwrap(),
    );
    assert_eq!((two.status, two.body), (one.status, one.body));
}

#[tokio::test]
async fn where_tls_is_required_nothing_is_said_without_it() {
    let plan = HttpPlan {
        more: "[tls]\nrequired = true\n".into(),
        ..HttpPlan::default()
    };
    let world = plan.start().unwrap();
    let port = world.gateway.http_port();
    let request = format!(
        "GET /fhir/Patient HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\r\n",
        http::basic("ward-assistant")
    );
    assert_eq!(http::raw(port, request.as_bytes()).unwrap(), "");
    let certificate = world.gateway.data_folder().join("tls/cert.pem");
    let url = format!("https://127.0.0.1:{port}/fhir/Patient/p1");
    let ca = certificate.display().to_string();
    let shown = http::curl(&[
        "--cacert",
        &ca,
        "--user",
        "ward-assistant:ward-assistant-password",
        &url,
    ])
    .unwrap();
    assert!(shown.starts_with("HTTP/2 200"), "{shown}");
    world.assert_masked(&shown);
}
