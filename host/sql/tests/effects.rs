//! Writes without a condition, limits, result columns, opaque statements and COPY.

mod support;

use serde_json::json;
use support::{check, names};

#[test]
fn a_condition_counts_only_when_it_depends_on_the_row() {
    let missing = |target: &str| json!({"has_where": false, "unfiltered_writes": names(target)});
    let present = || json!({"has_where": true, "unfiltered_writes": []});
    check(&[
        ("delete from t", missing("t")),
        ("delete from ehr.t", missing("ehr.t")),
        ("update t set a = 1", missing("t")),
        ("delete from t where true", missing("t")),
        ("delete from t where 1=1", missing("t")),
        (
            "delete from t where 'a' like 'a%' and not false",
            missing("t"),
        ),
        ("delete from t where $1", missing("t")),
        ("delete from t where random() < 2", missing("t")),
        ("delete from t where id = 7 or 1=1", missing("t")),
        (
            "delete from t where id = 7 or (true and 2 > 1)",
            missing("t"),
        ),
        ("delete from t where id = id", missing("t")),
        ("update t set a = 1 where t.a = t.a and true", missing("t")),
        ("update t set a = 1 from u where u.id = 1", missing("t")),
        ("delete from t x using t where t.id = 1", missing("t")),
        (
            "delete from t where exists (select 1 from u where u.id = 1)",
            missing("t"),
        ),
        ("update t x set a = 1 from u where x.id = u.id", present()),
        ("delete from ehr.t where ehr.t.id = 1", present()),
        ("delete from t where t.* is not null", present()),
        ("delete from t where id = 7", present()),
        ("delete from t where true and id = 7", present()),
        ("delete from t where id = 7 or name = 'x'", present()),
        ("delete from t where id = other_id", present()),
        ("delete from t where current of c", present()),
        (
            "update t set a = 1 where exists (select 1 from u where u.id = t.id)",
            present(),
        ),
        (
            "with x as (update t set a = 1) delete from u where id = 1",
            json!({"has_where": true, "unfiltered_writes": names("t")}),
        ),
        (
            "with a as (delete from t), b as (update ehr.u set x = 1 where 1=1) select 1",
            json!({"has_where": null, "unfiltered_writes": names("t, ehr.u")}),
        ),
        (
            "merge into t using s on true when matched then delete",
            json!({"has_where": null, "unfiltered_writes": names("t")}),
        ),
        (
            "prepare p as delete from t",
            json!({"has_where": false, "unfiltered_writes": names("t")}),
        ),
        ("select 1", json!({"has_where": null})),
    ]);
}

#[test]
fn limits_are_read_where_they_are_certain() {
    check(&[
        ("select 1", json!({"limit": {"kind": "none"}})),
        (
            "select 1 limit 10",
            json!({"limit": {"kind": "number", "rows": 10}}),
        ),
        (
            "select 1 limit 0",
            json!({"limit": {"kind": "number", "rows": 0}}),
        ),
        (
            "select 1 limit 5000000000",
            json!({"limit": {"kind": "number", "rows": 5_000_000_000_u64}}),
        ),
        (
            "select 1 fetch first 3 rows only",
            json!({"limit": {"kind": "number", "rows": 3}}),
        ),
        (
            "select 1 fetch first row only",
            json!({"limit": {"kind": "number", "rows": 1}}),
        ),
        (
            "select a from t order by a fetch first 3 rows with ties",
            json!({"limit": {"kind": "expression"}}),
        ),
        ("select 1 limit all", json!({"limit": {"kind": "none"}})),
        ("select 1 limit null", json!({"limit": {"kind": "none"}})),
        (
            "select 1 limit $2",
            json!({"limit": {"kind": "parameter", "number": 2}, "parameters": 2}),
        ),
        (
            "select 1 limit 1 + 1",
            json!({"limit": {"kind": "expression"}}),
        ),
        (
            "select 1 limit 1e3",
            json!({"limit": {"kind": "expression"}}),
        ),
        (
            "select 1 union select 2 limit 4",
            json!({"limit": {"kind": "number", "rows": 4}}),
        ),
        (
            "(select 1 limit 4) union select 2",
            json!({"limit": {"kind": "none"}}),
        ),
        (
            "copy (select 1 limit 4) to stdout",
            json!({"limit": {"kind": "number", "rows": 4}}),
        ),
        (
            "insert into t select 1 limit 4",
            json!({"limit": {"kind": "none"}}),
        ),
        (
            "explain select 1 limit 4",
            json!({"limit": {"kind": "none"}}),
        ),
    ]);
}

#[test]
fn result_columns_have_a_class() {
    check(&[
        (
            "select 1, 'x', null, true, b'1', '2020-01-01'::date, array[1,2]",
            json!({"outputs":
            ["constant", "constant", "constant", "constant", "constant", "constant", "constant"]}),
        ),
        (
            "select $1, $2::text",
            json!({"outputs": ["parameter", "parameter"]}),
        ),
        (
            "select a, t.b, * , t.*, (t).* from t",
            json!({"outputs": ["column", "column", "star", "star", "star"]}),
        ),
        (
            "select a + 1, lower(a), a::text, (t).a, case when a then 1 end, (select 1), current_date from t",
            json!({"outputs": ["expression", "expression", "expression", "expression", "expression", "expression", "expression"]}),
        ),
        (
            "select count(*), count(a), count(distinct a), pg_catalog.count(*), count(*) filter (where a) from t",
            json!({"outputs": ["count", "count", "count", "count", "count"]}),
        ),
        (
            "select count(*) + 1, count(*) over (), evil.count(*), count(a, b), sum(a) from t",
            json!({"outputs": ["expression", "expression", "expression", "expression", "expression"]}),
        ),
        (
            "values (1, $1), (2, $2)",
            json!({"outputs": ["constant", "parameter"]}),
        ),
        (
            "values (1, 2), (3, (select ssn from p))",
            json!({"outputs": ["constant", "expression"]}),
        ),
        (
            "select 1, a from t union select 2, 3",
            json!({"outputs": ["constant", "expression"]}),
        ),
        (
            "select count(*) from t union all select count(*) from u",
            json!({"outputs": ["count"]}),
        ),
        (
            "select 1, * from t union select * from u",
            json!({"outputs": ["star"]}),
        ),
        (
            "select '123-45-6789' intersect select ssn from p",
            json!({"outputs": ["expression"]}),
        ),
        (
            "delete from t where id = 1 returning *, 1, a",
            json!({"outputs": ["star", "constant", "column"]}),
        ),
        (
            "copy (select count(*) from t) to stdout",
            json!({"outputs": ["count"], "returns_rows": true}),
        ),
        (
            "prepare s as select a, 1 from t",
            json!({"outputs": ["column", "constant"], "returns_rows": false}),
        ),
    ]);
}

#[test]
fn what_hides_from_the_grammar_is_opaque() {
    let opaque = |reason: &str| json!({"opaque": reason, "read_only": false});
    check(&[
        (
            "do $$ begin perform 1; end $$",
            json!({"kind": "do", "opaque": "do-block", "opaque_reasons": ["do-block"]}),
        ),
        (
            "create function f() returns int language sql as 'select 1'",
            opaque("create-function"),
        ),
        (
            "create procedure f() language plpgsql as $$ begin end $$",
            json!({"opaque": "create-function", "verb": "CREATE PROCEDURE"}),
        ),
        (
            "create aggregate a (int) (sfunc = f, stype = int)",
            opaque("create-function"),
        ),
        (
            "create operator === (function = f, leftarg = int)",
            opaque("create-function"),
        ),
        (
            "create cast (a as b) with function f(a)",
            opaque("create-function"),
        ),
        ("create language plpython3u", opaque("create-extension")),
        ("create extension dblink", opaque("create-extension")),
        (
            "create event trigger e on ddl_command_start execute function f()",
            opaque("create-trigger"),
        ),
        ("load 'evil'", json!({"kind": "load", "opaque": "load"})),
        ("alter system set x = 1", opaque("alter-system")),
        (
            "create server s foreign data wrapper w",
            opaque("foreign-data"),
        ),
        (
            "create foreign table ft (a int) server s",
            opaque("foreign-data"),
        ),
        (
            "create subscription s connection 'x' publication p",
            opaque("replication"),
        ),
        ("create publication p for all tables", opaque("replication")),
        (
            "select query_to_xml('select ssn from patients', true, true, '')",
            opaque("dynamic-sql"),
        ),
        (
            "select pg_catalog.\"query_to_xml\"('x', true, true, '')",
            opaque("dynamic-sql"),
        ),
        (
            "select table_to_xml_and_xmlschema('patients', true, true, '')",
            opaque("dynamic-sql"),
        ),
        (
            "select cursor_to_xml('c', 1, true, true, '')",
            opaque("dynamic-sql"),
        ),
        (
            "select * from ts_stat('select v from t')",
            opaque("dynamic-sql"),
        ),
        (
            "select * from ext.dblink('host=x', 'select 1') as t(a int)",
            opaque("dynamic-sql"),
        ),
        (
            "select * from crosstab('select 1') as t(a int)",
            opaque("dynamic-sql"),
        ),
        (
            "select cron.schedule('* * * * *', 'delete from t')",
            opaque("dynamic-sql"),
        ),
        (
            "select pg_read_binary_file('/etc/passwd')",
            opaque("server-file"),
        ),
        ("select * from pg_ls_dir('/')", opaque("server-file")),
        ("select lo_export(1, '/tmp/x')", opaque("server-file")),
        ("select lo_get(1)", opaque("large-object")),
        (
            "select * from pg_logical_slot_peek_changes('s', null, null)",
            opaque("replication"),
        ),
        (
            "select * from heap_page_items(get_raw_page('patients', 0))",
            opaque("raw-storage"),
        ),
        ("select pg_terminate_backend(1)", opaque("server-control")),
        (
            "copy t to program 'curl x'",
            json!({"opaque": "program", "returns_rows": false, "read_only": false}),
        ),
        (
            "copy t from '/etc/passwd'",
            json!({"opaque": "server-file"}),
        ),
        (
            "prepare s as select dblink('x', 'y')",
            json!({"opaque": "dynamic-sql", "opaque_reasons": ["dynamic-sql", "prepare"]}),
        ),
        (
            "explain analyze select 1 from t where query_to_xml('x', true, true, '') is null",
            opaque("dynamic-sql"),
        ),
        (
            "select xpath('/a', doc), to_json(t), lower(name) from t",
            json!({"opaque": null, "opaque_reasons": [], "read_only": true}),
        ),
    ]);
}

#[test]
fn copy_options_are_read_in_both_spellings() {
    check(&[
        (
            "copy patients to stdout",
            json!({"kind": "copy-to", "verb": "COPY TO", "read_only": true, "returns_rows": true,
            "copy": {"direction": "to", "format": "text", "program": false, "file": false, "query": false, "columns": [],
                     "relation": {"schema": null, "name": "patients"}, "header": "off", "delimiter": null}}),
        ),
        (
            "copy ehr.t (a, b) from stdin with (format csv, delimiter ';', null 'NIL', header match, quote '''', escape '\\', encoding 'latin1')",
            json!({"kind": "copy-from", "read_only": false, "copy": {"direction": "from", "format": "csv", "delimiter": ";",
                "null": "NIL", "header": "match", "quote": "'", "escape": "\\", "encoding": "latin1", "columns": ["a", "b"],
                "relation": {"schema": "ehr", "name": "t"}}}),
        ),
        (
            "copy t to stdout csv header delimiter as '|' null as '' quote as '\"' escape as '\\'",
            json!({"copy": {"format": "csv", "header": "on", "delimiter": "|", "null": "", "quote": "\"", "escape": "\\"}}),
        ),
        (
            "copy t to stdout binary",
            json!({"copy": {"format": "binary"}}),
        ),
        (
            "copy binary t to stdout",
            json!({"copy": {"format": "binary"}}),
        ),
        (
            "copy t to stdout (format 'binary')",
            json!({"copy": {"format": "binary"}}),
        ),
        (
            "copy t to stdout (format parquet)",
            json!({"copy": {"format": "other"}}),
        ),
        (
            "copy t to stdout (format csv, format text)",
            json!({"copy": {"format": "other"}}),
        ),
        (
            "copy t to stdout (format csv, header false)",
            json!({"copy": {"header": "off"}}),
        ),
        (
            "copy t to stdout (header)",
            json!({"copy": {"header": "on"}}),
        ),
        (
            "copy t to '/tmp/x'",
            json!({"copy": {"file": true, "program": false}}),
        ),
        (
            "copy t to program 'x'",
            json!({"copy": {"file": false, "program": true}}),
        ),
        (
            "copy (delete from t returning *) to stdout",
            json!({"read_only": false, "unfiltered_writes": names("t"),
            "copy": {"query": true, "relation": null}}),
        ),
        (
            "copy (table t for update) to stdout",
            json!({"locking": true, "read_only": false}),
        ),
    ]);
}
