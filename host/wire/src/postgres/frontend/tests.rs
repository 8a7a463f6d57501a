//! Client messages: golden bytes, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::postgres::{Decoder, Direction, Frame, Limits, WireError};

fn frame(bytes: &[u8]) -> Frame {
    let limits = Limits::new(Direction::Frontend, 1 << 20);
    let mut buf = BytesMut::from(bytes);
    let frame = Decoder::new(limits).decode(&mut buf).unwrap().unwrap();
    assert!(buf.is_empty(), "the example has a wrong length");
    frame
}

fn with_body(tag: u8, body: &[u8]) -> Result<Frontend, WireError> {
    let len = (body.len() as u32 + 4).to_be_bytes();
    Frontend::decode(&frame(&[&[tag], &len[..], body].concat()))
}

fn encode(message: &Frontend) -> Vec<u8> {
    let mut out = BytesMut::new();
    message.encode(&mut out).unwrap();
    out.to_vec()
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn examples() -> Vec<(Frontend, &'static [u8])> {
    vec![
        (Frontend::Query { sql: text("SELECT 1") }, b"Q\0\0\0\x0dSELECT 1\0"),
        (
            Frontend::Parse(Parse {
                statement: text("s"),
                sql: text("SELECT $1"),
                parameter_types: vec![25, 0],
            }),
            b"P\0\0\0\x1as\0SELECT $1\0\0\x02\0\0\0\x19\0\0\0\0",
        ),
        (
            Frontend::Bind(Bind {
                portal: text(""),
                statement: text("s"),
                parameter_formats: vec![1],
                parameters: vec![Some(text("ab")), None, Some(text(""))],
                result_formats: vec![0, 1],
            }),
            b"B\0\0\0\x21\0s\0\0\x01\0\x01\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0\0\x02\0\0\0\x01",
        ),
        (Frontend::Describe(Target::Statement(text("s"))), b"D\0\0\0\x07Ss\0"),
        (Frontend::Close(Target::Portal(text(""))), b"C\0\0\0\x06P\0"),
        (Frontend::Execute { portal: text("p"), max_rows: 5 }, b"E\0\0\0\x0ap\0\0\0\0\x05"),
        (Frontend::Sync, b"S\0\0\0\x04"),
        (Frontend::Flush, b"H\0\0\0\x04"),
        (Frontend::FunctionCall(text("xy")), b"F\0\0\0\x06xy"),
        (Frontend::CopyData(text("a\tb\n")), b"d\0\0\0\x08a\tb\n"),
        (Frontend::CopyDone, b"c\0\0\0\x04"),
        (Frontend::CopyFail { reason: text("no") }, b"f\0\0\0\x07no\0"),
        (Frontend::Password(text("pw\0")), b"p\0\0\0\x07pw\0"),
        (Frontend::Terminate, b"X\0\0\0\x04"),
    ]
}

#[test]
fn every_message_has_the_bytes_of_the_specification() {
    for (message, bytes) in examples() {
        assert_eq!(encode(&message), bytes, "{message:?}");
        assert_eq!(Frontend::decode(&frame(bytes)).unwrap(), message);
    }
}

#[test]
fn a_byte_too_many_or_too_few_is_refused() {
    for (message, bytes) in examples() {
        if matches!(
            message,
            Frontend::FunctionCall(_) | Frontend::CopyData(_) | Frontend::Password(_)
        ) {
            continue;
        }
        let (tag, body) = (bytes[0], &bytes[5..]);
        if !body.is_empty() {
            for end in 0..body.len() {
                assert!(
                    with_body(tag, &body[..end]).is_err(),
                    "{message:?} cut at {end}"
                );
            }
            assert!(
                with_body(tag, &[body, b"x"].concat()).is_err(),
                "{message:?}"
            );
        }
    }
    assert!(matches!(
        with_body(b'Q', b"SELECT 1\0DROP TABLE t\0"),
        Err(WireError::Trailing {
            what: "Query",
            bytes: 13
        })
    ));
}

#[test]
fn targets_and_lengths_that_do_not_exist_are_refused() {
    assert!(with_body(b'D', b"Xs\0").is_err());
    assert!(with_body(b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0").is_err());
    // Counts that the message could not hold.
    assert!(with_body(b'P', b"\0\0\xff\xff").is_err());
    assert!(with_body(b'B', b"\0\0\xff\xff").is_err());
}

#[test]
fn sql_in_any_encoding_passes_unchanged() {
    let sql = b"SELECT '\xff\xfe\x83\x5c'\0";
    let Frontend::Query { sql: read } = with_body(b'Q', sql).unwrap() else {
        panic!("a query is a query");
    };
    assert_eq!(&read[..], &sql[..sql.len() - 1]);
}

#[test]
fn a_nul_cannot_be_smuggled_into_sql_we_write() {
    let mut out = BytesMut::from(&b"before"[..]);
    let query = Frontend::Query {
        sql: text("SELECT 1\0"),
    };
    assert!(matches!(
        query.encode(&mut out),
        Err(WireError::Unwritable { .. })
    ));
    assert_eq!(&out[..], b"before");
}

#[test]
fn result_formats_of_a_bind_follow_none_one_or_each() {
    let (Frontend::Bind(mut bind), _) = examples().swap_remove(2) else {
        panic!("the third example is a Bind");
    };
    assert_eq!(
        (bind.result_format(1), bind.result_format(2)),
        (Some(1), None)
    );
    assert_eq!(bind.parameter_format(9), Some(1));
    bind.result_formats.clear();
    assert_eq!(bind.result_format(9), Some(0));
}

#[test]
fn passwords_and_sasl_responses_are_read_strictly() {
    assert_eq!(password(text("pw\0")).unwrap(), "pw");
    assert!(password(text("pw")).is_err() && password(text("pw\0x")).is_err());
    let initial = SaslInitial {
        mechanism: text("SCRAM-SHA-256"),
        response: Some(text("n,,n=,r=x")),
    };
    let mut out = BytesMut::new();
    initial.encode(&mut out).unwrap();
    assert_eq!(&out[..], b"p\0\0\0\x1fSCRAM-SHA-256\0\0\0\0\x09n,,n=,r=x");
    assert_eq!(SaslInitial::decode(frame(&out).body()).unwrap(), initial);
    assert!(SaslInitial::decode(text("X\0\0\0\0\x02a")).is_err());
    out.clear();
    password_message(b"pw", &mut out).unwrap();
    assert_eq!(&out[..], b"p\0\0\0\x07pw\0");
}

#[test]
fn debug_output_shows_neither_sql_nor_values() {
    for (message, _) in examples() {
        let shown = format!("{message:?}");
        assert!(!shown.contains("SELECT") && !shown.contains("ab") && !shown.contains("pw"));
    }
}

fn name() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(1..=255_u8, 0..6).prop_map(Bytes::from)
}

fn bind() -> impl Strategy<Value = Bind> {
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..6).prop_map(Bytes::from));
    let codes = || prop::collection::vec(any::<i16>(), 0..4);
    (
        name(),
        name(),
        codes(),
        prop::collection::vec(value, 0..5),
        codes(),
    )
        .prop_map(
            |(portal, statement, parameter_formats, parameters, result_formats)| Bind {
                portal,
                statement,
                parameter_formats,
                parameters,
                result_formats,
            },
        )
}

proptest! {
    #[test]
    fn every_message_comes_back(
        bind in bind(),
        statement in name(),
        sql in name(),
        parameter_types in prop::collection::vec(any::<u32>(), 0..5),
        max_rows: i32,
    ) {
        for message in [
            Frontend::Bind(bind),
            Frontend::Query { sql: sql.clone() },
            Frontend::Execute { portal: statement.clone(), max_rows },
            Frontend::Close(Target::Statement(statement.clone())),
            Frontend::Describe(Target::Portal(statement.clone())),
            Frontend::Parse(Parse { statement, sql, parameter_types }),
        ] {
            prop_assert_eq!(Frontend::decode(&frame(&encode(&message))).unwrap(), message);
        }
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        tag in prop::sample::select(b"QPBDECSHFdcfpX".to_vec()),
        body in prop::collection::vec(prop::sample::select(b"\0\0\0\x01\x02SPa\xff".to_vec()), 0..24),
    ) {
        let body = if matches!(tag, b'S' | b'H' | b'c' | b'X') { vec![] } else { body };
        if let Ok(message) = with_body(tag, &body) {
            prop_assert_eq!(&encode(&message)[5..], &body[..]);
        }
        let _ = SaslInitial::decode(Bytes::from(body.clone()));
        let _ = password(Bytes::from(body));
    }
}
