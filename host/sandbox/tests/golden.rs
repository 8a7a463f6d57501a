//! Golden vectors: what passes, what is told apart, what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::sync::OnceLock;

use almoner_componentize::testing::{Guest, Pattern, denying_guard, detector, guard};
use almoner_sandbox::golden::{Mismatch, Vectors};
use almoner_sandbox::{Grant, Host, HostSettings};
use serde_json::{Value, json};

fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new(HostSettings::default()).expect("the self-test passes"))
}

fn run(wasm: &[u8], case: Value) -> Vec<Mismatch> {
    let mut case = case;
    case["name"] = "the case".into();
    let vectors =
        Vectors::parse(json!({ "cases": [case] }).to_string().as_bytes()).expect("it parses");
    vectors.run(host(), &host().load(wasm).unwrap(), &Grant::default())
}

#[test]
fn a_denial_is_compared_by_verdict_and_code() {
    let denies = denying_guard("test.code", &[]);
    let asked =
        json!({"verb": "delete", "targets": ["t"], "text": "DELETE FROM t", "facts": {"a": 1}});
    let case = |expect: Value| json!({"guard": asked, "expect": expect});
    assert_eq!(
        run(
            &denies,
            case(json!({"verdict": "deny", "code": "test.code"}))
        ),
        []
    );
    assert_eq!(
        run(&denies, case(json!({"verdict": "deny", "code": "other"}))).len(),
        1
    );
    assert_eq!(
        run(&denies, case(json!({"verdict": "allow"})))[0].case,
        "the case"
    );
}

#[test]
fn a_failure_can_be_expected_and_is_otherwise_a_mismatch() {
    let traps = guard("(unreachable)");
    let case = |expect: Value| json!({"guard": {}, "expect": expect});
    assert_eq!(run(&traps, case(json!({"failure": "trap"}))), []);
    assert_eq!(run(&traps, case(json!({"verdict": "deny"}))).len(), 1);
    assert_eq!(
        run(&guard("(i32.const 64)"), case(json!({"failure": "trap"}))).len(),
        1
    );
}

#[test]
fn findings_are_compared_by_text_and_kind_and_others_are_a_mismatch() {
    let patterns = [
        Pattern::finding(r"\b\d{3}-\d{2}-\d{4}\b"),
        Pattern {
            kind: 1,
            ..Pattern::finding(r"\d{4}")
        },
    ];
    let finds = detector(Guest::new("detector-plugin"), &patterns, 2, &[], "");
    let case = |cells: Value, findings: Value| json!({"detector": {"cells": cells}, "expect": {"findings": findings}});
    let ssn = json!({"cell": 0, "text": "123-45-6789", "kind": "phi.ssn"});
    // The four digits lie within the number and need no mention.
    assert_eq!(
        run(&finds, case(json!(["an 123-45-6789"]), json!([ssn]))),
        []
    );
    assert_eq!(
        run(
            &finds,
            case(json!(["an 123-45-6789", "5555"]), json!([ssn]))
        )
        .len(),
        1
    );
    assert_eq!(run(&finds, case(json!(["nothing"]), json!([ssn]))).len(), 1);
    assert_eq!(
        run(
            &finds,
            case(json!([{"text": "nothing", "row": 4}]), json!([]))
        ),
        []
    );
    let sure = json!({"cell": 0, "text": "123-45-6789", "kind": "phi.ssn", "confidence_min": 90});
    assert_eq!(
        run(&finds, case(json!(["an 123-45-6789"]), json!([sure]))).len(),
        1
    );
}

#[test]
fn fields_are_compared() {
    let finds = detector(Guest::new("detector-plugin"), &[], 2, &[], "");
    let case = |fields: Value| json!({"classify": {"fields": [{"path": "ssn"}]}, "expect": {"fields": fields}});
    assert_eq!(run(&finds, case(json!([]))), []);
    assert_eq!(
        run(&finds, case(json!([{"field": 0, "kind": "phi.ssn"}]))).len(),
        1
    );
}

#[test]
fn a_case_for_another_kind_of_plugin_or_none_is_a_mismatch() {
    let allows = guard("(i32.const 64)");
    assert_eq!(
        run(
            &allows,
            json!({"detector": {"cells": []}, "expect": {"findings": []}})
        )
        .len(),
        1
    );
    assert_eq!(
        run(&allows, json!({"expect": {"verdict": "allow"}})).len(),
        1
    );
    assert_eq!(
        run(&allows, json!({"expect": {"settings_errors": ["/x"]}})).len(),
        1
    );
}

#[test]
fn a_file_with_a_misspelt_member_or_without_cases_is_refused() {
    for text in [
        r#"{"cases": []}"#,
        r#"{"cases": [{"name": "n", "gaurd": {}, "expect": {"verdict": "allow"}}]}"#,
        r#"{"cases": [{"name": "n", "guard": {}, "expect": {"verdcit": "allow"}}]}"#,
        r#"{"cases": [{"name": "n", "guard": {}, "expect": {}}]}"#,
    ] {
        assert!(Vectors::parse(text.as_bytes()).is_err(), "{text}");
    }
}
