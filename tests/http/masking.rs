//! What comes back: FHIR, other JSON, lines, text, forms, and what cannot be masked.

use std::io::Write;

use almoner_tests::http::{self, Connection};
use almoner_tests::http_server::Canned;
use almoner_tests::{HttpWorld, fhir};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// Every value at a path such as `entry[].resource.code`, in order.
fn at<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut found = vec![value];
    for step in path.split('.') {
        let (name, list) = step
            .strip_suffix("[]")
            .map_or((step, false), |name| (name, true));
        found = found
            .into_iter()
            .filter_map(|value| value.get(name))
            .collect();
        if list {
            found = found
                .into_iter()
                .filter_map(Value::as_array)
                .flatten()
                .collect();
        }
    }
    found
}

#[test]
fn curl_sees_no_identifier_of_any_patient() {
    let world = HttpWorld::start().unwrap();
    let url = format!(
        "http://127.0.0.1:{}/fhir/everything",
        world.gateway.http_port()
    );
    let shown = http::curl(&["--user", "ward-assistant:ward-assistant-password", &url]).unwrap();
    assert!(
        shown.starts_with("HTTP/1.1 200 OK\r\n"),
        "{}",
        &shown[..200.min(shown.len())]
    );
    assert!(shown.contains("content-type: application/fhir+json"));
    world.assert_masked(&shown);
    for patient in &world.clinic.patients {
        let quoted = |name: &str| format!("\"{name}\"");
        for name in [
            &patient.family_name,
            &patient.given_name,
            &patient.kin.family_name,
            &patient.city,
        ] {
            assert!(!shown.contains(&quoted(name)), "{name}");
        }
        assert!(!shown.contains(&patient.birth_date.to_string()));
    }
    assert!(shown.contains("[NAME]") && shown.contains("[ID]") && shown.contains("[PHONE]"));
}

#[tokio::test]
async fn what_identifies_is_masked_and_what_is_clinical_is_not() {
    let world = HttpWorld::start().unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let answer = client.get("/fhir/everything").await.unwrap();
    let (seen, original) = (answer.json().unwrap(), fhir::everything(&world.clinic));
    for path in [
        "resourceType",
        "total",
        "entry[].fullUrl",
        "entry[].resource.resourceType",
        "entry[].resource.id",
        "entry[].resource.code",
        "entry[].resource.valueQuantity",
        "entry[].resource.status",
        "entry[].resource.gender",
        "entry[].resource.subject.reference",
        "entry[].resource.identifier[].system",
        "entry[].resource.identifier[].type",
        "entry[].resource.telecom[].system",
        "entry[].resource.name[].use",
        "entry[].resource.address[].state",
        "entry[].resource.multipleBirthBoolean",
        "entry[].resource.extension[].url",
        "entry[].resource.meta.profile",
    ] {
        let expected = at(&original, path);
        assert!(!expected.is_empty(), "{path}");
        assert_eq!(at(&seen, path), expected, "{path}");
    }
    for (path, expected) in [
        ("entry[].resource.name[].family", "[NAME]"),
        ("entry[].resource.name[].given[]", "[NAME]"),
        ("entry[].resource.name[].text", "[NAME]"),
        ("entry[].resource.identifier[].value", "[ID]"),
        ("entry[].resource.address[].line[]", "[ADDRESS]"),
        ("entry[].resource.address[].city", "[ADDRESS]"),
        ("entry[].resource.contact[].name.family", "[NAME]"),
        ("entry[].resource.contact[].telecom[].value", "[PHONE]"),
        ("entry[].resource.contained[].subscriberId", "[PLAN]"),
        ("entry[].resource.contained[].beneficiary.display", "[NAME]"),
        ("entry[].resource.subject.display", "[NAME]"),
    ] {
        let found = at(&seen, path);
        assert!(
            !found.is_empty() && found.iter().all(|value| *value == expected),
            "{path}: {found:?}"
        );
    }
    let div = at(&seen, "entry[].resource.text.div");
    assert!(
        div.iter()
            .all(|div| *div == "<div xmlns=\"http://www.w3.org/1999/xhtml\">[NARRATIVE]</div>"),
        "{div:?}"
    );
    let photos = at(&seen, "entry[].resource.photo[].data");
    let documents = at(&seen, "entry[].resource.content[].attachment.data");
    assert!(!photos.is_empty() && !documents.is_empty());
    assert!(photos.iter().chain(&documents).all(|data| data.is_null()));
    let updated = at(&seen, "entry[].resource.meta.lastUpdated");
    assert!(
        updated
            .iter()
            .all(|instant| *instant == "2024-01-01T00:00:00Z"),
        "{updated:?}"
    );
    for patient in at(&seen, "entry[].resource")
        .into_iter()
        .filter(|r| r["resourceType"] == "Patient")
    {
        // A known extension stays, unknown ones are closed, numbers too.
        assert_eq!(
            patient["extension"][0]["extension"][0]["valueCoding"]["code"],
            "2106-3"
        );
        assert_eq!(patient["extension"][1]["valueString"], "[UNPROVEN]");
        assert_eq!(patient["extension"][2]["valueDecimal"], Value::Null);
        let born = patient["birthDate"].as_str().unwrap();
        assert!(born.len() == 4 || born == "[DATE.BIRTH]", "{born}");
    }
    for value in at(&seen, "entry[].resource.effectiveDateTime") {
        assert_eq!(value.as_str().unwrap().len(), 4, "{value}");
    }
}

#[tokio::test]
async fn other_json_keeps_everything_but_what_is_masked() {
    let world = HttpWorld::start().unwrap();
    let original = "\u{20}{ \"ssn\" : 123456789, \"b\":1.50e+3 ,\"msg\":\"call 617-555-0101\",\"staff\":[{\"pager\":\"617-555-0199\",\"Badge\":\"A1\"}],\n\
        \"esc\":\"\\u0036\\u0031\\u0037-555-0142\",\"big\":12345678901234567890123,\"ssn\":\"987-65-4320\",\
        \"inner\":\"{\\\"ssn\\\":\\\"987-65-4321\\\",\\\"n\\\":1}\",\"ok\":[true,null,\"caf\\u00e9\"],\"617-555-0177\":1}\n";
    world
        .server
        .put("/r4/json", Canned::new("application/json", original));
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let answer = client.get("/fhir/json").await.unwrap();
    assert_eq!(
        answer.text(),
        "\u{20}{ \"ssn\" : null, \"b\":1.50e+3 ,\"msg\":\"call [PHONE]\",\"staff\":[{\"pager\":\"***-***-0199\",\"Badge\":\"[ID]\"}],\n\
        \"esc\":\"[PHONE]\",\"big\":12345678901234567890123,\"ssn\":\"[SSN]\",\
        \"inner\":\"{\\\"ssn\\\":\\\"[SSN]\\\",\\\"n\\\":1}\",\"ok\":[true,null,\"caf\\u00e9\"],\"[PHONE]\":1}\n"
    );
}

#[tokio::test]
async fn a_reply_in_chunks_of_any_size_is_the_same_reply() {
    let world = HttpWorld::start().unwrap();
    let patient = fhir::patient(&world.clinic.patients[0]).to_string();
    let lines = format!("{patient}\n{patient}\n");
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    for (media, body) in [
        ("application/fhir+json", patient.clone()),
        ("application/x-ndjson", lines),
        (
            "text/plain",
            format!("Call {} now\n", world.clinic.patients[0].phone),
        ),
    ] {
        let canned = Canned::new(media, body);
        world.server.put("/r4/chunked", canned.clone());
        let whole = client.get("/fhir/chunked").await.unwrap();
        assert_eq!(whole.status, 200);
        for size in [1, 2, 3, 7, 64] {
            world
                .server
                .put("/r4/chunked", canned.clone().chunks_of(size));
            let cut = client.get("/fhir/chunked").await.unwrap();
            assert_eq!(
                (cut.status, &cut.body),
                (200, &whole.body),
                "{media} {size}"
            );
        }
    }
}

#[tokio::test]
async fn lines_text_tables_and_forms_are_masked() {
    let world = HttpWorld::start().unwrap();
    let patient = world.clinic.patients[0].clone();
    let lines: String = world
        .clinic
        .patients
        .iter()
        .map(|p| format!("{}\n", fhir::patient(p)))
        .collect();
    world
        .server
        .put("/r4/lines", Canned::new("application/fhir+ndjson", lines));
    world.server.put(
        "/r4/text",
        Canned::new(
            "text/plain",
            format!("Call {} about SSN {}.\nBye\n", patient.phone, patient.ssn),
        ),
    );
    world.server.put(
        "/r4/table",
        Canned::new(
            "text/csv; charset=utf-8",
            format!("id,phone\n1,{}\n", patient.phone),
        ),
    );
    world.server.put(
        "/r4/form",
        Canned::new(
            "application/x-www-form-urlencoded",
            "ssn=987-65-4320&q=call+617-555-0101&x=1%2B1&flag",
        ),
    );
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let lines = client.get("/fhir/lines").await.unwrap().text();
    world.assert_masked(&lines);
    assert_eq!(lines.lines().count(), world.clinic.patients.len());
    for line in lines.lines() {
        let patient: Value = serde_json::from_str(line).unwrap();
        assert_eq!(patient["name"][0]["family"], "[NAME]");
    }
    assert_eq!(
        client.get("/fhir/text").await.unwrap().text(),
        "Call [PHONE] about SSN [SSN].\nBye\n"
    );
    assert_eq!(
        client.get("/fhir/table").await.unwrap().text(),
        "id,phone\n1,[PHONE]\n"
    );
    assert_eq!(
        client.get("/fhir/form").await.unwrap().text(),
        "ssn=%5BSSN%5D&q=call+%5BPHONE%5D&x=1%2B1&flag"
    );
}

#[tokio::test]
async fn text_does_not_tell_whom_the_rest_of_the_reply_is_about() {
    let world = HttpWorld::start().unwrap();
    let body = r#"{"entry":[
        {"resource":{"resourceType":"DiagnosticReport","status":"final",
            "conclusion":"Zyxwa was well, and so was QUIBBLE's wife. Chart kx-7741q. A quibble remains."}},
        {"resource":{"resourceType":"Patient","id":"p77","gender":"female",
            "name":[{"family":"Quibble-Marsh","given":["Zyxwa"]}],
            "identifier":[{"system":"urn:oid:1.2.3","value":"KX-7741Q"}]}}
        ],"resourceType":"Bundle","type":"searchset"}"#;
    world
        .server
        .put("/r4/known", Canned::new("application/fhir+json", body));
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let answer = client.get("/fhir/known").await.unwrap().json().unwrap();
    assert_eq!(
        answer["entry"][0]["resource"]["conclusion"],
        "[NAME] was well, and so was [NAME]'s wife. Chart [ID]. A quibble remains."
    );
    assert_eq!(answer["entry"][0]["resource"]["status"], "final");
    assert_eq!(answer["entry"][1]["resource"]["gender"], "female");
}

#[tokio::test]
async fn a_reply_that_comes_compressed_is_masked_and_sent_plain() {
    let world = HttpWorld::start().unwrap();
    let body = gzip(b"{\"note\":\"SSN 987-65-4320\"}");
    world.server.put(
        "/r4/gzip",
        Canned::new("application/json", body).header("content-encoding", "GZip"),
    );
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let answer = client.get("/fhir/gzip").await.unwrap();
    assert_eq!(answer.text(), "{\"note\":\"SSN [SSN]\"}");
    assert_eq!(answer.header("content-encoding"), None);
}

#[tokio::test]
async fn a_request_that_comes_compressed_is_judged_and_sent_plain() {
    let world = HttpWorld::start().unwrap();
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    let body = gzip(b"{\"a\":\"987-65-4320\"}");
    let sent = client
        .send("POST", "/fhir/Patient/p1", &headers, &body)
        .await
        .unwrap();
    assert_eq!(sent.status, 200);
    let seen = world.server.seen().pop().unwrap();
    assert_eq!(seen.body, b"{\"a\":\"987-65-4320\"}");
    assert!(seen.header("content-encoding").is_empty());
    assert_eq!(seen.header("content-length"), ["19"]);
    assert!(!world.records().unwrap().contains("987-65-4320"));
    let bomb = gzip(&vec![b' '; 200 << 20]);
    let refused = client
        .send("POST", "/fhir/Patient/p1", &headers, &bomb)
        .await
        .unwrap();
    assert_eq!((refused.status, world.server.seen().len()), (413, 1));
}

/// As a server compresses it, whether it was asked to or not.
fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_cannot_be_masked_does_not_pass_unless_the_rule_says_so() {
    let world = HttpWorld::start().unwrap();
    let secret = "MRN 10334455";
    for (path, canned, code) in [
        (
            "html",
            Canned::new("text/html", secret),
            "http/unmaskable-type",
        ),
        (
            "untyped",
            Canned {
                body: secret.into(),
                ..Canned::default()
            },
            "http/unmaskable-type",
        ),
        (
            "pdf",
            Canned::new("application/pdf", secret),
            "http/unmaskable-type",
        ),
        (
            "compress",
            Canned::new("application/json", secret).header("content-encoding", "compress"),
            "http/unmaskable-encoding",
        ),
        (
            "not-gzip",
            Canned::new("application/json", secret).header("content-encoding", "gzip"),
            "http/unmaskable-malformed",
        ),
        (
            "gzip-and-more",
            Canned::new("application/json", [gzip(b"{}"), secret.into()].concat())
                .header("content-encoding", "gzip"),
            "http/unmaskable-malformed",
        ),
        (
            "bomb",
            Canned::new("application/json", gzip(&vec![b' '; 200 << 20]))
                .header("content-encoding", "gzip"),
            "upstream/too-large",
        ),
        (
            "latin",
            Canned::new("text/plain; charset=iso-8859-1", secret),
            "http/unmaskable-charset",
        ),
        (
            "bytes",
            Canned::new("text/plain", b"MRN 10334455 \xff".to_vec()),
            "http/unmaskable-charset",
        ),
        (
            "broken",
            Canned::new("application/json", "{\"mrn\":\"10334455\""),
            "http/unmaskable-malformed",
        ),
        (
            "two",
            Canned::new("application/json", "{} {\"mrn\":\"10334455\"}"),
            "http/unmaskable-malformed",
        ),
        (
            "deep",
            Canned::new("application/json", "[".repeat(200) + &"]".repeat(200)),
            "http/unmaskable-malformed",
        ),
    ] {
        world.server.put(&format!("/r4/{path}"), canned);
        let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
            .await
            .unwrap();
        let answer = client.get(&format!("/fhir/{path}")).await.unwrap();
        let problem = answer.json().unwrap();
        assert_eq!(
            (answer.status, problem["code"].as_str()),
            (502, Some(code)),
            "{path}"
        );
        assert!(!answer.text().contains("10334455"));
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    let image = b"\x89PNG\r\n\x1a\n\x00\xff".to_vec();
    world
        .server
        .put("/r4/image", Canned::new("image/png", image.clone()));
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let answer = client.get("/fhir/image").await.unwrap();
    assert_eq!((answer.status, answer.body.to_vec()), (200, image));
    assert!(
        world
            .records()
            .unwrap()
            .contains("\"outcome\":\"ok:unmasked\"")
    );
}

#[tokio::test]
async fn a_reply_has_no_validators_and_no_headers_of_the_servers_own() {
    let world = HttpWorld::start().unwrap();
    let body = "{\"a\":\"617-555-0101\"}";
    let canned = Canned::new("application/json", body)
        .status(201)
        .header("etag", "W/\"3\"")
        .header("last-modified", "Fri, 15 Mar 2024 10:00:00 GMT")
        .header("digest", "sha-256=x")
        .header("content-md5", "x")
        .header("accept-ranges", "bytes")
        .header("set-cookie", "session=617-555-0102")
        .header("server", "internal/1.2")
        .header("x-patient", "617-555-0103")
        .header("location", "/r4/Patient/p7")
        .header("warning", "199 - \"call 617-555-0104\"");
    world.server.put("/r4/headers", canned);
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let answer = client
        .send(
            "POST",
            "/fhir/headers",
            &[("content-type", "application/json")],
            "{}",
        )
        .await
        .unwrap();
    assert_eq!(answer.status, 201);
    let mut names: Vec<&str> = answer.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "cache-control",
            "content-length",
            "content-type",
            "date",
            "location",
            "warning"
        ]
    );
    assert_eq!(answer.header("location"), Some("/fhir/Patient/p7"));
    assert_eq!(answer.header("warning"), Some("199 - \"call [PHONE]\""));
    assert_eq!(
        answer.header("content-length"),
        Some(answer.body.len().to_string().as_str())
    );
    assert!(!answer.text().contains("555-01"));
}

#[tokio::test]
async fn errors_of_the_server_are_masked_like_anything_else() {
    let world = HttpWorld::start().unwrap();
    let body = "{\"resourceType\":\"OperationOutcome\",\"issue\":[{\"severity\":\"error\",\"code\":\"duplicate\",\"diagnostics\":\"SSN 987-65-4320 exists\"}]}";
    world.server.put(
        "/r4/wrong",
        Canned::new("application/fhir+json", body).status(422),
    );
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    let answer = client.get("/fhir/wrong").await.unwrap();
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.json().unwrap()["issue"][0]["diagnostics"],
        "SSN [SSN] exists"
    );
    assert!(
        world
            .records()
            .unwrap()
            .contains("\"outcome\":\"error:422\"")
    );
}

#[tokio::test]
async fn heads_and_empty_replies_pass() {
    let world = HttpWorld::start().unwrap();
    world.server.put("/r4/gone", Canned::default().status(204));
    let mut client = Connection::open(world.gateway.http_port(), "ward-assistant")
        .await
        .unwrap();
    assert_eq!(client.get("/fhir/gone").await.unwrap().status, 204);
    let answer = client.send("HEAD", "/fhir/Patient", &[], "").await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}
