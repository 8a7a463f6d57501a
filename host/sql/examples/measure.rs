//! Prints what facts, masking and fingerprints cost: microseconds per statement, best of several rounds.

use std::io::{Write, stdout};
use std::time::Instant;

use almoner_sql::{facts, fingerprint, masked_text};

const ROUNDS: usize = 7;
const CALLS: u32 = 2_000;

fn main() -> std::io::Result<()> {
    let statements = [
        (
            "point query",
            "select name, birth_date from patients where id = $1",
        ),
        (
            "report with two joins",
            "select p.id, p.name, v.started_at, count(*) filter (where o.code = '8480-6') as readings, avg(o.value) as mean \
             from patients p join visits v on v.patient_id = p.id join observations o on o.visit_id = v.id \
             where v.started_at >= '2026-01-01' and v.started_at < '2026-02-01' and p.clinic_id = $1 and o.value is not null \
             group by p.id, p.name, v.started_at having count(*) > 3 order by v.started_at desc, p.name limit 100",
        ),
        ("begin", "begin"),
    ];
    for (name, sql) in statements {
        let facts = best(|| drop(facts(sql)));
        let masked = best(|| drop(masked_text(sql)));
        let print = best(|| drop(fingerprint(sql)));
        writeln!(
            stdout(),
            "{name:24} facts {facts:7.1} µs   masked {masked:6.1} µs   fingerprint {print:6.1} µs"
        )?;
    }
    Ok(())
}

/// Microseconds per call in the best round.
fn best(mut call: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS));
    }
    best
}
