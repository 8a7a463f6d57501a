//! What was applied is undone, and nothing else passes for it: cut, followed by more, or without end.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

const MAX: usize = 1 << 20;

fn codings(value: &str) -> Option<Codings> {
    let mut headers = HeaderMap::new();
    headers.append(header::CONTENT_ENCODING, value.parse().unwrap());
    Codings::of(&headers)
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Every coding by its name, with a body that it was applied to.
fn applied(plain: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(plain).unwrap();
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(plain).unwrap();
    let mut br = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut br, 4096, 5, 20);
    encoder.write_all(plain).unwrap();
    drop(encoder);
    let zstd = compress_to_vec(plain, CompressionLevel::Fastest);
    vec![
        ("gzip", gzip(plain)),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", raw.finish().unwrap()),
        ("br", br),
        ("zstd", zstd),
    ]
}

fn undone(name: &str, body: &[u8], max: usize) -> Result<Bytes, NotPlain> {
    codings(name)
        .unwrap()
        .undo(Bytes::copy_from_slice(body), max)
}

fn text() -> Vec<u8> {
    let lines = (0..400).map(|n| format!("{{\"family\":\"Okafor\",\"n\":{n}}}\n"));
    lines.collect::<String>().into_bytes()
}

#[test]
fn what_was_applied_is_undone() {
    for plain in [text(), Vec::new(), b"x".to_vec()] {
        for (name, body) in applied(&plain) {
            assert!(
                undone(name, &body, MAX) == Ok(plain.clone().into()),
                "{name}"
            );
        }
    }
}

#[test]
fn the_last_applied_is_undone_first() {
    for (name, body) in applied(&gzip(&text())) {
        let both = undone(&format!("gzip, {name}"), &body, MAX);
        assert!(both == Ok(text().into()), "{name}");
    }
}

#[test]
fn members_and_frames_follow_each_other() {
    for (name, one) in applied(b"one ") {
        if name == "gzip" || name == "zstd" {
            let two = applied(b"two")
                .into_iter()
                .find(|(other, _)| *other == name);
            let mut body = one;
            if name == "zstd" {
                // A frame to be skipped, of three bytes.
                body.extend(b"\x50\x2a\x4d\x18\x03\0\0\0abc");
            }
            body.extend(two.unwrap().1);
            assert_eq!(undone(name, &body, MAX), Ok("one two".into()), "{name}");
        }
    }
}

#[test]
fn a_body_cut_anywhere_is_none() {
    for (name, body) in applied(&text()) {
        for end in 0..body.len() {
            let cut = undone(name, &body[..end], MAX);
            assert!(cut.is_err(), "{name} cut at {end} of {}", body.len());
        }
    }
}

#[test]
fn what_follows_a_body_is_not_left_out_in_silence() {
    for (name, mut body) in applied(&text()) {
        body.extend(b"MRN 10334455");
        assert!(
            undone(name, &body, MAX) == Err(NotPlain::Malformed),
            "{name}"
        );
    }
}

#[test]
fn a_body_grows_to_the_limit_and_no_further() {
    let plain = vec![b'0'; 3 << 20];
    for (name, body) in applied(&plain) {
        assert!(undone(name, &body, plain.len()).is_ok(), "{name}");
        for max in [0, 1, MAX, plain.len() - 1] {
            assert!(
                undone(name, &body, max) == Err(NotPlain::Large),
                "{name} {max}"
            );
        }
    }
    // Neither on the way.
    let twice = gzip(&gzip(&plain));
    assert_eq!(undone("gzip, gzip", &twice, 100), Err(NotPlain::Large));
}

#[test]
fn unknown_codings_and_towers_of_them_are_not_read() {
    for value in [
        "compress",
        "gzip, sdch",
        "gzip;q=1",
        "gzip,",
        "",
        "gzip, gzip, gzip",
    ] {
        assert_eq!(codings(value), None, "{value:?}");
    }
    for plain in [codings("identity"), Codings::of(&HeaderMap::new())] {
        assert_eq!(plain, Some(Codings::default()));
    }
    assert_eq!(codings("X-GZip"), codings("gzip"));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        for name in ["gzip", "deflate", "br", "zstd"] {
            let _ = undone(name, &body, 4096);
        }
    }

    #[test]
    fn a_changed_byte_is_an_error_or_stays_within_bounds(at: proptest::sample::Index, with: u8) {
        for (name, mut body) in applied(&text()) {
            let at = at.index(body.len());
            body[at] = with;
            if let Ok(plain) = undone(name, &body, MAX) {
                proptest::prop_assert!(plain.len() <= MAX);
            }
        }
    }
}
