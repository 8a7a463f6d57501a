//! Every sort of statement is told apart, and what belongs to one sort only is read from it.

mod support;

use serde_json::json;
use support::{check, names, relations};

#[test]
fn queries_and_writes_have_their_kinds() {
    check(&[
        (
            "select 1",
            json!({"kind": "select", "verb": "SELECT", "returns_rows": true, "read_only": true, "literals": 1}),
        ),
        (
            "values (1), (2)",
            json!({"kind": "select", "verb": "VALUES", "read_only": true}),
        ),
        (
            "table patients",
            json!({"kind": "select", "relations": relations("read patients"), "outputs": ["star"]}),
        ),
        (
            "select",
            json!({"kind": "select", "returns_rows": true, "outputs": []}),
        ),
        (
            "select * into copy_of from patients",
            json!({"kind": "select", "verb": "SELECT INTO", "read_only": false, "returns_rows": false, "outputs": [],
                   "relations": relations("define copy_of, read patients")}),
        ),
        (
            "insert into visits (id, note) values ($1, $2)",
            json!({"kind": "insert", "read_only": false, "returns_rows": false, "parameters": 2,
                   "relations": relations("write visits")}),
        ),
        (
            "insert into visits values (1) returning id",
            json!({"returns_rows": true, "outputs": ["column"]}),
        ),
        (
            "update visits set note = $1 where id = $2",
            json!({"kind": "update", "has_where": true}),
        ),
        (
            "delete from visits where id = 7",
            json!({"kind": "delete", "has_where": true}),
        ),
        (
            "merge into visits v using staged s on v.id = s.id when matched then delete",
            json!({"kind": "merge", "read_only": false, "unfiltered_writes": [],
                   "relations": relations("write visits, read staged")}),
        ),
        (
            "truncate visits, ehr.notes",
            json!({"kind": "truncate", "relations": relations("write visits, write ehr.notes")}),
        ),
    ]);
}

#[test]
fn transaction_control_is_told_apart() {
    check(&[
        (
            "begin",
            json!({"kind": "begin", "transaction": "begin", "read_only": true}),
        ),
        (
            "start transaction isolation level serializable",
            json!({"kind": "begin", "verb": "START TRANSACTION"}),
        ),
        (
            "commit",
            json!({"kind": "commit", "transaction": "commit", "read_only": false}),
        ),
        ("end", json!({"kind": "commit"})),
        ("rollback", json!({"kind": "rollback", "read_only": true})),
        ("abort", json!({"kind": "rollback"})),
        ("savepoint a", json!({"kind": "savepoint"})),
        ("release a", json!({"kind": "release"})),
        ("rollback to savepoint a", json!({"kind": "rollback-to"})),
        (
            "prepare transaction 'x'",
            json!({"kind": "prepare-transaction", "transaction": "prepare-transaction"}),
        ),
        ("commit prepared 'x'", json!({"kind": "commit-prepared"})),
        (
            "rollback prepared 'x'",
            json!({"kind": "rollback-prepared"}),
        ),
        ("select 1", json!({"transaction": null})),
    ]);
}

#[test]
fn definitions_name_what_they_define() {
    check(&[
        (
            "drop table a, ehr.b",
            json!({"kind": "drop", "verb": "DROP TABLE", "relations": relations("define a, define ehr.b")}),
        ),
        (
            "drop view if exists v cascade",
            json!({"verb": "DROP VIEW", "relations": relations("define v")}),
        ),
        (
            "drop index i",
            json!({"verb": "DROP INDEX", "relations": relations("define i")}),
        ),
        (
            "drop trigger g on ehr.t",
            json!({"verb": "DROP TRIGGER", "relations": relations("define ehr.t")}),
        ),
        (
            "drop function f(int)",
            json!({"verb": "DROP FUNCTION", "relations": []}),
        ),
        (
            "drop database d",
            json!({"kind": "drop", "verb": "DROP DATABASE"}),
        ),
        (
            "drop owned by bob",
            json!({"kind": "drop", "verb": "DROP OWNED"}),
        ),
        (
            "create table t (id int references p(id), like q)",
            json!({"kind": "create", "verb": "CREATE TABLE",
            "relations": relations("define t, read p, read q")}),
        ),
        (
            "create temp table patients as select * from x",
            json!({"verb": "CREATE TABLE AS", "read_only": false,
            "relations": relations("read x, define patients")}),
        ),
        (
            "create materialized view m as select 1",
            json!({"verb": "CREATE MATERIALIZED VIEW", "relations": relations("define m")}),
        ),
        (
            "create view v as select ssn from patients",
            json!({"kind": "create", "verb": "CREATE VIEW",
            "relations": relations("define v, read patients"), "returns_rows": false, "outputs": []}),
        ),
        (
            "create index on visits (lower(note)) where id > 3",
            json!({"verb": "CREATE INDEX",
            "relations": relations("define visits"), "functions": names("lower")}),
        ),
        (
            "alter table t add column c text",
            json!({"kind": "alter", "verb": "ALTER TABLE", "relations": relations("define t")}),
        ),
        (
            "alter table t rename column a to b",
            json!({"kind": "alter", "verb": "ALTER TABLE", "relations": relations("define t")}),
        ),
        (
            "alter view v rename to w",
            json!({"kind": "alter", "verb": "ALTER VIEW"}),
        ),
        (
            "alter role bob superuser",
            json!({"kind": "alter", "verb": "ALTER ROLE"}),
        ),
        (
            "create role bob",
            json!({"kind": "create", "verb": "CREATE ROLE"}),
        ),
        (
            "create schema ehr create table t (id int)",
            json!({"verb": "CREATE SCHEMA", "relations": relations("define t")}),
        ),
        (
            "grant select on patients to bob",
            json!({"kind": "grant", "relations": relations("define patients")}),
        ),
        ("revoke all on patients from bob", json!({"kind": "revoke"})),
        ("grant admins to bob", json!({"kind": "grant"})),
        (
            "comment on column ehr.t.c is 'x'",
            json!({"kind": "comment", "relations": relations("define ehr.t")}),
        ),
        (
            "create policy p on patients using (owner = current_user)",
            json!({"verb": "CREATE POLICY",
            "relations": relations("define patients")}),
        ),
        (
            "import foreign schema s from server x into y",
            json!({"kind": "create", "opaque": "foreign-data"}),
        ),
    ]);
}

#[test]
fn utilities_have_their_kinds() {
    check(&[
        (
            "lock table patients in access exclusive mode",
            json!({"kind": "lock", "locking": true, "relations": relations("write patients")}),
        ),
        (
            "vacuum full patients",
            json!({"kind": "vacuum", "relations": relations("write patients")}),
        ),
        ("analyze patients", json!({"kind": "analyze"})),
        ("cluster patients", json!({"kind": "cluster"})),
        (
            "reindex table patients",
            json!({"kind": "reindex", "relations": relations("write patients")}),
        ),
        (
            "refresh materialized view m",
            json!({"kind": "refresh", "relations": relations("write m")}),
        ),
        ("checkpoint", json!({"kind": "checkpoint"})),
        (
            "set constraints all deferred",
            json!({"kind": "set-constraints"}),
        ),
        ("reassign owned by a to b", json!({"kind": "reassign"})),
        (
            "security label on table t is 'x'",
            json!({"kind": "security-label", "relations": relations("define t")}),
        ),
        ("listen news", json!({"kind": "listen", "channel": "news"})),
        (
            "notify news, 'payload'",
            json!({"kind": "notify", "channel": "news"}),
        ),
        ("unlisten *", json!({"kind": "unlisten", "channel": "*"})),
        (
            "show search_path",
            json!({"kind": "show", "read_only": true, "returns_rows": true, "outputs": ["expression"]}),
        ),
    ]);
}

#[test]
fn cursors_and_prepared_statements_keep_their_names() {
    check(&[
        (
            "declare c binary no scroll cursor with hold for select ssn from patients limit 5",
            json!({"kind": "declare-cursor", "read_only": true, "returns_rows": false, "outputs": ["column"],
                   "cursor": {"name": "c", "binary": true, "hold": true, "count": null},
                   "limit": {"kind": "number", "rows": 5}, "relations": relations("read patients")}),
        ),
        (
            "declare c cursor for select 1 for update",
            json!({"locking": true, "read_only": false}),
        ),
        (
            "fetch 10 from c",
            json!({"kind": "fetch", "returns_rows": true, "read_only": false, "outputs": [],
            "cursor": {"name": "c", "direction": "forward", "count": 10, "binary": false}}),
        ),
        (
            "fetch all in c",
            json!({"cursor": {"name": "c", "direction": "forward", "count": null}}),
        ),
        (
            "fetch backward 3 from c",
            json!({"cursor": {"direction": "backward", "count": 3}}),
        ),
        (
            "fetch absolute -1 from c",
            json!({"cursor": {"direction": "absolute", "count": -1}}),
        ),
        (
            "fetch relative 0 from c",
            json!({"cursor": {"direction": "relative", "count": 0}}),
        ),
        (
            "move forward all from c",
            json!({"kind": "move", "returns_rows": false}),
        ),
        (
            "close c",
            json!({"kind": "close-cursor", "cursor": {"name": "c"}}),
        ),
        ("close all", json!({"cursor": {"name": null}})),
        (
            "prepare s (text) as delete from patients where ssn = $1",
            json!({"kind": "prepare", "opaque": "prepare", "prepared": {"name": "s"}, "has_where": true, "parameters": 1,
                   "read_only": false, "returns_rows": false, "relations": relations("write patients")}),
        ),
        (
            "execute s ('x')",
            json!({"kind": "execute", "opaque": "execute", "prepared": {"name": "s"}, "returns_rows": true,
            "read_only": false, "outputs": []}),
        ),
        (
            "deallocate s",
            json!({"kind": "deallocate", "prepared": {"name": "s"}}),
        ),
        ("deallocate all", json!({"prepared": {"name": null}})),
        (
            "create table t as execute s",
            json!({"kind": "create", "opaque": "execute"}),
        ),
    ]);
}

#[test]
fn explain_shows_what_is_inside_it() {
    check(&[
        (
            "explain select ssn from patients",
            json!({"kind": "explain", "verb": "EXPLAIN", "read_only": true,
            "explain": {"analyze": false, "verbose": false}, "relations": relations("read patients"), "outputs": ["expression"]}),
        ),
        (
            "explain analyze delete from patients",
            json!({"verb": "EXPLAIN ANALYZE", "read_only": false, "has_where": false,
            "explain": {"analyze": true}, "unfiltered_writes": names("patients"), "relations": relations("write patients")}),
        ),
        ("explain analyze select 1", json!({"read_only": true})),
        (
            "explain (analyze off, verbose) update t set a = 1",
            json!({"read_only": true, "explain": {"analyze": false, "verbose": true}}),
        ),
        (
            "explain (analyze 'true') insert into t values (1)",
            json!({"read_only": false, "explain": {"analyze": true}}),
        ),
        (
            "explain (analyze false, analyze) insert into t values (1)",
            json!({"read_only": false, "explain": {"analyze": true}}),
        ),
        (
            "explain execute s",
            json!({"opaque": "execute", "read_only": false}),
        ),
        (
            "explain analyze create table t as select * from patients",
            json!({"read_only": false,
            "relations": relations("read patients, define t")}),
        ),
        (
            "explain analyze with d as (delete from t returning *) select * from d",
            json!({"read_only": false}),
        ),
    ]);
}

#[test]
fn settings_of_the_session_are_seen() {
    check(&[
        (
            "set search_path to evil, public",
            json!({"kind": "set", "session_effects": ["search-path"]}),
        ),
        (
            "SET \"Search_Path\" = evil",
            json!({"session_effects": ["search-path"]}),
        ),
        (
            "set local search_path = evil",
            json!({"session_effects": ["search-path"]}),
        ),
        (
            "set schema 'evil'",
            json!({"session_effects": ["search-path"]}),
        ),
        ("set role admin", json!({"session_effects": ["role"]})),
        (
            "reset role",
            json!({"kind": "reset", "session_effects": ["role"]}),
        ),
        (
            "set session authorization bob",
            json!({"session_effects": ["session-authorization"]}),
        ),
        (
            "set names 'SJIS'",
            json!({"session_effects": ["client-encoding"]}),
        ),
        (
            "set client_encoding to latin1",
            json!({"session_effects": ["client-encoding"]}),
        ),
        (
            "set standard_conforming_strings = off",
            json!({"session_effects": ["standard-conforming-strings"]}),
        ),
        (
            "set time zone 'UTC'",
            json!({"session_effects": ["other:timezone"]}),
        ),
        (
            "set myapp.tenant = 'x'",
            json!({"session_effects": ["other:myapp.tenant"]}),
        ),
        (
            "set transaction read only",
            json!({"kind": "set", "session_effects": ["other:transaction"]}),
        ),
        (
            "set session characteristics as transaction read only",
            json!({"session_effects": ["other:session-characteristics"]}),
        ),
        (
            "reset all",
            json!({"kind": "reset",
            "session_effects": ["search-path", "client-encoding", "standard-conforming-strings", "other:all"]}),
        ),
        (
            "discard all",
            json!({"kind": "discard", "session_effects": ["search-path", "role", "session-authorization",
            "client-encoding", "standard-conforming-strings", "other:all"]}),
        ),
        (
            "discard plans",
            json!({"kind": "discard", "session_effects": []}),
        ),
        (
            "select set_config('search_path', $1, false)",
            json!({"session_effects": ["search-path"], "read_only": false}),
        ),
        (
            "select pg_catalog.set_config('ROLE'::text, 'x', true)",
            json!({"session_effects": ["role"]}),
        ),
        (
            "select set_config(n, v, false) from t",
            json!({"session_effects": ["unknown"]}),
        ),
        (
            "select set_config('se' || 'arch_path', 'x', false)",
            json!({"session_effects": ["unknown"]}),
        ),
        (
            "select set_config(is_local => false, setting_name => 'role', new_value => 'x')",
            json!({"session_effects": ["unknown"]}),
        ),
        (
            "with x as (select set_config('role', 'a', true)) select 1",
            json!({"session_effects": ["role"]}),
        ),
        (
            "update pg_settings set setting = 'x' where name = 'search_path'",
            json!({"session_effects": ["unknown"]}),
        ),
    ]);
}
