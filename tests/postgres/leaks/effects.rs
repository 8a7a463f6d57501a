//! Effects the demo's guards refuse, in the forms in which they might hide; and how many rows leave
//! before somebody is asked.

use super::Must::{Fail, NotTell, Refuse, Show};
use super::Sent::{self, Lines, Once};
use super::{Must, check, plan};

#[test]
fn no_form_hides_an_effect_from_the_guards() {
    let world = plan().start().unwrap();
    check(&world, EFFECTS);
    let left = world
        .direct("select count(*) from lab_results; select count(*) from patients where ward = 'Void'; select count(*) from people")
        .unwrap();
    let expected = format!("{}\n0\n12\n", world.clinic.lab_results.len());
    assert_eq!(left, expected, "something was changed all the same");
}

const EFFECTS: &[(Sent, Must)] = &[
    (Once("delete from lab_results"), Refuse),
    (Once("delete from lab_results where true"), Refuse),
    (Once("delete from lab_results where 1 = 1"), Refuse),
    (
        Once("delete from lab_results where result_id = result_id"),
        Refuse,
    ),
    (
        Once(
            "delete from lab_results where result_id >= lab_results.result_id or result_id = result_id",
        ),
        NotTell,
    ),
    (
        Once("delete from lab_results where result_id is not distinct from result_id"),
        Refuse,
    ),
    (Once("delete from lab_results where test like '%'"), Refuse),
    (
        Once("delete from lab_results where test ilike '%%' or result_id = -1"),
        Refuse,
    ),
    (
        Once("delete from lab_results where result_id = -1 or not false"),
        Refuse,
    ),
    (
        Once("delete from lab_results where exists (select 1)"),
        Refuse,
    ),
    (
        Once("delete from lab_results using patients where patients.patient_id > 0"),
        Refuse,
    ),
    (
        Once("delete /* where result_id = -1 */ from lab_results -- where result_id = -1"),
        Refuse,
    ),
    (Once("dElEtE\nFROM\tpublic.\"lab_results\""), Refuse),
    (Once("update patients set ward = 'Void'"), Refuse),
    (
        Once("update patients set ward = 'Void' where 'a' = 'a'"),
        Refuse,
    ),
    (
        Once("update patients p set ward = 'Void' from encounters e where e.encounter_id = 1"),
        Refuse,
    ),
    (Once("update only patients set ward = 'Void'"), Refuse),
    (
        Once("with gone as (delete from lab_results returning 1) select count(*) from gone"),
        Refuse,
    ),
    (
        Once(
            "with gone as (delete from lab_results where true returning 1) insert into scratch (id) select 1 from gone",
        ),
        Refuse,
    ),
    (
        Once("merge into lab_results using (select 1) s on true when matched then delete"),
        Refuse,
    ),
    (
        Once(
            "merge into lab_results l using (select -1 as id) s on l.result_id = s.id when not matched by source then delete",
        ),
        Refuse,
    ),
    (Once("explain analyze delete from lab_results"), Refuse),
    (
        Once("explain (analyze on, costs off) update patients set ward = 'Void'"),
        Refuse,
    ),
    (
        Once("copy (delete from lab_results returning 1) to stdout"),
        Refuse,
    ),
    (Once("select 1; delete from lab_results"), Refuse),
    (
        Once("select 1;;/* ; */ delete from lab_results ; select 2"),
        Refuse,
    ),
    (
        Once("begin; savepoint a; delete from lab_results; release a; commit"),
        Refuse,
    ),
    (
        Once("select $$;$$; delete from lab_results; select '--'"),
        Refuse,
    ),
    (
        Once("select E'\\'; select 1; --'; delete from lab_results"),
        Refuse,
    ),
    (
        Once("select U&'\\0027; ' ; delete from lab_results"),
        Refuse,
    ),
    (
        Once("prepare gone as delete from lab_results; execute gone"),
        Refuse,
    ),
    (Once("do 'begin delete from lab_results; end'"), Refuse),
    (Once("call nothing()"), Refuse),
    (Once("truncate lab_results"), Refuse),
    (
        Once("truncate only lab_results restart identity cascade"),
        Refuse,
    ),
    (Once("drop table lab_results"), Refuse),
    (Once("drop table if exists \"lab_results\" cascade"), Refuse),
    (Once("drop view patient_contact"), Refuse),
    (Once("drop schema private cascade"), Refuse),
    (Once("drop owned by current_user"), Refuse),
    (Once("reassign owned by current_user to postgres"), Refuse),
    (Once("alter table lab_results drop column value"), Refuse),
    (
        Once("alter table lab_results disable row level security"),
        Refuse,
    ),
    (
        Once("alter default privileges grant select on tables to public"),
        Refuse,
    ),
    (Once("grant select on patients to public"), Refuse),
    (Once("revoke all on patients from clinic_owner"), Refuse),
    (
        Once("create rule r as on select to remarks do instead select * from private.remarks"),
        Refuse,
    ),
    (
        Once("create trigger t before insert on scratch for each row execute function shout()"),
        Refuse,
    ),
    (
        Once("create event trigger e on ddl_command_end execute function shout()"),
        Refuse,
    ),
    (Once("create role r"), Refuse),
    (
        Once("alter role clinic_owner set search_path = private"),
        Refuse,
    ),
    (Once("alter system set log_statement = 'all'"), Refuse),
    (Once("lock table patients"), Refuse),
    (Once("vacuum full patients"), Refuse),
    (Once("analyze patients"), Refuse),
    (Once("cluster patients using patients_pkey"), Refuse),
    (Once("reindex table patients"), Refuse),
    (Once("refresh materialized view contacts"), Refuse),
    (Once("security label on table patients is 'x'"), Refuse),
    (Once("checkpoint"), Refuse),
    (Once("load 'auto_explain'"), Refuse),
    (Once("select pg_terminate_backend(1)"), Refuse),
    (Once("select pg_reload_conf()"), Refuse),
    (Once("prepare transaction 'x'"), Refuse),
    (Once("begin; prepare transaction 'x'"), Refuse),
    (
        Once("select setval('tickets', (select max(patient_id) from patients))"),
        Refuse,
    ),
    (
        Lines(
            "begin;\nselect 'first';\ndelete from lab_results;\nselect 'second';\nrollback;\nselect 'third';\n",
        ),
        Fail("missing-where"),
    ),
    (Once("select 'a' as \"delete from lab_results\""), Show("a")),
    (
        Once("select '; delete from lab_results'"),
        Show("; delete from lab_results"),
    ),
    (
        Once("select patient_id from patients where patient_id = 1 for update"),
        Show("1"),
    ),
];
