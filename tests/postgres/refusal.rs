//! Statements that policy refuses: nothing happens, and the session lives on.

use std::time::Duration;

use almoner_tests::{World, driver};

const LIMIT: Duration = Duration::from_secs(15);

#[test]
fn a_denied_statement_leaves_the_session_alive_and_the_data_alone() {
    let world = World::start().unwrap();
    let mut session = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    for statement in [
        "drop table patients;",
        "delete from lab_results;",
        "update patients set ssn = null;",
        "truncate notes;",
    ] {
        let answer = session.ask(statement, LIMIT).unwrap();
        assert!(answer.contains("ERROR"), "{statement}: {answer}");
        let answer = session
            .ask("select count(*) as patients from patients;", LIMIT)
            .unwrap();
        assert!(
            answer.contains(&world.clinic.patients.len().to_string()),
            "{answer}"
        );
    }
    let left = world
        .direct("select count(*) from lab_results where true")
        .unwrap();
    assert_eq!(left.trim(), world.clinic.lab_results.len().to_string());
}

#[test]
fn of_several_statements_in_one_message_none_runs_if_one_is_denied() {
    let world = World::start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    let finished = psql
        .query("update patients set ward = 'Annex' where patient_id = 1; drop table patients")
        .unwrap();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(
        world
            .direct("select count(*) from patients where ward = 'Annex'")
            .unwrap()
            .trim(),
        "0"
    );
}

#[test]
fn a_denied_statement_inside_a_transaction_aborts_it() {
    let world = World::start().unwrap();
    let mut session = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    session
        .ask(
            "begin; update patients set ward = 'Annex' where patient_id = 1;",
            LIMIT,
        )
        .unwrap();
    assert!(
        session
            .ask("drop table patients;", LIMIT)
            .unwrap()
            .contains("ERROR")
    );
    let aborted = session.ask("select 1;", LIMIT).unwrap();
    assert!(
        aborted.contains("current transaction is aborted"),
        "{aborted}"
    );
    assert!(session.ask("commit;", LIMIT).unwrap().contains("ROLLBACK"));
    assert_eq!(
        world
            .direct("select count(*) from patients where ward = 'Annex'")
            .unwrap()
            .trim(),
        "0"
    );
}

#[test]
fn what_hides_its_effects_is_denied() {
    let world = World::start().unwrap();
    let mut session = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    for statement in [
        "do $$ begin raise notice 'x'; end $$;",
        "select 1 frm patients;;",
        "call nothing();",
    ] {
        let answer = session.ask(statement, LIMIT).unwrap();
        assert!(answer.contains("ERROR"), "{statement}: {answer}");
    }
    assert!(
        session
            .ask("select 7 as seven;", LIMIT)
            .unwrap()
            .contains('7')
    );
}

#[tokio::test]
async fn a_driver_gets_a_proper_error_and_goes_on() {
    let world = World::start().unwrap();
    let client = driver::connect(&world, "ward-assistant", "clinic")
        .await
        .unwrap();
    let refused = client.query("delete from patients", &[]).await.unwrap_err();
    let refused = refused.as_db_error().expect("an error of the server");
    assert_eq!(refused.code().code(), "42501", "{refused:?}");
    assert!(
        refused.message().contains("care"),
        "names its rule: {refused:?}"
    );
    let row = client
        .query_one(
            "select count(*) from patients where patient_id < $1",
            &[&11_i32],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 10);
}
