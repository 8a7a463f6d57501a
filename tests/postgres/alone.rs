//! Tests that drive many processes and take the machine for themselves (see `.config/nextest.toml`).

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use almoner_audit::Reader;
use almoner_tests::people::{PATIENCE, PLUGINS, plugins};
use almoner_tests::raw::{Raw, strings};
use almoner_tests::{World, WorldPlan, binary, driver};

#[test]
fn the_demo_tells_its_story_to_the_end_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    // Run by root, PostgreSQL uses another account, which must be able to enter.
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let output = Command::new(binary::almoner().unwrap())
        .args(["demo", "--once"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let story = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{}\n{story}\n{errors}",
        output.status
    );
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// What the documentation promises; without slack, because nothing else runs beside this test.
const RELOAD_MAX: Duration = Duration::from_secs(1);

const TREATMENTS: &str = "40-treatments.toml";
/// Both columns show their last four characters, or neither does.
const SHOWN: &str = "\n[[treatment]]\nkind = \"phi.phone\"\nuse = \"last4\"\n[[treatment]]\nkind = \"phi.email\"\nuse = \"last4\"\n";
const HIDDEN: &str = "# The built-in treatments.\n";

#[test]
fn a_saved_policy_is_obeyed_by_an_open_session_within_a_second() {
    let world = World::start().unwrap();
    let mut psql = world
        .gateway
        .psql("ward-assistant", "clinic")
        .session()
        .unwrap();
    let phone = "select phone from patients where patient_id = 1;";
    assert!(psql.ask(phone, PATIENCE).unwrap().contains("[PHONE]"));
    for (text, obeyed) in [(SHOWN, "*"), (HIDDEN, "[PHONE]"), (SHOWN, "*")] {
        let saved = Instant::now();
        world.gateway.save_policy(TREATMENTS, text).unwrap();
        while !psql.ask(phone, PATIENCE).unwrap().contains(obeyed) {
            assert!(saved.elapsed() < PATIENCE, "the policy is not obeyed");
        }
        let took = saved.elapsed();
        eprintln!("obeyed after {took:?}");
        assert!(took < RELOAD_MAX, "obeyed after {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_swapped_under_load_fail_no_exchange_and_mix_in_none() {
    const SWAPS: usize = 8;
    let export = "rows = 1000000";
    let plan = WorldPlan::default().policy(PLUGINS, &plugins("", export));
    let world = plan.policy(TREATMENTS, HIDDEN).start().unwrap();
    let swapping = Arc::new(AtomicBool::new(true));
    let mut callers = Vec::new();
    for (nr, copies) in [1, 1, 70, 70].into_iter().enumerate() {
        let client = driver::connect(&world, "ward-assistant", "clinic")
            .await
            .unwrap();
        callers.push(tokio::spawn(ask_on(
            client,
            nr % 2 == 0,
            copies,
            Arc::clone(&swapping),
        )));
    }
    for swap in 0..SWAPS {
        let text = if swap % 2 == 0 { SHOWN } else { HIDDEN };
        world.save_policy(TREATMENTS, text).unwrap();
    }
    swapping.store(false, Ordering::Relaxed);
    let mut answers = [0; 2];
    for caller in callers {
        let [hidden, shown] = caller.await.unwrap();
        answers[0] += hidden;
        answers[1] += shown;
    }
    assert!(answers.iter().all(|count| *count > SWAPS), "{answers:?}");
    let failed = world.metric("almoner_exchanges_total{resource=\"clinic\",verdict=\"error\"}");
    assert!(failed.unwrap() < 0.5);
}

/// Asks until the swapping ends; counts answers with hidden and with shown ends. None is of both sorts,
/// though the long ones come in several windows.
async fn ask_on(
    client: tokio_postgres::Client,
    prepared: bool,
    copies: i32,
    swapping: Arc<AtomicBool>,
) -> [usize; 2] {
    let sql = "select p.phone, p.email from patients p, generate_series(1, $1::int) order by p.patient_id";
    let statement = client.prepare(sql).await.unwrap();
    let plain = sql.replace("$1::int", &copies.to_string());
    let mut answers = [0; 2];
    while swapping.load(Ordering::Relaxed) {
        let cells: Vec<String> = if prepared {
            let rows = client.query(&statement, &[&copies]).await.unwrap();
            rows.iter()
                .flat_map(|row| [row.get(0), row.get(1)])
                .collect()
        } else {
            let rows = client.simple_query(&plain).await.unwrap();
            let cells = |row: &tokio_postgres::SimpleQueryRow| {
                [0, 1].map(|column| row.get(column).unwrap_or_default().to_owned())
            };
            rows.iter()
                .filter_map(|message| match message {
                    tokio_postgres::SimpleQueryMessage::Row(row) => Some(cells(row)),
                    _ => None,
                })
                .flatten()
                .collect()
        };
        assert_eq!(cells.len(), 80 * usize::try_from(copies).unwrap());
        let shown = cells.iter().filter(|cell| cell.contains('*')).count();
        let hidden = cells
            .iter()
            .filter(|cell| *cell == "[PHONE]" || *cell == "[EMAIL]")
            .count();
        assert!(
            (shown == cells.len() && hidden == 0) || (hidden == cells.len() && shown == 0),
            "{shown} shown and {hidden} hidden of {} in one answer",
            cells.len()
        );
        answers[usize::from(shown > 0)] += 1;
    }
    answers
}

/// Connections that ask at once.
const CALLERS: usize = 6;
/// Deaths of the gateway.
const KILLS: u64 = 6;

/// Asks until the gateway is gone; answers the names of the statements whose answers came, rows or the end.
fn ask_until_gone(port: u16, round: u64, caller: usize) -> Vec<String> {
    let mut received = Vec::new();
    let password = "ward-assistant-password";
    let Ok(mut raw) = Raw::login(port, "ward-assistant", password, "clinic") else {
        return received;
    };
    for nr in 0.. {
        let name = format!("r{round}_c{caller}_n{nr}_end");
        // Every third may change something, and has an intent.
        let sql = if nr % 3 == 0 {
            format!(
                "update patients set ward = 'Annex' where patient_id = {caller} returning 7 as {name}"
            )
        } else {
            format!("select patient_id as {name}, mrn from patients where patient_id < 4")
        };
        if raw.send('Q', &strings(&[&sql])).is_err() {
            break;
        }
        loop {
            match raw.receive() {
                Ok(message) if message.kind == 'Z' => break,
                Ok(message) if message.kind == 'D' || message.kind == 'C' => {
                    if received.last() != Some(&name) {
                        received.push(name.clone());
                    }
                }
                Ok(_) => {}
                Err(_) => return received,
            }
        }
    }
    received
}

/// The statements that the trail in this folder says were answered, and those that it says were intended.
fn on_record(folder: &Path) -> (String, String) {
    let reader = Reader::open_copy(folder).unwrap();
    let (mut intents, mut answers, mut from) = (HashMap::new(), String::new(), 0);
    let mut intended = String::new();
    loop {
        let page = reader.range(from, 10_000).unwrap();
        let Some(last) = page.last() else {
            return (answers, intended);
        };
        from = last.seq + 1;
        for record in page.iter().map(|stored| stored.value().unwrap()) {
            let exchange = record["exchange"].as_str().unwrap_or_default().to_owned();
            let actions = record["actions"].to_string();
            match record["kind"].as_str() {
                Some("intent") => {
                    intended.push_str(&actions);
                    intents.insert(exchange, actions);
                }
                // An outcome behind an intent points back to it.
                Some("part" | "outcome") => {
                    answers.push_str(intents.get(&exchange).unwrap_or(&actions));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_gateway_killed_under_load_has_released_nothing_that_is_not_on_record() {
    let plan = WorldPlan {
        patients: 10,
        ..WorldPlan::default()
    };
    let mut world = plan.start().unwrap();
    let trail = world.gateway.data_folder().join("audit");
    let mut received = 0;
    for round in 0..KILLS {
        let port = world.gateway.port();
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| std::thread::spawn(move || ask_until_gone(port, round, caller)))
            .collect();
        std::thread::sleep(Duration::from_millis(400 + 83 * round));
        world.gateway.kill().unwrap();
        let names: Vec<String> = callers
            .into_iter()
            .flat_map(|caller| caller.join().unwrap())
            .collect();
        received += names.len();
        let (answers, intended) = on_record(&trail);
        for name in &names {
            assert!(
                answers.contains(name.as_str()),
                "round {round}: the answer to {name} was released and is not on record"
            );
            let writes = intended.contains(name.as_str());
            assert!(writes || !is_write(name), "{name} has no intent");
        }
        // What lies there holds, whatever was cut off; the end may not be signed yet.
        let (code, said) = world.verify(&["--store", "data/audit"]).unwrap();
        assert!(
            matches!(code, Some(0 | 3)),
            "round {round}: {code:?} {said}"
        );
        world.gateway.start_again().unwrap();
        let (code, said) = world.verify(&[]).unwrap();
        assert_eq!(code, Some(0), "round {round}: {said}");
    }
    assert!(
        received > CALLERS * KILLS as usize,
        "only {received} answers came: there was no load"
    );
}

fn is_write(name: &str) -> bool {
    let nr = name.split("_n").nth(1).unwrap();
    nr.trim_end_matches("_end").parse::<u64>().unwrap() % 3 == 0
}
