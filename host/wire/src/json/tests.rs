//! Tokens against the grammar, `serde_json`'s opinion, and any way to cut the bytes.

use proptest::prelude::*;

use super::*;

fn tokens(chunks: &[&[u8]]) -> Result<Vec<Token>, JsonError> {
    let mut lexer = Lexer::new(64);
    let mut found = Vec::new();
    for chunk in chunks {
        lexer.push(chunk, |token| found.push(token))?;
    }
    lexer.finish(|token| found.push(token))?;
    Ok(found)
}

fn shown(text: &str) -> Vec<(Kind, &str)> {
    tokens(&[text.as_bytes()])
        .unwrap()
        .iter()
        .map(|token| (token.kind, &text[token.start as usize..token.end as usize]))
        .collect()
}

#[test]
fn every_token_is_found_with_its_place() {
    let text = " {\"a\" : [1, -2.5e+3,\"x\\\"y\"], \"a\":null,\"b\":{} , \"c\":[true,false]} ";
    assert_eq!(
        shown(text),
        [
            (Kind::ObjectBegin, "{"),
            (Kind::Key, "\"a\""),
            (Kind::ArrayBegin, "["),
            (Kind::Number, "1"),
            (Kind::Number, "-2.5e+3"),
            (Kind::String, "\"x\\\"y\""),
            (Kind::ArrayEnd, "]"),
            (Kind::Key, "\"a\""),
            (Kind::Null, "null"),
            (Kind::Key, "\"b\""),
            (Kind::ObjectBegin, "{"),
            (Kind::ObjectEnd, "}"),
            (Kind::Key, "\"c\""),
            (Kind::ArrayBegin, "["),
            (Kind::Bool, "true"),
            (Kind::Bool, "false"),
            (Kind::ArrayEnd, "]"),
            (Kind::ObjectEnd, "}"),
        ]
    );
    assert_eq!(shown("42"), [(Kind::Number, "42")]);
}

#[test]
fn what_the_grammar_forbids_is_refused() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "[1 2]",
        "01",
        "1.",
        "-",
        "1e",
        "+1",
        ".5",
        "nul",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "'a'",
        "[1]]",
        "{\"a\" 1}",
        "1 2",
        "[}",
        "{]",
        "\"a",
        "tru",
        "truee",
        "[,1]",
        "{\"a\":}",
        "\u{feff}1",
    ] {
        assert!(tokens(&[text.as_bytes()]).is_err(), "{text:?}");
    }
}

#[test]
fn nesting_is_bounded() {
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(tokens(&[deep(64).as_bytes()]).is_ok());
    assert_eq!(tokens(&[deep(65).as_bytes()]), Err(JsonError::TooDeep(64)));
}

#[test]
fn escapes_mean_what_they_stand_for() {
    let text = r#""\u0041nn \ud83d\ude00 \/ \n \ud83d x""#;
    assert_eq!(
        decode(text.as_bytes()).unwrap(),
        "Ann \u{1f600} / \n \u{fffd} x"
    );
    assert_eq!(decode(b"\"\xff\""), Err(JsonError::NotUtf8));
    assert_eq!(encode("a\"\\\n\u{1}é"), "\"a\\\"\\\\\\n\\u0001é\"");
}

/// Small documents, valid or nearly so.
fn documents() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        "\"([a-zé😀 ]|\\\\n|\\\\u00e9|\\\\ud83d\\\\ude00|\\\\\"){0,8}\"",
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::vec(("\"[a-c]{1,2}\"", inner), 0..4).prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(key, value)| format!("{key}:{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_cut_of_the_bytes_gives_the_same_tokens(text in documents(), size in 1usize..7) {
        let whole = tokens(&[text.as_bytes()]);
        let cut: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        prop_assert!(whole.is_ok());
        prop_assert_eq!(whole, tokens(&cut));
    }

    #[test]
    fn what_is_accepted_is_what_serde_json_accepts(text in documents(), at in 0usize..40, with in "[ \\[\\]{}:,0-9a-z\".-]") {
        let mut text: Vec<char> = text.chars().collect();
        let at = at % (text.len() + 1);
        text.splice(at..(at + 1).min(text.len()), with.chars());
        let text: String = text.into_iter().collect();
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(tokens(&[text.as_bytes()]).is_ok(), theirs, "{}", text);
    }

    #[test]
    fn a_text_survives_being_written_and_read(text in "\\PC{0,40}|[\\x00-\\x1f]{0,9}") {
        let written = encode(&text);
        prop_assert!(tokens(&[written.as_bytes()]).is_ok());
        prop_assert_eq!(decode(written.as_bytes()).unwrap(), text.as_str());
        prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }
}
