//! The server's answers, torn at every byte: what the caller gets is the same, byte for byte. The tearing is
//! done between PostgreSQL and the gateway, so that the whole way from socket to record is walked each time.

use almoner_tests::proxy::Proxy;
use almoner_tests::raw::{Message, Raw, message, strings};
use almoner_tests::{World, WorldPlan};

/// Names, numbers, dates, free text, an empty value and an error, in few enough bytes to tear at each.
const QUERIES: [&str; 3] = [
    "select patient_id, mrn, given_name, ssn, birth_date, middle_name from patients order by patient_id limit 2",
    "copy (select patient_id, ssn, phone, birth_date from patients order by patient_id limit 3) to stdout",
    "select left(body, 60) as body from notes order by note_id limit 2; select ssn::int from patients limit 1",
];

fn start() -> (World, Proxy, Raw) {
    let plan = WorldPlan {
        patients: 5,
        ..WorldPlan::default()
    };
    // Nobody is asked about the COPY; and no call is late, however busy the machine is, since a detector that
    // is late has cells masked that are shown otherwise.
    let plan = plan
        .edit(
            "20-rules.toml",
            "approvals = [\"bulk-export\"]",
            "approvals = []",
        )
        .edit(
            "10-plugins.toml",
            "use = \"builtin:phi\"",
            "use = \"builtin:phi\"\ndeadline = \"10s\"",
        );
    let (world, proxy) = plan.start_behind_proxy().unwrap();
    let raw = Raw::login(
        world.gateway.port(),
        "ward-assistant",
        "ward-assistant-password",
        "clinic",
    );
    (world, proxy, raw.unwrap())
}

fn simple(raw: &mut Raw, query: &str) -> Vec<Message> {
    raw.send('Q', &strings(&[query])).unwrap();
    raw.until('Z').unwrap()
}

/// Prepared, with a parameter, half of the columns in binary.
fn extended(raw: &mut Raw) -> Vec<Message> {
    let sql = "select patient_id, birth_date, ssn, mrn from patients where patient_id <= $1 order by patient_id";
    let mut parse = strings(&["", sql]);
    parse.extend([0, 0]);
    let mut bind = strings(&["", ""]);
    // No parameter formats; one parameter, "2"; four result formats.
    bind.extend([0, 0, 0, 1, 0, 0, 0, 1, b'2', 0, 4, 0, 1, 0, 1, 0, 0, 0, 0]);
    let mut describe = vec![b'P'];
    describe.extend(strings(&[""]));
    let mut execute = strings(&[""]);
    execute.extend([0; 4]);
    let pipeline = [
        message('P', &parse),
        message('B', &bind),
        message('D', &describe),
        message('E', &execute),
        message('S', &[]),
    ];
    raw.send_bytes(&pipeline.concat()).unwrap();
    raw.until('Z').unwrap()
}

fn assert_cut_anywhere(world: &World, proxy: &Proxy, mut ask: impl FnMut() -> Vec<Message>) {
    let whole = ask();
    let length = proxy.answered();
    assert!((100..4_000).contains(&length), "{length} bytes to tear");
    for message in &whole {
        world.assert_masked(&String::from_utf8_lossy(&message.body));
    }
    for at in 1..length {
        proxy.tear_at(at);
        let torn = ask();
        assert!(
            torn == whole,
            "torn behind byte {at} of {length}: {torn:?}\n{:?}\n{}",
            world.records_of("outcome").unwrap().last(),
            world.gateway.log()
        );
    }
    proxy.tear_at(0);
    for bytes in [1, 2, 3, 7, 64] {
        proxy.pieces_of(bytes);
        assert_eq!(ask(), whole, "in pieces of {bytes}");
    }
    proxy.pieces_of(0);
}

#[test]
fn an_answer_torn_at_any_byte_gives_the_same_masked_rows() {
    let (world, proxy, mut raw) = start();
    for query in QUERIES {
        let first = simple(&mut raw, query);
        let kinds: String = first.iter().map(|message| message.kind).collect();
        assert!(
            kinds.contains('D') || kinds.contains('d'),
            "{query}: {kinds}"
        );
        assert_cut_anywhere(&world, &proxy, || simple(&mut raw, query));
    }
}

#[test]
fn an_answer_in_the_extended_protocol_torn_at_any_byte_gives_the_same_masked_rows() {
    let (world, proxy, mut raw) = start();
    let first = extended(&mut raw);
    let kinds: String = first.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, "12TDDCZ");
    assert_cut_anywhere(&world, &proxy, || extended(&mut raw));
}
