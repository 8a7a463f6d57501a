//! Names whose meaning changes after they were judged: prepared statements, portals, cursors, tables found
//! along a search path. Each of these tricks had the server send one thing while the gateway thought of
//! another.

use almoner_tests::extended::{bind, execute, only_error, parse, query, rows, sync};
use almoner_tests::raw::{Message, Raw, message, strings};
use almoner_tests::{World, WorldPlan};

fn login(world: &World) -> Raw {
    let port = world.gateway.port();
    Raw::login(port, "ward-assistant", "ward-assistant-password", "clinic").unwrap()
}

fn text(messages: &[Message]) -> String {
    let bodies: Vec<u8> = messages.iter().flat_map(|one| one.body.clone()).collect();
    String::from_utf8_lossy(&bodies).into_owned()
}

/// No name of a patient is shown. Names are masked by their columns alone: no detector knows them where they
/// stand by themselves, so a column taken for another one shows.
fn assert_masked(world: &World, messages: &[Message]) {
    let shown: Vec<Message> = messages
        .iter()
        .filter(|one| one.kind == 'D')
        .cloned()
        .collect();
    let shown = text(&shown).to_lowercase();
    for patient in &world.clinic.patients {
        for name in [&patient.family_name, &patient.given_name] {
            assert!(!shown.contains(&name.to_lowercase()), "{name} in {shown}");
        }
    }
}

/// The rows came, and none shows a name.
fn assert_shown_masked(world: &World, messages: &[Message], count: usize) {
    assert_eq!(rows(messages), count, "{}", text(messages));
    assert_masked(world, messages);
}

#[test]
fn a_fetch_that_was_prepared_for_one_cursor_masks_the_rows_of_the_next() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    let all = world.clinic.patients.len();
    let declare = |what: &str| query(&format!("declare c cursor for select {what} from patients"));
    raw.ask(&[query("begin")]).unwrap();
    raw.ask(&[declare("ward")]).unwrap();
    raw.ask(&[parse("f", "fetch all from c"), sync()]).unwrap();
    raw.ask(&[query("close c")]).unwrap();
    raw.ask(&[declare("family_name")]).unwrap();
    let answer = raw
        .ask(&[bind("", "f", &[]), execute("", 0), sync()])
        .unwrap();
    assert_shown_masked(&world, &answer, all);

    // All in one go, and with a portal that was bound before.
    raw.ask(&[query("rollback")]).unwrap();
    raw.ask(&[query("begin")]).unwrap();
    raw.ask(&[declare("ward")]).unwrap();
    raw.ask(&[
        parse("g", "fetch all from c"),
        bind("old", "g", &[]),
        sync(),
    ])
    .unwrap();
    raw.send_bytes(
        &[
            query("close c; declare c cursor for select family_name from patients"),
            bind("new", "g", &[]),
            execute("new", 0),
            sync(),
        ]
        .concat(),
    )
    .unwrap();
    raw.until('Z').unwrap();
    let answer = raw.until('Z').unwrap();
    assert_shown_masked(&world, &answer, all);
    let answer = raw.ask(&[execute("old", 0), sync()]).unwrap();
    assert_masked(&world, &answer);
}

#[test]
fn a_cursor_that_takes_the_place_of_a_portal_is_not_shown_by_it() {
    let world = World::start().unwrap();
    let mut raw = login(&world);
    raw.ask(&[query("begin")]).unwrap();
    raw.ask(&[
        parse("", "select ward from patients"),
        bind("p", "", &[]),
        sync(),
    ])
    .unwrap();
    for between in [
        "close p; declare p cursor for select family_name from patients",
        "close all; declare p cursor for select given_name from patients",
    ] {
        raw.send_bytes(&[query(between), execute("p", 0), sync()].concat())
            .unwrap();
        let mut answer = raw.until('Z').unwrap();
        answer.extend(raw.until('Z').unwrap());
        assert_masked(&world, &answer);
        raw.ask(&[query("rollback")]).unwrap();
        raw.ask(&[query("begin")]).unwrap();
        raw.ask(&[
            parse("", "select ward from patients"),
            bind("p", "", &[]),
            sync(),
        ])
        .unwrap();
    }
}

/// The same name in two schemas, one of them harmless.
fn two_schemas() -> World {
    WorldPlan {
        sql: "create schema demo authorization clinic_owner; \
              create table demo.patients (family_name text, given_name text, patient_id int); \
              alter table demo.patients owner to clinic_owner; \
              insert into demo.patients values ('none', 'none', 0);"
            .into(),
        ..WorldPlan::default()
    }
    .start()
    .unwrap()
}

#[test]
fn a_statement_prepared_under_one_search_path_masks_what_it_finds_under_another() {
    let world = two_schemas();
    let mut raw = login(&world);
    let all = world.clinic.patients.len();
    let run = [bind("", "s", &[]), execute("", 0), sync()];
    raw.ask(&[query("set search_path = demo")]).unwrap();
    raw.ask(&[
        parse("s", "select family_name, given_name from patients"),
        sync(),
    ])
    .unwrap();
    assert_eq!(rows(&raw.ask(&run).unwrap()), 1);
    raw.ask(&[query("set search_path = public")]).unwrap();
    assert_shown_masked(&world, &raw.ask(&run).unwrap(), all);
    // The path comes back by itself.
    for (begin, end) in [
        ("begin; set local search_path = demo", "commit"),
        ("begin; set search_path = demo", "rollback"),
        (
            "begin; savepoint a; set search_path = demo",
            "rollback to a",
        ),
        ("set search_path = demo", "reset search_path"),
        ("set search_path = demo", "discard all"),
    ] {
        let mut raw = login(&world);
        raw.ask(&[query(begin)]).unwrap();
        raw.ask(&[
            parse("s", "select family_name, given_name from patients"),
            sync(),
        ])
        .unwrap();
        assert_eq!(rows(&raw.ask(&run).unwrap()), 1, "{begin}");
        raw.ask(&[query(end)]).unwrap();
        let answer = raw.ask(&run).unwrap();
        assert_masked(&world, &answer);
        assert!(
            end == "discard all" || rows(&answer) == all,
            "{end}: {answer:?}"
        );
    }
}

#[test]
fn a_portal_bound_under_one_search_path_keeps_the_columns_it_was_bound_with() {
    let world = two_schemas();
    let mut raw = login(&world);
    raw.ask(&[query("begin")]).unwrap();
    raw.ask(&[
        parse("s", "select family_name, given_name from patients"),
        bind("p", "s", &[]),
        sync(),
    ])
    .unwrap();
    raw.ask(&[query("set search_path = demo")]).unwrap();
    // Prepares the statement again, for the harmless table.
    let harmless = raw
        .ask(&[bind("q", "s", &[]), execute("q", 0), sync()])
        .unwrap();
    assert_eq!(rows(&harmless), 1);
    let answer = raw.ask(&[execute("p", 0), sync()]).unwrap();
    assert_shown_masked(&world, &answer, world.clinic.patients.len());
}

#[test]
fn a_description_asked_for_later_does_not_change_what_a_portal_was_bound_with() {
    let world = two_schemas();
    let mut raw = login(&world);
    let describe = message('D', &[vec![b'S'], strings(&["s"])].concat());
    raw.ask(&[query("begin")]).unwrap();
    raw.ask(&[
        parse("s", "select family_name, given_name from patients"),
        bind("p", "s", &[]),
        sync(),
    ])
    .unwrap();
    raw.ask(&[query("set search_path = demo")]).unwrap();
    raw.ask(&[describe, sync()]).unwrap();
    let answer = raw.ask(&[execute("p", 0), sync()]).unwrap();
    assert_shown_masked(&world, &answer, world.clinic.patients.len());
}

/// A rule that lets everything through; only masking is left.
fn unguarded(sql: &str) -> World {
    WorldPlan {
        sql: sql.into(),
        ..WorldPlan::default()
    }
    .policy(
        "20-rules.toml",
        "[[rule]]\nname = \"open\"\nresources = [\"clinic\"]\ngroups = [\"nurses\"]\nguards = []\ndetectors = [\"phi\"]\nopaque = \"allow\"\n\
         approval = { group = \"managers\", count = 1, ttl = \"15m\" }\n",
    )
    .start()
    .unwrap()
}

#[test]
fn a_statement_that_sql_puts_in_the_place_of_a_prepared_one_is_not_shown_by_it() {
    let world = unguarded("");
    let all = world.clinic.patients.len();
    for swap in [
        "deallocate s; prepare s as select family_name from patients",
        "deallocate all; prepare s as select family_name from patients",
        "do $$ begin execute 'deallocate s'; execute 'prepare s as select family_name from patients'; end $$",
    ] {
        let mut raw = login(&world);
        raw.ask(&[parse("s", "select ward from patients"), sync()])
            .unwrap();
        let run = [bind("", "s", &[]), execute("", 0), sync()].concat();
        // At once, so that the gateway has not heard of the end of the swap.
        raw.send_bytes(&[query(swap), run.clone()].concat())
            .unwrap();
        raw.until('Z').unwrap();
        let answer = raw.until('Z').unwrap();
        assert_masked(&world, &answer);
        assert!(
            matches!(rows(&answer), 0) || rows(&answer) == all,
            "{swap}: {answer:?}"
        );
        let answer = raw.ask(&[run]).unwrap();
        assert_masked(&world, &answer);
    }
}

#[test]
fn a_cursor_that_code_opens_is_not_taken_for_one_of_the_same_name() {
    let world = unguarded("");
    let mut raw = login(&world);
    raw.ask(&[query("begin")]).unwrap();
    raw.ask(&[query(
        "declare c cursor for select 'x' || ward from patients",
    )])
    .unwrap();
    raw.ask(&[query("close c")]).unwrap();
    let open = "do $$ declare r refcursor := 'c'; begin open r for select lower(family_name) || '' from patients; end $$";
    raw.ask(&[query(open)]).unwrap();
    raw.ask(&[query("declare c cursor for select 'x' as a")])
        .unwrap();
    for sql in ["rollback to nothing", "fetch all from c"] {
        let answer = raw.ask(&[query(sql)]).unwrap();
        assert_masked(&world, &answer);
    }
    let mut raw = login(&world);
    raw.ask(&[query("begin")]).unwrap();
    raw.ask(&[query(open)]).unwrap();
    let answer = raw.ask(&[query("fetch all from c")]).unwrap();
    assert_shown_masked(&world, &answer, world.clinic.patients.len());
}

#[test]
fn a_statement_that_cannot_be_prepared_again_in_a_failed_transaction_is_there_after_it() {
    let world = two_schemas();
    let mut raw = login(&world);
    raw.ask(&[parse("s", "select family_name from patients"), sync()])
        .unwrap();
    raw.ask(&[query("begin")]).unwrap();
    raw.ask(&[query("set search_path = demo")]).unwrap();
    raw.ask(&[query("select no_such_column")]).unwrap();
    let run = [bind("", "s", &[]), execute("", 0), sync()];
    let answer = raw.ask(&run).unwrap();
    assert_eq!(only_error(&answer).0, "25P02");
    raw.ask(&[query("rollback")]).unwrap();
    let answer = raw.ask(&run).unwrap();
    assert_shown_masked(&world, &answer, world.clinic.patients.len());
}
