//! Measures what calls cost on this machine: `cargo run -p almoner-sandbox --release --example calls [plugin.wasm ...]`.
//!
//! Figures are medians over many calls. Without arguments it measures small components made on the spot;
//! further arguments are components whose compile time, cached load and fresh calls are measured too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measuring program, not part of the gateway"
)]

use std::time::{Duration, Instant};

use almoner_componentize::testing::{Guest, Pattern, detector, guard};
use almoner_sandbox::{
    Batch, CallContext, Capacity, Configured, DetectorSet, Direction, Field, Grant, Host,
    HostSettings, Operation, Payload,
};
use serde_json::json;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let keep_resident_bytes =
        std::env::var("KEEP_RESIDENT").map_or(512 * 1024, |bytes| bytes.parse().unwrap());
    let capacity = Capacity {
        keep_resident_bytes,
        ..Capacity::default()
    };
    let settings = || HostSettings {
        capacity: capacity.clone(),
        cache: Some(folder.path().join("compiled")),
        ..HostSettings::default()
    };
    let host = once("host start, self-test compiled", || {
        Host::new(settings()).unwrap()
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();

    let (ctx, op) = (context(), operation());
    let small = guard("(nop) (i32.const 64)");
    let plugin = once("load of a small guard, compiled", || {
        host.load(&small).unwrap()
    });
    let Configured::Guard(guard) = host
        .configure(&plugin, &json!({}), Grant::default())
        .unwrap()
    else {
        return;
    };
    median("fresh guard call, this thread", 20_000, || {
        drop(guard.inspect_blocking(&ctx, &op))
    });
    runtime.block_on(async {
        let guard = guard.clone();
        tokio::spawn(async move {
            let (ctx, op) = (context(), operation());
            let mut times = Vec::new();
            for _ in 0..20_000 {
                let start = Instant::now();
                drop(guard.inspect(&ctx, &op).await);
                times.push(start.elapsed());
            }
            report("fresh guard call, async, quick plugin", times);
        })
        .await
        .unwrap();
    });
    hop(&runtime, &host);
    patterns(&host);
    for path in std::env::args().skip(1) {
        component(&host, &path, settings);
    }
}

/// What a call costs that is sent to the threads: its input is over the size for the caller's thread.
fn hop(runtime: &tokio::runtime::Runtime, host: &Host) {
    let plugin = host.load(&guard("(nop) (nop) (i32.const 64)")).unwrap();
    let Configured::Guard(guard) = host
        .configure(&plugin, &json!({}), Grant::default())
        .unwrap()
    else {
        return;
    };
    let large = Operation {
        body: Payload::Text("x".repeat(65 * 1024)),
        ..operation()
    };
    let ctx = context();
    median("fresh guard call, 65 KiB body, this thread", 5_000, || {
        drop(guard.inspect_blocking(&ctx, &large))
    });
    runtime.block_on(async {
        tokio::spawn(async move {
            let mut times = Vec::new();
            for _ in 0..5_000 {
                let start = Instant::now();
                drop(guard.inspect(&ctx, &large).await);
                times.push(start.elapsed());
            }
            report("fresh guard call, 65 KiB body, on the threads", times);
        })
        .await
        .unwrap();
    });
}

const PATTERNS: [&str; 10] = [
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"\b(?:\+?1[-. ]?)?\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}\b",
    r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,12}\b",
    r"(?i)\bMRN[:# ]{0,3}\d{5,12}\b",
    r"\b\d{1,2}/\d{1,2}/\d{4}\b",
    r"\b(?:19|20)\d{2}-\d{2}-\d{2}\b",
    r"\b\d{5}-\d{4}\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    r"(?i)\bhttps?://[^\s]{4,200}",
    r"\b[1-9][A-HJ-NP-Z](?:[A-HJ-NP-Z]|\d)\d-?[A-HJ-NP-Z](?:[A-HJ-NP-Z]|\d)\d-?[A-HJ-NP-Z]{2}\d{2}\b",
];

fn patterns(host: &Host) {
    let patterns: Vec<_> = PATTERNS
        .iter()
        .map(|regex| Pattern::finding(regex))
        .collect();
    let set = |appetite| {
        let wasm = detector(Guest::new("detector-plugin"), &patterns, appetite, &[], "");
        let plugin = host.load(&wasm).unwrap();
        let Configured::Detector(detector) = host
            .configure(&plugin, &json!({}), Grant::default())
            .unwrap()
        else {
            unreachable!("it is a detector")
        };
        DetectorSet::new(host, vec![detector]).unwrap()
    };
    for (name, cells) in corpora() {
        let mut session = set(2).session();
        throughput(&format!("native patterns, {name}"), &cells, |batch| {
            drop(session.find_blocking(&context(), batch))
        });
    }
    let mut session = set(0).session();
    let mut one = Batch::new(Direction::Response, vec![Field::default()]);
    one.push("a short cell of text", 0, 0);
    median("warm detect call, one cell", 20_000, || {
        drop(session.find_blocking(&context(), &one))
    });
    throughput(
        "boundary, a detector that looks at nothing",
        &corpora()[0].1,
        |batch| drop(session.find_blocking(&context(), batch)),
    );
}

/// Synthetic cells of four kinds.
fn corpora() -> [(&'static str, Vec<String>); 4] {
    let words = [
        "inpatient",
        "Springfield",
        "General",
        "mg",
        "ordered",
        "normal",
        "42",
        "A1c 6.1",
        "left",
        "77.5",
    ];
    let clean: Vec<String> = (0..2000)
        .map(|i| format!("{} {}", words[i % 10], words[(i / 10) % 10]))
        .collect();
    let text = (0..100)
        .map(|i| clean[i * 10..i * 10 + 60.min(2000 - i * 10)].join(" "))
        .collect();
    let number = |i| {
        format!(
            "Pt 555-01{:02}-{i:04} SSN 123-45-{i:04} MRN: 0012{i:04} a{i}@example.org",
            i % 90
        )
    };
    let accents = clean.iter().map(|cell| format!("é {cell}")).collect();
    [
        ("clean short cells", clean),
        ("clean text of 1 KB", text),
        ("dense PHI", (0..1000).map(number).collect()),
        ("not ASCII", accents),
    ]
}

fn throughput(name: &str, cells: &[String], mut find: impl FnMut(&Batch<'_>)) {
    let mut batch = Batch::new(Direction::Response, vec![Field::default()]);
    for (row, cell) in (0..).zip(cells) {
        batch.push(cell.as_str(), 0, row);
    }
    // Time on the processor, so that a busy machine does not matter. The system counts it in steps of
    // milliseconds, so that it takes a while to be exact.
    let cpu = || {
        let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        times.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
    };
    let (begin, start, mut rounds) = (Instant::now(), cpu(), 0.0);
    while begin.elapsed() < Duration::from_secs(1) {
        find(&batch);
        rounds += 1.0;
    }
    let per_second = rounds * batch.text_bytes() as f64 / (cpu() - start) / 1e6;
    println!(
        "{name:48} {per_second:8.0} MB/s  ({} cells of {} bytes)",
        batch.len(),
        batch.text_bytes() / batch.len()
    );
}

fn component(host: &Host, path: &str, settings: impl Fn() -> HostSettings) {
    let wasm = std::fs::read(path).unwrap();
    println!("-- {path}, {} KiB", wasm.len() / 1024);
    let plugin = once("load, compiled", || host.load(&wasm).unwrap());
    let again = Host::new(settings()).unwrap();
    once("load, from the cache", || again.load(&wasm).unwrap());
    let configured = once("configure", || {
        host.configure(&plugin, &json!({}), Grant::default())
    });
    let (ctx, op) = (context(), operation());
    match configured {
        Ok(Configured::Guard(guard)) => {
            println!("   it says {:?}", guard.inspect_blocking(&ctx, &op));
            median("fresh guard call", 10_000, || {
                drop(guard.inspect_blocking(&ctx, &op))
            });
        }
        Ok(Configured::Approval(approval)) => {
            println!("   it says {:?}", approval.assess_blocking(&ctx, &op, 0));
            median("fresh approval call", 10_000, || {
                drop(approval.assess_blocking(&ctx, &op, 0))
            });
        }
        Ok(Configured::Detector(detector)) => {
            let set = once("set of patterns", || {
                DetectorSet::new(host, vec![detector]).unwrap()
            });
            let mut batch = Batch::new(Direction::Response, vec![Field::default()]);
            batch.push("a short cell of text", 0, 0);
            let mut session = set.session();
            once("first call of a session", || {
                drop(session.find_blocking(&ctx, &batch))
            });
            median("warm call, one cell", 10_000, || {
                drop(session.find_blocking(&ctx, &batch))
            });
            for (name, cells) in corpora() {
                throughput(name, &cells, |batch| {
                    drop(session.find_blocking(&ctx, batch))
                });
            }
        }
        other => println!("   {other:?}"),
    }
}

fn context() -> CallContext {
    CallContext {
        exchange_id: "x-1".into(),
        session_id: "s-1".into(),
        subject: "ada@example.org".into(),
        groups: vec!["nurses".into(), "ward-7".into()],
        target: "ehr".into(),
        protocol: "postgres".into(),
        locale: "en-US".into(),
        ..CallContext::default()
    }
}

fn operation() -> Operation {
    Operation {
        dialect: "sql.postgres".into(),
        verb: "select".into(),
        targets: vec!["ehr.patients".into()],
        body: Payload::Text("SELECT id, name FROM ehr.patients WHERE id = $1".into()),
        facts: "{}".into(),
        ..Operation::default()
    }
}

fn timed(call: impl FnOnce()) -> Duration {
    let start = Instant::now();
    call();
    start.elapsed()
}

fn once<T>(name: &str, call: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let made = call();
    println!("{name:48} {:8.2} ms", start.elapsed().as_secs_f64() * 1e3);
    made
}

fn median(name: &str, count: usize, mut call: impl FnMut()) {
    report(name, (0..count).map(|_| timed(&mut call)).collect());
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e6;
    println!(
        "{name:48} {:8.2} us median, {:.2} us p95, {:.2} us p99",
        at(50),
        at(95),
        at(99)
    );
}
