//! COPY in and out.

use std::pin::pin;

use almoner_tests::raw::{Raw, strings};
use almoner_tests::{World, WorldPlan, driver};
use bytes::Bytes;
use futures_util::{SinkExt, TryStreamExt};

/// A world in which COPY TO needs no approval.
fn free_copy() -> World {
    WorldPlan::default()
        .edit("10-plugins.toml", "copy = \"hold\"", "copy = \"allow\"")
        .start()
        .unwrap()
}

#[tokio::test]
async fn copy_out_is_masked_like_rows_in_text_and_csv() {
    let world = free_copy();
    let client = driver::connect(&world, "ward-assistant", "clinic")
        .await
        .unwrap();
    for statement in [
        "copy patients to stdout",
        "copy patients (patient_id, ssn, email) to stdout with (format csv, header)",
        "copy (select mrn, upper(email) from patients) to stdout with (delimiter '|')",
    ] {
        let stream = client.copy_out(statement).await.unwrap();
        let chunks: Vec<Bytes> = pin!(stream).try_collect().await.unwrap();
        let text = String::from_utf8(chunks.concat()).unwrap();
        assert!(
            text.lines().count() >= world.clinic.patients.len(),
            "{statement}: {text}"
        );
        world.assert_masked(&text);
    }
}

#[tokio::test]
async fn copy_in_stores_what_was_sent() {
    let world = World::start().unwrap();
    let client = driver::connect(&world, "ward-assistant", "clinic")
        .await
        .unwrap();
    let sink = client
        .copy_in("copy lab_results from stdin with (format csv)")
        .await
        .unwrap();
    let mut sink = pin!(sink);
    sink.send(Bytes::from_static(
        b"900001,1,1,2026-01-02 03:04:05,glucose,5.5,mg/dL,f\n",
    ))
    .await
    .unwrap();
    assert_eq!(sink.finish().await.unwrap(), 1);
    assert_eq!(
        world
            .direct("select test from lab_results where result_id = 900001")
            .unwrap()
            .trim(),
        "glucose"
    );
}

#[test]
fn binary_copy_is_refused_and_the_session_lives_on() {
    let world = free_copy();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    let finished = psql
        .run(
            &[],
            "copy patients to stdout with (format binary);\nselect 'alive' as state;\n",
        )
        .unwrap();
    assert!(
        finished.stderr.contains("ERROR") && finished.stdout.contains("alive"),
        "{finished:?}"
    );
    world.assert_masked(&finished.stdout);
}

#[test]
fn copy_to_a_program_or_a_file_is_denied() {
    let world = free_copy();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    for statement in [
        "copy patients to program 'cat'",
        "copy patients to '/tmp/almoner-must-not-exist'",
    ] {
        let finished = psql.query(statement).unwrap();
        assert_eq!(finished.code, Some(1), "{finished:?}");
    }
    assert!(!std::path::Path::new("/tmp/almoner-must-not-exist").exists());
}

#[test]
fn a_statement_of_the_callers_is_never_in_the_way_of_a_copy() {
    let world = free_copy();
    let port = world.gateway.port();
    let password = "ward-assistant-password";
    let mut raw = Raw::login(port, "ward-assistant", password, "clinic").unwrap();
    let parse = strings(&["almoner_copied", "select 'mine' as whose"]);
    raw.send('P', &[parse.as_slice(), &[0, 0]].concat())
        .unwrap();
    raw.send('S', b"").unwrap();
    raw.until('Z').unwrap();

    let copy = "copy (select patient_id, ssn from patients where patient_id < 4) to stdout";
    raw.send('Q', &strings(&[copy])).unwrap();
    let answer = raw.until('Z').unwrap();
    let rows = answer.iter().filter(|message| message.kind == 'd');
    let rows: Vec<u8> = rows.flat_map(|message| message.body.clone()).collect();
    // The columns were understood: numbers are shown, and only what is tagged is masked.
    assert_eq!(
        String::from_utf8(rows).unwrap(),
        "1\t[SSN]\n2\t[SSN]\n3\t[SSN]\n"
    );

    // And the caller's statement is still there.
    let bind = strings(&["", "almoner_copied"]);
    raw.send('B', &[bind.as_slice(), &[0; 6]].concat()).unwrap();
    raw.send('E', &[0; 5]).unwrap();
    raw.send('S', b"").unwrap();
    let answer = raw.until('Z').unwrap();
    let row = answer.iter().find(|message| message.kind == 'D');
    assert!(
        row.is_some_and(|row| row.body.ends_with(b"mine")),
        "{answer:?}"
    );
}
