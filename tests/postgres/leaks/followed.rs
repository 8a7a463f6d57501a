//! Identifiers that go a long way: through sub-selects, set operations, views, cursors, COPY, other search
//! paths. Wherever they come out they stay hidden.

use super::Must::{Mask, NotTell};
use super::Sent::{self, Lines, Once};
use super::{Must, check, plan};

#[test]
fn where_a_value_comes_from_is_followed_through_every_form_of_query() {
    check(&plan().start().unwrap(), FOLLOWED);
}

const FOLLOWED: &[(Sent, Must)] = &[
    (Once("select * from patients"), Mask),
    (Once("table patients"), Mask),
    (
        Once("select ssn as reference, mrn \"Reference\" from patients"),
        Mask,
    ),
    (
        Once("SELECT SSN, \"ssn\", U&\"\\0073sn\" FROM PUBLIC.Patients"),
        Mask,
    ),
    (
        Once("select clinic_db.public.patients.ssn from clinic_db.public.patients"),
        Mask,
    ),
    (
        Once("select c from (select ssn from patients) as q(c)"),
        Mask,
    ),
    (
        Once("select p.b from patients as p(a, b, c, d, e, f, g, h)"),
        Mask,
    ),
    (
        Once(
            "select j.h from (patients p join encounters e using (patient_id)) as j(a, b, c, d, e, f, g, h)",
        ),
        Mask,
    ),
    (Once("select (p).ssn, (p.*).mrn from patients p"), Mask),
    (
        Once(
            "select (select ssn from patients order by 1 limit 1), (select p from patients p limit 1)",
        ),
        Mask,
    ),
    (
        Once("select array(select reverse(ssn) from patients)"),
        Mask,
    ),
    (
        Once("with q as (select reverse(ssn) as r from patients) select r from q"),
        Mask,
    ),
    (
        Once("with q as materialized (select ssn from patients) select ssn, reverse(ssn) from q"),
        Mask,
    ),
    (
        Once(
            "with patients as (select reverse(ssn) as ward from patients) select ward from patients",
        ),
        Mask,
    ),
    (
        Once(
            "with recursive q(n, v) as (select 1, reverse(ssn) from patients union all select n + 1, v from q where n < 3) select v from q",
        ),
        Mask,
    ),
    (
        Once(
            "with recursive q(v) as (select ssn from patients union select v from q) select v from q",
        ),
        Mask,
    ),
    (
        Once("select remark from remarks union all select reverse(ssn) from patients"),
        Mask,
    ),
    (
        Once("select remark from remarks union select ssn from patients"),
        Mask,
    ),
    (
        Once("select 'x' union all select reverse(ssn) from patients"),
        Mask,
    ),
    (
        Once("select reverse(ssn) from patients intersect select reverse(ssn) from people"),
        Mask,
    ),
    (
        Once("select reverse(ssn) from patients except select 'x'"),
        Mask,
    ),
    (
        Once(
            "select x from (select remark as x from remarks union all select reverse(ssn) from patients) q",
        ),
        Mask,
    ),
    (
        Once("values ('x'), ((select reverse(ssn) from patients limit 1))"),
        Mask,
    ),
    (
        Once("select v.x from patients p, lateral (values (reverse(p.ssn)), (p.ward)) v(x)"),
        Mask,
    ),
    (
        Once("select q.* from patients p cross join lateral (select reverse(p.ssn) as r) q"),
        Mask,
    ),
    (
        Once("select ssn from patients p full join people q using (ssn)"),
        Mask,
    ),
    (Once("select * from patients natural join encounters"), Mask),
    (
        Once("select distinct on (ward) reverse(ssn), ward from patients order by ward"),
        Mask,
    ),
    (
        Once("select reverse(ssn), count(*) from patients group by grouping sets ((1), ())"),
        Mask,
    ),
    (
        Once("select ssn, count(*) from patients group by rollup (ssn)"),
        Mask,
    ),
    (Once("select unnest(array_agg(ssn)) from patients"), Mask),
    (
        Once("select * from unnest(array(select reverse(ssn) from patients))"),
        Mask,
    ),
    (
        Once("select f.* from rows from (unnest(array(select reverse(ssn) from patients))) f"),
        Mask,
    ),
    (
        Once(
            "select (jsonb_populate_record(null::people, jsonb_build_object('ssn', reverse(ssn)))).* from patients",
        ),
        Mask,
    ),
    (
        Once(
            "select r.* from jsonb_to_recordset((select jsonb_agg(jsonb_build_object('a', reverse(ssn))) from patients)) r(a text)",
        ),
        Mask,
    ),
    (Once("select mirrored from deep_0"), Mask),
    (Once("select mirrored from deep_24"), Mask),
    (Once("select reverse(mirrored) from deep_24"), Mask),
    (Once("select phone, mirrored from contacts"), Mask),
    (Once("select mirrored from people"), Mask),
    (Once("select code from members"), Mask),
    (Once("select code from only members_north"), Mask),
    (
        Once("select * from claims_2025 union all select * from claims_2026"),
        Mask,
    ),
    (
        Once("select reverse(plan_member_id) from claims_2025"),
        Mask,
    ),
    (Once("select family_name, mrn from ward_census"), Mask),
    (
        Once("select * from patients tablesample system (100)"),
        Mask,
    ),
    (Once("select ssn from patients for update"), Mask),
    (Once("select * from private.remarks"), Mask),
    (
        Once("explain (verbose, costs off) select reverse(ssn) from patients"),
        Mask,
    ),
    (
        Once(
            "explain (analyze, verbose, timing off, summary off, costs off) select reverse(ssn) from patients",
        ),
        Mask,
    ),
    (Once("delete from people where id = 11 returning *"), Mask),
    (
        Once("delete from people where id = 12 returning reverse(ssn), mirrored"),
        Mask,
    ),
    (
        Once(
            "with gone as (delete from people where id = 10 returning reverse(ssn) as r) select r from gone",
        ),
        Mask,
    ),
    (
        Once("update patients set ward = 'Annex' where patient_id = 1 returning ssn, reverse(ssn)"),
        Mask,
    ),
    (
        Once(
            "insert into scratch values (1, 'x', 2) returning (select reverse(ssn) from patients limit 1)",
        ),
        Mask,
    ),
    (
        Once(
            "merge into scratch s using patients p on s.id = p.patient_id when matched then delete",
        ),
        NotTell,
    ),
    (Once("copy patients to stdout"), Mask),
    (
        Once("copy patients (ssn, mrn) to stdout with (format csv, header, force_quote *)"),
        Mask,
    ),
    (
        Once("copy (select reverse(ssn), ward from patients) to stdout"),
        Mask,
    ),
    (
        Once("copy (select reverse(ssn) as remark from patients) to stdout csv header"),
        Mask,
    ),
    (
        Once("copy (delete from people where id = 9 returning reverse(ssn)) to stdout"),
        Mask,
    ),
    (Once("copy people (mirrored) to stdout"), NotTell),
    (
        Once("select 1; copy (select reverse(ssn) from patients) to stdout"),
        Mask,
    ),
    (
        Lines(
            "begin;\ndeclare c cursor for select reverse(ssn) from patients;\nfetch all from c;\ncommit;\n",
        ),
        Mask,
    ),
    (
        Lines(
            "begin;\ndeclare c binary cursor for select reverse(ssn), birth_date, replace(ssn, '-', '')::int from patients;\nfetch all from c;\ncommit;\n",
        ),
        Mask,
    ),
    (
        Lines(
            "declare c cursor with hold for select reverse(ssn) from patients;\nfetch backward all from c;\nmove absolute 0 in c;\nfetch all from c;\n",
        ),
        NotTell,
    ),
    (
        Lines(
            "begin;\ndeclare c cursor for select 'x';\ncommit;\nbegin\\;declare c cursor for select reverse(ssn) from patients\\;fetch all from c;\ncommit;\n",
        ),
        Mask,
    ),
    (
        Once(
            "begin; declare d cursor for select 'x'; close d; declare d cursor for select reverse(ssn) from patients; fetch all from d; commit",
        ),
        Mask,
    ),
    (
        Once("set search_path = private, public; select reverse(remark) from remarks"),
        Mask,
    ),
    (
        Lines("set search_path = private, public;\nselect reverse(remark) from remarks;\n"),
        Mask,
    ),
    (
        Lines(
            "select set_config('search_path', 'private', false);\nselect reverse(remark), remark from remarks;\n",
        ),
        Mask,
    ),
    (
        Lines(
            "begin;\nset local search_path to private;\nselect reverse(remark) from remarks;\nrollback;\nselect reverse(remark) from remarks;\n",
        ),
        Mask,
    ),
    (
        Lines("reset search_path;\nset schema 'private';\nselect reverse(remark) from remarks;\n"),
        Mask,
    ),
    (Once("select ctid, tableoid, xmin, ssn from patients"), Mask),
    (
        Once("select chunk_data from pg_toast.pg_toast_2618 limit 1"),
        NotTell,
    ),
];
