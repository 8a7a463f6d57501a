//! The one-pass reader accepts what parsing, writing again and comparing accepts, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use almoner_ledger::canonical::{self, CanonicalError, DEPTH_MAX};
use almoner_ledger::chain::SealError;
use almoner_ledger::{Draft, DraftError, Head, Kind, RECORD_BYTES_MAX, Timestamp, seal};
use proptest::prelude::*;
use serde_json::{Value, json};

fn written(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    canonical::write(value, 0, &mut out).unwrap();
    out
}

/// The slow definition: parse, write again, compare.
fn rewrites_equal(text: &[u8]) -> bool {
    let Ok(value @ Value::Object(_)) = serde_json::from_slice::<Value>(text) else {
        return false;
    };
    let mut out = Vec::new();
    canonical::write(&value, 0, &mut out).is_ok() && out == text
}

fn walks(text: &[u8]) -> bool {
    canonical::walk(text, |_, _| ()).is_ok()
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        "\\PC*".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[ !#-\\[\\]-~]{1,12}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[test]
fn what_has_no_canonical_form_is_refused() {
    let refused = |value: Value| canonical::write(&value, 0, &mut Vec::new()).unwrap_err();
    assert_eq!(refused(json!(1.5)), CanonicalError::Number);
    assert_eq!(refused(json!(1_u64 << 53)), CanonicalError::Number);
    assert_eq!(refused(json!(-(1_i64 << 53))), CanonicalError::Number);
    assert_eq!(refused(json!({"é": 1})), CanonicalError::Key);
    assert_eq!(refused(json!({"": 1})), CanonicalError::Key);
    let deep = (0..=DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(refused(deep), CanonicalError::Depth);
}

#[test]
fn other_spellings_of_the_same_json_are_refused() {
    for text in [
        r#"{"a":1, "b":2}"#,
        r#"{"b":1,"a":2}"#,
        r#"{"a":1,"a":1}"#,
        r#"{"a":1.0}"#,
        r#"{"a":1e2}"#,
        r#"{"a":-0}"#,
        r#"{"a":01}"#,
        r#"{"a":9007199254740992}"#,
        r#"{"a":"\/"}"#,
        r#"{"a":"\u0041"}"#,
        r#"{"a":"\u001F"}"#,
        r#"{"a":"\u000a"}"#,
        r#"{"a":"\u00e9"}"#,
        r#"{"a":1}x"#,
        r#"{"a":1,}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":tru}"#,
        r#"{"\u0061":1}"#,
        r#"["a"]"#,
        r#"{"a":}"#,
        r#"{"a"}"#,
        "{\"a\":\"\u{0}\"}",
        "",
    ] {
        assert!(!walks(text.as_bytes()), "{text}");
    }
    assert!(!walks(b"{\"a\":\"\xff\"}"));
}

#[test]
fn fields_may_not_take_the_formats_own_names() {
    let time = Timestamp::from_micros(0);
    for name in [
        "seq",
        "prev",
        "v",
        "session",
        "n",
        "bodies",
        "Upper",
        "1st",
        "",
        "with space",
    ] {
        let refused = Draft::new(Kind::Admin, time)
            .with(name, 1)
            .prepare(None, &[]);
        assert!(matches!(refused, Err(DraftError::Name(_))), "{name}");
    }
    let refused = Draft::new(Kind::Admin, time)
        .with("x", serde_json::json!(0.5))
        .prepare(None, &[])
        .unwrap_err();
    assert!(!refused.to_string().contains("0.5"));
}

#[test]
fn a_record_may_have_16_kib_and_not_a_byte_more() {
    let sealed = |len: usize| {
        let draft =
            Draft::new(Kind::Admin, Timestamp::from_micros(0)).with("text", "x".repeat(len));
        seal(
            &Head::EMPTY,
            "log/1",
            None,
            &draft.prepare(None, &[]).unwrap(),
        )
    };
    let overhead = sealed(0).unwrap().line.len();
    assert_eq!(
        sealed(RECORD_BYTES_MAX - overhead).unwrap().line.len(),
        RECORD_BYTES_MAX
    );
    assert_eq!(
        sealed(RECORD_BYTES_MAX - overhead + 1).unwrap_err(),
        SealError::TooLarge(RECORD_BYTES_MAX + 1)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_as_the_same_value(value in values()) {
        let value = json!({"value": value});
        let text = written(&value);
        prop_assert!(walks(&text));
        prop_assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn both_readers_agree_on_changed_texts(value in values(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut text = written(&json!({"value": value}));
        for (at, to) in changes {
            let at = at.index(text.len());
            text[at] = to;
        }
        prop_assert_eq!(walks(&text), rewrites_equal(&text), "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn both_readers_agree_on_texts_made_of_json_pieces(pieces in prop::collection::vec(
        prop::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"", "\\", "a", "b", "\"a\"", "\"b\"", "0", "1", "-", ".", "e", "true", "null", "\\u001f", "\\u0041", "\\n", " ", "{\"a\":", "}"]),
        0..14,
    )) {
        let text = format!("{{\"a\":{}", pieces.concat());
        prop_assert_eq!(walks(text.as_bytes()), rewrites_equal(text.as_bytes()), "{}", text);
    }

    #[test]
    fn sealing_gives_the_canonical_form_of_the_whole_record(value in values(), session in prop::option::of("\\PC{1,8}"), n in 0_u64..100) {
        let draft = Draft::new(Kind::Part, Timestamp::from_micros(5)).with("aaa", value.clone()).with("lll", value.clone()).with("zzz", value);
        let prepared = draft.prepare(session.as_deref(), &[]).unwrap();
        if let Ok(sealed) = seal(&Head::EMPTY, "log/1", session.as_ref().map(|_| n), &prepared) {
            prop_assert!(rewrites_equal(&sealed.line), "{:?}", String::from_utf8_lossy(&sealed.line));
            prop_assert!(sealed.line.len() <= prepared.line_bytes_max(5));
        }
    }
}
