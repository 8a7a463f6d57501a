//! Every name in a statement is found, wherever it hides, and common table expressions hide only what they do hide.

mod support;

use serde_json::json;
use support::{check, columns, names, relations};

#[test]
fn relations_are_found_wherever_they_stand() {
    check(&[
        (
            "select 1 from a, b.c join d on true left join lateral (select * from e) x on true",
            json!({"relations": relations("read a, read b.c, read d, read e")}),
        ),
        (
            "select (select ssn from patients limit 1)",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select 1 where exists (table patients)",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select array(select ssn from patients)",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select 1 from x where id in (select id from y where z = any(select z from w))",
            json!({"relations": relations("read x, read y, read w")}),
        ),
        (
            "select 1 from x order by (select max(id) from y)",
            json!({"relations": relations("read x, read y")}),
        ),
        (
            "select 1 from x limit (select n from y)",
            json!({"relations": relations("read x, read y"), "limit": {"kind": "expression"}}),
        ),
        (
            "select 1 from x group by grouping sets ((select id from y))",
            json!({"relations": relations("read x, read y")}),
        ),
        (
            "select count(*) filter (where exists (select 1 from y)) from x",
            json!({"relations": relations("read y, read x")}),
        ),
        (
            "select sum(a) over (partition by (select 1 from y)) from x",
            json!({"relations": relations("read y, read x")}),
        ),
        (
            "select sum(a) over w from x window w as (order by (select 1 from y))",
            json!({"relations": relations("read x, read y")}),
        ),
        (
            "select case when exists (select 1 from y) then 1 end",
            json!({"relations": relations("read y")}),
        ),
        (
            "select row((select 1 from y)), coalesce((select 1 from z)), nullif((select 1 from w), 2)",
            json!({"relations": relations("read y, read z, read w")}),
        ),
        (
            "select * from rows from (f((select 1 from y))) t",
            json!({"relations": relations("read y"), "functions": names("f")}),
        ),
        (
            "select * from x tablesample system (10)",
            json!({"relations": relations("read x"), "functions": names("system")}),
        ),
        (
            "select * from only (x)",
            json!({"relations": relations("read x")}),
        ),
        (
            "values ((select ssn from patients))",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select 1 union all (select 2 from a except table b) intersect select 3 from c",
            json!({"relations": relations("read a, read b, read c")}),
        ),
        (
            "insert into t select * from s on conflict (id) do update set a = (select 1 from u) where exists (table v)",
            json!({"relations": relations("write t, read s, read u, read v"), "unfiltered_writes": []}),
        ),
        (
            "insert into t values ((select 1 from s)) returning (select 1 from r)",
            json!({"relations": relations("write t, read s, read r")}),
        ),
        (
            "update t set (a, b) = (select 1, 2 from s) from u where t.id = u.id",
            json!({"relations": relations("write t, read s, read u")}),
        ),
        (
            "delete from t using u, (select 1 from v) x where t.id = u.id",
            json!({"relations": relations("write t, read u, read v")}),
        ),
        (
            "merge into t using (select * from s) q on t.id = q.id when not matched then insert values ((select 1 from r))",
            json!({"relations": relations("write t, read s, read r")}),
        ),
        (
            "copy (select ssn from patients) to stdout",
            json!({"relations": relations("read patients")}),
        ),
        (
            "create rule r as on insert to a do also delete from b",
            json!({"kind": "create", "verb": "CREATE RULE",
            "opaque": "create-rule", "relations": relations("define a, write b"), "unfiltered_writes": names("b")}),
        ),
        (
            "create function f() returns int begin atomic select ssn from patients; end",
            json!({"opaque": "create-function", "relations": relations("read patients")}),
        ),
        (
            "create trigger g before insert on t execute function f()",
            json!({"opaque": "create-trigger",
            "relations": relations("define t"), "functions": names("f")}),
        ),
        (
            "create table c () inherits (p)",
            json!({"relations": relations("define c, read p")}),
        ),
        (
            "create statistics s on a, b from t",
            json!({"relations": relations("define t")}),
        ),
        (
            "select xmlelement(name x, (select ssn from patients))",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select json_object('a': (select ssn from patients))",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select * from json_table((select doc from patients), '$[*]' columns (x int path '$.x')) j",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select * from xmltable('/a' passing (select doc from patients) columns x int) j",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select a[(select 1 from y)] from x",
            json!({"relations": relations("read y, read x")}),
        ),
        (
            "select 1 from x join y using (id) natural join z",
            json!({"relations": relations("read x, read y, read z"),
            "columns": {"predicate": columns(":*, :id")}}),
        ),
        (
            "select * from \"Odd \"\"Name\"",
            json!({"relations": [{"schema": null, "name": "Odd \"Name", "access": "read"}]}),
        ),
        (
            "select * from U&\"\\0070atients\"",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select * from PaTients",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select * from db.ehr.patients",
            json!({"relations": relations("read ehr.patients")}),
        ),
        (
            "select * from/**/patients--x",
            json!({"relations": relations("read patients")}),
        ),
        (
            "select 1 from patients p for update of p",
            json!({"relations": relations("read patients"), "locking": true, "read_only": false}),
        ),
        (
            "select * from (select 1 from a for share) x",
            json!({"locking": true, "read_only": false}),
        ),
    ]);
}

#[test]
fn common_table_expressions_hide_relations_only_in_their_scope() {
    check(&[
        (
            "with c as (select * from a) select * from c",
            json!({"relations": relations("read a")}),
        ),
        (
            "with c as (select 1) select * from public.c",
            json!({"relations": relations("read public.c")}),
        ),
        // Its own body does not see a plain expression.
        (
            "with patients as (select * from patients) select * from patients",
            json!({"relations": relations("read patients")}),
        ),
        (
            "with recursive t as (select 1 union all select * from t) select * from t",
            json!({"relations": []}),
        ),
        (
            "with a as (select * from b), b as (select 1) select * from a, b",
            json!({"relations": relations("read b")}),
        ),
        (
            "with recursive a as (select * from b), b as (select 1) select * from a, b",
            json!({"relations": []}),
        ),
        (
            "with a as (select 1), b as (select * from a) select * from b",
            json!({"relations": []}),
        ),
        (
            "select * from (with patients as (select 1) select * from patients) x, patients",
            json!({"relations": relations("read patients")}),
        ),
        (
            "(with patients as (select 1) select * from patients) union select * from patients",
            json!({"relations": relations("read patients")}),
        ),
        (
            "with c as (select 1) select (select 2 from c), (with c as (select * from d) select 1 from c)",
            json!({"relations": relations("read d")}),
        ),
        // The target of a write is never an expression.
        (
            "with patients as (select 1) insert into patients select * from patients",
            json!({"relations": relations("write patients")}),
        ),
        (
            "with t as (select 1) update t set a = 1 from t x",
            json!({"relations": relations("write t")}),
        ),
        (
            "with d as (delete from visits returning *) select * from d",
            json!({"kind": "select", "read_only": false,
            "unfiltered_writes": names("visits"), "relations": relations("write visits")}),
        ),
        (
            "with c as (select 1) select * from c where exists (select 1 from c, e)",
            json!({"relations": relations("read e")}),
        ),
        (
            "create view v as with c as (select * from a) select * from c",
            json!({"relations": relations("define v, read a")}),
        ),
        (
            "create recursive view v (n) as select 1 union all select n from v",
            json!({"relations": relations("define v")}),
        ),
    ]);
}

#[test]
fn functions_are_found_wherever_they_stand() {
    check(&[
        (
            "select lower(upper(x)) from f(1) where g() order by ehr.h(2)",
            json!({"functions": names("lower, upper, f, g, ehr.h")}),
        ),
        (
            "select extract(year from now())",
            json!({"functions": names("pg_catalog.extract, now")}),
        ),
        (
            "select 'x' similar to 'y'",
            json!({"functions": names("pg_catalog.similar_to_escape")}),
        ),
        (
            "select 1 from t tablesample ext.sampler(3)",
            json!({"functions": names("ext.sampler")}),
        ),
        (
            "select f.pg_read_file from unnest(array['/etc/passwd']) f",
            json!({"attributes": ["pg_read_file"],
            "opaque": "server-file", "read_only": false}),
        ),
        (
            "select ('PG_VERSION'::text).pg_read_file",
            json!({"attributes": ["pg_read_file"], "opaque": "server-file"}),
        ),
        (
            "select (select 'q'::text).ts_stat",
            json!({"opaque": "dynamic-sql"}),
        ),
        (
            "select p.row_to_json from patients p",
            json!({"attributes": ["row_to_json"]}),
        ),
        (
            "call f(1)",
            json!({"kind": "call", "opaque": "call", "functions": names("f"), "returns_rows": true, "read_only": false}),
        ),
        (
            "select 1 operator(pg_catalog.+) 2",
            json!({"qualified_operators": true}),
        ),
        (
            "select 1 from t order by a using operator(evil.<)",
            json!({"qualified_operators": true}),
        ),
        (
            "select 1 operator(evil.=) any (select 2)",
            json!({"qualified_operators": true}),
        ),
        (
            "select 1 + 2, a || b",
            json!({"qualified_operators": false}),
        ),
    ]);
}

#[test]
fn columns_are_told_by_use_and_resolved_through_aliases() {
    check(&[
        (
            "select ssn from patients",
            json!({"columns": {"read": columns("patients:ssn"), "predicate": [], "written": []}}),
        ),
        (
            "select p.ssn from ehr.patients p where p.mrn = $1",
            json!({"columns": {"read": columns("ehr.patients:ssn"),
            "predicate": columns("ehr.patients:mrn")}}),
        ),
        (
            "select patients.ssn from ehr.patients",
            json!({"columns": {"read": columns("ehr.patients:ssn")}}),
        ),
        (
            "select ehr.patients.ssn from ehr.patients",
            json!({"columns": {"read": columns("ehr.patients:ssn")}}),
        ),
        (
            "select ssn from patients, visits",
            json!({"columns": {"read": columns(":ssn")}}),
        ),
        (
            "select v.id, ssn from patients p join visits v on p.id = v.patient_id",
            json!({"columns": {"read": columns("visits:id, :ssn"), "predicate": columns("patients:id, visits:patient_id")}}),
        ),
        (
            "select * from patients p, visits",
            json!({"columns": {"read": columns("patients:*, visits:*")}}),
        ),
        (
            "select p.* from patients p",
            json!({"columns": {"read": columns("patients:*")}}),
        ),
        (
            "select p from patients p",
            json!({"columns": {"read": columns("patients:p, patients:*")}}),
        ),
        (
            "select (p).ssn, (p.*).mrn from patients p",
            json!({"columns": {"read": columns("patients:ssn, patients:p, patients:*, patients:mrn")}}),
        ),
        (
            "select id from t where ssn like '1%' group by g having h > 1 order by o",
            json!({"columns": {"read": columns("t:id"), "predicate": columns("t:ssn, t:g, t:h, t:o")}}),
        ),
        (
            "select name, ssn from patients order by 2",
            json!({"columns": {"read": columns("patients:name, patients:ssn"),
            "predicate": columns("patients:ssn")}}),
        ),
        (
            "select lower(ssn) as x from patients order by x",
            json!({"columns": {"predicate": columns("patients:ssn, patients:x")},
            "literals": 0}),
        ),
        (
            "select substr(ssn, 1, 3), count(*) from patients group by 1",
            json!({"columns": {"predicate": columns("patients:ssn")},
            "literals": 3}),
        ),
        (
            "select ssn from a union select mrn from b order by 1",
            json!({"columns": {"predicate": columns(":ssn, :mrn")}}),
        ),
        (
            "select id from t where id in (select v.t_id from visits v)",
            json!({"columns": {"read": columns("t:id"),
            "predicate": columns("t:id, visits:t_id")}}),
        ),
        (
            "select count(*) filter (where ssn is null) from t",
            json!({"columns": {"read": [], "predicate": columns("t:ssn")}}),
        ),
        (
            "select rank() over (order by ssn) from t",
            json!({"columns": {"predicate": columns("t:ssn")}}),
        ),
        (
            "select string_agg(name, ',' order by ssn) from t",
            json!({"columns": {"read": columns("t:name"), "predicate": columns("t:ssn")}}),
        ),
        (
            "select distinct on (ssn) id from t",
            json!({"columns": {"predicate": columns("t:ssn")}}),
        ),
        (
            "with c as (select ssn as s from patients) select c.s from c",
            json!({"columns": {"read": columns("patients:ssn, c:s")}}),
        ),
        (
            "update patients p set name = upper(p.name), zip = $1 where mrn = $2 returning ssn",
            json!({"columns": {"written": columns("patients:name, patients:zip"), "read": columns("patients:name, patients:ssn"),
                   "predicate": columns("patients:mrn")}}),
        ),
        (
            "insert into visits (id, note) select id, ssn from patients returning visits.id",
            json!({"columns": {"written": columns("visits:id, visits:note"), "read": columns("patients:id, patients:ssn, visits:id")}}),
        ),
        (
            "insert into t (id) values (1) on conflict (id) do update set n = excluded.n where t.m > 1",
            json!({"columns": {"written": columns("t:id, t:n"), "read": columns("t:n"), "predicate": columns("t:m")}}),
        ),
        (
            "update t set a = 1 where b = 2 returning old.a, new.a",
            json!({"columns": {"read": columns("t:a")}}),
        ),
        (
            "merge into t using s on t.id = s.id when matched and s.x > 1 then update set a = s.b",
            json!({"columns": {"written": columns("t:a"), "read": columns("s:b"), "predicate": columns("t:id, s:id, s:x")}}),
        ),
        (
            "delete from t using u where t.id = u.id",
            json!({"columns": {"predicate": columns("t:id, u:id")}}),
        ),
        (
            "copy patients (mrn, ssn) to stdout",
            json!({"columns": {"read": columns("patients:mrn, patients:ssn")}}),
        ),
        (
            "copy patients to stdout",
            json!({"columns": {"read": columns("patients:*")}}),
        ),
        (
            "copy patients (mrn) from stdin",
            json!({"columns": {"written": columns("patients:mrn")}}),
        ),
    ]);
}
