//! What holds nobody's identifiers stays readable: counts, constants, columns of proven provenance.

use super::Must::{Fail, Mask, Show};
use super::Sent::{self, Lines, Once};
use super::{Must, check, plan};

#[test]
fn what_is_nobodys_stays_readable() {
    check(&plan().start().unwrap(), READABLE);
}

const READABLE: &[(Sent, Must)] = &[
    (Once("select count(*) from patients"), Show("12")),
    (
        Once("select count(distinct ssn), 'shown', 7 from patients"),
        Show("12|shown|7"),
    ),
    (
        Once("select count(*) filter (where sex = 'F') + 0 from patients"),
        Mask,
    ),
    (
        Once("select patient_id from patients where patient_id = 3"),
        Show("3"),
    ),
    (
        Once("update patients set ward = 'Annex' where patient_id = 1"),
        Show("UPDATE 1"),
    ),
    (
        Once("select p.ward from patients p where patient_id = 1"),
        Show("Annex"),
    ),
    (
        Once(
            "with q as (select patient_id, ward from patients) select patient_id from q where patient_id = 5",
        ),
        Show("5"),
    ),
    (
        Once(
            "select e.kind, e.ward, e.diagnosis_code from encounters e join patients p using (patient_id) where encounter_id = 1",
        ),
        Show("|"),
    ),
    (Once("select birth_date from patients"), Show("-01-01")),
    (Once("select zip from patients"), Show("**")),
    (
        Once("select mrn from patients where patient_id = 2"),
        Show("mrn-"),
    ),
    (
        Once("select remark, n, doc, tags from remarks where id = 1"),
        Show("blue door|7|{\"colour\": \"blue\"}|{a,b}"),
    ),
    (
        Once(
            "select upper(remark), n + 1, doc ->> 'colour', tags[1], remark || '!' from remarks where id = 1",
        ),
        Show("BLUE DOOR|8|blue|a|blue door!"),
    ),
    (
        Once("select string_agg(remark, '; ' order by id) from remarks"),
        Show("blue door; open late"),
    ),
    (
        Once("select remark from remarks union all select 'constant'"),
        Show("constant"),
    ),
    (
        Once("select reverse(remark) from remarks where id = 1"),
        Show("rood eulb"),
    ),
    (
        Once("select lag(n) over (order by id), row_number() over () from remarks"),
        Show("7|2"),
    ),
    (
        Once("select mood, mood::text from moods"),
        Show("calm|calm"),
    ),
    (
        Once("select ward from deep_9 where patient_id = 1"),
        Show("Annex"),
    ),
    (
        Once("select patient_id from contacts where patient_id = 8"),
        Show("8"),
    ),
    (
        Once("select 1 + 1, now() is not null, current_setting('server_encoding')"),
        Show("2|t|UTF8"),
    ),
    (
        Once("select relname from pg_class where relname = 'patients'"),
        Show("patients"),
    ),
    (
        Once(
            "select column_name, data_type from information_schema.columns where table_name = 'patients' and column_name = 'ssn'",
        ),
        Show("ssn|text"),
    ),
    (
        Once("select pg_typeof(1), version() like 'PostgreSQL%'"),
        Show("integer|t"),
    ),
    (Once("show server_version"), Show(".")),
    (
        Once("explain select * from patients where patient_id = 1"),
        Show("patients"),
    ),
    (
        Once("set statement_timeout = '5s'; show statement_timeout"),
        Show("5s"),
    ),
    (
        Once("select set_config('application_name', 'ward tool', false)"),
        Show("ward tool"),
    ),
    (
        Once("set client_encoding = 'UTF8'; set names 'utf-8'; select 'fine'"),
        Show("fine"),
    ),
    (
        Once("set session client_encoding to UTF8; select 'fine'"),
        Show("fine"),
    ),
    (
        Once("select nextval('tickets') is not null, setval('tickets', 5)"),
        Show("t|"),
    ),
    (
        Once("copy remarks (id, remark) to stdout with (format csv, header)"),
        Show("1,blue door"),
    ),
    (
        Once("copy (select upper(remark) from remarks) to stdout"),
        Show("BLUE DOOR"),
    ),
    (
        Lines(
            "begin;\ndeclare c cursor for select upper(remark), n from remarks order by id;\nfetch 1 from c;\ncommit;\n",
        ),
        Show("BLUE DOOR|7"),
    ),
    (
        Lines(
            "begin;\ndeclare c cursor for select ward, patient_id from patients where patient_id = 7;\nfetch all from c;\ncommit;\n",
        ),
        Show("|7"),
    ),
    (
        Once("insert into scratch (id, note) values (1, 'x') returning id, note"),
        Show("1|"),
    ),
    (
        Once(
            "insert into scratch (id, note, amount) select id, remark, n * 2 from remarks returning upper(note)",
        ),
        Show("BLUE DOOR"),
    ),
    (
        Once(
            "insert into scratch (id, amount) select encounter_id, patient_id + 1 from encounters where encounter_id = 1 returning id",
        ),
        Show("1"),
    ),
    (
        Once(
            "insert into scratch (id, note) select patient_id, ward from patients where patient_id = 6 returning id",
        ),
        Show("6"),
    ),
    (
        Once(
            "insert into scratch (id, amount) select patient_id, count(*) from encounters group by 1 returning id",
        ),
        Show("INSERT"),
    ),
    (
        Once("update patients set ward = 'Annex', phone = '555-0000' where patient_id = 3"),
        Show("UPDATE 1"),
    ),
    (
        Once(
            "update lab_results set value = value * 2, abnormal = not abnormal where result_id = 1",
        ),
        Show("UPDATE 1"),
    ),
    (
        Once(
            "update scratch set note = upper(note), amount = coalesce(amount, 0) + 1 where id = 1",
        ),
        Show("UPDATE"),
    ),
    (
        Once(
            "insert into people (id, ssn) values (50, 'x') on conflict (id) do update set ssn = excluded.ssn",
        ),
        Show("INSERT 0 1"),
    ),
    (Once("delete from scratch where id = 1"), Show("DELETE")),
    (
        Once(
            "merge into scratch s using remarks r on s.id = r.id when matched then update set note = r.remark when not matched then insert values (r.id, r.remark, r.n)",
        ),
        Show("MERGE"),
    ),
    (
        Once("select nope from remarks"),
        Fail("column \"nope\" does not exist"),
    ),
];
