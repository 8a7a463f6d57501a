//! What may come to lie somewhere else: columns that feed a write, values that a session keeps, rows that a
//! MERGE does not spare.

#![allow(clippy::unwrap_used, reason = "tests state what they expect")]

mod support;

use serde_json::{Value, json};
use support::{check, names};

/// Columns written as `patients:ssn, q:r!`, an exclamation mark for those in an expression.
fn fed(text: &str) -> Value {
    let one = |entry: &str| {
        let (relation, column) = entry.trim().split_once(':').unwrap();
        let computed = column.ends_with('!');
        let relation = if relation.is_empty() {
            Value::Null
        } else {
            relation.into()
        };
        json!({"relation": relation, "column": column.trim_end_matches('!'), "computed": computed})
    };
    Value::Array(
        text.split(',')
            .filter(|entry| !entry.trim().is_empty())
            .map(one)
            .collect(),
    )
}

#[test]
fn what_feeds_a_write_is_listed_however_it_gets_there() {
    let feeds = |text: &str| json!({"fed": fed(text)});
    check(&[
        ("select ssn from p", feeds("")),
        ("delete from p where ssn = 'x' returning ssn", feeds("")),
        (
            "update p set a = 1 where ssn = 'x' returning ssn",
            feeds(""),
        ),
        ("update p set a = b", feeds("p:b")),
        ("update p set a = lower(p.b)", feeds("p:b!")),
        ("insert into t values (1, $1)", feeds("")),
        ("insert into t select ssn from p", feeds("p:ssn")),
        ("insert into t select * from p", feeds("p:*")),
        (
            "insert into t select r from (select lower(ssn) as r from p) q",
            feeds("q:r, :ssn!"),
        ),
        (
            "with q as (select ssn from p) insert into t select ssn from q",
            feeds("p:ssn, q:ssn"),
        ),
        (
            "with gone as (delete from p where a = 1 returning ssn) insert into t select 1 from gone",
            feeds("p:ssn"),
        ),
        (
            "with w as (insert into t select ssn from p returning b) select b from w",
            feeds("p:ssn, t:b, w:b"),
        ),
        (
            "insert into t values ((select ssn from p))",
            feeds("p:ssn!"),
        ),
        ("select ssn into t from p", feeds("p:ssn")),
        ("create table t as select ssn from p", feeds("p:ssn")),
        (
            "insert into t (a) values ($1) on conflict (a) do update set b = excluded.b",
            feeds(""),
        ),
        (
            "insert into t (a) values ($1) on conflict (a) do update set b = t.b || excluded.b",
            feeds("t:b!"),
        ),
        (
            "insert into t select excluded.p.a from excluded.p",
            feeds("excluded.p:a"),
        ),
        (
            "merge into t using p on t.a = p.a when matched then update set b = p.ssn",
            feeds("p:ssn"),
        ),
        (
            "explain analyze insert into t select ssn from p",
            feeds("p:ssn"),
        ),
        (
            "alter table p alter column a type text using ssn",
            feeds(":ssn!"),
        ),
        ("create view v as select ssn from p", feeds("")),
    ]);
}

#[test]
fn names_of_their_own_for_columns_are_told() {
    check(&[
        ("select b from p", json!({"renames": false})),
        ("select b from p q", json!({"renames": false})),
        (
            "select b from (select a from p) q(b)",
            json!({"renames": false}),
        ),
        ("select b from p q(a, b)", json!({"renames": true})),
        (
            "select j.b from (p join q on true) j",
            json!({"renames": true}),
        ),
        (
            "select b from p join q using (a) as j",
            json!({"renames": true}),
        ),
    ]);
}

#[test]
fn a_function_that_keeps_its_arguments_may_be_given_only_the_callers_own() {
    let keeps = json!({"opaque": "keeps", "read_only": false});
    check(&[
        (
            "select set_config('a.b', $1, false), setval('s', 7), setseed(0.5)",
            json!({"opaque": null}),
        ),
        (
            "select set_config('a.b', 'x'::text, true)",
            json!({"opaque": null}),
        ),
        ("select set_config('a.b', ssn, false) from p", keeps.clone()),
        (
            "select pg_catalog.setval('s', (select max(a) from p))",
            keeps.clone(),
        ),
        ("select setseed(0.5 + a) from p", keeps.clone()),
        ("select x.setseed from unnest(array[0.5]) x", keeps),
    ]);
}

#[test]
fn a_merge_that_spares_nothing_is_unfiltered() {
    let unfiltered = json!({"unfiltered_writes": names("t")});
    let filtered = json!({"unfiltered_writes": []});
    check(&[
        (
            "merge into t using s on t.a = s.a when not matched by source then delete",
            unfiltered.clone(),
        ),
        (
            "merge into t using s on t.a = s.a when not matched by source and true then update set b = 1",
            unfiltered,
        ),
        (
            "merge into t using s on t.a = s.a when not matched by source and t.b = 1 then delete",
            filtered.clone(),
        ),
        (
            "merge into t using s on t.a = s.a when not matched by source then do nothing when matched then delete",
            filtered,
        ),
    ]);
}

#[test]
fn conditions_that_fit_every_row_are_none() {
    let missing = || json!({"has_where": false, "unfiltered_writes": names("t")});
    check(&[
        ("delete from t where a is not distinct from a", missing()),
        ("delete from t where name like '%'", missing()),
        ("delete from t where name ilike '%%' or a = 1", missing()),
        (
            "delete from t where name not like '%'",
            json!({"has_where": true}),
        ),
        (
            "delete from t where name like '%x'",
            json!({"has_where": true}),
        ),
        (
            "delete from t where a is not distinct from b",
            json!({"has_where": true}),
        ),
    ]);
}
