//! What only a caller without a driver would send: names the server takes for one, portals run by another
//! road, statements described in one world and run in the next.

use std::time::{Duration, Instant};

use almoner_tests::raw::{Message, Raw, strings};
use almoner_tests::{World, driver};

use super::{forms, found, plan};

/// Longer than the gateway takes to see what was changed behind its back.
const UNTIL_SEEN: Duration = Duration::from_secs(40);

#[test]
fn names_that_the_server_takes_for_one_are_refused() {
    let world = plan().start().unwrap();
    let mut raw = login(&world);
    let long = "n".repeat(63);
    let (a, b) = (format!("{long}a"), format!("{long}b"));
    // Were they two names to the gateway and one to the server, the second would run as the first.
    let answers = exchange(
        &mut raw,
        &[
            parse(&a, "select 'harmless'"),
            sync(),
            close('S', &b),
            sync(),
            parse(&b, "select reverse(ssn) from patients"),
            sync(),
            bind("", &a),
            execute("", 0),
            sync(),
        ],
        4,
    );
    assert_untold(&world, &answers);
    assert!(
        answers.iter().all(|answer| answer.kind != 'D'),
        "{answers:?}"
    );
    assert!(codes(&answers).contains(&"42622".to_owned()), "{answers:?}");
    let answers = exchange(
        &mut raw,
        &[
            parse(&long, "select 'fine'"),
            bind(&long, &long),
            execute(&long, 0),
            sync(),
        ],
        1,
    );
    assert!(
        answers.iter().any(|answer| answer.kind == 'D'),
        "{answers:?}"
    );
}

#[test]
fn a_bound_portal_cannot_be_run_by_fetch() {
    let world = plan()
        .edit(
            "10-plugins.toml",
            "use = \"builtin:sql-guard\"",
            "use = \"builtin:sql-guard\"\n[plugin.settings.kinds]\nupdate = \"hold\"\nselect = \"hold\"",
        )
        .start()
        .unwrap();
    let mut raw = login(&world);
    simple(&mut raw, "begin");
    let answers = exchange(
        &mut raw,
        &[
            parse(
                "s",
                "update patients set ward = 'Void' where patient_id > 0 returning patient_id",
            ),
            bind("held", "s"),
            sync(),
        ],
        1,
    );
    assert!(
        answers.iter().any(|answer| answer.kind == '2'),
        "preparing asks nobody: {answers:?}"
    );
    for fetch in ["fetch all from held", "move all in \"held\""] {
        simple(&mut raw, "savepoint a");
        let answers = simple(&mut raw, fetch);
        assert_eq!(codes(&answers), ["0A000"], "{fetch}: {answers:?}");
        simple(&mut raw, "rollback to a");
        // Nor by a cursor of that name, which the server does not let be declared.
        simple(&mut raw, "declare held cursor for values (1)");
        simple(&mut raw, "rollback to a");
        let answers = simple(&mut raw, fetch);
        assert_eq!(codes(&answers), ["0A000"], "{fetch}: {answers:?}");
        simple(&mut raw, "rollback to a");
    }
    simple(&mut raw, "commit");
    let changed = world
        .direct("select count(*) from patients where ward = 'Void'")
        .unwrap();
    assert_eq!(changed.trim(), "0");
}

#[test]
fn a_prepared_fetch_is_masked_as_the_cursor_it_reads_from_now() {
    let world = plan().start().unwrap();
    let mut raw = login(&world);
    simple(&mut raw, "begin");
    simple(&mut raw, "declare c cursor for select remark from remarks");
    let answers = exchange(
        &mut raw,
        &[
            parse("f", "fetch all from c"),
            bind("early", "f"),
            bind("", "f"),
            execute("", 0),
            sync(),
        ],
        1,
    );
    assert!(text_of(&answers).contains("blue door"), "{answers:?}");
    simple(&mut raw, "close c");
    simple(
        &mut raw,
        "declare c cursor for select reverse(ssn) as remark from patients",
    );
    let answers = exchange(&mut raw, &[bind("", "f"), execute("", 0), sync()], 1);
    assert!(
        answers.iter().any(|answer| answer.kind == 'D'),
        "{answers:?}"
    );
    assert_untold(&world, &answers);
    // Bound to the first cursor, run on the second.
    simple(&mut raw, "move absolute 0 in c");
    let answers = exchange(&mut raw, &[execute("early", 0), sync()], 1);
    assert_untold(&world, &answers);
}

#[test]
fn a_statement_is_masked_as_what_its_names_mean_when_it_runs() {
    let world = plan().start().unwrap();
    let mut raw = login(&world);
    let answers = exchange(
        &mut raw,
        &[
            parse("s", "select remark from remarks"),
            parse("u", "select reverse(remark) from remarks"),
            parse("k", "copy (select remark from remarks) to stdout"),
            bind("", "s"),
            execute("", 0),
            sync(),
        ],
        1,
    );
    assert!(text_of(&answers).contains("blue door"), "{answers:?}");
    simple(&mut raw, "set search_path = private");
    for statement in ["s", "u", "k"] {
        let answers = exchange(&mut raw, &[bind("", statement), execute("", 0), sync()], 1);
        assert!(
            answers
                .iter()
                .any(|answer| matches!(answer.kind, 'D' | 'd')),
            "{answers:?}"
        );
        assert_untold(&world, &answers);
    }
}

#[test]
fn a_statement_that_was_prepared_outlives_no_exchange_of_tables() {
    let world = plan().start().unwrap();
    let mut raw = login(&world);
    let answers = exchange(
        &mut raw,
        &[
            parse("s", "select ssn, phone from patients"),
            bind("", "s"),
            execute("", 0),
            sync(),
        ],
        1,
    );
    assert_untold(&world, &answers);
    // As migrations do it, behind the gateway's back. The new table is tagged by its name, the old is no more.
    world
        .direct(
            "begin; set role clinic_owner; alter table patients rename to patients_old; \
             create table patients as select * from patients_old; commit",
        )
        .unwrap();
    let forms = forms(&world);
    let deadline = Instant::now() + UNTIL_SEEN;
    while Instant::now() < deadline {
        let answers = exchange(&mut raw, &[bind("", "s"), execute("", 0), sync()], 1);
        assert!(found(&text_of(&answers), &forms).is_none(), "{answers:?}");
        std::thread::sleep(Duration::from_secs(3));
    }
}

#[test]
fn a_name_that_is_forgotten_means_nothing() {
    let world = plan()
        .edit("20-rules.toml", "approvals = [\"bulk-export\"]", "approvals = [\"bulk-export\"]\nopaque = \"allow\"")
        .edit(
            "10-plugins.toml",
            "use = \"builtin:sql-guard\"",
            "use = \"builtin:sql-guard\"\n[plugin.settings.opaque]\nprepare = \"allow\"\nexecute = \"allow\"",
        )
        .start()
        .unwrap();
    let mut raw = login(&world);
    exchange(
        &mut raw,
        &[
            parse("s", "select 'harmless'"),
            bind("", "s"),
            execute("", 0),
            sync(),
        ],
        1,
    );
    let mut burst = Vec::new();
    for message in [
        query("deallocate s; prepare s as select reverse(ssn) from patients"),
        bind("", "s"),
        execute("", 0),
        sync(),
    ] {
        burst.extend(message);
    }
    raw.send_bytes(&burst).unwrap();
    let mut answers = raw.until('Z').unwrap();
    answers.extend(raw.until('Z').unwrap());
    assert_untold(&world, &answers);
    // Either the name is forgotten by then, or it means the text that was judged.
    let harmless = text_of(&answers).contains("harmless");
    assert!(
        harmless || codes(&answers).contains(&"26000".to_owned()),
        "{answers:?}"
    );
    let answers = simple(&mut raw, "execute s");
    assert_untold(&world, &answers);
}

#[test]
fn a_pipeline_that_fails_early_is_dropped_whole() {
    let world = plan().start().unwrap();
    let mut raw = login(&world);
    for round in 0..20 {
        let answers = exchange(
            &mut raw,
            &[
                parse("", "select nope from remarks"),
                bind("", ""),
                execute("", 0),
                parse("", "update patients set ward = 'Void' where patient_id = 1"),
                bind("", ""),
                execute("", 0),
                sync(),
            ],
            1,
        );
        assert_eq!(codes(&answers), ["42703"], "round {round}: {answers:?}");
        assert!(text_of(&simple(&mut raw, "select 'alive'")).contains("alive"));
    }
    let changed = world
        .direct("select count(*) from patients where ward = 'Void'")
        .unwrap();
    assert_eq!(changed.trim(), "0");
}

#[test]
fn many_small_pieces_are_counted_together() {
    let world = plan()
        .edit("10-plugins.toml", "rows = 200 ", "rows = 5 ")
        .start()
        .unwrap();
    let mut raw = login(&world);
    simple(&mut raw, "begin");
    simple(
        &mut raw,
        "declare c cursor for select patient_id from patients order by 1",
    );
    let answers = simple(&mut raw, "fetch 3 from c");
    assert_eq!(rows_of(&answers), 3, "{answers:?}");
    assert_eq!(rows_until_held(&mut raw, &[query("fetch 3 from c")]), 2);

    let mut raw = login(&world);
    simple(&mut raw, "begin");
    let answers = exchange(
        &mut raw,
        &[
            parse("s", "select patient_id from patients order by 1"),
            bind("p", "s"),
            execute("p", 4),
            sync(),
        ],
        1,
    );
    assert_eq!(rows_of(&answers), 4, "{answers:?}");
    assert_eq!(rows_until_held(&mut raw, &[execute("p", 4), sync()]), 1);
}

#[test]
fn a_table_gathered_into_one_row_is_no_single_row() {
    let world = plan()
        .edit("10-plugins.toml", "rows = 200 ", "rows = 5 ")
        .start()
        .unwrap();
    for gathered in [
        "select string_agg(repeat(remark, 500), ',') from remarks",
        "select json_agg(repeat(remark, 500)) from remarks",
        "copy (select array_agg(repeat(remark, 500)) from remarks) to stdout",
    ] {
        let mut raw = login(&world);
        assert_eq!(
            rows_until_held(&mut raw, &[query(gathered)]),
            0,
            "{gathered}"
        );
    }
    let mut raw = login(&world);
    let answers = simple(&mut raw, "select string_agg(remark, ',') from remarks");
    assert_eq!(rows_of(&answers), 1, "{answers:?}");
}

#[test]
fn what_a_statement_sets_is_not_reported_with_a_value_in_it() {
    let world = plan().start().unwrap();
    let mut raw = login(&world);
    let answers = simple(
        &mut raw,
        "select set_config('application_name', reverse(ssn), false) from patients where patient_id = 1",
    );
    assert_untold(&world, &answers);
    let answers = simple(&mut raw, "set application_name = 'ward tool'");
    assert!(text_of(&answers).contains("ward tool"), "{answers:?}");
}

#[tokio::test]
async fn parameters_and_row_limits_change_nothing_about_masking() {
    let world = plan().start().unwrap();
    let forms = forms(&world);
    let mut client = driver::connect(&world, "ward-assistant", "clinic")
        .await
        .unwrap();
    let rows = client
        .query(
            "select reverse(ssn), $1::text, ssn, concat($1::text, ssn) from patients where ward <> $1",
            &[&"marker"],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 12);
    for row in &rows {
        assert_eq!(row.get::<_, &str>(1), "marker");
        for column in [0, 2, 3] {
            let cell = row.get::<_, Option<&str>>(column).unwrap_or_default();
            assert!(found(cell, &forms).is_none(), "{cell}");
        }
    }
    let transaction = client.transaction().await.unwrap();
    let portal = transaction
        .bind(
            "select reverse(ssn), ssn from patients order by patient_id",
            &[],
        )
        .await
        .unwrap();
    let mut seen = 0;
    loop {
        let rows = transaction.query_portal(&portal, 5).await.unwrap();
        if rows.is_empty() {
            break;
        }
        seen += rows.len();
        for row in rows {
            let cell = row.get::<_, Option<&str>>(0).unwrap_or_default();
            assert!(found(cell, &forms).is_none(), "{cell}");
        }
    }
    assert_eq!(seen, 12);
}

fn login(world: &World) -> Raw {
    Raw::login(
        world.gateway.port(),
        "ward-assistant",
        "ward-assistant-password",
        "clinic",
    )
    .unwrap()
}

fn parse(name: &str, sql: &str) -> Vec<u8> {
    let mut body = strings(&[name, sql]);
    body.extend([0, 0]);
    almoner_tests::raw::message('P', &body)
}

fn bind(portal: &str, statement: &str) -> Vec<u8> {
    let mut body = strings(&[portal, statement]);
    body.extend([0; 6]);
    almoner_tests::raw::message('B', &body)
}

fn execute(portal: &str, rows: i32) -> Vec<u8> {
    let mut body = strings(&[portal]);
    body.extend(rows.to_be_bytes());
    almoner_tests::raw::message('E', &body)
}

fn close(kind: char, name: &str) -> Vec<u8> {
    let mut body = vec![u8::try_from(kind).unwrap()];
    body.extend(strings(&[name]));
    almoner_tests::raw::message('C', &body)
}

fn sync() -> Vec<u8> {
    almoner_tests::raw::message('S', &[])
}

fn query(sql: &str) -> Vec<u8> {
    almoner_tests::raw::message('Q', &strings(&[sql]))
}

/// Sends messages in one write, and reads up to so many ReadyForQuery.
fn exchange(raw: &mut Raw, messages: &[Vec<u8>], ready: usize) -> Vec<Message> {
    raw.send_bytes(&messages.concat()).unwrap();
    (0..ready).flat_map(|_| raw.until('Z').unwrap()).collect()
}

fn rows_of(answers: &[Message]) -> usize {
    answers
        .iter()
        .filter(|answer| matches!(answer.kind, 'D' | 'd'))
        .count()
}

/// Sends messages that must be held, and answers how many rows came before the notice of it.
fn rows_until_held(raw: &mut Raw, messages: &[Vec<u8>]) -> usize {
    raw.send_bytes(&messages.concat()).unwrap();
    let mut rows = 0;
    loop {
        let message = raw.receive().unwrap();
        match message.kind {
            'N' => {
                let said = message.field('M').unwrap_or_default();
                assert!(said.contains("waiting for approval"), "{said}");
                return rows;
            }
            'D' | 'd' => rows += 1,
            'Z' | 'E' => panic!("it is not held: {message:?}"),
            _ => {}
        }
    }
}

fn simple(raw: &mut Raw, sql: &str) -> Vec<Message> {
    exchange(raw, &[query(sql)], 1)
}

fn codes(answers: &[Message]) -> Vec<String> {
    answers
        .iter()
        .filter(|answer| answer.kind == 'E')
        .filter_map(|answer| answer.field('C'))
        .collect()
}

fn text_of(answers: &[Message]) -> String {
    answers
        .iter()
        .map(|answer| String::from_utf8_lossy(&answer.body).into_owned())
        .collect()
}

fn assert_untold(world: &World, answers: &[Message]) {
    let text = text_of(answers);
    assert!(found(&text, &forms(world)).is_none(), "{text}");
}
