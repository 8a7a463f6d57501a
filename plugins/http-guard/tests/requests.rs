//! Requests as agents send them, to the verdict.
//!
//! The same table is the source of `http-guard.golden.json`, which the gateway runs against the component before it
//! activates it: `ALMONER_UPDATE_GOLDEN=1 cargo test -p http-guard` writes the file, every other run compares.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use almoner_plugin_sdk::{
    Attr, CallContext, Guard, Operation, Plugin, Usage, Verdict, parse_settings,
};
use http_guard::HttpGuard;
use serde_json::{Value, json};

const GOLDEN: &str = "http-guard.golden.json";

struct Case {
    name: &'static str,
    settings: Value,
    /// Method and target.
    request: &'static str,
    headers: &'static [&'static str],
    content_type: Option<&'static str>,
    body_bytes: u64,
    /// "allow", or "deny CODE", or "hold CODE".
    expect: &'static str,
}

fn case(name: &'static str, settings: Value, request: &'static str, expect: &'static str) -> Case {
    Case {
        name,
        settings,
        request,
        headers: &["accept"],
        content_type: None,
        body_bytes: 0,
        expect,
    }
}

fn patients() -> Value {
    json!({"paths": [{
        "paths": ["/Patient/{id}", "/Patient"],
        "methods": ["GET"],
        "query_denied": ["_include*"],
        "query_at_most": {"_count": 100},
        "action": "allow"
    }], "other_paths": "deny"})
}

fn cases() -> Vec<Case> {
    let none = || json!({});
    let only = |rule: Value| {
        let mut rule = rule;
        rule["paths"] = json!(["/**"]);
        rule["action"] = json!("allow");
        json!({"paths": [rule]})
    };
    let posted = |case: Case, content_type, body_bytes| Case {
        content_type: Some(content_type),
        body_bytes,
        ..case
    };
    vec![
        case("a read passes", none(), "GET /Patient/7", "allow"),
        case("a head passes", none(), "HEAD /Patient/7", "allow"),
        case(
            "a write is denied unless it is allowed",
            none(),
            "POST /Patient",
            "deny method",
        ),
        case(
            "a method nobody knows is denied",
            none(),
            "PURGE /Patient",
            "deny method",
        ),
        case(
            "a method can be held",
            json!({"methods": {"DELETE": "hold"}}),
            "DELETE /Patient/7",
            "hold method",
        ),
        case(
            "a read can be denied",
            json!({"methods": {"GET": "deny"}}),
            "GET /Patient/7",
            "deny method",
        ),
        case(
            "a rule lets its paths pass",
            patients(),
            "GET /Patient/7",
            "allow",
        ),
        case(
            "a rule is about whole paths",
            patients(),
            "GET /Patient/7/_history",
            "deny other-path",
        ),
        case(
            "a rule is about its methods",
            patients(),
            "DELETE /Patient/7",
            "deny method",
        ),
        case(
            "case counts in paths",
            patients(),
            "GET /patient/7",
            "deny other-path",
        ),
        case(
            "a key that is denied by pattern",
            patients(),
            "GET /Patient?_include:iterate=x",
            "deny query-denied",
        ),
        case(
            "a number within its bound",
            patients(),
            "GET /Patient?_count=100",
            "allow",
        ),
        case(
            "a number beyond its bound",
            patients(),
            "GET /Patient?_count=101",
            "deny query-at-most",
        ),
        case(
            "a number that is none",
            patients(),
            "GET /Patient?_count=all",
            "deny query-at-most",
        ),
        case(
            "the same key twice is judged twice",
            patients(),
            "GET /Patient?_count=1&_count=500",
            "deny query-at-most",
        ),
        case(
            "the first rule that fits decides",
            json!({"paths": [
                {"paths": ["/Patient/{id}/$everything"], "action": "hold"},
                {"paths": ["/Patient/**"], "action": "allow"}
            ]}),
            "GET /Patient/7/$everything",
            "hold path",
        ),
        case(
            "a key that must be there",
            only(json!({"query_required": ["patient"]})),
            "GET /Observation",
            "deny query-required",
        ),
        case(
            "a key that is not on the list",
            only(json!({"query_allowed": ["code", "date*"]})),
            "GET /Observation?code=x&subject=1",
            "deny query-allowed",
        ),
        case(
            "keys that are on the list",
            only(json!({"query_allowed": ["code", "date*"]})),
            "GET /Observation?code=x&date:ge=1",
            "allow",
        ),
        case(
            "a header that must be there",
            only(json!({"headers_required": ["x-purpose"]})),
            "GET /Observation",
            "deny header-required",
        ),
        case(
            "a header that must not be there",
            only(json!({"headers_denied": ["acc*"]})),
            "GET /Observation",
            "deny header-denied",
        ),
        posted(
            case(
                "a body of a type on the list",
                only(json!({"content_types": ["application/json"]})),
                "POST /Observation",
                "allow",
            ),
            "application/json",
            10,
        ),
        posted(
            case(
                "a body of another type",
                only(json!({"content_types": ["application/json"]})),
                "POST /Observation",
                "deny content-type",
            ),
            "text/plain",
            10,
        ),
        posted(
            case(
                "a body that is too large for its path",
                only(json!({"body_bytes_max": 9})),
                "POST /Observation",
                "deny body-size",
            ),
            "application/json",
            10,
        ),
        posted(
            case(
                "a body that is too large at all",
                json!({"methods": {"POST": "allow"}, "body_bytes_max": 9}),
                "POST /Observation",
                "deny body-size",
            ),
            "application/json",
            10,
        ),
        case(
            "deny goes before hold",
            json!({"methods": {"GET": "hold"}, "other_paths": "deny"}),
            "GET /x",
            "deny other-path",
        ),
    ]
}

impl Case {
    fn method(&self) -> &str {
        self.request.split(' ').next().unwrap()
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        let query = self.request.split_once('?').map_or("", |(_, query)| query);
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect()
    }

    fn facts(&self) -> Value {
        let path = self
            .request
            .split(' ')
            .nth(1)
            .unwrap()
            .split('?')
            .next()
            .unwrap();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        json!({
            "method": self.method(),
            "segments": segments,
            "trailing_slash": false,
            "query_keys": self.pairs().iter().map(|(key, _)| *key).collect::<Vec<_>>(),
            "headers": self.headers,
            "content_type": self.content_type,
            "body_bytes": self.body_bytes,
            "read_only": matches!(self.method(), "GET" | "HEAD" | "OPTIONS"),
        })
    }

    fn parameters(&self) -> Vec<(String, &str)> {
        self.pairs()
            .into_iter()
            .map(|(key, value)| (format!("query:{key}"), value))
            .collect()
    }

    fn expected(&self) -> Value {
        let mut words = self.expect.split(' ');
        match (words.next(), words.next()) {
            (verdict, None) => json!({"verdict": verdict}),
            (verdict, code) => json!({"verdict": verdict, "code": code}),
        }
    }

    fn golden(&self) -> Value {
        json!({
            "name": self.name,
            "settings": self.settings,
            "guard": {
                "dialect": "http", "verb": self.method(), "targets": ["/{id}"],
                "parameters": self.parameters().into_iter().collect::<Vec<_>>(),
                "facts_schema": "almoner.http-facts/1", "facts": self.facts(),
            },
            "expect": self.expected(),
        })
    }

    fn operation(&self) -> Operation {
        Operation {
            dialect: "http".into(),
            verb: self.method().into(),
            parameters: self
                .parameters()
                .into_iter()
                .map(|(key, value)| Attr {
                    key,
                    value: value.into(),
                })
                .collect(),
            facts_schema: "almoner.http-facts/1".into(),
            facts: self.facts().to_string(),
            ..Operation::default()
        }
    }
}

fn answered(settings: &Value, ctx: &CallContext, op: &Operation) -> Value {
    let guard = HttpGuard::configure(parse_settings(&settings.to_string()).unwrap()).unwrap();
    match guard.inspect(ctx, op).unwrap() {
        Verdict::Allow => json!({"verdict": "allow"}),
        Verdict::Deny(reason) => json!({"verdict": "deny", "code": reason.code}),
        Verdict::Hold(hold) => json!({"verdict": "hold", "code": hold.reasons[0].code}),
        Verdict::Rewrite(_) => json!({"verdict": "rewrite"}),
    }
}

#[test]
fn every_request_gets_the_verdict_it_should() {
    for case in cases() {
        let answered = answered(&case.settings, &CallContext::default(), &case.operation());
        assert_eq!(answered, case.expected(), "{}: {}", case.name, case.request);
    }
}

#[test]
fn the_golden_file_says_the_same() {
    let cases: Vec<Value> = cases().iter().map(Case::golden).collect();
    let lines: Vec<String> = cases.iter().map(Value::to_string).collect();
    let text = format!("{{\"cases\": [\n{}\n]}}\n", lines.join(",\n"));
    if std::env::var_os("ALMONER_UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &text).unwrap();
    }
    let present = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(
        present == text,
        "run `ALMONER_UPDATE_GOLDEN=1 cargo test -p http-guard` and look at the difference"
    );
}

#[test]
fn a_budget_is_spent_by_what_the_gateway_counted() {
    let read = case("", json!({}), "GET /Patient/7", "").operation();
    let had = |exchanges, rows| CallContext {
        usage: Usage {
            exchanges,
            rows,
            ..Usage::default()
        },
        ..CallContext::default()
    };
    let settings = json!({"budget": {"requests": 10, "records": 100, "action": "hold"}});
    assert_eq!(
        answered(&settings, &had(9, 99), &read),
        json!({"verdict": "allow"})
    );
    for spent in [had(10, 0), had(0, 100)] {
        let expected = json!({"verdict": "hold", "code": "budget"});
        assert_eq!(answered(&settings, &spent, &read), expected);
    }
    let unset = json!({"budget": {"requests": 10}});
    assert_eq!(answered(&unset, &had(10, 0), &read)["verdict"], "deny");
}

#[test]
fn without_facts_nothing_passes() {
    for schema in ["", "almoner.sql-facts/1", "almoner.http-facts/1"] {
        let op = Operation {
            facts_schema: schema.into(),
            facts: "{}".into(),
            ..Operation::default()
        };
        assert_eq!(
            answered(
                &json!({"methods": {"GET": "allow"}}),
                &CallContext::default(),
                &op
            ),
            json!({"verdict": "deny", "code": "no-facts"})
        );
    }
}

#[test]
fn settings_that_cannot_be_meant_are_refused_where_they_stand() {
    let settings = r#"{"hold": {"all_of": [{"group": "", "count": 0}], "risk": 101}, "methods": {"get": "deny"},
        "paths": [{"paths": [], "action": "deny"}, {"paths": ["a"], "methods": ["post"], "action": "deny"}]}"#;
    let mistakes = HttpGuard::configure(parse_settings(settings).unwrap()).unwrap_err();
    let pointers: Vec<_> = mistakes.iter().map(|m| m.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/hold/risk",
            "/hold/all_of/0/group",
            "/hold/all_of/0/count",
            "/methods/get",
            "/paths/0/paths",
            "/paths/1/paths",
            "/paths/1/methods"
        ]
    );
    assert!(parse_settings::<http_guard::Settings>(r#"{"method": {}}"#).is_err());
}
