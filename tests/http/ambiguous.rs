//! Requests that two readers could read differently, over bare sockets: each is refused, or reaches the
//! server as exactly what was judged.

use almoner_tests::http;
use almoner_tests::{HttpPlan, HttpWorld};

fn world() -> HttpWorld {
    HttpPlan {
        patients: 2,
        ..HttpPlan::default()
    }
    .start()
    .unwrap()
}

/// A request with credentials; `@` stands for them.
fn send(world: &HttpWorld, text: &str) -> String {
    let credentials = format!("Authorization: {}", http::basic("ward-assistant"));
    let text = text.replace('@', &credentials);
    http::raw(world.gateway.http_port(), text.as_bytes()).unwrap()
}

#[test]
fn paths_that_could_mean_another_are_refused() {
    let world = world();
    for path in [
        "/fhir/x/../secret/a",
        "/fhir/./secret/a",
        "/fhir/%2e%2e/secret/a",
        "/fhir/x/%2E./secret/a",
        "/fhir/x%2f..%2fsecret/a",
        "/fhir/secret%2fa",
        "/fhir/secret%5ca",
        "/fhir/x;/../secret/a",
        "/fhir/secret;x=y/a",
        "/fhir//secret/a",
        "//fhir/secret/a",
        "/fhir/secret%00/a",
        "/fhir/%73ecret%252fa",
        "/fhir/%c0%af/a",
        "/fhir/x%0d%0aX-Evil:%201",
        "/fhir\\secret\\a",
        "/other/..%2ffhir/secret/a",
        "*",
        "fhir/secret/a",
    ] {
        let answer = send(
            &world,
            &format!("GET {path} HTTP/1.1\r\nHost: x\r\n@\r\nConnection: close\r\n\r\n"),
        );
        let status: u16 = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap_or(0);
        assert!(matches!(status, 400 | 403 | 404), "{path}: {answer}");
    }
    assert!(world.server.seen().is_empty(), "{:?}", world.server.seen());
    // Encodings that mean one thing only reach the guard as what they mean.
    let answer = send(
        &world,
        "GET /fhir/%73ecret/%61 HTTP/1.1\r\nHost: x\r\n@\r\nConnection: close\r\n\r\n",
    );
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && answer.contains("http-guard/path"),
        "{answer}"
    );
    assert!(world.server.seen().is_empty());
    assert!(
        world
            .records()
            .unwrap()
            .contains("the path has dot segments")
    );
}

#[test]
fn framing_that_could_be_read_in_two_ways_smuggles_nothing() {
    let world = world();
    let smuggled = "GET /fhir/secret/smuggled HTTP/1.1\r\nHost: x\r\n@\r\n\r\n";
    let cases = [
        ("both lengths", format!("POST /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}")),
        ("two lengths", format!("POST /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n{smuggled}")),
        ("a list of lengths", format!("POST /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nContent-Length: 0, 60\r\n\r\n{smuggled}")),
        ("a signed length", format!("POST /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nContent-Length: +4\r\n\r\nabcd{smuggled}")),
        ("an unknown coding", format!("POST /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nTransfer-Encoding: xchunked\r\n\r\n{smuggled}")),
        ("chunked not last", format!("POST /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n{smuggled}")),
        ("a blank before the colon", format!("POST /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}")),
        ("a folded header", "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nX-A: b\r\n GET /fhir/secret/smuggled HTTP/1.1\r\n\r\n".to_owned()),
        ("a bad chunk", format!("POST /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{smuggled}")),
        ("a body on a read", format!("GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len())),
        ("an upgrade", format!("GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n{smuggled}")),
    ];
    for (what, text) in cases {
        let answer = send(&world, &text);
        for seen in world.server.seen() {
            assert!(!seen.line.contains("smuggled"), "{what}: {seen:?}");
            assert!(
                seen.header("transfer-encoding").is_empty(),
                "{what}: {seen:?}"
            );
            assert!(
                seen.header("upgrade").is_empty() && seen.header("x-evil").is_empty(),
                "{what}: {seen:?}"
            );
            assert!(seen.header("content-length").len() <= 1, "{what}: {seen:?}");
        }
        assert!(!answer.contains("101 Switching"), "{what}: {answer}");
    }
}

#[test]
fn hosts_and_headers_that_contradict_each_other_are_refused() {
    let world = world();
    for (what, text) in [
        ("no host", "GET /fhir/Patient/p1 HTTP/1.1\r\n@\r\n\r\n"),
        (
            "two hosts",
            "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\nHost: y\r\n@\r\n\r\n",
        ),
        (
            "another host in the target",
            "GET http://y/fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\n\r\n",
        ),
        (
            "an account in the host",
            "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: a:b#x\r\n@\r\n\r\n",
        ),
        (
            "two credentials",
            "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\n@\r\n\r\n",
        ),
        (
            "another method",
            "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nX-HTTP-Method-Override: DELETE\r\n\r\n",
        ),
        (
            "another method, written otherwise",
            "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nX_HTTP_Method_Override: DELETE\r\n\r\n",
        ),
        (
            "another path",
            "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nX-Original-URL: /secret/a\r\n\r\n",
        ),
        (
            "a condition",
            "DELETE /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nIf-Match: \"3\"\r\n\r\n",
        ),
        (
            "an encoded body",
            "POST /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nContent-Encoding: compress\r\nContent-Length: 1\r\n\r\nx",
        ),
        (
            "a body that is not what it says",
            "POST /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        ),
        (
            "a tunnel",
            "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n@\r\n\r\n",
        ),
        (
            "an echo of our credential",
            "TRACE /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\n\r\n",
        ),
        (
            "a zero in a header",
            "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nX-A: a\0b\r\n\r\n",
        ),
        (
            "another protocol",
            "GET /fhir/Patient/p1 HTTP/2.0\r\nHost: x\r\n@\r\n\r\n",
        ),
    ] {
        let answer = send(&world, text);
        let status: u16 = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap_or(0);
        assert!(
            (400..500).contains(&status) || answer.is_empty(),
            "{what}: {answer}"
        );
    }
    assert!(world.server.seen().is_empty(), "{:?}", world.server.seen());
    let same = "GET http://x/fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nConnection: close\r\n\r\n";
    assert!(
        send(&world, same).starts_with("HTTP/1.1 200 "),
        "an absolute target with the same host"
    );
}

#[test]
fn heads_beyond_the_bounds_are_refused() {
    let world = world();
    let long = format!(
        "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\nX-Long: {}\r\n\r\n",
        "x".repeat(64 << 10)
    );
    let many = format!(
        "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\n@\r\n{}\r\n",
        "X-A: b\r\n".repeat(150)
    );
    let path = format!(
        "GET /fhir/{} HTTP/1.1\r\nHost: x\r\n@\r\nConnection: close\r\n\r\n",
        "x".repeat(9 << 10)
    );
    for text in [long, many, path] {
        let answer = send(&world, &text);
        let status = answer
            .split(' ')
            .nth(1)
            .unwrap_or("0")
            .parse::<u16>()
            .unwrap_or(0);
        assert!((400..500).contains(&status), "{answer}");
    }
    assert!(world.server.seen().is_empty());
}

#[test]
fn a_request_cut_at_any_byte_is_the_same_request() {
    use std::io::{Read, Write};
    let world = world();
    let text = format!(
        "GET /fhir/Patient/p1 HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nConnection: close\r\n\r\n",
        http::basic("ward-assistant")
    );
    let whole = http::raw(world.gateway.http_port(), text.as_bytes()).unwrap();
    let body = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    for cut in (1..text.len()).step_by(7) {
        let mut stream =
            std::net::TcpStream::connect(("127.0.0.1", world.gateway.http_port())).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&text.as_bytes()[..cut]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        stream.write_all(&text.as_bytes()[cut..]).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(body(&answer), body(&whole), "cut at {cut}");
    }
}
