//! Tests that drive many processes and take the machine for themselves (see `.config/nextest.toml`).

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use almoner_tests::people::{PATIENCE, PLUGINS, plugins};
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

/// A saved policy is to be obeyed within a second; the rest is for a machine that is busy with other tests'
/// remains.
const RELOAD_MAX: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_millis(500);

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
        assert!(took < RELOAD_MAX + SLACK, "obeyed after {took:?}");
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
