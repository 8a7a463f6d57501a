//! Detectors: native patterns, what plugins are asked, what becomes of their answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::sync::OnceLock;
use std::time::Duration;

use almoner_componentize::testing::{Guest, Pattern, detector};
use almoner_sandbox::{
    BadOutput, Batch, CallContext, CallLimits, Configured, DetectorPlugin, DetectorSet, Direction,
    Failure, Field, Grant, Host, HostSettings, Outcome, UNVERIFIED,
};
use serde_json::json;

fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new(HostSettings::default()).expect("the self-test passes"))
}

fn configured(wasm: &[u8]) -> DetectorPlugin {
    let plugin = host().load(wasm).expect("it loads");
    let limits = CallLimits {
        deadline: Duration::from_millis(100),
        ..CallLimits::detector()
    };
    match host()
        .configure(
            &plugin,
            &json!({}),
            Grant {
                limits,
                ..Grant::default()
            },
        )
        .expect("it is configured")
    {
        Configured::Detector(detector) => detector,
        other => panic!("not a detector: {other:?}"),
    }
}

fn find(wasms: &[Vec<u8>], cells: &[&'static str]) -> Outcome {
    let detectors = wasms.iter().map(|wasm| configured(wasm)).collect();
    let set = DetectorSet::new(host(), detectors).unwrap();
    set.session()
        .find_blocking(&CallContext::default(), &batch(cells))
}

fn batch(cells: &[&'static str]) -> Batch<'static> {
    let mut batch = Batch::new(Direction::Response, vec![Field::default()]);
    for (row, cell) in (0..).zip(cells) {
        batch.push(*cell, 0, row);
    }
    batch
}

/// (cell, text, kind, confidence)
fn seen(outcome: &Outcome, cells: &[&'static str]) -> Vec<(u32, &'static str, String, u8)> {
    let text =
        |cell: u32, start: u32, end: u32| &cells[cell as usize][start as usize..end as usize];
    let one = |f: &almoner_sandbox::Finding| {
        (
            f.cell,
            text(f.cell, f.start, f.end),
            f.kind.to_string(),
            f.confidence,
        )
    };
    outcome.findings.iter().map(one).collect()
}

fn plain() -> Guest {
    Guest::new("detector-plugin")
}

const SSN: &str = r"\b\d{3}-\d{2}-\d{4}\b";
const EVERY_CELL: u8 = 0;
const CELLS_WITH_HITS: u8 = 1;
const NOTHING: u8 = 2;

#[test]
fn a_declared_pattern_is_found_natively_in_ascii_and_in_disguise() {
    let cells = [
        "clean",
        "a 123-45-6789 b",
        "né 123\u{2011}45\u{2011}6789.",
        "１２３-４５-６７８９",
        "12-345-6789",
    ];
    let outcome = find(
        &[detector(
            plain(),
            &[Pattern::finding(SSN)],
            NOTHING,
            &[],
            "",
        )],
        &cells,
    );
    let expected = [
        (1, "123-45-6789", "phi.ssn".to_owned(), 50),
        (2, "123\u{2011}45\u{2011}6789", "phi.ssn".to_owned(), 50),
        (3, "１２３-４５-６７８９", "phi.ssn".to_owned(), 50),
    ];
    assert_eq!(seen(&outcome, &cells), expected);
    assert!(outcome.failures.is_empty());
}

#[test]
fn context_words_nearby_raise_confidence_and_parts_of_words_do_not() {
    let pattern = Pattern {
        context: &["mrn", "record number"],
        with_context: 95,
        kind: 1,
        ..Pattern::finding(r"\b\d{7}\b")
    };
    let far = "MRN and then some forty-two characters or so of text 1234567";
    let cells = [
        "MRN: 1234567",
        "1234567 is the Record  Number",
        "mrns 1234567",
        "order 1234567",
        far,
        "é mrn 1234567",
    ];
    let outcome = find(&[detector(plain(), &[pattern], NOTHING, &[], "")], &cells);
    let confidences: Vec<_> = seen(&outcome, &cells)
        .into_iter()
        .map(|found| found.3)
        .collect();
    assert_eq!(confidences, [95, 95, 50, 50, 50, 95]);
}

#[test]
fn several_patterns_may_find_the_same_place() {
    let mrn = Pattern {
        kind: 1,
        ..Pattern::finding(r"\d{4}")
    };
    let cells = ["123-45-6789"];
    let outcome = find(
        &[detector(
            plain(),
            &[Pattern::finding(SSN), mrn],
            NOTHING,
            &[],
            "",
        )],
        &cells,
    );
    let kinds: Vec<_> = seen(&outcome, &cells)
        .into_iter()
        .map(|found| (found.1, found.2))
        .collect();
    let expected = [
        ("123-45-6789", "phi.ssn".to_owned()),
        ("6789", "phi.mrn".to_owned()),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_candidate_alone_is_no_finding() {
    let candidate = Pattern {
        role: 1,
        ..Pattern::finding(SSN)
    };
    let cells = ["123-45-6789"];
    let outcome = find(
        &[detector(plain(), &[candidate], CELLS_WITH_HITS, &[], "")],
        &cells,
    );
    assert_eq!(seen(&outcome, &cells), []);
    assert!(outcome.failures.is_empty());
}

#[test]
fn a_detector_without_hits_is_not_asked() {
    let wasm = detector(
        plain(),
        &[Pattern::finding(SSN)],
        CELLS_WITH_HITS,
        &[],
        "(unreachable)",
    );
    let outcome = find(std::slice::from_ref(&wasm), &["clean", "also clean"]);
    assert!(outcome.failures.is_empty() && outcome.findings.is_empty());
    // And when there is one, only the cells with hits are unverified.
    let cells = ["clean", "123-45-6789", "clean"];
    let outcome = find(&[wasm], &cells);
    assert_eq!(outcome.failures[0].failure, Failure::Trap("unreachable"));
    let unverified: Vec<_> = outcome
        .findings
        .iter()
        .filter(|f| *f.kind == *UNVERIFIED)
        .map(|f| f.cell)
        .collect();
    assert_eq!(unverified, [1]);
}

/// Cells that a detector is asked about: it fails, so that they are unverified.
fn asked_about(patterns: &[Pattern], cells: &[(&str, u32)]) -> Vec<u32> {
    let wasm = detector(plain(), patterns, CELLS_WITH_HITS, &[], "(unreachable)");
    let mut batch = Batch::new(Direction::Response, vec![Field::default()]);
    for (cell, row) in cells {
        batch.push(*cell, 0, *row);
    }
    let set = DetectorSet::new(host(), vec![configured(&wasm)]).unwrap();
    let outcome = set.session().find_blocking(&CallContext::default(), &batch);
    let unverified = outcome.findings.iter().filter(|f| *f.kind == *UNVERIFIED);
    unverified.map(|finding| finding.cell).collect()
}

#[test]
fn a_finding_without_confidence_needs_its_context() {
    let near = Pattern {
        confidence: 0,
        context: &["ssn"],
        with_context: 90,
        ..Pattern::finding(r"\b\d{9}\b")
    };
    let cells = [
        "123456789",
        "SSN 123456789",
        "ssn \u{e9} 123456789",
        "\u{e9} 123456789",
    ];
    assert_eq!(
        asked_about(&[near], &cells.map(|cell| (cell, 0))),
        [1, 2],
        "what is no finding brings no cell in"
    );
}

#[test]
fn a_companion_brings_its_cell_in_only_beside_a_candidate_of_its_record() {
    let candidate = |regex| Pattern {
        role: 1,
        ..Pattern::finding(regex)
    };
    let patterns = [
        candidate(r"\A(?s:.*)(?:\bDr\b)(?s:.*)\z"),
        candidate(r"\A(?s:.*)(?<companion>[A-Z])(?s:.*)\z"),
    ];
    let cells = [
        ("Varvio", 1),
        ("seen by Dr Varvio", 1),
        ("nothing", 1),
        ("Varvio", 2),
        ("Drab", 3),
        ("\u{c9}mile and Dr Varvio", 4),
    ];
    assert_eq!(asked_about(&patterns, &cells), [0, 1, 5]);
}

#[test]
fn offsets_are_read_in_the_plugins_own_unit() {
    let cells = ["é 555-123-4567"];
    for (unit, start, end) in [(0, 3, 15), (1, 2, 14), (2, 2, 14)] {
        let wasm = detector(
            plain().unit(unit),
            &[],
            EVERY_CELL,
            &[(0, start, end, 0, 90)],
            "",
        );
        let outcome = find(&[wasm], &cells);
        assert_eq!(
            seen(&outcome, &cells),
            [(0, "555-123-4567", "phi.ssn".to_owned(), 90)],
            "unit {unit}"
        );
        assert_eq!(outcome.misfits, 0);
    }
}

#[test]
fn a_span_that_does_not_fit_covers_the_whole_cell() {
    let cells = ["é 555-123-4567"];
    for (start, end) in [(1, 5), (3, 99), (7, 7), (9, 3), (u32::MAX, u32::MAX)] {
        let outcome = find(
            &[detector(
                plain(),
                &[],
                EVERY_CELL,
                &[(0, start, end, 0, 90)],
                "",
            )],
            &cells,
        );
        assert_eq!(
            seen(&outcome, &cells),
            [(0, cells[0], "phi.ssn".to_owned(), 90)],
            "{start}..{end}"
        );
        assert_eq!(outcome.misfits, 1);
    }
}

#[test]
fn a_cell_or_kind_that_does_not_exist_makes_every_cell_unverified() {
    let cells = ["one", "two"];
    let wrong = [
        ((7, 0, 1, 0, 90), BadOutput::UnknownCell),
        ((0, 0, 1, 7, 90), BadOutput::UnknownKind),
    ];
    for (finding, expected) in wrong {
        let outcome = find(
            &[detector(
                plain(),
                &[],
                EVERY_CELL,
                &[(0, 0, 3, 0, 90), finding],
                "",
            )],
            &cells,
        );
        let expected_seen = [
            (0, "one", UNVERIFIED.to_owned(), 100),
            (1, "two", UNVERIFIED.to_owned(), 100),
        ];
        assert_eq!(seen(&outcome, &cells), expected_seen);
        assert_eq!(outcome.failures[0].failure, Failure::BadOutput(expected));
    }
}

#[test]
fn findings_of_several_detectors_add_up_and_one_failing_hides_no_other() {
    let cells = ["123-45-6789 and more"];
    let honest = detector(
        plain(),
        &[Pattern::finding(SSN)],
        EVERY_CELL,
        &[(0, 16, 20, 1, 70)],
        "",
    );
    let fails = detector(plain(), &[], EVERY_CELL, &[], "(unreachable)");
    let outcome = find(&[fails, honest], &cells);
    let mut kinds: Vec<_> = outcome
        .findings
        .iter()
        .map(|f| (f.detector, f.kind.to_string()))
        .collect();
    kinds.sort();
    let expected = [
        (0, UNVERIFIED.to_owned()),
        (1, "phi.mrn".to_owned()),
        (1, "phi.ssn".to_owned()),
    ];
    assert_eq!(kinds, expected);
}

/// Traps on every second call of one instance.
const SECOND_TRAPS: &str = "(global.set $count (i32.add (global.get $count) (i32.const 1))) \
    (if (i32.eq (global.get $count) (i32.const 2)) (then (unreachable)))";

#[test]
fn an_instance_is_warm_within_a_session_and_dropped_after_a_trap() {
    let set = DetectorSet::new(
        host(),
        vec![configured(&detector(
            plain(),
            &[],
            EVERY_CELL,
            &[],
            SECOND_TRAPS,
        ))],
    );
    let mut session = set.unwrap().session();
    let failed: Vec<_> = (0..4)
        .map(|_| {
            session
                .find_blocking(&CallContext::default(), &batch(&["x"]))
                .failures
                .len()
        })
        .collect();
    assert_eq!(failed, [0, 1, 0, 1]);
}

#[test]
fn sessions_never_share_an_instance() {
    let set = DetectorSet::new(
        host(),
        vec![configured(&detector(
            plain(),
            &[],
            EVERY_CELL,
            &[],
            SECOND_TRAPS,
        ))],
    );
    let set = set.unwrap();
    for _ in 0..5 {
        let outcome = set
            .session()
            .find_blocking(&CallContext::default(), &batch(&["x"]));
        assert!(outcome.failures.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_asynchronous_way_keeps_instances_warm_too() {
    let set = DetectorSet::new(
        host(),
        vec![configured(&detector(
            plain(),
            &[],
            EVERY_CELL,
            &[],
            SECOND_TRAPS,
        ))],
    );
    let mut session = set.unwrap().session();
    let mut failed = Vec::new();
    for _ in 0..4 {
        failed.push(
            session
                .find(&CallContext::default(), &batch(&["x"]))
                .await
                .failures
                .len(),
        );
    }
    assert_eq!(failed, [0, 1, 0, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_detector_that_spins_leaves_every_cell_unverified() {
    let spins = detector(plain(), &[], EVERY_CELL, &[], "(loop $l (br $l))");
    let set = DetectorSet::new(host(), vec![configured(&spins)]).unwrap();
    let outcome = set
        .session()
        .find(&CallContext::default(), &batch(&["one", "two"]))
        .await;
    assert_eq!(outcome.failures[0].failure, Failure::Deadline);
    assert_eq!(
        outcome
            .findings
            .iter()
            .filter(|f| *f.kind == *UNVERIFIED)
            .count(),
        2
    );
}

#[test]
fn more_hits_than_a_cell_may_have_cover_the_whole_cell() {
    let text: &'static str = Box::leak("11 ".repeat(5000).into_boxed_str());
    let outcome = find(
        &[detector(
            plain(),
            &[Pattern::finding(r"\b\d\d\b")],
            NOTHING,
            &[],
            "",
        )],
        &[text],
    );
    let spans: Vec<_> = outcome
        .findings
        .iter()
        .map(|f| (f.start, f.end as usize))
        .collect();
    assert_eq!(spans, [(0, text.len())]);
}

#[test]
fn a_batch_over_its_limit_is_unverified_as_a_whole() {
    let set = DetectorSet::new(
        host(),
        vec![configured(&detector(plain(), &[], EVERY_CELL, &[], ""))],
    )
    .unwrap();
    let mut batch = Batch::new(Direction::Response, vec![Field::default()]);
    for row in 0..=Batch::CELLS_MAX {
        batch.push("x", 0, row as u32);
    }
    let outcome = set.session().find_blocking(&CallContext::default(), &batch);
    assert_eq!(outcome.findings.len(), Batch::CELLS_MAX + 1);
    assert!(!outcome.failures.is_empty());
}

#[test]
fn the_longest_span_of_a_set_is_in_bytes() {
    let points = configured(&detector(
        plain().unit(2).max_span(50),
        &[],
        EVERY_CELL,
        &[],
        "",
    ));
    let bytes = configured(&detector(plain().max_span(64), &[], EVERY_CELL, &[], ""));
    let set = DetectorSet::new(host(), vec![points, bytes]).unwrap();
    assert_eq!(set.max_span_bytes(), 200);
}
