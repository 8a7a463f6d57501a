//! Statements as agents write them, through PostgreSQL's own grammar, to the verdict.
//!
//! The same table is the source of `sql-guard.golden.json`, which the gateway runs against the component before it
//! activates it: `ALMONER_UPDATE_GOLDEN=1 cargo test -p sql-guard` writes the file, every other run compares.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use almoner_plugin_sdk::{CallContext, Guard, Operation, Payload, Plugin, Verdict, parse_settings};
use serde_json::{Value, json};
use sql_guard::SqlGuard;

const GOLDEN: &str = "sql-guard.golden.json";

struct Case {
    name: &'static str,
    settings: Value,
    sql: &'static str,
    resolved: Value,
    /// "allow", or "deny CODE", or "hold CODE".
    expect: &'static str,
}

fn case(name: &'static str, settings: Value, sql: &'static str, expect: &'static str) -> Case {
    Case {
        name,
        settings,
        sql,
        resolved: json!({}),
        expect,
    }
}

fn cases() -> Vec<Case> {
    let none = || json!({});
    let mut cases = vec![
        case(
            "a query runs",
            none(),
            "SELECT name FROM patient WHERE id = 7",
            "allow",
        ),
        case(
            "a filtered update runs",
            none(),
            "UPDATE patient SET ward = 2 WHERE id = 7",
            "allow",
        ),
        case(
            "an insert runs",
            none(),
            "INSERT INTO note (body) VALUES ('x')",
            "allow",
        ),
        case(
            "a delete without WHERE is denied",
            none(),
            "DELETE FROM patient",
            "deny missing-where",
        ),
        case(
            "a WHERE that is always true does not limit",
            none(),
            "DELETE FROM patient WHERE 1 = 1",
            "deny missing-where",
        ),
        case(
            "an update without WHERE inside WITH is denied",
            none(),
            "WITH gone AS (UPDATE patient SET ward = 1 RETURNING id) SELECT * FROM gone",
            "deny missing-where",
        ),
        case(
            "EXPLAIN ANALYZE of a delete is judged as the delete",
            none(),
            "EXPLAIN ANALYZE DELETE FROM patient",
            "deny missing-where",
        ),
        case(
            "a missing WHERE can be held instead",
            json!({"missing_where": "hold"}),
            "DELETE FROM patient",
            "hold missing-where",
        ),
        case("DROP is denied", none(), "DROP TABLE patient", "deny kind"),
        case(
            "TRUNCATE is denied",
            none(),
            "TRUNCATE patient",
            "deny kind",
        ),
        case(
            "ALTER is denied",
            none(),
            "ALTER TABLE patient ADD COLUMN x int",
            "deny kind",
        ),
        case(
            "GRANT is denied",
            none(),
            "GRANT SELECT ON patient TO public",
            "deny kind",
        ),
        case(
            "CREATE FUNCTION is denied",
            none(),
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "deny kind",
        ),
        case(
            "a DO block hides what it does",
            none(),
            "DO $$ BEGIN PERFORM 1; END $$",
            "deny opaque",
        ),
        case(
            "a procedure hides what it does",
            none(),
            "CALL tidy()",
            "deny opaque",
        ),
        case(
            "a procedure can be held instead",
            json!({"opaque": {"call": "hold"}}),
            "CALL tidy()",
            "hold opaque",
        ),
        case(
            "COPY to a program is denied",
            none(),
            "COPY patient TO PROGRAM 'cat'",
            "deny opaque",
        ),
        case(
            "COPY to a file is denied",
            none(),
            "COPY patient TO '/tmp/x'",
            "deny opaque",
        ),
        case(
            "COPY to the client runs",
            none(),
            "COPY patient TO STDOUT",
            "allow",
        ),
        case(
            "reading a server file is denied",
            none(),
            "SELECT pg_read_file('/etc/passwd')",
            "deny opaque",
        ),
        case(
            "becoming another role is denied",
            none(),
            "SET ROLE admin",
            "deny session",
        ),
        case(
            "an ordinary setting may change",
            none(),
            "SET statement_timeout = 1000",
            "allow",
        ),
        case(
            "a setting can be forbidden by name",
            json!({"session": {"search-path": "deny"}}),
            "SET search_path = x",
            "deny session",
        ),
        case("transactions run", none(), "BEGIN", "allow"),
        case(
            "a kind can be forbidden",
            json!({"kinds": {"insert": "deny"}}),
            "INSERT INTO note VALUES (1)",
            "deny kind",
        ),
        case(
            "a verb can be allowed where its kind is not",
            json!({"kinds": {"create-table": "allow"}}),
            "CREATE TABLE staging.t (id int)",
            "allow",
        ),
        case(
            "other verbs of the kind stay denied",
            json!({"kinds": {"create-table": "allow"}}),
            "CREATE INDEX ON t (id)",
            "deny kind",
        ),
        case(
            "a table can be closed",
            json!({"tables": [{"tables": ["hr.*"], "action": "deny"}]}),
            "SELECT * FROM patient JOIN hr.salary USING (id)",
            "deny table",
        ),
        case(
            "leaving out the schema does not open a closed table",
            json!({"tables": [{"tables": ["hr.salary"], "action": "deny"}]}),
            "SELECT * FROM salary",
            "deny table",
        ),
        case(
            "leaving out the schema does not make an open one of another",
            json!({"kinds": {"delete": "deny"}, "tables": [{"tables": ["staging.*"], "action": "allow"}]}),
            "DELETE FROM patient WHERE id = 1",
            "deny kind",
        ),
        case(
            "a table can be opened for what is denied elsewhere",
            json!({"kinds": {"delete": "deny"}, "tables": [{"tables": ["staging.*"], "action": "allow"}]}),
            "DELETE FROM staging.patient WHERE id = 1",
            "allow",
        ),
        case(
            "what is read on the way into an open table is judged as a query",
            json!({"tables": [{"tables": ["staging.*"], "action": "allow"}, {"tables": ["hr.*"], "kinds": ["select"], "action": "hold"}]}),
            "INSERT INTO staging.t SELECT * FROM hr.salary",
            "hold table",
        ),
        case(
            "reads only: a query runs",
            json!({"read_only": true}),
            "SELECT * FROM patient",
            "allow",
        ),
        case(
            "reads only: an insert does not",
            json!({"read_only": true}),
            "INSERT INTO note VALUES (1)",
            "deny not-a-read",
        ),
        case(
            "reads only: a row lock does not",
            json!({"read_only": true}),
            "SELECT * FROM patient FOR UPDATE",
            "deny not-a-read",
        ),
        case(
            "reads only: SELECT INTO does not",
            json!({"read_only": true}),
            "SELECT * INTO copy FROM patient",
            "deny kind",
        ),
        case(
            "reads only: commit runs",
            json!({"read_only": true}),
            "COMMIT",
            "allow",
        ),
    ];
    cases.push(Case {
        resolved: json!({"opaque_functions": ["app.tidy"], "sensitive_relations": [], "may_write": true}),
        ..case("a function of unknown effect is denied", none(), "SELECT app.tidy()", "deny function")
    });
    cases.push(Case {
        resolved: json!({"opaque_functions": ["app.tidy"], "sensitive_relations": []}),
        ..case(
            "unless it is vouched for",
            json!({"functions_allowed": ["app.*"]}),
            "SELECT app.tidy()",
            "allow",
        )
    });
    cases.push(Case {
        resolved: json!({"opaque_functions": [], "sensitive_relations": [], "may_write": true}),
        ..case(
            "reads only: a function that writes does not",
            json!({"read_only": true}),
            "SELECT nextval('s')",
            "deny not-a-read",
        )
    });
    cases.push(Case {
        resolved: json!({"opaque_functions": [], "sensitive_relations": ["patient"]}),
        ..case(
            "sensitive tables can be held",
            json!({"sensitive": "hold"}),
            "SELECT * FROM patient",
            "hold sensitive",
        )
    });
    cases.push(Case {
        resolved: Value::Null,
        ..case(
            "where no catalog was asked, no function is vouched for",
            none(),
            "SELECT count(*) FROM patient",
            "deny function",
        )
    });
    cases
}

impl Case {
    fn facts(&self) -> Value {
        let sheet = almoner_sql::facts(self.sql).expect("the statement parses");
        let mut statement = serde_json::to_value(&sheet.statements[0]).unwrap();
        if !self.resolved.is_null() {
            statement["resolved"] = self.resolved.clone();
        }
        statement
    }

    fn expected(&self) -> Value {
        let mut words = self.expect.split(' ');
        match (words.next(), words.next()) {
            (verdict, None) => json!({"verdict": verdict}),
            (verdict, code) => json!({"verdict": verdict, "code": code}),
        }
    }

    fn golden(&self) -> Value {
        let facts = self.facts();
        json!({
            "name": self.name,
            "settings": self.settings,
            "guard": {
                "dialect": "sql.postgres", "verb": facts["verb"], "text": self.sql,
                "facts_schema": "almoner.sql-facts/1", "facts": facts,
            },
            "expect": self.expected(),
        })
    }

    fn answered(&self) -> Value {
        let guard =
            SqlGuard::configure(parse_settings(&self.settings.to_string()).unwrap()).unwrap();
        let op = Operation {
            dialect: "sql.postgres".into(),
            body: Payload::Text(self.sql.into()),
            facts_schema: "almoner.sql-facts/1".into(),
            facts: self.facts().to_string(),
            ..Operation::default()
        };
        match guard.inspect(&CallContext::default(), &op).unwrap() {
            Verdict::Allow => json!({"verdict": "allow"}),
            Verdict::Deny(reason) => json!({"verdict": "deny", "code": reason.code}),
            Verdict::Hold(hold) => json!({"verdict": "hold", "code": hold.reasons[0].code}),
            Verdict::Rewrite(_) => json!({"verdict": "rewrite"}),
        }
    }
}

#[test]
fn every_statement_gets_the_verdict_it_should() {
    for case in cases() {
        assert_eq!(
            case.answered(),
            case.expected(),
            "{}: {}",
            case.name,
            case.sql
        );
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
        "run `ALMONER_UPDATE_GOLDEN=1 cargo test -p sql-guard` and look at the difference"
    );
}

#[test]
fn without_facts_nothing_runs() {
    let guard = SqlGuard::configure(sql_guard::Settings::default()).unwrap();
    for schema in ["", "almoner.sql-facts/2", "almoner.sql-facts/1"] {
        let op = Operation {
            facts_schema: schema.into(),
            facts: "{}".into(),
            ..Operation::default()
        };
        let verdict = guard.inspect(&CallContext::default(), &op).unwrap();
        assert!(matches!(verdict, Verdict::Deny(reason) if reason.code == "no-facts"));
    }
}

#[test]
fn settings_that_cannot_be_meant_are_refused_where_they_stand() {
    let settings = r#"{"hold": {"all_of": [{"group": "", "count": 0}]}, "tables": [{"tables": [], "action": "deny"}],
        "kinds": {"DROP TABLE": "deny"}}"#;
    let mistakes = SqlGuard::configure(parse_settings(settings).unwrap()).unwrap_err();
    let pointers: Vec<_> = mistakes.iter().map(|m| m.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/hold/all_of/0/group",
            "/hold/all_of/0/count",
            "/tables/0/tables",
            "/kinds/DROP TABLE"
        ]
    );
    assert!(parse_settings::<sql_guard::Settings>(r#"{"missing_were": "deny"}"#).is_err());
}
