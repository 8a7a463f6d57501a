//! Frames: golden bytes, limits, and every way to cut a stream.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::postgres::{Direction, limits::AUTH_BYTES_MAX};

fn backend() -> Decoder {
    Decoder::new(Limits::new(Direction::Backend, 1000))
}

fn stream(messages: &[(u8, Vec<u8>)]) -> BytesMut {
    let mut out = BytesMut::new();
    for (tag, body) in messages {
        out.put_u8(*tag);
        out.put_u32(body.len() as u32 + 4);
        out.put_slice(body);
    }
    out
}

/// Feeds pieces one after the other and collects tag and body of each frame.
fn frames_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(u8, Vec<u8>)> {
    let (mut decoder, mut buf, mut frames) = (backend(), BytesMut::new(), Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        while let Some(frame) = decoder.decode(&mut buf).unwrap() {
            frames.push((frame.tag(), frame.body().to_vec()));
        }
    }
    assert!(buf.is_empty());
    frames
}

#[test]
fn a_frame_is_a_slice_of_what_was_read() {
    let mut buf = BytesMut::from(&b"Z\0\0\0\x05IC\0\0"[..]);
    let place = buf.as_ptr();
    let frame = backend().decode(&mut buf).unwrap().unwrap();
    assert_eq!((frame.tag(), &frame.body()[..]), (b'Z', &b"I"[..]));
    assert_eq!(&frame.raw()[..], b"Z\0\0\0\x05I");
    assert_eq!(frame.len(), 6);
    assert_eq!(frame.raw().as_ptr(), place);
    assert_eq!(&buf[..], b"C\0\0");
    assert_eq!(backend().decode(&mut buf), Ok(None));
}

#[test]
fn an_oversize_message_is_refused_at_its_header() {
    let mut buf = BytesMut::from(&b"D\0\0\x03\xe9"[..]);
    assert_eq!(
        backend().decode(&mut buf),
        Err(WireError::TooLarge {
            tag: b'D',
            declared: 1001,
            limit: 1000
        })
    );
    let mut buf = BytesMut::from(&b"D\xff\xff\xff\xff"[..]);
    assert!(matches!(
        backend().decode(&mut buf),
        Err(WireError::TooLarge { .. })
    ));
    let mut buf = BytesMut::from(&b"Z\0\0\0\x06"[..]);
    assert_eq!(
        backend().decode(&mut buf),
        Err(WireError::TooLarge {
            tag: b'Z',
            declared: 6,
            limit: 5
        })
    );
    let mut buf = BytesMut::from(&b"D\0\0\0\x03"[..]);
    assert_eq!(
        backend().decode(&mut buf),
        Err(WireError::TooShort {
            tag: b'D',
            declared: 3
        })
    );
}

#[test]
fn a_client_that_has_not_logged_in_may_send_passwords_only() {
    let login = Limits::login(Direction::Frontend);
    assert_eq!(login.of(b'p'), Ok(AUTH_BYTES_MAX));
    assert_eq!(login.of(b'Q'), Err(WireError::UnknownTag { tag: b'Q' }));
    let mut decoder = Decoder::new(login);
    let mut buf = BytesMut::from(&b"S\0\0\0\x04"[..]);
    assert!(decoder.decode(&mut buf).is_err());
    decoder.set_limits(Limits::new(Direction::Frontend, 100));
    assert!(decoder.decode(&mut buf).unwrap().is_some());
}

#[test]
fn a_run_takes_neighbours_that_are_accepted_and_whole() {
    let mut buf = stream(&[
        (b'D', vec![1]),
        (b'D', vec![2, 3]),
        (b'C', vec![0]),
        (b'D', vec![]),
    ]);
    let mut decoder = backend();
    let run = decoder
        .decode_run(&mut buf, |tag| tag == b'D')
        .unwrap()
        .unwrap();
    assert_eq!((run.frames(), run.raw().len()), (2, 13));
    let bodies: Vec<_> = run.iter().map(|frame| frame.body().to_vec()).collect();
    assert_eq!(bodies, [vec![1], vec![2, 3]]);
    assert_eq!(decoder.decode_run(&mut buf, |tag| tag == b'D'), Ok(None));
    assert_eq!(decoder.decode(&mut buf).unwrap().unwrap().tag(), b'C');
    buf.truncate(4);
    assert_eq!(decoder.decode_run(&mut buf, |_| true), Ok(None));
}

#[test]
fn a_broken_message_behind_good_ones_is_reported_after_them() {
    let mut buf = stream(&[(b'D', vec![1])]);
    buf.extend_from_slice(b"?");
    let mut decoder = backend();
    assert_eq!(
        decoder
            .decode_run(&mut buf, |_| true)
            .unwrap()
            .unwrap()
            .frames(),
        1
    );
    assert!(decoder.decode_run(&mut buf, |_| true).is_err());
}

#[test]
fn a_reader_is_told_how_much_is_missing() {
    let decoder = backend();
    assert_eq!(decoder.missing(b""), Ok(5));
    assert_eq!(decoder.missing(b"D\0"), Ok(3));
    assert_eq!(decoder.missing(b"D\0\0\0\x08a"), Ok(3));
    assert_eq!(decoder.missing(b"D\0\0\0\x05aZ"), Ok(0));
}

#[test]
fn debug_output_shows_no_bytes_of_the_body() {
    let mut buf = stream(&[(b'D', b"secret".to_vec())]);
    let frame = backend().decode(&mut buf).unwrap().unwrap();
    assert_eq!(format!("{frame:?}"), "Frame('D', 11 bytes)");
}

fn messages() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    let tag = prop::sample::select(b"DdTEN".to_vec());
    prop::collection::vec((tag, prop::collection::vec(any::<u8>(), 0..40)), 0..8)
}

proptest! {
    #[test]
    fn a_stream_split_at_every_byte_gives_the_same_frames(messages in messages()) {
        let stream = stream(&messages);
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            prop_assert_eq!(&frames_of([head, tail]), &messages);
        }
        prop_assert_eq!(&frames_of(stream.chunks(1)), &messages);
    }

    #[test]
    fn a_run_holds_the_same_frames_as_one_by_one(messages in messages(), cut in 0..400_usize) {
        let mut buf = stream(&messages);
        buf.truncate(cut);
        let mut single = buf.clone();
        let (mut decoder, mut expected) = (backend(), Vec::new());
        while let Some(frame) = decoder.decode(&mut single).unwrap() {
            expected.push(frame);
        }
        let run = decoder.decode_run(&mut buf, |_| true).unwrap();
        let frames: Vec<_> = run.iter().flat_map(Run::iter).collect();
        prop_assert_eq!(frames, expected);
        prop_assert_eq!(buf, single);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), login: bool) {
        for direction in [Direction::Frontend, Direction::Backend] {
            let limits = if login { Limits::login(direction) } else { Limits::new(direction, 50) };
            let mut decoder = Decoder::new(limits);
            let mut buf = BytesMut::from(&bytes[..]);
            let _ = decoder.missing(&buf);
            let _ = decoder.decode_run(&mut buf, |tag| tag != b'Q');
            while let Ok(Some(_)) = decoder.decode(&mut buf) {}
        }
    }
}
