//! Plugins that say what they do not look at: it is kept from them, and what they answered is remembered, within
//! the bounds that make it sound.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state what they expect"
)]

use std::sync::OnceLock;

use almoner_componentize::testing::{Guest, list};
use almoner_sandbox::{
    ApprovalPlugin, Attr, CallContext, Configured, Failure, Grant, GuardPlugin, Host, HostSettings,
    Operation, Payload, Unread, Usage, Verdict, WordSets,
};
use serde_json::{Value, json};

const NOTHING: u8 = 0;
const MOMENT: u8 = 1;
const VALUES: u8 = 2;
const ALLOW: &str = "(i32.const 64)";
/// Traps if the exchange's or the session's id, the time, or the rows of the subject's use are there.
const TRAPS_ON_MOMENT: &str = "
    (if (i32.or (i32.load offset=4 (local.get 0)) (i32.load offset=12 (local.get 0))) (then (unreachable)))
    (if (i64.ne (i64.load offset=80 (local.get 0)) (i64.const 0)) (then (unreachable)))
    (if (i64.ne (i64.load offset=104 (local.get 0)) (i64.const 0)) (then (unreachable)))
    (i32.const 64)";
/// Traps if there is a body, or a value of the first parameter.
const TRAPS_ON_VALUES: &str = "
    (if (i32.ne (i32.load8_u offset=164 (local.get 0)) (i32.const 2)) (then (unreachable)))
    (if (i32.load offset=12 (i32.load offset=180 (local.get 0))) (then (unreachable)))
    (i32.const 64)";

fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new(HostSettings::default()).expect("the self-test passes"))
}

/// A guest that says it never looks at `unread`.
fn saying(mut guest: Guest, unread: u8) -> Guest {
    let said = guest.put(&[[0, 0, 0, 0, unread, 0, 0, 0], [0; 8]].concat());
    guest.returns("lifecycle", "configure", "(param i32 i32)", said)
}

fn guard_with(guest: Guest, unread: u8, body: &str) -> Vec<u8> {
    saying(guest, unread)
        .function("guard", "inspect", "(param i32) (result i32)", body)
        .build()
}

fn guard(unread: u8, body: &str) -> Vec<u8> {
    guard_with(Guest::new("guard-plugin"), unread, body)
}

fn configured(wasm: &[u8], settings: Value, grant: Grant) -> Configured {
    let plugin = host().load(wasm).expect("it loads");
    let configured = host().configure(&plugin, &settings, grant);
    configured.expect("it takes its settings")
}

fn a_guard(wasm: &[u8], settings: Value, grant: Grant) -> GuardPlugin {
    match configured(wasm, settings, grant) {
        Configured::Guard(guard) => guard,
        other => panic!("not a guard: {other:?}"),
    }
}

fn plain(wasm: &[u8]) -> GuardPlugin {
    a_guard(wasm, json!({}), Grant::default())
}

fn context() -> CallContext {
    CallContext {
        exchange_id: "exchange".into(),
        session_id: "session".into(),
        subject: "ann".into(),
        now_ms: 7,
        usage: Usage {
            rows: 7,
            ..Usage::default()
        },
        ..CallContext::default()
    }
}

fn operation() -> Operation {
    Operation {
        body: Payload::Text("select 7".into()),
        parameters: vec![Attr::new("1", "value")],
        ..Operation::default()
    }
}

/// Asks, and says whether it was answered from memory.
async fn ask(guard: &GuardPlugin, ctx: &CallContext, op: &Operation) -> bool {
    let told = guard.told(ctx, op).await;
    assert_eq!(told.answer, Ok(Verdict::Allow));
    told.remembered
}

#[tokio::test]
async fn an_equal_question_is_asked_once_and_another_anew() {
    let guard = plain(&guard(MOMENT, ALLOW));
    let (ctx, op) = (context(), operation());
    assert!(!ask(&guard, &ctx, &op).await);
    assert!(ask(&guard, &ctx, &op).await);
    // Another moment is no other question.
    let later = CallContext {
        exchange_id: "another".into(),
        now_ms: 8,
        ..context()
    };
    assert!(ask(&guard, &later, &op).await);

    let changes: [fn(&mut CallContext, &mut Operation); 4] = [
        |ctx, _| ctx.subject = "bob".into(),
        |ctx, _| ctx.groups.push("nurses".into()),
        |_, op| op.parameters = vec![Attr::new("1", "other")],
        |_, op| op.facts = "{}".into(),
    ];
    for change in changes {
        let (mut ctx, mut op) = (context(), operation());
        change(&mut ctx, &mut op);
        assert!(!ask(&guard, &ctx, &op).await);
        assert!(ask(&guard, &ctx, &op).await);
    }
}

#[tokio::test]
async fn other_settings_words_or_another_generation_have_a_memory_of_their_own() {
    let wasm = guard(MOMENT, ALLOW);
    let words = Grant {
        words: WordSets::new([("wards", ["Aspen"])]),
        ..Grant::default()
    };
    for (settings, grant) in [
        (json!({}), Grant::default()),
        (json!({"other": true}), Grant::default()),
        (json!({}), words),
        // The same once more, as the next generation has it.
        (json!({}), Grant::default()),
    ] {
        let guard = a_guard(&wasm, settings, grant);
        assert!(!ask(&guard, &context(), &operation()).await);
        assert!(ask(&guard, &context(), &operation()).await);
    }
}

#[tokio::test]
async fn who_says_nothing_is_asked_each_time() {
    for unread in [NOTHING, VALUES] {
        let guard = plain(&guard(unread, ALLOW));
        for _ in 0..3 {
            assert!(!ask(&guard, &context(), &operation()).await);
        }
    }
}

#[tokio::test]
async fn what_a_plugin_says_it_does_not_look_at_it_cannot_see() {
    let (ctx, op) = (context(), operation());
    for (body, flag) in [(TRAPS_ON_MOMENT, MOMENT), (TRAPS_ON_VALUES, VALUES)] {
        let blind = plain(&guard(flag, body));
        assert_eq!(blind.inspect(&ctx, &op).await, Ok(Verdict::Allow));
        assert_eq!(blind.inspect_blocking(&ctx, &op), Ok(Verdict::Allow));
        let seeing = plain(&guard(MOMENT + VALUES - flag, body));
        assert_eq!(
            seeing.inspect_blocking(&ctx, &op),
            Err(Failure::Trap("unreachable"))
        );
    }
}

#[tokio::test]
async fn values_that_are_not_looked_at_make_no_other_question() {
    let guard = plain(&guard(MOMENT + VALUES, ALLOW));
    assert!(!ask(&guard, &context(), &operation()).await);
    let other = Operation {
        body: Payload::Text("select 8".into()),
        parameters: vec![Attr::new("1", "other")],
        ..Operation::default()
    };
    assert!(ask(&guard, &context(), &other).await);
    let more = Operation {
        parameters: vec![Attr::default(), Attr::default()],
        ..other
    };
    assert!(!ask(&guard, &context(), &more).await);
}

#[tokio::test]
async fn a_failure_is_never_remembered() {
    let guard = plain(&guard(MOMENT, "(unreachable)"));
    for _ in 0..3 {
        let told = guard.told(&context(), &operation()).await;
        assert_eq!(told.answer, Err(Failure::Trap("unreachable")));
        assert!(!told.remembered);
    }
}

#[tokio::test]
async fn an_answer_that_came_with_a_log_event_is_not_remembered() {
    let mut guest = Guest::new("guard-plugin").import(
        r#"(import "almoner:plugin/log@0.1.0" "event" (func $event (param i32 i32 i32 i32 i32 i32)))"#,
    );
    let code = guest.put(b"test.code");
    let says = format!(
        "(call $event (i32.const 1) (i32.const {code}) (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 0)) {ALLOW}"
    );
    let guard = plain(&guard_with(guest, MOMENT, &says));
    for _ in 0..3 {
        assert!(!ask(&guard, &context(), &operation()).await);
    }
}

#[tokio::test]
async fn an_approval_plugin_is_asked_anew_at_another_count_of_rows() {
    let mut guest = Guest::new("approval-plugin");
    let none = guest.put(&list(0, 0).repeat(24));
    let wasm = saying(guest, MOMENT)
        .function(
            "approval",
            "assess",
            "(param i32) (result i32)",
            &format!("(i32.const {none})"),
        )
        .build();
    let plugin: ApprovalPlugin = match configured(&wasm, json!({}), Grant::default()) {
        Configured::Approval(plugin) => plugin,
        other => panic!("no approval plugin: {other:?}"),
    };
    for (rows, expected) in [(0, false), (500, false), (0, true), (500, true)] {
        let told = plugin.told(&context(), &operation(), rows).await;
        assert_eq!(told.answer.unwrap().need, None);
        assert_eq!(told.remembered, expected, "{rows}");
    }
}

#[test]
fn a_configuration_says_what_it_does_not_look_at() {
    for (said, moment, values) in [
        (NOTHING, false, false),
        (MOMENT, true, false),
        (VALUES, false, true),
    ] {
        let configured = configured(&guard(said, ALLOW), json!({}), Grant::default());
        assert_eq!(configured.unread(), Unread { moment, values });
    }
}
