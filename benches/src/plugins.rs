//! What a call into the sandbox costs, with the standard plugins.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use almoner_sandbox::{
    ApprovalPlugin, Batch, CallContext, CallLimits, Configured, DetectorSet, Direction, Field,
    Grant, GuardPlugin, Host, HostSettings, Operation, Payload,
};
use almoner_stage::clinic::{Clinic, SEED};
use anyhow::{Context, bail, ensure};
use serde_json::json;

use crate::options::Options;
use crate::report::{Table, at_least, at_most, micros, plain};
use crate::sample::{float, median, timed};
use crate::world::READ;
use crate::{distinct, guests, native};

const GUARD_TARGET_US: f64 = 20.0;
const CLEAN_TARGET: f64 = 100.0;
const DENSE_TARGET: f64 = 20.0;
const NATIVE_TARGET: f64 = 0.7;
/// Enough text that no cache of the processor holds all of it.
const PATIENTS: u32 = 600;
/// A first few calls, which find nothing in the caches, are not counted.
const WARM_UP: usize = 200;

/// Measures them.
pub(crate) fn measure(options: &Options) -> anyhow::Result<Vec<Table>> {
    let folder = tempfile::tempdir().context("making a folder for compiled code")?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
    let mut table = Table::new(
        "Plugins: one thread",
        &["what", "measured", "target", "verdict"],
    );
    let mut row =
        |what: &str, cells: [String; 3]| table.row([what.to_owned()].into_iter().chain(cells));

    let [compiled, loaded] = [start(folder.path())?, start(folder.path())?];
    row(
        "host with its self-test, and three plugins compiled",
        plain(micros(compiled)),
    );
    row("the same with compiled code kept", plain(micros(loaded)));

    let host = host(folder.path())?;
    let guard = guard(&host)?;
    row(
        "guard call in a fresh instance, median",
        at_most(guard_calls(options, &guard)?, GUARD_TARGET_US, " µs"),
    );
    let approval = approval(&host)?;
    row(
        "approval call in a fresh instance, median",
        plain(micros(approval_calls(options, &approval)?)),
    );

    let clinic = Clinic::generate(SEED, PATIENTS);
    let detectors = detectors(&host)?;
    let texts = distinct::texts(&clinic);
    let unlike: Vec<Cell<'_>> = texts
        .iter()
        .map(|text| (text.as_str(), ("encounters", "reason")))
        .collect();
    for (what, cells, target) in [
        ("clean rows", clean(&clinic), Some(CLEAN_TARGET)),
        ("clean rows, no two texts alike", unlike, None),
        ("dense notes", dense(&clinic), Some(DENSE_TARGET)),
    ] {
        let batches = batches(&cells);
        let (rate, findings) = search(options, &detectors, &batches)?;
        eprintln!("  {what}: {findings:.1} findings per kB");
        let what = format!("detect, warm, {what}, MB/s");
        row(
            &what,
            target.map_or_else(
                || plain(format!("{rate:.1}")),
                |target| at_least(rate, target),
            ),
        );
        let ratio = rate / native::rate(options, &detectors, &batches)?;
        row(
            &format!("{what}: of the same compiled natively"),
            at_least(ratio, NATIVE_TARGET),
        );
    }
    Ok(vec![table])
}

/// Microseconds to a host with all three plugins.
fn start(cache: &Path) -> anyhow::Result<f64> {
    let wasms = ["sql-guard", "bulk-export", "phi"].map(guests::read);
    let (started, us) = timed(|| {
        let host = host(cache)?;
        for wasm in wasms {
            host.load(&wasm?)?;
        }
        anyhow::Ok(())
    });
    started.map(|()| us)
}

fn host(cache: &Path) -> anyhow::Result<Host> {
    Ok(Host::new(HostSettings {
        cache: Some(cache.to_owned()),
        ..HostSettings::default()
    })?)
}

fn configured(host: &Host, name: &str, limits: CallLimits) -> anyhow::Result<Configured> {
    let plugin = host.load(&guests::read(name)?)?;
    let grant = Grant {
        limits,
        ..Grant::default()
    };
    Ok(host.configure(&plugin, &json!({}), grant)?)
}

fn guard(host: &Host) -> anyhow::Result<GuardPlugin> {
    match configured(host, "sql-guard", CallLimits::default())? {
        Configured::Guard(guard) => Ok(guard),
        _ => bail!("sql-guard is no guard"),
    }
}

fn approval(host: &Host) -> anyhow::Result<ApprovalPlugin> {
    match configured(host, "bulk-export", CallLimits::default())? {
        Configured::Approval(approval) => Ok(approval),
        _ => bail!("bulk-export is no approval plugin"),
    }
}

fn detectors(host: &Host) -> anyhow::Result<DetectorSet> {
    match configured(host, "phi", CallLimits::detector())? {
        Configured::Detector(detector) => Ok(DetectorSet::new(host, vec![detector])?),
        _ => bail!("phi is no detector"),
    }
}

fn guard_calls(options: &Options, guard: &GuardPlugin) -> anyhow::Result<f64> {
    let (context, operation) = (context(), operation()?);
    calls(options, || {
        let verdict = guard.inspect_blocking(&context, &operation)?;
        ensure!(
            verdict == almoner_sandbox::Verdict::Allow,
            "the guard does not allow the read"
        );
        Ok(())
    })
}

fn approval_calls(options: &Options, approval: &ApprovalPlugin) -> anyhow::Result<f64> {
    let (context, operation) = (context(), operation()?);
    calls(options, || {
        approval.assess_blocking(&context, &operation, 0)?;
        Ok(())
    })
}

/// The median of single calls, in microseconds.
fn calls(options: &Options, mut call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    for _ in 0..WARM_UP {
        call()?;
    }
    let times = (0..options.calls()).map(|_| {
        let (called, us) = timed(&mut call);
        called.map(|()| us)
    });
    Ok(median(times.collect::<anyhow::Result<_>>()?))
}

/// What the gateway asks about a point read.
fn operation() -> anyhow::Result<Operation> {
    let sql = format!("{READ}$1");
    let sheet = almoner_sql::facts(&sql)?;
    let facts = sheet.statements.first().context("a statement has facts")?;
    Ok(Operation {
        dialect: "sql.postgres".to_owned(),
        verb: facts.verb.clone(),
        targets: vec!["public.patients".to_owned()],
        body: Payload::Text(sql),
        facts_schema: almoner_sql::SCHEMA_NAME.to_owned(),
        facts: serde_json::to_string(facts)?,
        ..Operation::default()
    })
}

fn context() -> CallContext {
    CallContext {
        exchange_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        session_id: "01890a5d-ac96-774b-bcce-b302099a8056".to_owned(),
        subject: "maria.santos".to_owned(),
        actor: Some("ward-assistant".to_owned()),
        groups: vec!["nurses".to_owned()],
        target: "clinic".to_owned(),
        protocol: "postgres".to_owned(),
        locale: "en-US".to_owned(),
        ..CallContext::default()
    }
}

/// A text and the field it belongs to: table and column.
type Cell<'c> = (&'c str, (&'static str, &'static str));

/// Columns that name nobody.
fn clean(clinic: &Clinic) -> Vec<Cell<'_>> {
    let stays = clinic.encounters.iter().flat_map(|stay| {
        [
            (stay.reason.as_str(), ("encounters", "reason")),
            (stay.ward.as_str(), ("encounters", "ward")),
            (stay.kind.as_str(), ("encounters", "kind")),
            (
                stay.diagnosis_code.as_str(),
                ("encounters", "diagnosis_code"),
            ),
        ]
    });
    let results = clinic.lab_results.iter().flat_map(|result| {
        [
            (result.test.as_str(), ("lab_results", "test")),
            (result.unit.as_str(), ("lab_results", "unit")),
        ]
    });
    stays.chain(results).collect()
}

/// What is written about people.
fn dense(clinic: &Clinic) -> Vec<Cell<'_>> {
    clinic
        .notes
        .iter()
        .map(|note| (note.body.as_str(), ("notes", "body")))
        .collect()
}

/// Batches of the size that the gateway makes.
fn batches<'c>(cells: &[Cell<'c>]) -> Vec<Batch<'c>> {
    let mut names: Vec<(&str, &str)> = cells.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.dedup();
    let fields: Vec<Field> = names
        .iter()
        .map(|(container, path)| Field {
            container: (*container).to_owned(),
            path: (*path).to_owned(),
            declared_type: "text".to_owned(),
            media_type: "text/plain".to_owned(),
        })
        .collect();
    let mut batches = Vec::new();
    let mut batch = Batch::new(Direction::Response, fields.clone());
    let mut bytes = 0;
    for (row, (text, name)) in (0..).zip(cells) {
        if bytes + text.len() > Batch::BYTES_ADVISED {
            batches.push(std::mem::replace(
                &mut batch,
                Batch::new(Direction::Response, fields.clone()),
            ));
            bytes = 0;
        }
        let field = names.binary_search(name).unwrap_or(0);
        batch.push(*text, u32::try_from(field).unwrap_or(0), row);
        bytes += text.len();
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

/// MB/s in a warm session, and findings per kilobyte.
fn search(
    options: &Options,
    detectors: &DetectorSet,
    batches: &[Batch<'_>],
) -> anyhow::Result<(f64, f64)> {
    let context = context();
    let mut session = detectors.session();
    for batch in batches {
        session.find_blocking(&context, batch);
    }
    let (mut bytes, mut findings) = (0, 0);
    let begun = Instant::now();
    while begun.elapsed() < options.turn() {
        for batch in batches {
            let outcome = session.find_blocking(&context, batch);
            ensure!(
                outcome.failures.is_empty(),
                "the detector failed: {:?}",
                outcome.failures
            );
            bytes += batch.text_bytes();
            findings += outcome.findings.len();
        }
    }
    let rate = float(bytes) / 1e6 / begun.elapsed().as_secs_f64();
    Ok((rate, float(findings) / (float(bytes) / 1e3)))
}
