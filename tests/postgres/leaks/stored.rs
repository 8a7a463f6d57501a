//! Values carried to a place where nothing masks them, and read there: another column, a new relation, a
//! setting, a sequence, a seed, a lock.

use super::Must::{Mask, NotTell, Refuse};
use super::Sent::{self, Lines, Once};
use super::{Must, check, plan};
use almoner_tests::World;

#[test]
fn what_is_masked_is_not_stored_where_nothing_masks_it() {
    check(&plan().start().unwrap(), STORED);
}

#[test]
fn new_relations_do_not_take_values_out_even_where_they_may_be_made() {
    let world: World = plan()
        .edit(
            "10-plugins.toml",
            "use = \"builtin:sql-guard\"",
            "use = \"builtin:sql-guard\"\n[plugin.settings.kinds]\ncreate = \"allow\"\nalter = \"allow\"\n\"select-into\" = \"allow\"\nrefresh = \"allow\"\ndrop = \"allow\"",
        )
        .start()
        .unwrap();
    check(&world, DEFINED);
}

/// While somebody's definitions are under way no name is certain, and what cannot be resolved may be masked.
#[test]
fn nothing_is_stored_by_names_that_somebody_is_changing() {
    let world: World = plan()
        .edit(
            "10-plugins.toml",
            "use = \"builtin:sql-guard\"",
            "use = \"builtin:sql-guard\"\n[plugin.settings.kinds]\ncreate = \"allow\"\nalter = \"allow\"",
        )
        .start()
        .unwrap();
    let mut other = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    let patience = std::time::Duration::from_secs(20);
    other
        .ask("begin; create table under_way (a int);", patience)
        .unwrap();
    check(&world, UNSETTLED);
    other.ask("rollback;", patience).unwrap();
}

const UNSETTLED: &[(Sent, Must)] = &[
    (
        Once("alter table patients alter column ward type text using ssn"),
        Refuse,
    ),
    (
        Once(
            "alter table patients add column mirrored text generated always as (reverse(ssn)) stored",
        ),
        Refuse,
    ),
    (
        Once("insert into scratch (id, note) select 1, reverse(ssn) from patients, encounters"),
        Refuse,
    ),
    (
        Once("update scratch set note = ssn from patients where patients.patient_id = scratch.id"),
        Refuse,
    ),
    (
        Once("insert into scratch (id, note) values (77, 'x')"),
        NotTell,
    ),
];

const STORED: &[(Sent, Must)] = &[
    (
        Once("update patients set ward = ssn where patient_id = 1"),
        Refuse,
    ),
    (
        Once("update patients set ward = ssn where patient_id = 1 returning ward"),
        Refuse,
    ),
    (
        Once("update patients p set ward = p.ssn where patient_id = 1"),
        Refuse,
    ),
    (
        Once("update patients as p(a, b, c) set ward = b where p.a = 1"),
        NotTell,
    ),
    (
        Once("update patients set zip = ssn where patient_id = 1"),
        Refuse,
    ),
    (
        Once(
            "update patients set (ward, kin_relation) = (select ssn, mrn from patients limit 1) where patient_id = 1",
        ),
        Refuse,
    ),
    (
        Once(
            "update scratch set note = reverse(p.ssn) from patients p where p.patient_id = scratch.id",
        ),
        Refuse,
    ),
    (
        Once(
            "update scratch s set note = (select reverse(ssn) from patients where patient_id = s.id) where s.id > 0",
        ),
        Refuse,
    ),
    (
        Once(
            "update scratch set note = j.b from (patients p join encounters e using (patient_id)) as j(a, b, c) where j.a = scratch.id",
        ),
        Refuse,
    ),
    (
        Once("update scratch set note = (p).ssn from patients p where p.patient_id = id"),
        Refuse,
    ),
    (
        Once("update scratch set note = p::text from patients p where p.patient_id = id"),
        Refuse,
    ),
    (
        Once("insert into scratch (id, note) select patient_id, ssn from patients"),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, note) select patient_id, reverse(ssn) from patients returning note",
        ),
        Refuse,
    ),
    (
        Once("insert into scratch (id, note) select a, b from patients as p(a, b)"),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, note) select a, h from (select * from patients) as q(a, b, c, d, e, f, g, h)",
        ),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, note) with q as (select reverse(ssn) as r from patients) select 1, r from q",
        ),
        Refuse,
    ),
    (
        Once(
            "with q as (select patient_id as i, reverse(ssn) as r from patients) insert into scratch (id, note) select i, r from q",
        ),
        Refuse,
    ),
    (
        Once(
            "with gone as (delete from people where id = 2 returning ssn) insert into scratch (id, note) select 1, reverse(ssn) from gone",
        ),
        Refuse,
    ),
    (
        Once(
            "with w as (insert into scratch (id, note) select patient_id, reverse(ssn) from patients returning note) select note from w",
        ),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, note) values (1, (select reverse(ssn) from patients limit 1))",
        ),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, note) select 1, string_agg(reverse(ssn), ',') from patients",
        ),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, amount) select patient_id, replace(ssn, '-', '')::numeric from patients",
        ),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, amount) select patient_id, case when ssn like '9%' then 1 else 0 end from patients",
        ),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, note) select patient_id, mirrored from people p(patient_id, s, mirrored)",
        ),
        Refuse,
    ),
    (
        Once("insert into scratch (id, note) select id, mirrored from people"),
        Refuse,
    ),
    (
        Once("insert into scratch (id, note) select id, code from members"),
        Refuse,
    ),
    (
        Once("insert into scratch (id, note) select 1, mirrored from deep_20"),
        Refuse,
    ),
    (
        Once("insert into scratch (id, note) select 1, phone from patient_contact"),
        Refuse,
    ),
    (
        Once("insert into scratch (id, note) select note_id, reverse(body) from notes"),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, note) select i, reverse(b) from (select note_id, body from notes) as q(i, b)",
        ),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, note) select id, reverse(note) from (select note_id, body from notes) as q(id, note)",
        ),
        Refuse,
    ),
    (
        Once("update notes set body = reverse(body) where note_id = 1"),
        Refuse,
    ),
    (
        Once(
            "update notes set kind = translate(body, '0123456789', 'abcdefghij') where note_id = 1",
        ),
        Refuse,
    ),
    (
        Once(
            "insert into scratch (id, note) select 1, most_common_vals::text from pg_stats where tablename = 'patients'",
        ),
        Refuse,
    ),
    (
        Once("insert into scratch (id, note) select pid, query from pg_stat_activity"),
        Refuse,
    ),
    (
        Once(
            "insert into people (id, ssn) values (51, 'x') on conflict (id) do update set ssn = reverse(people.ssn)",
        ),
        Refuse,
    ),
    (
        Once(
            "merge into scratch s using patients p on s.id = p.patient_id when matched then update set note = reverse(p.ssn)",
        ),
        Refuse,
    ),
    (
        Once(
            "merge into scratch s using patients p on s.id = p.patient_id when not matched then insert values (p.patient_id, reverse(p.ssn), 1)",
        ),
        Refuse,
    ),
    (
        Once(
            "explain analyze insert into scratch (id, note) select patient_id, reverse(ssn) from patients",
        ),
        Refuse,
    ),
    (
        Once(
            "copy (insert into scratch (id, note) select patient_id, reverse(ssn) from patients returning note) to stdout",
        ),
        Refuse,
    ),
    (
        Once(
            "prepare s as insert into scratch (id, note) select patient_id, reverse(ssn) from patients",
        ),
        Refuse,
    ),
    (Once("select id, note, amount from scratch"), Mask),
    (
        Once(
            "select set_config('application_name', reverse(ssn), false) from patients where patient_id = 1",
        ),
        Refuse,
    ),
    (
        Once("select set_config('my.own', reverse(ssn), false) from patients where patient_id = 1"),
        Refuse,
    ),
    (
        Once(
            "select pg_catalog.set_config('my.own', (select reverse(ssn) from patients limit 1), false)",
        ),
        Refuse,
    ),
    (
        Once(
            "select set_config(setting_name => 'my.own', new_value => ssn, is_local => false) from patients",
        ),
        Refuse,
    ),
    (
        Once(
            "update pg_settings set setting = (select reverse(ssn) from patients limit 1) where name = 'application_name'",
        ),
        Refuse,
    ),
    (
        Once(
            "select setval('tickets', replace(ssn, '-', '')::bigint) from patients where patient_id = 1",
        ),
        Refuse,
    ),
    (
        Once(
            "select setseed(('0.' || replace(ssn, '-', ''))::float8) from patients where patient_id = 1",
        ),
        Refuse,
    ),
    (
        Once("select x.setseed from unnest(array(select 0.5::float8)) x"),
        Refuse,
    ),
    (Once("select pg_notify('c', ssn) from patients"), Refuse),
    (
        Once(
            "select pg_advisory_lock(replace(ssn, '-', '')::bigint) from patients where patient_id = 1; select objid, classid from pg_locks where locktype = 'advisory'",
        ),
        Mask,
    ),
    (
        Once(
            "select pg_advisory_lock(replace(ssn, '-', '')::bigint) from patients where patient_id = 1; select l.* from pg_lock_status() l",
        ),
        Mask,
    ),
    (
        Once("select lo_from_bytea(0, ssn::bytea) from patients"),
        Refuse,
    ),
    (Once("select lo_get(16401)"), Refuse),
    (Once("select data from pg_largeobject"), NotTell),
    (
        Once("select pg_logical_emit_message(true, 'x', ssn) from patients"),
        Refuse,
    ),
    (
        Once("create temp table t as select reverse(ssn) from patients"),
        Refuse,
    ),
    (
        Once("create table pg_temp.remarks as select reverse(ssn) as remark from patients"),
        Refuse,
    ),
    (
        Once("select reverse(ssn) as remark into temp remarks from patients"),
        Refuse,
    ),
    (
        Once("create view v as select reverse(ssn) from patients"),
        Refuse,
    ),
    (
        Once("create materialized view v as select reverse(ssn) from patients"),
        Refuse,
    ),
    (
        Once("create function f() returns text language sql as 'select ssn from patients'"),
        Refuse,
    ),
    (
        Once("create operator === (function = shout, rightarg = text)"),
        Refuse,
    ),
    (
        Once("create cast (text as mood) with inout as implicit"),
        Refuse,
    ),
    (Once("create domain d as text check (value <> 'x')"), Refuse),
    (Once("create index on patients (reverse(ssn))"), Refuse),
    (
        Once("create statistics s on reverse(ssn), ward from patients"),
        Refuse,
    ),
    (
        Once("create rule r as on insert to scratch do also select ssn from patients"),
        Refuse,
    ),
    (
        Once("alter table patients rename column ssn to plain"),
        Refuse,
    ),
    (
        Once("alter table patients rename to plain; select reverse(ssn) from plain"),
        Refuse,
    ),
    (
        Once("alter table scratch alter column note type text using 'x'"),
        Refuse,
    ),
    (Once("comment on table scratch is 'x'"), Refuse),
];

/// With DDL allowed: what is made has the values' own provenance, or is not made.
const DEFINED: &[(Sent, Must)] = &[
    (
        Lines(
            "begin;\nalter table public.scratch rename to scratch_away;\nalter table public.beds rename column bed to id;\nalter table public.beds rename column occupant to note;\nalter table public.beds rename to scratch;\ncopy public.scratch (id, note) to stdout;\nrollback;\n",
        ),
        Mask,
    ),
    (
        Lines(
            "create table copied as select reverse(ssn) as r from patients;\nselect * from copied;\n",
        ),
        Refuse,
    ),
    (
        Lines(
            "create temp table remarks as select reverse(ssn) as remark from patients;\nselect remark from remarks;\n",
        ),
        Refuse,
    ),
    (
        Lines("select ssn as plain into taken from patients;\nselect plain from taken;\n"),
        Refuse,
    ),
    (
        Lines(
            "create materialized view kept as select reverse(ssn) as r from patients;\nselect r from kept;\n",
        ),
        Refuse,
    ),
    (
        Lines(
            "create view shown as select reverse(ssn) as r, ssn as plain, ward from patients;\nselect r, plain, ward from shown;\nselect pg_sleep(1);\nselect r, plain, ward from shown;\n",
        ),
        Mask,
    ),
    (
        Once(
            "create view shown_at_once as select reverse(ssn) as r from patients; select r from shown_at_once",
        ),
        Mask,
    ),
    (
        Lines(
            "alter table scratch rename to patients_old;\nselect * from patients_old;\nalter table patients_old rename to scratch;\n",
        ),
        Mask,
    ),
    (
        Once(
            "alter table remarks rename to remarks_old; alter table private.remarks set schema public; select reverse(remark) from remarks; alter table remarks set schema private; alter table remarks_old rename to remarks",
        ),
        Mask,
    ),
    (
        Once("alter table patients alter column ward type text using ssn"),
        Refuse,
    ),
    (
        Once(
            "alter table patients add column mirrored text generated always as (reverse(ssn)) stored",
        ),
        Refuse,
    ),
    (
        Lines(
            "create table pg_temp.remarks (remark text);\ninsert into remarks values ('x');\nselect reverse(remark) from remarks;\n",
        ),
        Mask,
    ),
    (
        Lines(
            "create table heir () inherits (patients);\nselect * from heir;\nselect pg_sleep(1);\nselect ssn from heir;\nselect reverse(ssn) from only patients;\n",
        ),
        Mask,
    ),
];
