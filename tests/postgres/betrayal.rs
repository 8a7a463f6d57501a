//! A server that breaks the protocol. Whatever it says, nothing unmasked reaches the caller, every exchange
//! that was begun gets its outcome, and the gateway stays up.

use std::time::Duration;

use almoner_stage::Gateway;
use almoner_stage::wait::wait_until;
use almoner_tests::extended::{bind, execute, parse, query, sync};
use almoner_tests::meddler::{MARK, Meddler, Meddling};
use almoner_tests::people::PATIENCE;
use almoner_tests::raw::{Message, Raw, message, strings};
use almoner_tests::{World, WorldPlan};

fn world() -> (World, Meddler) {
    let plan = WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    };
    let (postgres, clinic) = plan.database().unwrap();
    let meddler = Meddler::before(postgres.port()).unwrap();
    let gateway = Gateway::start(plan.setup(meddler.port()).unwrap()).unwrap();
    let world = World {
        gateway,
        postgres,
        clinic,
    };
    (world, meddler)
}

fn login(world: &World) -> Raw {
    let port = world.gateway.port();
    Raw::login(port, "ward-assistant", "ward-assistant-password", "clinic").unwrap()
}

/// All that the caller gets until the connection ends.
fn rest(raw: &mut Raw) -> Vec<Message> {
    let mut all = Vec::new();
    while let Ok(one) = raw.receive() {
        all.push(one);
    }
    all
}

fn text(messages: &[Message]) -> String {
    let bodies: Vec<u8> = messages.iter().flat_map(|one| one.body.clone()).collect();
    String::from_utf8_lossy(&bodies).into_owned()
}

fn error(code: &str, severity: &str, words: &str) -> Vec<u8> {
    let fields = [
        format!("S{severity}"),
        format!("V{severity}"),
        format!("C{code}"),
        format!("M{words}"),
    ];
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    message('E', &[strings(&fields), vec![0]].concat())
}

/// Every exchange that the trail knows has been closed by an outcome or a denial.
fn assert_closed(world: &World, raw_sessions: usize) {
    let ended = || {
        let sessions = world.records(&["--kind", "session"]).ok()?;
        let ends = sessions.iter().filter(|one| one["event"] == "end").count();
        (ends >= raw_sessions).then_some(())
    };
    wait_until(PATIENCE, ended).expect("the sessions end on record");
    let all = world.records(&[]).unwrap();
    let of = |kinds: &[&str]| -> Vec<String> {
        all.iter()
            .filter(|one| kinds.contains(&one["kind"].as_str().unwrap_or_default()))
            .filter_map(|one| one["exchange"].as_str().map(str::to_owned))
            .collect()
    };
    let closed = of(&["outcome", "denied"]);
    for begun in of(&["intent", "part"]) {
        assert!(closed.contains(&begun), "{begun} has no outcome: {all:#?}");
    }
}

const SENSITIVE: &str = "select family_name, ssn from patients /*meddle*/ order by 1";

/// What is done to the server's first row.
type Betrayal = fn(&Message) -> Meddling;

/// What the server does when the first row is due, and what it is called.
fn betrayals() -> Vec<(&'static str, Betrayal)> {
    vec![
        ("a row with a cell too many", |row| {
            let mut body = row.body.clone();
            body[1] += 1;
            body.extend([0, 0, 0, 3, b'a', b'b', b'c']);
            Meddling::Instead(message('D', &body))
        }),
        ("a row whose lengths lie", |row| {
            let mut body = row.body.clone();
            body[5] = 200;
            Meddling::Instead(message('D', &body))
        }),
        ("a message of a gigabyte", |row| {
            let mut bytes = vec![b'D', 0x40, 0, 0, 0];
            bytes.extend(&row.body);
            Meddling::Instead(bytes)
        }),
        ("a length that cannot be", |_| {
            Meddling::Instead(vec![b'D', 0, 0, 0, 1])
        }),
        ("a type that does not exist", |row| {
            Meddling::Instead([message('y', &row.body), message('D', &row.body)].concat())
        }),
        ("half a row, and gone", |row| {
            let whole = message('D', &row.body);
            Meddling::Last(whole[..whole.len() / 2].to_vec())
        }),
        ("an answer to Parse that nobody is owed", |row| {
            Meddling::Instead([message('1', &[]), message('D', &row.body)].concat())
        }),
        ("an answer to Bind that nobody is owed", |row| {
            Meddling::Instead([message('2', &[]), message('D', &row.body)].concat())
        }),
        ("an answer to Close that nobody is owed", |row| {
            Meddling::Instead([message('3', &[]), message('D', &row.body)].concat())
        }),
        ("no data where there are rows", |row| {
            Meddling::Instead([message('n', &[]), message('D', &row.body)].concat())
        }),
        ("a request for COPY data that nobody offered", |row| {
            Meddling::Instead([message('G', &[0, 0, 0]), message('D', &row.body)].concat())
        }),
        ("COPY both ways", |row| {
            Meddling::Instead([message('W', &[0, 0, 0]), message('D', &row.body)].concat())
        }),
        ("a new login", |row| {
            Meddling::Instead([message('R', &[0; 4]), message('D', &row.body)].concat())
        }),
        ("another description in the middle of rows", |row| {
            let column = [
                strings(&["harmless"]),
                vec![
                    0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0,
                ],
            ]
            .concat();
            let described = message('T', &[vec![0, 1], column].concat());
            Meddling::Instead([described, message('D', &row.body)].concat())
        }),
    ]
}

#[test]
fn a_server_that_breaks_the_protocol_loses_the_session_and_nothing_leaks() {
    let (world, meddler) = world();
    let mut sessions = 0;
    for (what, betray) in betrayals() {
        for extended in [false, true] {
            meddler.set(move |one| {
                if one.kind == 'D' {
                    betray(one)
                } else {
                    Meddling::Pass
                }
            });
            let mut raw = login(&world);
            sessions += 1;
            let messages = if extended {
                [
                    parse("", SENSITIVE),
                    bind("", "", &[]),
                    execute("", 0),
                    sync(),
                ]
                .concat()
            } else {
                query(SENSITIVE)
            };
            raw.send_bytes(&messages).unwrap();
            let got = rest(&mut raw);
            world.assert_masked(&text(&got));
            assert!(
                got.iter().any(|one| one.kind == 'E'),
                "{what}, extended: {extended}: told nothing: {got:?}"
            );
            assert!(
                !got.iter().any(|one| one.kind == 'Z'),
                "{what}, extended: {extended}: goes on: {got:?}"
            );
        }
    }
    assert_closed(&world, sessions);
    let fine = world
        .gateway
        .psql("ward-assistant", "clinic")
        .query("select 1")
        .unwrap();
    assert_eq!(fine.code, Some(0), "{fine:?}");
}

#[test]
fn what_a_server_says_at_odd_times_is_not_taken_for_an_answer_and_shows_no_value() {
    let (world, meddler) = world();
    let ssn = world.clinic.patients[0].ssn.clone();
    let told = ssn.clone();
    meddler.set(move |one| {
        if !matches!(one.kind, 'D' | 'C' | 'Z') {
            return Meddling::Pass;
        }
        let odd = [
            message(
                'A',
                &[vec![0, 0, 0, 9], strings(&["channel", &told])].concat(),
            ),
            message('S', &strings(&["application_name", &told])),
            message('S', &strings(&["TimeZone", &told])),
            message('S', &strings(&["made.up", &told])),
            message(
                'N',
                &[
                    strings(&[
                        "SNOTICE",
                        "VNOTICE",
                        "C00000",
                        &format!("M{told}"),
                        &format!("D{told}"),
                    ]),
                    vec![0],
                ]
                .concat(),
            ),
            message(one.kind, &one.body),
        ];
        Meddling::Instead(odd.concat())
    });
    for extended in [false, true] {
        let mut raw = login(&world);
        let messages = if extended {
            vec![
                parse("", SENSITIVE),
                bind("", "", &[]),
                execute("", 0),
                sync(),
            ]
        } else {
            vec![query(SENSITIVE)]
        };
        let got = raw.ask(&messages).unwrap();
        world.assert_masked(&text(&got));
        assert_eq!(
            got.iter().filter(|one| one.kind == 'D').count(),
            5,
            "the rows come all the same: {got:?}"
        );
        assert!(!got.iter().any(|one| one.kind == 'A'), "{got:?}");
        assert_eq!(got.iter().filter(|one| one.kind == 'Z').count(), 1);
    }
}

#[test]
fn an_error_that_ends_the_server_in_mid_result_ends_the_session_with_words() {
    let (world, meddler) = world();
    let mut rows = 0;
    let ssn = world.clinic.patients[0].ssn.clone();
    meddler.set(move |one| {
        rows += usize::from(one.kind == 'D');
        if rows == 3 {
            Meddling::Last(error(
                "57P01",
                "FATAL",
                &format!("terminating because of {ssn}"),
            ))
        } else {
            Meddling::Pass
        }
    });
    let mut raw = login(&world);
    raw.send_bytes(&query(SENSITIVE)).unwrap();
    let got = rest(&mut raw);
    world.assert_masked(&text(&got));
    assert!(got.iter().any(|one| one.kind == 'E'), "{got:?}");
    assert_closed(&world, 1);
}

#[test]
fn a_second_ready_that_nobody_asked_for_ends_the_session() {
    let (world, meddler) = world();
    meddler.set(|one| {
        if one.kind == 'Z' {
            Meddling::Instead([message('Z', b"I"), message('Z', b"I")].concat())
        } else {
            Meddling::Pass
        }
    });
    let mut raw = login(&world);
    raw.send_bytes(&query(&format!("select 1 {MARK}"))).unwrap();
    let got = rest(&mut raw);
    assert_eq!(
        got.iter().filter(|one| one.kind == 'Z').count(),
        1,
        "{got:?}"
    );
    assert_eq!(got.last().map(|one| one.kind), Some('E'), "{got:?}");
}

#[test]
fn a_caller_can_leave_a_server_that_never_answers() {
    let (world, meddler) = world();
    meddler.set(|_| Meddling::Instead(Vec::new()));
    let mut raw = login(&world);
    raw.send_bytes(&query(SENSITIVE)).unwrap();
    assert!(raw.is_silent(Duration::from_millis(300)).unwrap());
    drop(raw);
    assert_closed(&world, 1);
}

#[test]
fn a_server_that_waives_the_proof_it_asked_for_is_not_used() {
    let (world, meddler) = world();
    meddler.set(|one| match (one.kind, one.body.first_chunk()) {
        // In place of the challenge, and in place of its own proof.
        ('R', Some([0, 0, 0, 11 | 12])) => Meddling::Instead(message('R', &[0; 4])),
        _ => Meddling::Pass,
    });
    meddler.from_the_start();
    let refused = world
        .gateway
        .psql("ward-assistant", "clinic")
        .query("select 1")
        .unwrap();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        world.gateway.log().contains("a login that was broken off"),
        "{}",
        world.gateway.log()
    );
}
