//! Texts made to hurt: too long, too deep, too many, half a character. Each is answered or refused, none ends the process.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests state what they expect"
)]

use std::time::{Duration, Instant};

use almoner_sql::{
    NAMES_MAX, STATEMENTS_MAX, TEXT_BYTES_MAX, Unparseable, facts, fingerprint, masked_text,
    schema_json,
};
use proptest::prelude::*;

/// Longest any text may hold the parser, in the least optimised build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn texts_beyond_a_limit_are_refused_by_name() {
    let long = format!("select '{}'", "x".repeat(TEXT_BYTES_MAX));
    assert_eq!(
        facts(&long),
        Err(Unparseable::TooLong { bytes: long.len() })
    );
    assert_eq!(
        facts("select 1\0; drop table t"),
        Err(Unparseable::ZeroByte)
    );
    let many = "select 1;".repeat(STATEMENTS_MAX + 1);
    assert_eq!(
        facts(&many),
        Err(Unparseable::TooManyStatements {
            statements: STATEMENTS_MAX + 1
        })
    );
    assert_eq!(
        facts(&"select 1;".repeat(STATEMENTS_MAX))
            .unwrap()
            .statements
            .len(),
        STATEMENTS_MAX
    );
    let tables: Vec<_> = (0..=NAMES_MAX).map(|n| format!("t{n}")).collect();
    assert_eq!(
        facts(&format!("truncate {}", tables.join(","))),
        Err(Unparseable::TooManyNames)
    );
    assert_eq!(
        facts(&format!("select * from {}", tables.join(","))),
        Err(Unparseable::TooManyNames)
    );
    assert_eq!(facts("selec 1"), Err(Unparseable::Syntax));
    assert_eq!(facts("select 'unterminated"), Err(Unparseable::Syntax));
}

#[test]
fn errors_never_repeat_the_text() {
    for sql in [
        "select '123-45-6789",
        "selec 'Jane Roe'",
        "select 123-45-6789 6789",
        "select \"Jane Roe",
    ] {
        let told = facts(sql).unwrap_err().to_string();
        for secret in ["123", "6789", "Jane", "Roe"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[test]
fn empty_texts_have_a_sheet_without_statements() {
    for sql in [
        "",
        " \n",
        ";",
        ";;;",
        "-- nothing\n",
        "/* a /* nested */ comment */ ;",
    ] {
        assert_eq!(facts(sql).unwrap().statements, [], "{sql:?}");
    }
}

#[test]
fn deep_texts_are_answered_or_refused_but_never_overflow_the_stack() {
    let shapes: [fn(usize) -> String; 12] = [
        |n| format!("select {}1{}", "(".repeat(n), ")".repeat(n)),
        |n| format!("select {}1{}", "(select ".repeat(n), ")".repeat(n)),
        |n| format!("select 1{}", "+1".repeat(n)),
        |n| format!("select {}1", "- ".repeat(n)),
        |n| format!("select {}true", "not ".repeat(n)),
        |n| format!("select 1{}", "::int".repeat(n)),
        |n| format!("select {}1{}", "array[".repeat(n), "]".repeat(n)),
        |n| format!("select {}1{}", "f(".repeat(n), ")".repeat(n)),
        |n| format!("select 1{}", " union select 1".repeat(n)),
        |n| format!("select * from t{}", " cross join t".repeat(n)),
        |n| {
            format!(
                "select {}1{}",
                "case when true then ".repeat(n),
                " end".repeat(n)
            )
        },
        |n| {
            format!(
                "{}select 1{}",
                "with x as (".repeat(n),
                ") select 1".repeat(n)
            )
        },
    ];
    for shape in shapes {
        for n in [10, 100, 1_000, 3_000, 10_000, 40_000] {
            let sql = shape(n);
            let start = Instant::now();
            let answer = facts(&sql);
            if n <= 100 {
                assert!(answer.is_ok(), "{n} of {}: {answer:?}", &sql[..20]);
            }
            if let Err(error) = answer {
                assert!(
                    matches!(error, Unparseable::TooDeep | Unparseable::TooLong { .. }),
                    "{error} for {n} of {}",
                    &sql[..20]
                );
            }
            let _ = fingerprint(&sql);
            let _ = masked_text(&sql);
            assert!(
                start.elapsed() < PATIENCE,
                "{n} of {} took {:?}",
                &sql[..20],
                start.elapsed()
            );
        }
    }
}

#[test]
fn chains_that_programs_write_are_read() {
    let concatenation = format!("select {}", vec!["a"; 500].join("||"));
    assert_eq!(
        facts(&format!("{concatenation} from t"))
            .unwrap()
            .statements[0]
            .columns
            .read
            .len(),
        1
    );
    let union = vec!["select id from t"; 300].join(" union all ");
    assert_eq!(facts(&union).unwrap().statements[0].outputs.len(), 1);
    let values = vec!["(1,'x',null)"; 20_000].join(",");
    let insert = facts(&format!("insert into t values {values}")).unwrap();
    assert_eq!(insert.statements[0].literals, 40_000);
}

#[test]
fn references_that_multiply_are_cut_short() {
    let mut nested = "1".to_owned();
    for _ in 0..60 {
        nested = format!("(select {nested} order by 1)");
    }
    let wide = format!(
        "select {} order by {}",
        vec!["a"; 1_500].join(","),
        vec!["a"; 50_000].join(",")
    );
    for sql in [format!("select {nested}"), wide] {
        let start = Instant::now();
        assert_eq!(facts(&sql), Err(Unparseable::TooManyNames));
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn statements_are_sliced_by_bytes() {
    let sql = " select 'é' ; /* ü */ select 'ß€' from \"größe\"  ;delete from t";
    let sheet = facts(sql).unwrap();
    let slices: Vec<_> = sheet
        .statements
        .iter()
        .map(|one| &sql[one.start..one.start + one.len])
        .collect();
    assert_eq!(slices.len(), 3);
    assert!(slices[0].ends_with("select 'é'"), "{slices:?}");
    assert!(
        slices[1].ends_with("select 'ß€' from \"größe\""),
        "{slices:?}"
    );
    assert_eq!(slices[2], "delete from t");
    assert_eq!(sheet.statements[1].relations[0].name, "größe");
}

#[test]
fn semicolons_inside_constants_do_not_split() {
    for sql in [
        "select ';', $$;$$, $a$ ; $$ ; $a$, E'\\';', U&'\\003b;', \";\"",
        "select 1 /* ; /* ; */ ; */ + 2 -- ;\n",
        "create function f() returns int begin atomic select 1; select 2; end",
    ] {
        assert_eq!(facts(sql).unwrap().statements.len(), 1, "{sql}");
    }
}

#[test]
fn the_published_schema_is_the_one_in_the_code() {
    let path = "../../docs/schemas/sql-facts-1.json";
    if std::env::var_os("ALMONER_WRITE_SCHEMAS").is_some() {
        std::fs::write(path, schema_json()).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        published == schema_json(),
        "docs/schemas/sql-facts-1.json is stale: run this test with ALMONER_WRITE_SCHEMAS=1"
    );
}

#[test]
fn a_sheet_survives_its_json() {
    let sheet = facts(
        "with c as (select 1) update t set a = $1 where b = 2 returning a; copy t to stdout csv",
    )
    .unwrap();
    let json = serde_json::to_string(&sheet).unwrap();
    assert_eq!(
        serde_json::from_str::<almoner_sql::FactSheet>(&json).unwrap(),
        sheet
    );
}

#[test]
fn fingerprints_ignore_constants_and_tell_relations_apart() {
    let print = |sql| fingerprint(sql).unwrap();
    assert_eq!(
        print("select a from t where b = 1"),
        print("SELECT a /* x */ FROM t WHERE b = 'y'")
    );
    assert_ne!(print("select a from t"), print("select a from u"));
    assert_ne!(print("select a from x.t"), print("select a from y.t"));
    assert_ne!(print("select p.a from t p"), print("select p.a from u p"));
    assert_ne!(print("select a from t_2024"), print("select a from t_2025"));
    assert_eq!(fingerprint("selec"), None);
}

/// Pieces that make grammatical and nearly grammatical texts.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "select",
        "from",
        "where",
        "t",
        "x.y",
        "(",
        ")",
        ",",
        "1",
        "'a'",
        "$1",
        "*",
        "with",
        "as",
        "insert into",
        "values",
        "update",
        "set",
        "delete",
        "returning",
        "order by",
        "limit",
        ";",
        "copy",
        "to stdout",
        "E'\\",
        "$$",
        "$a$",
        "\"",
        "'",
        "/*",
        "*/",
        "--",
        "\n",
        "U&",
        "::int",
        "[",
        "]",
        "||",
        "and",
        "or",
        "not",
        "case",
        "when",
        "then",
        "end",
        "join",
        "on",
        "using",
        "union",
        "é",
        "\u{0}",
        "B'01'",
        "0x1F",
        "1e",
        "begin",
        "do",
        "explain",
        "analyze",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _ = facts(&text);
        let _ = masked_text(&text);
        let _ = fingerprint(&text);
    }

    #[test]
    fn any_soup_of_sql_is_answered(text in soup()) {
        if let Ok(sheet) = facts(&text) {
            for statement in sheet.statements {
                prop_assert!(text.get(statement.start..statement.start + statement.len).is_some());
            }
        }
        let _ = masked_text(&text);
        let _ = fingerprint(&text);
    }
}
