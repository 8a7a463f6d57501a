//! What comes back, in every format, by every road.

use almoner_tests::{World, driver};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::Type;

const ALL_IDENTIFIERS: &str = "select patient_id, mrn, given_name, family_name, birth_date, ssn, phone, email, street, city, zip, \
                               kin_name, kin_phone, plan_member_id from patients order by patient_id";

#[test]
fn psql_sees_no_identifier_of_any_patient() {
    let world = World::start().unwrap();
    let finished = world
        .gateway
        .psql("ward-assistant", "clinic")
        .query(ALL_IDENTIFIERS)
        .unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    world.assert_masked(&finished.stdout);
    for patient in &world.clinic.patients {
        assert!(
            !finished.stdout.contains(&patient.birth_date.to_string()),
            "{}",
            finished.stdout
        );
    }
    assert!(
        finished.stdout.contains("[SSN]") && finished.stdout.contains("[NAME]"),
        "{}",
        finished.stdout
    );
    assert!(
        finished
            .stdout
            .contains(&format!("({} rows)", world.clinic.patients.len())),
        "{}",
        finished.stdout
    );
}

#[tokio::test]
async fn text_and_binary_formats_are_masked_alike() {
    let world = World::start().unwrap();
    let client = driver::connect(&world, "ward-assistant", "clinic")
        .await
        .unwrap();
    let statement = client.prepare(ALL_IDENTIFIERS).await.unwrap();
    // The description is the upstream's: a typed column keeps its type.
    assert_eq!(*statement.columns()[0].type_(), Type::INT4);
    assert_eq!(*statement.columns()[4].type_(), Type::DATE);

    let binary = client.query(&statement, &[]).await.unwrap();
    let text: Vec<_> = client
        .simple_query(ALL_IDENTIFIERS)
        .await
        .unwrap()
        .into_iter()
        .filter_map(|message| {
            if let SimpleQueryMessage::Row(row) = message {
                Some(row)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(
        (binary.len(), text.len()),
        (world.clinic.patients.len(), world.clinic.patients.len())
    );
    for (binary, text) in binary.iter().zip(&text) {
        assert_eq!(binary.get::<_, i32>(0).to_string(), text.get(0).unwrap());
        for column in (1..statement.columns().len()).filter(|column| *column != 4) {
            assert_eq!(binary.get::<_, Option<&str>>(column), text.get(column));
            world.assert_masked(binary.get::<_, Option<&str>>(column).unwrap_or_default());
        }
    }
}

#[test]
fn a_view_is_masked_like_the_table_it_shows() {
    let world = World::start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    let finished = psql
        .query("select * from patient_contact order by patient_id")
        .unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    world.assert_masked(&finished.stdout);
    assert!(finished.stdout.contains("[PHONE]"), "{}", finished.stdout);
}

#[test]
fn a_partition_is_masked_like_its_parent() {
    let world = World::start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    for table in ["claims", "claims_2024", "claims_2025", "claims_2026"] {
        let finished = psql
            .query(&format!("select * from {table} order by claim_id limit 50"))
            .unwrap();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        world.assert_masked(&finished.stdout);
        assert!(
            finished.stdout.contains("[PLAN]"),
            "{table}: {}",
            finished.stdout
        );
    }
}

#[test]
fn computed_and_renamed_columns_do_not_slip_through() {
    let world = World::start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    for query in [
        "select ssn as reference from patients",
        "select upper(ssn) from patients",
        "select 'x' || ssn || 'y' from patients",
        "select p from patients p",
        "select row_to_json(p) from patients p",
        "select string_agg(ssn, ',') from patients",
        "select coalesce(ssn, '') from patients union all select 'none'",
        "with q as (select ssn as a from patients) select a from q",
        "select (select ssn from patients limit 1)",
        "select substr(ssn, 1, 3), substr(ssn, 4) from patients",
    ] {
        let finished = psql.query(query).unwrap();
        world.assert_masked(&finished.stdout);
        world.assert_masked(&finished.stderr);
        let area = &world.clinic.patients[0].ssn[3..];
        assert!(
            !finished.stdout.contains(area),
            "{query}: {}",
            finished.stdout
        );
    }
}

#[test]
fn counts_and_constants_stay_readable() {
    let world = World::start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    let finished = psql
        .run(
            &["-A", "-t", "-c", "select count(*), 'shown' from patients"],
            "",
        )
        .unwrap();
    assert_eq!(
        finished.stdout,
        format!("{}|shown\n", world.clinic.patients.len()),
        "{finished:?}"
    );
}

#[test]
fn labelled_identifiers_in_notes_are_found() {
    let world = World::start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    let finished = psql
        .run(
            &[
                "-A",
                "-t",
                "-c",
                "select body from notes order by note_id limit 150",
            ],
            "",
        )
        .unwrap();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for patient in &world.clinic.patients {
        for raw in [
            &patient.mrn,
            &patient.ssn,
            &patient.phone,
            &patient.email,
            &patient.kin.phone,
        ] {
            assert!(
                !finished.stdout.contains(raw.as_str()),
                "an identifier is left in:\n{}",
                finished.stdout
            );
        }
    }
    // Clinical content stays.
    assert!(
        finished.stdout.contains("chest pain") || finished.stdout.contains("pneumonia"),
        "{}",
        finished.stdout
    );
}

#[test]
fn an_error_text_carries_no_raw_value() {
    let world = World::start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    for query in [
        "select ssn::int from patients",
        "insert into patients (patient_id, mrn, given_name, family_name, sex, birth_date) \
         select 9999, mrn, 'a', 'b', 'F', '2000-01-01' from patients where patient_id = 1",
        "select cast(email as date) from patients order by patient_id",
    ] {
        let finished = psql.query(query).unwrap();
        assert_eq!(finished.code, Some(1), "{query}: {finished:?}");
        assert!(finished.stderr.contains("ERROR"), "{query}: {finished:?}");
        world.assert_masked(&finished.stderr);
    }
}

#[test]
fn the_same_patient_has_the_same_token_in_every_answer() {
    let world = World::start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    let ask = |sql: &str| psql.run(&["-A", "-t", "-c", sql], "").unwrap().stdout;
    let first = ask("select mrn from patients where patient_id = 3");
    assert!(first.starts_with("mrn-"), "{first}");
    assert_eq!(
        first,
        ask("select p.mrn from patient_contact p where patient_id = 3")
    );
    assert_ne!(first, ask("select mrn from patients where patient_id = 4"));
}
