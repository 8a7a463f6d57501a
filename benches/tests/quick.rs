//! The benchmarks themselves work: each part measures, and prints every row of its tables.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests state what they expect"
)]

use std::process::Command;

fn quick(part: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_almoner-bench"));
    let output = command
        .args(["--quick", "--only", part])
        .output()
        .expect("the program runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("Markdown")
}

fn rows(printed: &str) -> Vec<&str> {
    let rows = printed
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("---"));
    rows.collect()
}

#[test]
fn reads_are_measured_for_every_number_of_clients_and_leave_a_whole_trail() {
    let printed = quick("postgres");
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
    let printed = quick("audit");
    // Two tables of a head and two rows.
    assert_eq!(rows(&printed).len(), 6, "{printed}");
    assert!(
        !printed.contains("NaN") && !printed.contains("inf"),
        "{printed}"
    );
}

#[test]
fn plugin_calls_are_measured() {
    let printed = quick("plugins");
    assert_eq!(rows(&printed).len(), 7, "{printed}");
    assert!(
        printed.contains("| guard call in a fresh instance, median |"),
        "{printed}"
    );
}
