//! A masked text tells what was asked and none of the values it was asked with.

#![allow(clippy::unwrap_used, reason = "tests state what they expect")]

use almoner_sql::{MASKED_BYTES_MAX, masked_text, masked_text_within};
use proptest::prelude::*;

#[test]
fn constants_and_comments_become_placeholders_and_names_stay() {
    let cases = [
        (
            "select name from ehr.patients where ssn = '123-45-6789'",
            "select name from ehr.patients where ssn = '?'",
        ),
        ("SELECT  1,\t2.5e3 , 0x1F,  1_000", "SELECT ?, ? , ?, ?"),
        ("select $1 + -42 limit 10", "select $1 + -? limit ?"),
        (
            "select E'a\\'b', U&'\\0041', B'101', X'1F', N'Jane'",
            "select '?', '?', '?', '?', N'?'",
        ),
        ("select $$Jane$$, $tag$ Roe $$ $tag$", "select $?$, $?$"),
        ("select 'Jane'\n  'Roe'", "select '?'"),
        (
            "select 1 -- Jane Roe\n, 2 /* a /* Jane */ b */",
            "select ? /* ? */\n, ? /* ? */",
        ),
        (
            "select \"First\", \"visits_v2\" from t",
            "select \"First\", \"visits_v2\" from t",
        ),
        (
            "select * from t where name = \"Jane Roe\"",
            "select * from t where name = \"?\"",
        ),
        (
            "select \"jane@example.org\", \"mrn 1\", \"5551234\", U&\"\\0041\"",
            "select \"?\", \"?\", \"?\", \"?\"",
        ),
        (
            "select x123456789, y2024 from v_20240131",
            "select ?, y2024 from v_20240131",
        ),
        ("select 'é', ä from größe", "select '?', ä from größe"),
        (
            "select a::text, b[1:2], c->>'k', d @> '{}'",
            "select a::text, b[?:?], c->>'?', d @> '?'",
        ),
        (
            "select f(a => 1) , interval '3 days'",
            "select f(a => ?) , interval '?'",
        ),
        (
            "insert into t values (1,'x'); delete from t;",
            "insert into t values (?,'?'); delete from t;",
        ),
        ("", ""),
    ];
    for (sql, masked) in cases {
        assert_eq!(masked_text(sql), masked, "{sql}");
    }
}

#[test]
fn a_text_that_cannot_be_scanned_leaves_its_length_only() {
    for sql in [
        "select 'Jane",
        "select $$Jane",
        "select /* Jane",
        "select \"Jane",
        "select 1\0Jane",
        "select 12Jane",
        "select E'\\uZZ'",
    ] {
        assert_eq!(masked_text(sql), format!("<unparsed {} bytes>", sql.len()));
    }
}

#[test]
fn text_that_is_not_sql_but_scans_still_loses_its_values() {
    assert_eq!(
        masked_text("patient 'Jane Roe' born 1970"),
        "patient '?' born ?"
    );
}

#[test]
fn a_long_text_is_cut_between_characters_with_a_note() {
    let sql = format!("select {} from t", vec!["größe"; 2_000].join(","));
    let masked = masked_text(&sql);
    assert!(masked.len() <= MASKED_BYTES_MAX + "<cut 1000000 bytes>".len());
    assert!(
        masked.ends_with(" bytes>"),
        "{}",
        &masked[masked.len() - 30..]
    );
    for bytes_max in 0..40 {
        let cut = masked_text_within(&sql, bytes_max);
        assert!(cut.split("<cut").next().unwrap().len() <= bytes_max);
    }
}

/// A value no placeholder, keyword or name of the templates contains.
fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z][a-z]{2,8}qz[ -][A-Z][a-z]{2,8}",
        "[1-9][0-9]{2}-[0-9]{2}-[0-9]{4}",
        "[a-z]{3,8}qz@[a-z]{3,8}\\.org",
        "[1-9][0-9]{6,12}",
        "Zé[a-zß€]{4,9}qz",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn planted_values_never_survive(a in secret(), b in secret(), shape in 0..14_usize) {
        let quoted = a.replace('\'', "''");
        let digits: String = b.chars().filter(char::is_ascii_digit).collect();
        let number = if digits.is_empty() { "987654321".to_owned() } else { format!("9{digits}77") };
        let sql = match shape {
            0 => format!("select * from t where x = '{quoted}' and y = {number}"),
            1 => format!("select $${a}$$, $q${b}$q$"),
            2 => format!("select 1 -- {a}\n/* {b} /* {a} */ */"),
            3 => format!("insert into t values ('{quoted}', E'\\'{quoted}', U&'{quoted}')"),
            4 => format!("select 'x'\n'{quoted}'"),
            5 => format!("copy t from stdin -- {a}"),
            6 => format!("do $body$ begin raise notice '{a}'; end $body$"),
            7 => format!("select '{quoted}'::date, {number}::text, -{number}.5, .{number}, {number}e3"),
            8 => format!("select '{quoted}"),
            9 => format!("update t set note = '{quoted}' where id = '{b}'"),
            10 => format!("select N'{quoted}', interval '{quoted}', date '{b}'"),
            11 => format!("set application_name = '{quoted}'; notify c, '{b}'"),
            12 => format!("select f(a => '{quoted}', b := '{b}')"),
            _ => format!("select * from t where x in ('{quoted}','{b}',{number})"),
        };
        let masked = masked_text(&sql);
        prop_assert!(!masked.contains(&a), "{masked}");
        prop_assert!(!masked.contains(&number), "{masked}");
        if shape != 0 && shape != 3 && shape != 4 {
            prop_assert!(!masked.contains(&b), "{masked}");
        }
    }

    #[test]
    fn any_text_keeps_no_constant(text in any::<String>()) {
        let masked = masked_text(&text);
        prop_assert!(masked.len() <= MASKED_BYTES_MAX + 32);
        if !masked.starts_with("<unparsed") {
            prop_assert!(!masked.replace("'?'", "").contains('\''), "only placeholders are quoted: {masked}");
        }
    }
}
