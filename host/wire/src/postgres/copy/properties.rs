//! COPY: what holds for every stream, however it is cut.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use bytes::BytesMut;
use proptest::prelude::*;

use super::{
    tests::{Row, cells, csv, csv_backslash, rows_of, text, values},
    *,
};
use crate::postgres::Replacement;

fn formats() -> impl Strategy<Value = CopyFormat> {
    let odd = CopyFormat::Text(TextFormat {
        delimiter: b'|',
        null: b"NULL".to_vec(),
        header: true,
    });
    prop::sample::select(vec![text(), odd, csv(), csv_backslash()])
}

/// Streams made mostly of the bytes that mean something.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let bytes = b"\\\\\"\"'',;|\t\n\n\r.NULLx41nab\xc3\xa9\x00".to_vec();
    prop::collection::vec(prop::sample::select(bytes), 0..40)
}

fn tables() -> impl Strategy<Value = Vec<Row>> {
    let bytes = b"\\\"',;|\t\n\r.NULLx41nab\xc3\xa9".to_vec();
    let value = prop::collection::vec(prop::sample::select(bytes), 0..8);
    (1..4_usize).prop_flat_map(move |columns| {
        let row = prop::collection::vec(prop::option::of(value.clone()), columns);
        prop::collection::vec(row, 0..5)
    })
}

proptest! {
    #[test]
    fn a_stream_cut_at_every_byte_gives_the_same_rows(format in formats(), stream in streams()) {
        let shown = |rows: Result<Vec<CopyRow>, CopyError>| rows.map(|rows| {
            rows.iter().map(|row| (row.kind(), row.raw().clone(), cells(row))).collect::<Vec<_>>()
        });
        let whole = shown(rows_of(&format, [&stream[..]]));
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            prop_assert_eq!(&shown(rows_of(&format, [head, tail])), &whole);
        }
        prop_assert_eq!(&shown(rows_of(&format, stream.chunks(1))), &whole);
    }

    #[test]
    fn rewriting_without_replacements_is_the_identity(format in formats(), stream in streams()) {
        if let Ok(rows) = rows_of(&format, [&stream[..]]) {
            let mut out = BytesMut::new();
            for row in rows {
                row.rewrite(&vec![Replacement::Keep; row.len()], &mut out).unwrap();
            }
            prop_assert_eq!(&out[..], &stream[..]);
        }
    }

    #[test]
    fn values_written_are_the_values_read(format in formats(), table in tables()) {
        let mut out = BytesMut::new();
        for row in &table {
            // A row of as many cells, to be replaced altogether.
            let delimiter = match &format {
                CopyFormat::Text(format) => format.delimiter,
                CopyFormat::Csv(format) => format.delimiter,
            };
            let blank = [vec![delimiter; row.len() - 1], b"\n".to_vec()].concat();
            let with: Vec<_> = row.iter().map(|value| match value {
                None => Replacement::Null,
                Some(value) => Replacement::Bytes(value),
            }).collect();
            rows_of(&format, [&blank[..]]).unwrap()[0].rewrite(&with, &mut out).unwrap();
        }
        prop_assert_eq!(values(&format, &out), table);
    }
}
