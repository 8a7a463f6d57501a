//! The benchmarks themselves work: each part measures, and prints every row of its tables. What the figures are
//! is not looked at; a machine that runs tests is no place to measure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests state what they expect"
)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Reads by three numbers of clients take some 25 seconds; the rest is for a machine that does other things, too.
const LIMIT: Duration = Duration::from_secs(150);

fn quick(part: &str, more: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let open = |name: &str| std::fs::File::create(file(name)).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_almoner-bench"));
    command.args(["--quick", "--only", part]).args(more);
    command
        .stdin(Stdio::null())
        .stdout(open("out"))
        .stderr(open("err"));
    let mut child = command.spawn().expect("the program runs");
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break Some(status);
        }
        if begun.elapsed() > LIMIT {
            child.kill().expect("a child");
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let read = |name: &str| std::fs::read_to_string(file(name)).expect("text");
    assert!(
        status.is_some_and(|status| status.success()),
        "{status:?}: {}",
        read("err")
    );
    read("out")
}

fn rows(printed: &str) -> Vec<&str> {
    let rows = printed
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("---"));
    rows.collect()
}

#[test]
fn reads_are_measured_for_every_number_of_clients_and_leave_a_whole_trail() {
    let printed = quick("postgres", &[]);
    let rows = rows(&printed);
    for start in [
        "| 1 |",
        "| 8 |",
        "| 64 |",
        "| one synced",
        "| added",
        "| the same in",
    ] {
        assert!(
            rows.iter().any(|row| row.starts_with(start)),
            "{start} is missing in\n{printed}"
        );
    }
}

#[test]
fn appending_and_verifying_are_measured_for_both_sizes() {
    let printed = quick("audit", &["--seconds", "1"]);
    // Two tables of a head and two rows.
    assert_eq!(rows(&printed).len(), 6, "{printed}");
    assert!(
        !printed.contains("NaN") && !printed.contains("inf"),
        "{printed}"
    );
}

#[test]
fn plugin_calls_are_measured() {
    let printed = quick("plugins", &[]);
    assert_eq!(rows(&printed).len(), 11, "{printed}");
    assert!(
        printed.contains("| guard call in a fresh instance, median |"),
        "{printed}"
    );
}
