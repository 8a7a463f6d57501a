//! Rows: golden bytes, rewriting, and bodies that lie about their cells.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use proptest::prelude::*;

use super::*;

const BODY: &[u8] = b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0";

fn row(body: &[u8]) -> DataRow {
    DataRow::decode(Bytes::copy_from_slice(body)).unwrap()
}

fn written(cells: &[Option<Vec<u8>>]) -> BytesMut {
    let mut out = BytesMut::new();
    let mut writer = RowWriter::new(&mut out);
    for cell in cells {
        match cell {
            None => writer.null(),
            Some(value) => writer.cell(value),
        };
    }
    writer.finish().unwrap();
    out
}

#[test]
fn cells_are_slices_of_the_body_and_null_is_not_empty() {
    let row = row(BODY);
    assert_eq!(row.len(), 3);
    assert_eq!(row.cell(0), Ok(Some(&b"ab"[..])));
    assert_eq!(row.cell(1), Ok(None));
    assert_eq!(row.cell(2), Ok(Some(&b""[..])));
    assert!(row.cell(3).is_err());
    assert_eq!(row.cell_bytes(0).unwrap().unwrap(), "ab");
    let cells: Vec<_> = row.cells().collect();
    assert_eq!(cells, [Some(&b"ab"[..]), None, Some(b"")]);
    assert!(!format!("{row:?}").contains("ab"));
}

#[test]
fn a_rewrite_replaces_what_it_is_told_and_nothing_else() {
    let mut out = BytesMut::from(&b"before"[..]);
    let with = [
        Replacement::Null,
        Replacement::Bytes(b"xyz"),
        Replacement::Keep,
    ];
    row(BODY).rewrite(&with, &mut out).unwrap();
    assert_eq!(
        &out[..],
        b"beforeD\0\0\0\x15\0\x03\xff\xff\xff\xff\0\0\0\x03xyz\0\0\0\0"
    );
}

#[test]
fn a_rewrite_that_forgets_a_column_is_refused() {
    let mut out = BytesMut::new();
    for count in [0, 2, 4] {
        assert!(
            row(BODY)
                .rewrite(&vec![Replacement::Keep; count], &mut out)
                .is_err()
        );
    }
    assert!(out.is_empty());
}

#[test]
fn bodies_that_lie_about_their_cells_are_refused() {
    for body in [
        &b""[..],
        b"\0",
        b"\0\x01",
        b"\xff\xff\0\0\0\0",
        b"\0\x01\0\0\0\x02a",
        b"\0\x01\0\0\0\x01ab",
        b"\0\0x",
        b"\0\x01\xff\xff\xff\xfe",
        b"\0\x01\x7f\xff\xff\xff",
    ] {
        assert!(
            DataRow::decode(Bytes::copy_from_slice(body)).is_err(),
            "{body:?}"
        );
    }
}

#[test]
fn memory_of_one_row_serves_the_next() {
    let scratch = row(BODY).into_scratch();
    let next = DataRow::decode_with(Bytes::from_static(b"\0\0"), scratch).unwrap();
    assert!(next.is_empty());
}

#[test]
fn a_row_with_too_many_cells_is_taken_back() {
    let mut out = BytesMut::from(&b"before"[..]);
    let mut writer = RowWriter::new(&mut out);
    for _ in 0..65_536 {
        writer.null();
    }
    assert!(writer.finish().is_err());
    assert_eq!(&out[..], b"before");
}

fn cells() -> impl Strategy<Value = Vec<Option<Vec<u8>>>> {
    prop::collection::vec(
        prop::option::of(prop::collection::vec(any::<u8>(), 0..12)),
        0..8,
    )
}

proptest! {
    #[test]
    fn a_rewrite_that_keeps_everything_is_the_identity(cells in cells()) {
        let frame = written(&cells);
        let row = row(&frame[5..]);
        let read: Vec<_> = row.cells().map(|cell| cell.map(<[u8]>::to_vec)).collect();
        prop_assert_eq!(&read, &cells);
        let mut out = BytesMut::new();
        row.rewrite(&vec![Replacement::Keep; cells.len()], &mut out).unwrap();
        prop_assert_eq!(out, frame);
    }

    #[test]
    fn a_rewrite_equals_writing_the_replaced_cells(
        cells in cells(),
        choices in prop::collection::vec(0..3_u8, 8),
        value in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let with: Vec<_> = cells.iter().zip(&choices).map(|(_, choice)| match choice {
            0 => Replacement::Keep,
            1 => Replacement::Null,
            _ => Replacement::Bytes(&value),
        }).collect();
        let expected: Vec<_> = cells.iter().zip(&with).map(|(cell, with)| match with {
            Replacement::Keep => cell.clone(),
            Replacement::Null => None,
            Replacement::Bytes(bytes) => Some(bytes.to_vec()),
        }).collect();
        let mut out = BytesMut::new();
        row(&written(&cells)[5..]).rewrite(&with, &mut out).unwrap();
        prop_assert_eq!(out, written(&expected));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = DataRow::decode(Bytes::from(bytes));
    }
}
