//! Server messages: golden bytes, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::postgres::{Decoder, Direction, Frame, Limits, WireError, fields::Severity, tag};

fn frame(bytes: &[u8]) -> Frame {
    let limits = Limits::new(Direction::Backend, 1 << 20);
    let mut buf = BytesMut::from(bytes);
    let frame = Decoder::new(limits).decode(&mut buf).unwrap().unwrap();
    assert!(buf.is_empty(), "the example has a wrong length");
    frame
}

fn with_body(tag: u8, body: &[u8]) -> Result<Backend, WireError> {
    let len = (body.len() as u32 + 4).to_be_bytes();
    Backend::decode(&frame(&[&[tag], &len[..], body].concat()))
}

fn encode(message: &Backend) -> Vec<u8> {
    let mut out = BytesMut::new();
    message.encode(&mut out).unwrap();
    out.to_vec()
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn copy() -> CopyResponse {
    CopyResponse {
        format: 0,
        column_formats: vec![0, 0],
    }
}

fn column() -> FieldDescription {
    FieldDescription {
        name: text("ssn"),
        table_oid: 16_384,
        column: 2,
        type_oid: 25,
        type_len: -1,
        type_mod: -1,
        format: 0,
    }
}

fn examples() -> Vec<(Backend, &'static [u8])> {
    use Authentication as A;
    let sasl = vec![text("SCRAM-SHA-256-PLUS"), text("SCRAM-SHA-256")];
    vec![
        (Backend::Authentication(A::Ok), b"R\0\0\0\x08\0\0\0\0"),
        (
            Backend::Authentication(A::Cleartext),
            b"R\0\0\0\x08\0\0\0\x03",
        ),
        (
            Backend::Authentication(A::Md5 { salt: *b"salt" }),
            b"R\0\0\0\x0c\0\0\0\x05salt",
        ),
        (
            Backend::Authentication(A::Sasl { mechanisms: sasl }),
            b"R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0",
        ),
        (
            Backend::Authentication(A::SaslContinue(text("r=x"))),
            b"R\0\0\0\x0b\0\0\0\x0br=x",
        ),
        (
            Backend::Authentication(A::SaslFinal(text("v=x"))),
            b"R\0\0\0\x0b\0\0\0\x0cv=x",
        ),
        (
            Backend::Authentication(A::Other {
                code: 7,
                data: text(""),
            }),
            b"R\0\0\0\x08\0\0\0\x07",
        ),
        (
            Backend::ParameterStatus {
                name: text("TimeZone"),
                value: text("UTC"),
            },
            b"S\0\0\0\x11TimeZone\0UTC\0",
        ),
        (
            Backend::BackendKeyData {
                pid: 9,
                key: text("abcdefgh"),
            },
            b"K\0\0\0\x10\0\0\0\x09abcdefgh",
        ),
        (
            Backend::NegotiateProtocolVersion {
                newest_minor: 2,
                unknown_options: vec![text("_pq_.x")],
            },
            b"v\0\0\0\x13\0\0\0\x02\0\0\0\x01_pq_.x\0",
        ),
        (
            Backend::ReadyForQuery {
                status: TransactionStatus::Idle,
            },
            b"Z\0\0\0\x05I",
        ),
        (
            Backend::ReadyForQuery {
                status: TransactionStatus::InTransaction,
            },
            b"Z\0\0\0\x05T",
        ),
        (
            Backend::ReadyForQuery {
                status: TransactionStatus::Failed,
            },
            b"Z\0\0\0\x05E",
        ),
        (
            Backend::RowDescription(vec![column()]),
            b"T\0\0\0\x1c\0\x01ssn\0\0\0\x40\0\0\x02\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0",
        ),
        (Backend::DataRow(text("\0\0")), b"D\0\0\0\x06\0\0"),
        (
            Backend::CommandComplete {
                tag: text("SELECT 5"),
            },
            b"C\0\0\0\x0dSELECT 5\0",
        ),
        (Backend::EmptyQueryResponse, b"I\0\0\0\x04"),
        (Backend::ParseComplete, b"1\0\0\0\x04"),
        (Backend::BindComplete, b"2\0\0\0\x04"),
        (Backend::CloseComplete, b"3\0\0\0\x04"),
        (
            Backend::ParameterDescription(vec![23]),
            b"t\0\0\0\x0a\0\x01\0\0\0\x17",
        ),
        (Backend::NoData, b"n\0\0\0\x04"),
        (Backend::PortalSuspended, b"s\0\0\0\x04"),
        (
            Backend::ErrorResponse(Fields::own(Severity::Fatal, "28P01", "no")),
            b"E\0\0\0\x1eSFATAL\0VFATAL\0C28P01\0Mno\0\0",
        ),
        (
            Backend::NoticeResponse(Fields::own(Severity::Notice, "00000", "hm")),
            b"N\0\0\0\x20SNOTICE\0VNOTICE\0C00000\0Mhm\0\0",
        ),
        (
            Backend::NotificationResponse {
                pid: 1,
                channel: text("c"),
                payload: text(""),
            },
            b"A\0\0\0\x0b\0\0\0\x01c\0\0",
        ),
        (
            Backend::CopyInResponse(copy()),
            b"G\0\0\0\x0b\0\0\x02\0\0\0\0",
        ),
        (
            Backend::CopyOutResponse(copy()),
            b"H\0\0\0\x0b\0\0\x02\0\0\0\0",
        ),
        (
            Backend::CopyBothResponse(copy()),
            b"W\0\0\0\x0b\0\0\x02\0\0\0\0",
        ),
        (Backend::CopyData(text("a\n")), b"d\0\0\0\x06a\n"),
        (Backend::CopyDone, b"c\0\0\0\x04"),
        (
            Backend::FunctionCallResponse(None),
            b"V\0\0\0\x08\xff\xff\xff\xff",
        ),
        (
            Backend::FunctionCallResponse(Some(text("x"))),
            b"V\0\0\0\x09\0\0\0\x01x",
        ),
    ]
}

#[test]
fn every_message_has_the_bytes_of_the_specification() {
    for (message, bytes) in examples() {
        assert_eq!(encode(&message), bytes, "{message:?}");
        assert_eq!(Backend::decode(&frame(bytes)).unwrap(), message);
    }
}

#[test]
fn a_byte_too_many_or_too_few_is_refused() {
    for (message, bytes) in examples() {
        let (tag, body) = (bytes[0], &bytes[5..]);
        let open = matches!(
            message,
            Backend::DataRow(_)
                | Backend::CopyData(_)
                | Backend::BackendKeyData { .. }
                | Backend::Authentication(
                    Authentication::SaslContinue(_)
                        | Authentication::SaslFinal(_)
                        | Authentication::Other { .. }
                )
        );
        // An empty body and one byte more are stopped by the frame's limit.
        if open || body.len() < 2 {
            continue;
        }
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

#[test]
fn what_does_not_exist_is_refused() {
    assert!(with_body(b'Z', b"X").is_err());
    assert!(with_body(b'H', b"\x02\0\0").is_err());
    assert!(with_body(b'K', b"\0\0\0\x01abc").is_err());
    assert!(with_body(b'v', b"\0\0\0\x02\xff\xff\xff\xff").is_err());
    assert!(with_body(b'T', b"\xff\xff").is_err());
    assert!(with_body(b'R', b"\0\0\0\x0aX\0").is_err());
}

#[test]
fn what_cannot_be_said_is_not_written() {
    let mut out = BytesMut::from(&b"before"[..]);
    for message in [
        Backend::CommandComplete { tag: text("a\0b") },
        Backend::BackendKeyData {
            pid: 1,
            key: text("abc"),
        },
        Backend::ParameterDescription(vec![0; 65_536]),
        Backend::Authentication(Authentication::Sasl {
            mechanisms: vec![text("")],
        }),
    ] {
        assert!(message.encode(&mut out).is_err(), "{message:?}");
    }
    assert_eq!(&out[..], b"before");
}

#[test]
fn copy_data_is_wrapped_without_a_message_of_its_own() {
    let mut out = BytesMut::new();
    copy_data(b"a\n", &mut out).unwrap();
    assert_eq!(&out[..], b"d\0\0\0\x06a\n");
}

#[test]
fn three_messages_may_come_at_any_time() {
    for (message, _) in examples() {
        let expected = matches!(
            message,
            Backend::ParameterStatus { .. }
                | Backend::NoticeResponse(_)
                | Backend::NotificationResponse { .. }
        );
        assert_eq!(tag::backend::is_asynchronous(message.tag()), expected);
    }
}

#[test]
fn debug_output_shows_no_values() {
    for message in [
        Backend::CopyData(text("123-45-6789")),
        Backend::DataRow(text("123-45-6789")),
        Backend::FunctionCallResponse(Some(text("123-45-6789"))),
        Backend::ParameterStatus {
            name: text("x"),
            value: text("123-45-6789"),
        },
        Backend::Authentication(Authentication::SaslContinue(text("123-45-6789"))),
        Backend::NotificationResponse {
            pid: 1,
            channel: text("c"),
            payload: text("123-45-6789"),
        },
    ] {
        assert!(!format!("{message:?}").contains("6789"));
    }
}

proptest! {
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        tag in prop::sample::select(b"RSKvTDCtENAGHWdV".to_vec()),
        body in prop::collection::vec(
            prop::sample::select(b"\0\0\0\0\x01\x02\x03\x05\x0a\x0bSMa\xff".to_vec()), 0..40),
    ) {
        if let Ok(message) = with_body(tag, &body) {
            prop_assert_eq!(&encode(&message)[5..], &body[..]);
        }
    }

    #[test]
    fn every_row_description_comes_back(
        columns in prop::collection::vec(
            ("[^\0]{0,6}", any::<(u32, i16, u32)>(), any::<(i16, i32, i16)>()), 0..5),
    ) {
        let columns = columns.into_iter().map(|(name, (table_oid, column, type_oid), rest)| {
            let (type_len, type_mod, format) = rest;
            let name = Bytes::from(name.into_bytes());
            FieldDescription { name, table_oid, column, type_oid, type_len, type_mod, format }
        }).collect();
        let message = Backend::RowDescription(columns);
        prop_assert_eq!(Backend::decode(&frame(&encode(&message))).unwrap(), message);
    }
}
