//! Opening packets: golden bytes of libpq, and what is refused.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use proptest::prelude::*;

use super::*;

fn decode(bytes: &[u8]) -> Result<Option<Startup>, WireError> {
    Startup::decode(&mut BytesMut::from(bytes))
}

fn encode(startup: &Startup) -> Vec<u8> {
    let mut out = BytesMut::new();
    startup.encode(&mut out).unwrap();
    out.to_vec()
}

fn session(minor: u16, params: &[(&'static str, &'static str)]) -> Startup {
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    Startup::Session {
        major: 3,
        minor,
        params: params
            .iter()
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect(),
    }
}

#[test]
fn first_bytes_tell_tls_from_a_packet() {
    assert_eq!(FirstBytes::of(b""), Ok(FirstBytes::NeedMore));
    assert_eq!(FirstBytes::of(b"\x16"), Ok(FirstBytes::NeedMore));
    assert_eq!(
        FirstBytes::of(b"\x16\x03\x01"),
        Ok(FirstBytes::TlsClientHello)
    );
    assert_eq!(FirstBytes::of(b"\0"), Ok(FirstBytes::Packet));
    assert!(FirstBytes::of(b"GET / HTTP/1.1").is_err());
    assert!(FirstBytes::of(b"\x16\x04").is_err());
}

#[test]
fn requests_have_the_bytes_that_libpq_sends() {
    for (startup, bytes) in [
        (Startup::Ssl, &b"\0\0\0\x08\x04\xd2\x16\x2f"[..]),
        (Startup::GssEnc, b"\0\0\0\x08\x04\xd2\x16\x30"),
        (
            Startup::Cancel {
                pid: 7,
                key: Bytes::from_static(b"abcd"),
            },
            b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07abcd",
        ),
        (
            session(0, &[("user", "ann"), ("database", "ehr")]),
            b"\0\0\0\x1f\0\x03\0\0user\0ann\0database\0ehr\0\0",
        ),
        (session(2, &[]), b"\0\0\0\x09\0\x03\0\x02\0"),
    ] {
        assert_eq!(encode(&startup), bytes, "{startup:?}");
        assert_eq!(decode(bytes), Ok(Some(startup)));
    }
}

#[test]
fn only_the_packet_is_taken_from_the_buffer() {
    let mut buf = BytesMut::from(&b"\0\0\0\x08\x04\xd2\x16\x2fplain"[..]);
    assert_eq!(Startup::decode(&mut buf), Ok(Some(Startup::Ssl)));
    // Left over in the clear: the session sees it and refuses it.
    assert_eq!(&buf[..], b"plain");
}

#[test]
fn a_parameter_is_found_by_its_name() {
    let startup = session(0, &[("user", "ann"), ("options", "")]);
    assert_eq!(startup.param(b"user").unwrap(), "ann");
    assert_eq!(startup.param(b"options").unwrap(), "");
    assert_eq!(startup.param(b"database"), None);
    assert_eq!(Startup::Ssl.param(b"user"), None);
}

#[test]
fn what_two_readers_could_take_for_two_things_is_refused() {
    for bytes in [
        // A parameter twice; without an end; with more behind the end.
        &b"\0\0\0\x1b\0\x03\0\0user\0ann\0user\0bob\0\0"[..],
        b"\0\0\0\x11\0\x03\0\0user\0ann\0",
        b"\0\0\0\x13\0\x03\0\0user\0ann\0\0x",
        b"\0\0\0\x0d\0\x03\0\0user\0",
        // Requests with more than belongs to them.
        b"\0\0\0\x09\x04\xd2\x16\x2fx",
        b"\0\0\0\x09\x04\xd2\x16\x30x",
        // A key of three bytes.
        b"\0\0\0\x0f\x04\xd2\x16\x2e\0\0\0\x07abc",
        // Versions 2.0 and 4.0, an unknown request, lengths out of bounds.
        b"\0\0\0\x09\0\x02\0\0\0",
        b"\0\0\0\x09\0\x04\0\0\0",
        b"\0\0\0\x08\x04\xd2\x16\x31",
        b"\0\0\0\x07",
        b"\0\0\x27\x11",
        b"\x7f\xff\xff\xff",
        b"\x01",
    ] {
        assert!(decode(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn more_than_a_hundred_parameters_are_refused() {
    let startup = |count| Startup::Session {
        major: 3,
        minor: 0,
        params: (0..count)
            .map(|index| (Bytes::from(format!("p{index}")), Bytes::new()))
            .collect(),
    };
    assert!(decode(&encode(&startup(PARAMS_MAX))).unwrap().is_some());
    assert!(decode(&encode(&startup(PARAMS_MAX + 1))).is_err());
}

#[test]
fn a_newer_minor_version_is_passed_on_to_be_negotiated() {
    assert_eq!(
        decode(b"\0\0\0\x09\0\x03\x27\x0f\0"),
        Ok(Some(session(9999, &[])))
    );
}

#[test]
fn a_cancel_key_has_4_to_256_bytes() {
    let cancel = |len| Startup::Cancel {
        pid: u32::MAX,
        key: Bytes::from(vec![0; len]),
    };
    for len in [4, 32, 256] {
        assert_eq!(decode(&encode(&cancel(len))), Ok(Some(cancel(len))));
    }
    for len in [0, 3, 257] {
        let mut out = BytesMut::new();
        assert!(cancel(len).encode(&mut out).is_err());
        assert!(out.is_empty());
    }
}

#[test]
fn a_parameter_with_a_nul_cannot_be_written() {
    let mut out = BytesMut::from(&b"before"[..]);
    assert!(session(0, &[("user", "a\0b")]).encode(&mut out).is_err());
    assert!(session(0, &[("", "x")]).encode(&mut out).is_err());
    let long = Startup::Session {
        major: 3,
        minor: 0,
        params: vec![(Bytes::from_static(b"x"), Bytes::from(vec![b'y'; 10_000]))],
    };
    assert!(long.encode(&mut out).is_err());
    assert_eq!(&out[..], b"before");
}

proptest! {
    #[test]
    fn a_session_comes_back_and_is_awaited_to_its_last_byte(
        minor: u16,
        params in prop::collection::btree_map("[a-z]{1,6}", "[^\0]{0,8}", 0..5),
    ) {
        let bytes = |text: &String| Bytes::from(text.clone().into_bytes());
        let params = params.iter().map(|(name, value)| (bytes(name), bytes(value))).collect();
        let startup = Startup::Session { major: 3, minor, params };
        let encoded = encode(&startup);
        for end in 0..encoded.len() {
            prop_assert_eq!(decode(&encoded[..end]), Ok(None));
        }
        prop_assert_eq!(decode(&encoded), Ok(Some(startup)));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = FirstBytes::of(&bytes);
        let _ = decode(&bytes);
        let len = bytes.len() as u8 + 8;
        let head = [0, 0, 0, len, 0, 3, 0, 0];
        let _ = decode(&[&head, &bytes[..]].concat());
        let head = [0, 0, 0, len, 4, 0xd2, 0x16, 0x2e];
        let _ = decode(&[&head, &bytes[..]].concat());
    }
}
