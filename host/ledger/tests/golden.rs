//! The format, frozen: these bytes never change. A reader of version 1 must read them for as long as
//! anybody keeps a trail.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

mod support;

use almoner_ledger::{Kind, Verdict};
use serde_json::{Value, json};
use support::Chain;

fn golden() -> Chain {
    let mut chain = Chain::begin();
    chain.talk(5);
    chain.checkpoint();
    chain.recover(9);
    chain.append(
        almoner_ledger::Draft::new(Kind::Denied, chain.time())
            .with(
                "escapes",
                "quote \" slash / back \\ tab \t bell \u{7} del \u{7f} é \u{1f600} \u{2028}",
            )
            .with(
                "numbers",
                json!([0, -1, 9_007_199_254_740_991_u64, -9_007_199_254_740_991_i64]),
            )
            .with("nothing", Value::Null)
            .with("empty", json!([{}, [], ""]))
            .with(
                "order",
                json!({"b": 1, "B": 2, "a-b": 3, "a": 4, "10": 5, "9": 6}),
            ),
        None,
        &[b"", b"two"],
    );
    chain.checkpoint();
    chain
}

#[test]
fn the_golden_chain_is_written_as_it_always_was() {
    let chain = golden();
    let lines: Vec<u8> = chain
        .lines
        .iter()
        .flat_map(|line| line.iter().chain(b"\n"))
        .copied()
        .collect();
    let folder = "tests/golden";
    if std::env::var_os("ALMONER_WRITE_GOLDEN").is_some() {
        std::fs::write(format!("{folder}/records.jsonl"), &lines).unwrap();
        std::fs::write(format!("{folder}/checkpoints.txt"), chain.notes.join("\n")).unwrap();
    }
    assert_eq!(
        std::fs::read(format!("{folder}/records.jsonl")).unwrap(),
        lines
    );
    assert_eq!(
        std::fs::read_to_string(format!("{folder}/checkpoints.txt")).unwrap(),
        chain.notes.join("\n")
    );
}

#[test]
fn the_golden_chain_verifies_as_incomplete_because_it_declares_a_loss() {
    let report = golden().verify();
    assert_eq!(report.verdict, Verdict::Incomplete, "{report:#?}");
    assert_eq!(report.failures, []);
    assert_eq!(
        report.origins,
        ["hospital.example/audit/1", "hospital.example/audit/2"]
    );
    assert_eq!(
        (report.records, report.checkpoints, report.unsigned_tail),
        (9, 2, 0)
    );
    assert_eq!(report.good, [(0, 8)]);
}
