//! The audit trail from outside: what is on record before anything happens, what does not fit a record, what
//! the commands say of a trail that is whole, copied, cut, behind or tampered with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner_audit::tamper;
use almoner_stage::psql::Finished;
use almoner_stage::wait::wait_until;
use almoner_tests::{World, WorldPlan};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

fn small() -> WorldPlan {
    WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    }
}

fn audit(world: &World, arguments: &[&str]) -> Finished {
    let arguments = [&["audit"], arguments].concat();
    world.gateway.almoner(&arguments, &[]).unwrap()
}

fn copy_folder(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([from, to])
        .status()
        .unwrap();
    assert!(copied.success());
}

/// A copy made by the running gateway, as `audit verify` has it made.
fn live_copy(world: &World, name: &str) -> PathBuf {
    use std::io::{Read, Write};
    let dir = world.gateway.folder().join(name);
    let body = json!({ "dir": dir }).to_string();
    let socket = world.gateway.folder().join("run/admin.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    write!(
        stream,
        "POST /v1/audit/copy HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    dir
}

#[test]
fn a_write_is_on_record_before_it_is_sent_and_its_end_whatever_that_is() {
    let (mut world, proxy) = small().start_behind_proxy().unwrap();
    let update = |name: &str| {
        let psql = world.gateway.psql("ward-assistant", "clinic");
        let sql = format!(
            "update patients set ward = 'Annex' where patient_id = 1 returning 7 as {name}"
        );
        std::thread::spawn(move || psql.query(&sql).unwrap())
    };
    let moved = |world: &World| {
        let count = "select count(*) from patients where ward = 'Annex'";
        world.direct(count).unwrap().trim().to_owned()
    };

    // The line to the server breaks after the gateway has sent it, and before it arrives.
    proxy.hold("line_breaks");
    let caller = update("line_breaks");
    wait_until(LIMIT, || proxy.holds().then_some(())).expect("it is sent");
    let intent = world.records_about("intent", "line_breaks").unwrap();
    assert_eq!(intent.len(), 1, "{intent:?}");
    assert_eq!(intent[0]["effect"], "write");
    let exchange = intent[0]["exchange"].clone();
    let of_exchange = |world: &World, kind: &str| {
        let mut records = world.records_of(kind).unwrap();
        records.retain(|record| record["exchange"] == exchange);
        records
    };
    assert!(of_exchange(&world, "outcome").is_empty());
    assert_eq!(moved(&world), "0");
    proxy.cut();
    let finished = caller.join().unwrap();
    assert_ne!(finished.code, Some(0), "{finished:?}");
    let outcome = wait_until(LIMIT, || of_exchange(&world, "outcome").pop());
    assert_eq!(
        outcome.expect("it ends on record")["outcome"],
        "upstream closed"
    );

    // The gateway dies in the same place.
    proxy.hold("gateway_dies");
    let caller = update("gateway_dies");
    wait_until(LIMIT, || proxy.holds().then_some(())).expect("it is sent");
    world.gateway.kill().unwrap();
    proxy.cut();
    assert_ne!(caller.join().unwrap().code, Some(0));
    world.gateway.start_again().unwrap();
    let intent = world.records_about("intent", "gateway_dies").unwrap();
    let interrupted = world.records_of("interrupted").unwrap();
    assert_eq!((intent.len(), interrupted.len()), (1, 1), "{interrupted:?}");
    assert_eq!(interrupted[0]["exchange"], intent[0]["exchange"]);
    assert_eq!(moved(&world), "0");
    let (code, said) = world.verify(&[]).unwrap();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_does_not_fit_a_record_lies_beside_it_and_is_verified_with_it() {
    let world = small().start().unwrap();
    let long = |what: &str, nr: usize| format!("{what}_{}_{nr:06}", "long".repeat(11));
    let columns: Vec<String> = (0..1_500)
        .map(|nr| format!("count(*) as {}", long("column", nr)))
        .collect();
    let numbers: Vec<String> = (0..40_000).map(|nr| nr.to_string()).collect();
    let statement = format!(
        "select {} from patients where patient_id in ({}) or ssn = '{}';",
        columns.join(", "),
        numbers.join(", "),
        world.clinic.patients[0].ssn
    );
    assert!(statement.len() > 300 << 10, "{}", statement.len());
    let tables: Vec<String> = (0..1_500).map(|nr| long("table", nr)).collect();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    let finished = psql.run(&["-A", "-t"], &statement).unwrap();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stdout.starts_with("5|5|5|"), "{}", finished.stdout);
    let refused = psql
        .run(&[], &format!("drop table {};", tables.join(", ")))
        .unwrap();
    assert!(refused.stderr.contains("ERROR"), "{}", refused.stderr);

    // What does not fit are the facts: a class for each column, a name for each table.
    for (kind, part, count) in [
        ("outcome", "\"count\"", columns.len()),
        ("denied", "table_long", tables.len()),
    ] {
        let found = world.json(&["audit", "search", "--kind", kind]).unwrap();
        let found = found
            .as_array()
            .unwrap()
            .iter()
            .find(|found| found["record"]["actions"]["body"].is_u64())
            .unwrap_or_else(|| panic!("no {kind} with its actions beside it: {found}"));
        let seq = found["seq"].to_string();
        let shown = audit(&world, &["show", &seq, "--body", "--json"]);
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
        let body = shown[0]["bodies"]
            .as_array()
            .unwrap()
            .iter()
            .find(|body| body["name"] == "field:actions")
            .unwrap();
        let text = body["text"].as_str().unwrap();
        assert!(
            text.matches(part).count() >= count,
            "{kind}: {}",
            &text[..2_000]
        );
        world.assert_masked(text);
        let line = audit(&world, &["show", &seq]);
        assert!(line.stdout.len() < 32 << 10, "{}", line.stdout.len());
    }
    let report = world.json(&["audit", "verify"]).unwrap();
    assert_eq!(report["report"]["exit_code"], 0, "{report}");
    let bodies = &report["report"]["bodies"];
    assert!(bodies["checked"] == bodies["referenced"] && bodies["checked"].as_u64() > Some(2));
}

#[test]
fn the_commands_say_the_same_of_a_running_gateway_and_of_a_copy() {
    let world = small().start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    psql.query("select mrn, ssn from patients").unwrap();
    psql.query("drop table patients").unwrap();
    let copy = live_copy(&world, "copied-store");
    let copy = copy.to_str().unwrap();
    for source in [&[] as &[&str], &["--store", copy]] {
        let with = |arguments: &[&str]| audit(&world, &[arguments, source].concat());
        let verified = with(&["verify"]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
        assert!(
            verified.stdout.starts_with("VERIFIED") && verified.stdout.contains("does NOT show"),
            "{verified:?}"
        );
        let report: Value = serde_json::from_str(&with(&["verify", "--json"]).stdout).unwrap();
        assert_eq!(report["report"]["verdict"], "verified", "{report}");

        let denied = with(&["search", "--kind", "denied"]);
        assert_eq!(denied.code, Some(0), "{denied:?}");
        assert!(denied.stdout.contains("maria.santos"), "{denied:?}");
        let denied: Value =
            serde_json::from_str(&with(&["search", "--verdict", "deny", "--json"]).stdout).unwrap();
        assert_eq!(denied.as_array().unwrap().len(), 1, "{denied}");
        let exchange = denied[0]["record"]["exchange"].as_str().unwrap().to_owned();
        let nobody = with(&["search", "--subject", "nobody", "--json"]);
        assert_eq!((nobody.code, nobody.stdout.trim()), (Some(0), "[]"));

        for what in [exchange.as_str(), &denied[0]["seq"].to_string()] {
            let shown = with(&["show", what]);
            assert_eq!(shown.code, Some(0), "{shown:?}");
            assert!(shown.stdout.contains("sql-guard/"), "{shown:?}");
            let shown: Value =
                serde_json::from_str(&with(&["show", what, "--json"]).stdout).unwrap();
            assert_eq!(shown[0]["record"]["exchange"], json!(exchange), "{shown}");
        }
        let outcome: Value =
            serde_json::from_str(&with(&["search", "--kind", "outcome", "--json"]).stdout).unwrap();
        let seq = outcome[0]["seq"].to_string();
        let shown = with(&["show", &seq, "--body"]);
        assert!(shown.stdout.contains("[SSN]"), "{shown:?}");
        world.assert_masked(&shown.stdout);

        let last = with(&["tail", "-n", "3"]);
        assert_eq!((last.code, last.stdout.lines().count()), (Some(0), 3));
        let lines = with(&["tail", "-n", "3", "--json"]).stdout;
        let records: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(records.len(), 3);
        assert!(
            records.iter().all(|record| record["prev"].is_string()),
            "{lines}"
        );

        let missing = with(&["show", "99999"]);
        assert_eq!(missing.code, Some(1), "{missing:?}");
        let nothing = with(&["show", "x-no-such-exchange"]);
        assert_eq!(nothing.code, Some(1), "{nothing:?}");
    }
    let followed = audit(&world, &["tail", "-f", "--store", copy]);
    assert_eq!(followed.code, Some(2), "{followed:?}");
}

#[test]
fn the_exit_code_of_a_verification_is_its_finding() {
    let mut world = small().start().unwrap();
    let psql = world.gateway.psql("ward-assistant", "clinic");
    psql.query("select mrn from patients").unwrap();
    psql.query("drop table patients").unwrap();
    let denied = world
        .json(&["audit", "search", "--kind", "denied"])
        .unwrap();
    let seq = denied[0]["seq"].as_u64().unwrap();
    let expect = |world: &World, arguments: &[&str], code: i32, part: &str| {
        let (found, said) = world.verify(arguments).unwrap();
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    };
    expect(&world, &[], 0, "VERIFIED");
    let first_bad = format!("first bad record is {seq}");

    // An export, one byte of it, nothing of it.
    let exported = audit(&world, &["export", "exported"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    expect(&world, &["--export", "exported"], 0, "VERIFIED");
    expect(
        &world,
        &["--export", "exported", "--skip-bodies"],
        3,
        "INCOMPLETE",
    );
    let file = world.gateway.folder().join("exported/records.jsonl");
    let lines = std::fs::read_to_string(&file).unwrap();
    let at: usize = lines
        .split_inclusive('\n')
        .take(usize::try_from(seq).unwrap())
        .map(str::len)
        .sum();
    let mut flipped = lines.clone().into_bytes();
    let place = at + 40;
    flipped[place] ^= 1;
    std::fs::write(&file, &flipped).unwrap();
    expect(&world, &["--export", "exported"], 1, &first_bad);
    for name in ["records.jsonl", "bodies.jsonl", "checkpoints.txt"] {
        std::fs::write(world.gateway.folder().join("exported").join(name), "").unwrap();
    }
    expect(&world, &["--export", "exported"], 3, "nothing to verify");

    // A value edited by the database's own means.
    let edited = live_copy(&world, "edited");
    let edit = |line: Vec<u8>| {
        let text = String::from_utf8(line).unwrap();
        text.replacen("\"deny\"", "\"allow\"", 1).into_bytes()
    };
    assert!(tamper::edit_record(&edited, seq, edit).unwrap());
    expect(&world, &["--store", "edited"], 1, &first_bad);

    // A byte of a raw file. Links are shared with the gateway, so a real copy.
    live_copy(&world, "linked");
    copy_folder(
        &world.gateway.folder().join("linked"),
        &world.gateway.folder().join("damaged"),
    );
    expect(&world, &["--store", "damaged"], 0, "VERIFIED");
    let table = largest_table(&world.gateway.folder().join("damaged/db"));
    let mut bytes = std::fs::read(&table).unwrap();
    let quarter = bytes.len() / 4;
    bytes[quarter] ^= 0xff;
    std::fs::write(&table, bytes).unwrap();
    let (code, said) = world.verify(&["--store", "damaged"]).unwrap();
    assert!(matches!(code, Some(1 | 4)), "{code:?}: {said}");

    // Usage, and what cannot be read.
    expect(&world, &["--verifier-key", "nonsense"], 2, "name+id+base64");
    expect(&world, &["--no-such-option"], 2, "--no-such-option");
    expect(&world, &["--anchor", "x"], 2, "--store");
    expect(&world, &["--store", "nowhere"], 4, "nowhere");
    expect(&world, &["--export", "nowhere"], 4, "nowhere");
    world.gateway.stop().unwrap();
    expect(&world, &[], 4, "almoner serve");

    // A stopped gateway's own folder: the anchor beside it is found, by --store alone.
    expect(&world, &["--store", "data/audit"], 0, "VERIFIED");
    let elsewhere = world.gateway.folder().join("elsewhere");
    copy_folder(&world.gateway.data_folder().join("audit"), &elsewhere);
    expect(&world, &["--store", "elsewhere"], 3, "anchor");
    expect(
        &world,
        &["--store", "elsewhere", "--anchor", "data/anchor"],
        0,
        "VERIFIED",
    );
    expect(
        &world,
        &["--store", "elsewhere", "--config", "almoner.toml"],
        0,
        "VERIFIED",
    );
    world.gateway.start_again().unwrap();
    expect(&world, &[], 0, "VERIFIED");
}

/// The largest table file with records in it.
fn largest_table(db: &Path) -> PathBuf {
    let tables = std::fs::read_dir(db)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sst"))
        .filter(|path| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(6).any(|part| part == b"\"prev\"")
        });
    tables
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}

#[test]
fn a_trail_behind_its_anchor_is_not_served_from_until_somebody_answers_for_it() {
    let mut world = small().start().unwrap();
    let ask = |world: &World, name: &str| {
        let psql = world.gateway.psql("ward-assistant", "clinic");
        psql.query(&format!("select count(*) as {name} from patients"))
            .unwrap()
    };
    ask(&world, "early");
    world.gateway.stop().unwrap();
    let folder = world.gateway.data_folder().join("audit");
    let early = world.gateway.folder().join("early");
    copy_folder(&folder, &early);
    world.gateway.start_again().unwrap();
    assert_eq!(ask(&world, "late").code, Some(0));
    world.gateway.stop().unwrap();

    // A backup is put back; the anchor remembers more.
    std::fs::remove_dir_all(&folder).unwrap();
    copy_folder(&early, &folder);
    let (code, said) = world.verify(&["--store", "data/audit"]).unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("E_TRUNCATED"), "{said}");
    let refused = world.gateway.start_again().unwrap_err().to_string();
    assert!(refused.contains("almoner audit recover"), "{refused}");
    assert_ne!(ask(&world, "refused").code, Some(0));

    let recover = [
        "recover",
        "--store",
        "data/audit",
        "--reason",
        "a backup was put back",
    ];
    let recovered = audit(&world, &[&recover[..], &["--by", "ana.keeper"]].concat());
    assert_eq!(recovered.code, Some(0), "{recovered:?}");
    world.gateway.start_again().unwrap();
    assert_eq!(ask(&world, "again").code, Some(0));
    let records = world.records_of("recovery").unwrap();
    let [recovery] = records.as_slice() else {
        panic!("{records:?}")
    };
    let text = recovery.to_string();
    assert!(
        text.contains("ana.keeper") && text.contains("a backup was put back"),
        "{text}"
    );
    assert!(world.records_about("outcome", "late").unwrap().is_empty());
    assert_eq!(world.records_about("outcome", "again").unwrap().len(), 1);
    // What was lost stays a remark for good; what is there holds.
    let (code, said) = world.verify(&[]).unwrap();
    assert_eq!(code, Some(3), "{said}");
    let again = audit(&world, &[&recover[..], &["--by", "ana.keeper"]].concat());
    assert_eq!(again.code, Some(1), "not of a gateway that runs: {again:?}");
}
