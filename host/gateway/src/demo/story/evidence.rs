//! Step 5: the evidence holds, and stops holding once somebody touches it.

use std::fs;
use std::path::{Path, PathBuf};

use almoner_audit::tamper;
use almoner_stage::psql::Finished;
use serde_json::json;

use super::super::narrator::Narrator;
use super::super::scene::Scene;
use super::super::{DemoError, Result};
use super::{expect, expect_code};
use crate::admin::client::Client;
use crate::admin::status::CopyMade;

const STEP: &str = "5";
/// Exit codes of `audit verify`.
const VERIFIED: i32 = 0;
const FAILED: i32 = 1;

pub(super) fn tell(narrator: &Narrator, scene: &Scene) -> Result<()> {
    narrator.heading("5  Everything is on record, and the record cannot be changed unnoticed")?;
    narrator.say(
        "Every statement above was recorded before its answer left the gateway, allowed or not:",
    )?;
    scene.almoner(narrator, "audit tail -n 18", None)?;
    narrator
        .say("The records form a chain, and the chain is signed. An auditor checks all of it:")?;
    let verified = scene.almoner(narrator, "audit verify", None)?;
    narrator.printed(&exit_code(&verified))?;
    expect_code(STEP, verified.code, VERIFIED)?;
    narrator.mark("Verified. The last lines say what such a check cannot show; the documentation says what can.")?;

    narrator.say(
        "Now somebody wants the refused DROP TABLE to look as if it had been allowed. First in an export, which is \
         plain files:",
    )?;
    let denied = first_denied(scene)?;
    in_an_export(narrator, scene, denied)?;
    in_the_database(narrator, scene, denied)?;
    in_a_raw_file(narrator, scene)
}

/// One byte of one record in a copy of an export.
fn in_an_export(narrator: &Narrator, scene: &Scene, seq: u64) -> Result<()> {
    scene.almoner(narrator, "audit export export", None)?;
    scene.shell(narrator, "cp -r export forged-export")?;
    let records = read(&scene.gateway.folder().join("forged-export/records.jsonl"))?;
    let line = usize::try_from(seq).unwrap_or(usize::MAX);
    let start: usize = records
        .split_inclusive(|byte| *byte == b'\n')
        .take(line)
        .map(<[u8]>::len)
        .sum();
    let verdict = find(records.get(start..).unwrap_or_default(), b"\"deny\"");
    let offset = start + verdict.ok_or_else(|| plot("the refused statement has no verdict"))? + 1;
    let flip = format!(
        "printf D | dd of=forged-export/records.jsonl bs=1 seek={offset} conv=notrunc status=none"
    );
    scene.shell(narrator, &flip)?;
    let found = verify(narrator, scene, "audit verify --export forged-export")?;
    expect_code(STEP, found.code, FAILED)?;
    expect(STEP, &found.stdout, &format!("first bad record is {seq}"))?;
    narrator.mark(&format!("One byte, and the check names the record: {seq}."))
}

/// One value of one record, written through the database's own API, which keeps its checksums right.
fn in_the_database(narrator: &Narrator, scene: &Scene, seq: u64) -> Result<()> {
    narrator.say(&format!(
        "Then in the database. The gateway makes a copy of its trail; the demo opens it with the database's own \
         programming interface, as an intruder with its tools would, and writes record {seq} back with \"allow\" in \
         place of \"deny\". All checksums of the database are right."
    ))?;
    copy_of_trail(scene, "copied-store")?;
    scene.shell(narrator, "cp -r copied-store forged-store")?;
    let dir = scene.gateway.folder().join("forged-store");
    let edit = |line: Vec<u8>| {
        let text = String::from_utf8_lossy(&line).into_owned();
        text.replacen("\"deny\"", "\"allow\"", 1).into_bytes()
    };
    let edited = tamper::edit_record(&dir, seq, edit).map_err(|error| plot(&error.to_string()))?;
    if !edited {
        return Err(plot("the copy lacks the record"));
    }
    let found = verify(narrator, scene, "audit verify --store forged-store")?;
    expect_code(STEP, found.code, FAILED)?;
    expect(STEP, &found.stdout, &format!("first bad record is {seq}"))?;
    narrator.mark(&format!(
        "Named again: {seq}. The database is content; the chain is not."
    ))
}

/// One byte in the middle of a raw file of another copy.
fn in_a_raw_file(narrator: &Narrator, scene: &Scene) -> Result<()> {
    narrator.say("Last, one byte in the middle of a raw file of another copy:")?;
    scene.shell(narrator, "cp -r copied-store damaged-store")?;
    let dir = scene.gateway.folder().join("damaged-store");
    let file = table_of_records(&dir.join("db"))?;
    let bytes = read(&file)?;
    // A table begins with its data. Whatever stands there, this is something else.
    let place = bytes.len() / 4;
    let other = if bytes.get(place) == Some(&b'X') {
        'Y'
    } else {
        'X'
    };
    let name = file
        .strip_prefix(scene.gateway.folder())
        .unwrap_or(&file)
        .display()
        .to_string();
    let flip = format!("printf {other} | dd of={name} bs=1 seek={place} conv=notrunc status=none");
    scene.shell(narrator, &flip)?;
    let found = verify(narrator, scene, "audit verify --store damaged-store")?;
    if found.code == Some(VERIFIED) {
        return Err(plot("a damaged file was verified"));
    }
    narrator.mark("Not verified either. The trail itself was never touched, and still holds:")?;
    let verified = verify(narrator, scene, "audit verify")?;
    expect_code(STEP, verified.code, VERIFIED)
}

/// Verifies and prints the finding with its exit code; a line of dots stands for the scope of the check,
/// which the reader has seen once.
fn verify(narrator: &Narrator, scene: &Scene, line: &str) -> Result<Finished> {
    const SHOWN: [&str; 7] = [
        "VERIFIED",
        "FAILED",
        "INCOMPLETE",
        "UNREADABLE",
        "breaks:",
        "  E_",
        "error:",
    ];
    let finished = scene.almoner_quietly(narrator, line, None)?;
    let all = format!("{}{}", finished.stdout, finished.stderr);
    let shown = |line: &&str| SHOWN.iter().any(|start| line.starts_with(start));
    let mut lines: Vec<&str> = all.lines().filter(shown).collect();
    if lines.len() < all.lines().count() {
        lines.push("…");
    }
    narrator.printed(&lines.join("\n"))?;
    narrator.printed(&exit_code(&finished))?;
    Ok(finished)
}

fn exit_code(finished: &Finished) -> String {
    finished.code.map_or_else(
        || "(ended by a signal)".into(),
        |code| format!("(exit code {code})"),
    )
}

/// The place of the first refused statement.
fn first_denied(scene: &Scene) -> Result<u64> {
    let found = scene
        .gateway
        .almoner(&["audit", "search", "--kind", "denied", "--json"], &[])?;
    let records: serde_json::Value =
        serde_json::from_str(&found.stdout).map_err(|error| plot(&error.to_string()))?;
    let places = records
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|record| record.get("seq")?.as_u64());
    places
        .min()
        .ok_or_else(|| plot("no refused statement is on record"))
}

/// A consistent copy, made by the running gateway.
fn copy_of_trail(scene: &Scene, name: &str) -> Result<()> {
    let dir = scene.gateway.folder().join(name);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| DemoError::Io {
        doing: "starting a runtime",
        source,
    })?;
    let client = Client::new(scene.gateway.folder().join("run/admin.sock"));
    let asked =
        runtime.block_on(client.post::<CopyMade>("/v1/audit/copy", &json!({ "dir": dir }), None));
    asked.map_err(|error| plot(&error.to_string()))?;
    Ok(())
}

/// The largest table file with records in it: names of their members stand there uncompressed once.
fn table_of_records(dir: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).map_err(|source| DemoError::Io {
        doing: "reading a copy of the trail",
        source,
    })?;
    let tables = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "sst"));
    let holds_records =
        |path: &PathBuf| read(path).is_ok_and(|bytes| find(&bytes, b"\"prev\"").is_some());
    let size = |path: &PathBuf| path.metadata().map(|about| about.len()).unwrap_or(0);
    tables
        .filter(holds_records)
        .max_by_key(size)
        .ok_or_else(|| plot("the copy has no table of records"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| DemoError::Io {
        doing: "reading a copy",
        source,
    })
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn plot(what: &str) -> DemoError {
    DemoError::Plot {
        step: STEP,
        what: what.to_owned(),
    }
}
