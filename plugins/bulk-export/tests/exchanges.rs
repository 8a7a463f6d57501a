//! Exchanges as they grow, through PostgreSQL's own grammar, to the answer.
//!
//! The same table is the source of `bulk-export.golden.json`, which the gateway runs against the component before it
//! activates it: `ALMONER_UPDATE_GOLDEN=1 cargo test -p bulk-export` writes the file, every other run compares.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use almoner_plugin_sdk::{Approval, CallContext, Operation, Plugin, parse_settings};
use bulk_export::BulkExport;
use serde_json::{Value, json};

const GOLDEN: &str = "bulk-export.golden.json";

struct Case {
    name: &'static str,
    settings: Value,
    sql: &'static str,
    sensitive: &'static [&'static str],
    rows_so_far: u64,
    rows_used: u64,
    /// Code of the need, if any.
    need: Option<&'static str>,
    max_rows: Option<u64>,
    recheck: Option<u64>,
}

const QUERY: Case = Case {
    name: "",
    settings: Value::Null,
    sql: "SELECT * FROM patient",
    sensitive: &[],
    rows_so_far: 0,
    rows_used: 0,
    need: None,
    max_rows: None,
    recheck: Some(500),
};

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "a query is asked about again at the threshold",
            ..QUERY
        },
        Case {
            name: "the threshold can be set",
            settings: json!({"rows": 50}),
            recheck: Some(50),
            ..QUERY
        },
        Case {
            name: "at the threshold approval is needed",
            rows_so_far: 500,
            need: Some("rows"),
            max_rows: Some(5500),
            recheck: Some(5500),
            ..QUERY
        },
        Case {
            name: "an approval covers as many rows as is set",
            settings: json!({"rows": 100, "max_rows": 1000}),
            rows_so_far: 100,
            need: Some("rows"),
            max_rows: Some(1100),
            recheck: Some(1100),
            ..QUERY
        },
        Case {
            name: "COPY is held before it starts",
            sql: "COPY patient TO STDOUT",
            need: Some("copy"),
            max_rows: Some(5000),
            recheck: Some(5000),
            ..QUERY
        },
        Case {
            name: "COPY can be counted instead",
            settings: json!({"copy": "allow"}),
            sql: "COPY patient TO STDOUT",
            ..QUERY
        },
        Case {
            name: "a query without a limit can be held",
            settings: json!({"missing_limit": "hold"}),
            need: Some("no-limit"),
            max_rows: Some(5000),
            recheck: Some(5000),
            ..QUERY
        },
        Case {
            name: "a limit in the text is a limit",
            settings: json!({"missing_limit": "hold"}),
            sql: "SELECT * FROM patient LIMIT 10",
            ..QUERY
        },
        Case {
            name: "a limit that is a parameter is none",
            settings: json!({"missing_limit": "hold"}),
            sql: "SELECT * FROM patient LIMIT $1",
            need: Some("no-limit"),
            max_rows: Some(5000),
            recheck: Some(5000),
            ..QUERY
        },
        Case {
            name: "a count needs no limit",
            settings: json!({"missing_limit": "hold"}),
            sql: "SELECT count(*) FROM patient",
            ..QUERY
        },
        Case {
            name: "nor does a query without tables",
            settings: json!({"missing_limit": "hold"}),
            sql: "SELECT 1",
            ..QUERY
        },
        Case {
            name: "a table that is sensitive needs a limit",
            settings: json!({"missing_limit": "hold-sensitive"}),
            sensitive: &["patient"],
            need: Some("no-limit-sensitive"),
            max_rows: Some(5000),
            recheck: Some(5000),
            ..QUERY
        },
        Case {
            name: "one that is not needs none",
            settings: json!({"missing_limit": "hold-sensitive"}),
            ..QUERY
        },
        Case {
            name: "what is left of the window's budget comes first",
            settings: json!({"rows_per_window": 600}),
            rows_used: 400,
            recheck: Some(200),
            ..QUERY
        },
        Case {
            name: "with the budget spent approval is needed at once",
            settings: json!({"rows_per_window": 600}),
            rows_used: 600,
            need: Some("window"),
            max_rows: Some(5000),
            recheck: Some(5000),
            ..QUERY
        },
        Case {
            name: "or when this exchange spends it",
            settings: json!({"rows_per_window": 600}),
            rows_used: 400,
            rows_so_far: 200,
            need: Some("window"),
            max_rows: Some(5200),
            recheck: Some(5200),
            ..QUERY
        },
    ]
}

impl Case {
    fn settings(&self) -> Value {
        let mut settings = if self.settings.is_null() {
            json!({})
        } else {
            self.settings.clone()
        };
        settings["all_of"] = json!([{"group": "privacy", "count": 2}]);
        settings
    }

    fn facts(&self) -> Value {
        let sheet = almoner_sql::facts(self.sql).expect("the statement parses");
        let mut statement = serde_json::to_value(&sheet.statements[0]).unwrap();
        statement["resolved"] =
            json!({"opaque_functions": [], "sensitive_relations": self.sensitive});
        statement
    }

    fn expected(&self) -> Value {
        let need = self.need.map(
            |code| json!({"codes": [code], "groups": {"privacy": 2}, "max_rows": self.max_rows}),
        );
        json!({"need": need, "recheck_at_rows": self.recheck})
    }

    fn golden(&self) -> Value {
        let facts = self.facts();
        json!({
            "name": self.name,
            "settings": self.settings(),
            "context": {"usage": {"window_seconds": 3600, "rows": self.rows_used}},
            "approval": {
                "operation": {
                    "dialect": "sql.postgres", "verb": facts["verb"], "text": self.sql,
                    "facts_schema": "almoner.sql-facts/1", "facts": facts,
                },
                "rows_so_far": self.rows_so_far,
            },
            "expect": self.expected(),
        })
    }

    fn answered(&self) -> Value {
        let plugin =
            BulkExport::configure(parse_settings(&self.settings().to_string()).unwrap()).unwrap();
        let mut ctx = CallContext::default();
        ctx.usage.rows = self.rows_used;
        let op = Operation {
            facts_schema: "almoner.sql-facts/1".into(),
            facts: self.facts().to_string(),
            ..Operation::default()
        };
        let answer = plugin.assess(&ctx, &op, self.rows_so_far).unwrap();
        let need = answer.need.map(|need| {
            let codes: Vec<_> = need.reasons.iter().map(|r| r.code.clone()).collect();
            let groups: serde_json::Map<_, _> = need
                .all_of
                .iter()
                .map(|r| (r.group.clone(), r.count.into()))
                .collect();
            json!({"codes": codes, "groups": groups, "max_rows": need.max_rows})
        });
        json!({"need": need, "recheck_at_rows": answer.recheck_at_rows})
    }
}

#[test]
fn every_exchange_gets_the_answer_it_should() {
    for case in cases() {
        assert_eq!(case.answered(), case.expected(), "{}", case.name);
    }
}

#[test]
fn the_golden_file_says_the_same() {
    let lines: Vec<String> = cases()
        .iter()
        .map(|case| case.golden().to_string())
        .collect();
    let text = format!("{{\"cases\": [\n{}\n]}}\n", lines.join(",\n"));
    if std::env::var_os("ALMONER_UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &text).unwrap();
    }
    let present = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(
        present == text,
        "run `ALMONER_UPDATE_GOLDEN=1 cargo test -p bulk-export` and look at the difference"
    );
}

#[test]
fn what_is_not_sql_is_counted_and_held_only_if_limits_are_required() {
    let op = Operation {
        verb: "GET".into(),
        ..Operation::default()
    };
    let assess = |settings: &str, rows| {
        let plugin = BulkExport::configure(parse_settings(settings).unwrap()).unwrap();
        plugin.assess(&CallContext::default(), &op, rows).unwrap()
    };
    assert!(assess("{}", 0).need.is_none());
    assert!(assess("{}", 500).need.is_some());
    assert!(assess(r#"{"missing_limit": "hold"}"#, 0).need.is_some());
}

#[test]
fn settings_that_cannot_be_meant_are_refused_where_they_stand() {
    let settings = r#"{"rows": 0, "all_of": [{"group": "a", "count": 0}]}"#;
    let mistakes = BulkExport::configure(parse_settings(settings).unwrap()).unwrap_err();
    let pointers: Vec<_> = mistakes.iter().map(|m| m.pointer.as_str()).collect();
    assert_eq!(pointers, ["/rows", "/all_of/0/count"]);
}
