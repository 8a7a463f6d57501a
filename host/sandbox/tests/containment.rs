//! Hostile guards are contained, each with its class of failure, and the host goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use almoner_componentize::testing::{self, Guest, denying_guard, guard};
use almoner_sandbox::{
    BadOutput, CallContext, CallLimits, Configured, Failure, Grant, GuardPlugin, Host,
    HostSettings, Operation, Payload, Verdict, WordSets,
};
use serde_json::json;

fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new(HostSettings::default()).expect("the self-test passes"))
}

fn configured(wasm: &[u8], grant: Grant) -> GuardPlugin {
    let plugin = host().load(wasm).expect("it loads");
    match host()
        .configure(&plugin, &json!({}), grant)
        .expect("it takes its settings")
    {
        Configured::Guard(guard) => guard,
        other => panic!("not a guard: {other:?}"),
    }
}

fn within(limits: CallLimits) -> Grant {
    Grant {
        limits,
        words: WordSets::default(),
    }
}

fn inspect(wasm: &[u8], limits: CallLimits) -> Result<Verdict, Failure> {
    configured(wasm, within(limits))
        .inspect_blocking(&CallContext::default(), &Operation::default())
}

/// Denies nothing; 64 zero bytes are ok(allow).
const ALLOW: &str = "(i32.const 64)";

#[test]
fn an_honest_guard_allows() {
    assert_eq!(
        inspect(&guard(ALLOW), CallLimits::default()),
        Ok(Verdict::Allow)
    );
}

#[test]
fn a_declared_reason_is_rendered_by_the_host() {
    let wasm = denying_guard(
        "test.code",
        &[("table", "ehr.patients"), ("ssn", "123-45-6789")],
    );
    let Ok(Verdict::Deny(reason)) = inspect(&wasm, CallLimits::default()) else {
        panic!("no denial")
    };
    assert_eq!(reason.message, "Table ehr.patients.");
    assert_eq!(reason.args[1], ("ssn".to_owned(), "?".to_owned()));
}

#[test]
fn an_undeclared_code_is_bad_output() {
    let failure = inspect(&denying_guard("other.code", &[]), CallLimits::default()).unwrap_err();
    assert_eq!(failure, Failure::BadOutput(BadOutput::UndeclaredCode));
}

#[test]
fn a_loop_ends_at_its_deadline() {
    let wasm = guard("(loop $l (br $l)) (i32.const 64)");
    let limits = CallLimits {
        deadline: Duration::from_millis(30),
        ..CallLimits::default()
    };
    let start = Instant::now();
    assert_eq!(inspect(&wasm, limits), Err(Failure::Deadline));
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(30) && took < Duration::from_millis(1000),
        "took {took:?}"
    );
}

#[test]
fn memory_beyond_the_limit_is_refused_and_named() {
    let wasm = guard(
        "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable)",
    );
    let limits = CallLimits {
        memory_bytes: 8 << 20,
        ..CallLimits::default()
    };
    assert_eq!(inspect(&wasm, limits), Err(Failure::Memory));
}

#[test]
fn a_guest_that_survives_a_refusal_of_memory_is_heard() {
    let wasm = guard("(drop (memory.grow (i32.const 60000))) (i32.const 64)");
    assert_eq!(inspect(&wasm, CallLimits::default()), Ok(Verdict::Allow));
}

#[test]
fn a_trap_is_named_by_its_code() {
    assert_eq!(
        inspect(&guard("(unreachable)"), CallLimits::default()),
        Err(Failure::Trap("unreachable"))
    );
    let divides = guard("(i32.div_u (i32.const 1) (i32.const 0))");
    assert_eq!(
        inspect(&divides, CallLimits::default()),
        Err(Failure::Trap("division by zero"))
    );
}

#[test]
fn endless_recursion_is_a_trap_and_not_a_crash() {
    let guest = Guest::new("guard-plugin").import("").function(
        "guard",
        "inspect",
        "(param i32) (result i32) (local i64 i64 i64 i64)",
        "(call $deep (i32.const 0))",
    );
    // The function that recurses is not exported; it rides along with a lifecycle function's text.
    let wasm = guest
        .function("lifecycle", "configure", "(param i32 i32) (result i32)", "(i32.const 64)) (func $deep (param i32) (result i32) (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (i32.const 1))")
        .build();
    assert_eq!(
        inspect(&wasm, CallLimits::default()),
        Err(Failure::Trap("stack overflow"))
    );
}

#[test]
fn an_answer_outside_memory_or_not_utf8_is_a_trap() {
    let outside = guard("(i32.const 0x7ffffff0)");
    assert_eq!(
        inspect(&outside, CallLimits::default()),
        Err(Failure::Trap("broke the canonical ABI"))
    );
    let mut guest = Guest::new("guard-plugin");
    let bad = guest.put(&[0xff, 0xfe]);
    let reason = [testing::list(bad, 2), [0; 8]].concat();
    let answer = guest.put(&[&[0; 8][..], &[1, 0, 0, 0, 0, 0, 0, 0], &reason, &[0; 32]].concat());
    let wasm = guest
        .returns("guard", "inspect", "(param i32)", answer)
        .build();
    assert_eq!(
        inspect(&wasm, CallLimits::default()),
        Err(Failure::Trap("broke the canonical ABI"))
    );
}

#[test]
fn an_answer_larger_than_its_limit_is_refused_before_it_is_copied() {
    let mut guest = Guest::new("guard-plugin");
    // deny with a code that is one mebibyte of zeros
    let reason = [testing::list(65536, 1 << 20), [0; 8]].concat();
    let answer = guest.put(&[&[0; 8][..], &[1, 0, 0, 0, 0, 0, 0, 0], &reason, &[0; 32]].concat());
    let grow = format!("(drop (memory.grow (i32.const 32))) (i32.const {answer})");
    let wasm = guest
        .function("guard", "inspect", "(param i32) (result i32)", &grow)
        .build();
    let limits = CallLimits {
        output_bytes: 64 << 10,
        ..CallLimits::default()
    };
    assert_eq!(inspect(&wasm, limits), Err(Failure::OutputTooLarge));
}

#[test]
fn every_call_has_a_fresh_instance() {
    // Counts its calls in a global and loops for ever on the second.
    let body = "(global.set $count (i32.add (global.get $count) (i32.const 1))) \
        (if (i32.gt_u (global.get $count) (i32.const 1)) (then (unreachable))) (i32.const 64)";
    let guard = configured(&guard(body), Grant::default());
    for _ in 0..3 {
        let answer = guard.inspect_blocking(&CallContext::default(), &Operation::default());
        assert_eq!(answer, Ok(Verdict::Allow));
    }
}

#[test]
fn an_input_larger_than_the_memory_fails_as_memory() {
    let guard = configured(
        &guard(ALLOW),
        within(CallLimits {
            memory_bytes: 2 << 20,
            ..CallLimits::default()
        }),
    );
    let op = Operation {
        body: Payload::Text("x".repeat(4 << 20)),
        ..Operation::default()
    };
    assert_eq!(
        guard.inspect_blocking(&CallContext::default(), &op),
        Err(Failure::Memory)
    );
}

const EVENT: &str =
    r#"(import "almoner:plugin/log@0.1.0" "event" (func $event (param i32 i32 i32 i32 i32 i32)))"#;

#[test]
fn events_beyond_the_budget_are_dropped_and_the_call_goes_on() {
    let mut guest = Guest::new("guard-plugin").import(EVENT);
    let code = guest.put(b"test.code");
    let body = format!(
        "(local $i i32) (loop $l (call $event (i32.const 1) (i32.const {code}) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 0)) \
         (local.set $i (i32.add (local.get $i) (i32.const 1))) (br_if $l (i32.lt_u (local.get $i) (i32.const 1000)))) (i32.const 64)"
    );
    let wasm = guest
        .function("guard", "inspect", "(param i32) (result i32)", &body)
        .build();
    assert_eq!(inspect(&wasm, CallLimits::default()), Ok(Verdict::Allow));
}

const CONTAINS: &str = r#"(import "almoner:plugin/lookup@0.1.0" "contains" (func $contains (param i32 i32 i32 i32 i32)))"#;

/// Asks whether "smith" is in a set; traps if it is.
fn asks(set: &str) -> Vec<u8> {
    let mut guest = Guest::new("guard-plugin").import(CONTAINS);
    let name = guest.put(set.as_bytes());
    let value = guest.string("smith");
    let values = guest.put(&value);
    let answer = guest.put(&[0; 8]);
    let body = format!(
        "(call $contains (i32.const {name}) (i32.const {length}) (i32.const {values}) (i32.const 1) (i32.const {answer})) \
         (if (i32.load8_u (i32.load (i32.const {answer}))) (then (unreachable))) (i32.const 64)",
        length = set.len()
    );
    guest
        .function("guard", "inspect", "(param i32) (result i32)", &body)
        .build()
}

#[test]
fn a_word_is_found_in_a_mounted_set_and_a_missing_set_is_a_failure() {
    let inspect = |set: &str, limits: CallLimits| {
        let words = WordSets::new([("names", vec!["smith"]), ("others", vec!["jones"])]);
        let guard = configured(&asks(set), Grant { limits, words });
        guard.inspect_blocking(&CallContext::default(), &Operation::default())
    };
    assert_eq!(
        inspect("names", CallLimits::default()),
        Err(Failure::Trap("unreachable"))
    );
    assert_eq!(inspect("others", CallLimits::default()), Ok(Verdict::Allow));
    assert!(matches!(
        inspect("missing", CallLimits::default()),
        Err(Failure::HostFunction(_))
    ));
    let no_lookups = CallLimits {
        lookups: 0,
        ..CallLimits::default()
    };
    assert!(matches!(
        inspect("others", no_lookups),
        Err(Failure::HostFunction(_))
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_spins_delays_nobody_but_its_own_callers() {
    let limits = CallLimits {
        deadline: Duration::from_millis(150),
        ..CallLimits::default()
    };
    let spins = configured(&guard("(loop $l (br $l)) (i32.const 64)"), within(limits));
    let honest = configured(&guard("(nop) (i32.const 64)"), within(limits));
    let spinning: Vec<_> = (0..16)
        .map(|_| {
            let spins = spins.clone();
            tokio::spawn(async move {
                spins
                    .inspect(&CallContext::default(), &Operation::default())
                    .await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut worst = Duration::ZERO;
    for _ in 0..50 {
        let start = Instant::now();
        let answer = honest
            .inspect(&CallContext::default(), &Operation::default())
            .await;
        assert_eq!(answer, Ok(Verdict::Allow));
        worst = worst.max(start.elapsed());
    }
    assert!(
        worst < Duration::from_millis(100),
        "an honest call took {worst:?}"
    );
    for spinning in spinning {
        let failure = spinning.await.unwrap().unwrap_err();
        assert!(
            matches!(failure, Failure::Deadline | Failure::QueueFull(_)),
            "{failure:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_call_is_moved_to_the_threads_and_answers_there() {
    // About 30 million turns: longer than a slice, shorter than the deadline.
    let body = "(local $i i32) (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1))) \
        (br_if $l (i32.lt_u (local.get $i) (i32.const 30000000)))) (i32.const 64)";
    let limits = CallLimits {
        deadline: Duration::from_secs(10),
        ..CallLimits::default()
    };
    let slow = configured(&guard(body), within(limits));
    for _ in 0..3 {
        let answer = slow
            .inspect(&CallContext::default(), &Operation::default())
            .await;
        assert_eq!(answer, Ok(Verdict::Allow));
    }
}
