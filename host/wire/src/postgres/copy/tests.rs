//! COPY: rows as the server reads and writes them, cut in every way.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests state what they expect"
)]

use super::*;
use crate::postgres::Replacement;
use bytes::BytesMut;

pub(super) type Row = Vec<Option<Vec<u8>>>;

pub(super) fn text() -> CopyFormat {
    CopyFormat::Text(TextFormat::default())
}

pub(super) fn csv() -> CopyFormat {
    CopyFormat::Csv(CsvFormat::default())
}

/// CSV with an escape of its own.
pub(super) fn csv_backslash() -> CopyFormat {
    CopyFormat::Csv(CsvFormat {
        escape: b'\\',
        quote: b'\'',
        delimiter: b';',
        null: b"NULL".to_vec(),
        header: true,
    })
}

pub(super) fn rows_of<'a>(
    format: &CopyFormat,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<CopyRow>, CopyError> {
    let mut cutter = Cutter::new(format.clone(), 1000)?;
    let mut rows = Vec::new();
    for piece in pieces {
        cutter.push(piece)?;
        while let Some(row) = cutter.next_row()? {
            rows.push(row);
        }
    }
    while let Some(row) = cutter.finish()? {
        rows.push(row);
    }
    Ok(rows)
}

pub(super) fn cells(row: &CopyRow) -> Row {
    (0..row.len())
        .map(|index| row.cell(index).unwrap().map(|cell| cell.into_owned()))
        .collect()
}

pub(super) fn values(format: &CopyFormat, stream: &[u8]) -> Vec<Row> {
    rows_of(format, [stream])
        .unwrap()
        .iter()
        .map(cells)
        .collect()
}

fn row(values: &[Option<&str>]) -> Row {
    values
        .iter()
        .map(|value| value.map(|text| text.as_bytes().to_vec()))
        .collect()
}

fn rewritten(format: &CopyFormat, stream: &[u8], with: &[Replacement<'_>]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for row in rows_of(format, [stream]).unwrap() {
        row.rewrite(with, &mut out).unwrap();
    }
    out.to_vec()
}

#[test]
fn text_escapes_mean_what_they_mean_to_the_server() {
    for (raw, value) in [
        (r"plain", "plain"),
        (r"\b\f\n\r\t\v", "\x08\x0c\n\r\t\x0b"),
        (r"\\N", "\\N"),
        (r"\101\1018\60", "AA80"),
        (r"\x41\x4z\xg\x", "A\x04zxgx"),
        (r"\8\q\é", "8qé"),
        ("a\\\nb", "a\nb"),
        ("a\\\tb", "a\tb"),
    ] {
        let stream = format!("{raw}\n");
        assert_eq!(
            values(&text(), stream.as_bytes()),
            [row(&[Some(value)])],
            "{raw}"
        );
    }
    // The low eight bits of an octal number.
    assert_eq!(values(&text(), b"\\777\n"), [vec![Some(vec![0xff])]]);
}

#[test]
fn text_null_is_told_from_a_string_before_escapes_are_resolved() {
    let rows = values(&text(), b"\\N\t\\\\N\t\n\n");
    assert_eq!(
        rows,
        [row(&[None, Some("\\N"), Some("")]), row(&[Some("")])]
    );
    let format = CopyFormat::Text(TextFormat {
        null: b"NULL".to_vec(),
        delimiter: b'|',
        header: false,
    });
    let rows = values(&format, b"NULL|\\x4eULL|\\N|a\\|b\n");
    assert_eq!(rows, [row(&[None, Some("NULL"), Some("N"), Some("a|b")])]);
}

#[test]
fn a_delimiter_that_is_a_hex_digit_belongs_to_the_escape() {
    let format = CopyFormat::Text(TextFormat {
        delimiter: b'A',
        ..TextFormat::default()
    });
    assert_eq!(
        values(&format, b"x\\x4AAy\n"),
        [row(&[Some("xJ"), Some("y")])]
    );
}

#[test]
fn csv_quotes_mean_what_they_mean_to_the_server() {
    let stream = b"a,\"b,c\",\"d\"\"e\",x\"y,z\"w\n\"l1\nl2\",,\"\",q\n";
    assert_eq!(
        values(&csv(), stream),
        [
            row(&[Some("a"), Some("b,c"), Some("d\"e"), Some("xy,zw")]),
            row(&[Some("l1\nl2"), None, Some(""), Some("q")]),
        ]
    );
}

#[test]
fn a_csv_escape_of_its_own_works_inside_quotes_only() {
    let stream = b"h1;h2\n'it\\'s;\\\\';\\a\n'\\n';'NULL'\nNULL;NULL \n";
    assert_eq!(
        values(&csv_backslash(), stream),
        [
            row(&[Some("h1"), Some("h2")]),
            row(&[Some("it's;\\"), Some("\\a")]),
            row(&[Some("\\n"), Some("NULL")]),
            row(&[None, Some("NULL ")]),
        ]
    );
}

#[test]
fn the_first_row_is_the_header_if_there_is_one() {
    let rows = rows_of(&csv_backslash(), [&b"a;b\n1;2\n"[..]]).unwrap();
    let kinds: Vec<_> = rows.iter().map(CopyRow::kind).collect();
    assert_eq!(kinds, [RowKind::Header, RowKind::Data]);
}

#[test]
fn all_three_line_breaks_are_known_but_never_mixed() {
    for line_break in ["\n", "\r", "\r\n"] {
        for format in [text(), csv()] {
            let stream = ["a", "b", ""].join(line_break);
            let expected = [row(&[Some("a")]), row(&[Some("b")])];
            assert_eq!(
                values(&format, stream.as_bytes()),
                expected,
                "{line_break:?}"
            );
        }
    }
    for stream in ["a\nb\rc\n", "a\rb\nc\r", "a\r\nb\nc\r\n", "a\r\nb\rc\r\n"] {
        for format in [text(), csv()] {
            assert!(rows_of(&format, [stream.as_bytes()]).is_err(), "{stream:?}");
        }
    }
}

#[test]
fn a_last_row_without_a_line_break_is_a_row() {
    assert_eq!(
        values(&text(), b"a\nb"),
        [row(&[Some("a")]), row(&[Some("b")])]
    );
    assert_eq!(values(&csv(), b"\"b\""), [row(&[Some("b")])]);
    assert_eq!(values(&text(), b"a\r"), [row(&[Some("a")])]);
    assert!(values(&text(), b"").is_empty());
}

#[test]
fn the_end_marker_ends_the_stream() {
    for format in [text(), csv()] {
        let rows = rows_of(&format, [&b"a\n\\.\n"[..]]).unwrap();
        assert_eq!(
            (rows.len(), rows[1].kind(), rows[1].len()),
            (2, RowKind::End, 0)
        );
        assert_eq!(&rows[1].raw()[..], b"\\.\n");
        assert!(rows_of(&format, [&b"\\.\nb\n"[..]]).is_err());
        assert!(rows_of(&format, [&b"\\.\n"[..], b"b\n"]).is_err());
    }
    assert!(rows_of(&text(), [&b"a\\.\n"[..]]).is_err());
    assert_eq!(values(&csv(), b"a\\.\n"), [row(&[Some("a\\.")])]);
}

#[test]
fn streams_that_end_too_early_are_refused() {
    assert!(rows_of(&text(), [&b"a\\"[..]]).is_err());
    assert!(rows_of(&csv(), [&b"\"a\n"[..]]).is_err());
}

#[test]
fn a_row_above_its_limit_is_refused_before_it_is_whole() {
    let mut cutter = Cutter::new(text(), 10).unwrap();
    cutter.push(b"0123456789").unwrap();
    assert!(cutter.next_row().unwrap().is_none());
    cutter.push(b"0").unwrap();
    assert_eq!(
        cutter.next_row().unwrap_err(),
        CopyError::RowTooLarge { limit: 10 }
    );
    let mut cutter = Cutter::new(text(), 4).unwrap();
    cutter.push(b"ab\ncd\n").unwrap();
    assert_eq!(cutter.push(b"e\n"), Err(CopyError::NotTaken));
}

#[test]
fn options_no_server_accepts_are_refused() {
    for format in [
        TextFormat {
            delimiter: b'n',
            ..TextFormat::default()
        },
        TextFormat {
            delimiter: b'\\',
            ..TextFormat::default()
        },
        TextFormat {
            delimiter: b'\n',
            ..TextFormat::default()
        },
        TextFormat {
            delimiter: b'N',
            ..TextFormat::default()
        },
        TextFormat {
            null: b"a\nb".to_vec(),
            ..TextFormat::default()
        },
    ] {
        assert!(Cutter::new(CopyFormat::Text(format), ROW_BYTES_MAX).is_err());
    }
    for format in [
        CsvFormat {
            delimiter: b'"',
            ..CsvFormat::default()
        },
        CsvFormat {
            null: b"\"".to_vec(),
            ..CsvFormat::default()
        },
        CsvFormat {
            quote: b'\n',
            ..CsvFormat::default()
        },
    ] {
        assert!(Cutter::new(CopyFormat::Csv(format), ROW_BYTES_MAX).is_err());
    }
}

#[test]
fn cells_that_are_kept_keep_their_very_bytes() {
    use Replacement::{Bytes, Keep, Null};
    let with = [Keep, Bytes(b"x\ty\\"), Keep, Null];
    assert_eq!(
        rewritten(&text(), b"\\x41\tb\t\\101\td\n", &with),
        b"\\x41\tx\\ty\\\\\t\\101\t\\N\n"
    );
    let with = [Keep, Bytes(b"say \"no\",\nnow"), Keep, Null];
    assert_eq!(
        rewritten(&csv(), b"\"a\",b,c\"\",d\r\n", &with),
        b"\"a\",\"say \"\"no\"\",\nnow\",c\"\",\r\n"
    );
}

#[test]
fn a_replacement_is_never_taken_for_null_or_the_end_marker() {
    let format = CopyFormat::Text(TextFormat {
        null: b"NULL".to_vec(),
        ..TextFormat::default()
    });
    assert_eq!(
        rewritten(&format, b"a\n", &[Replacement::Bytes(b"NULL")]),
        b"\\x4eULL\n"
    );
    let format = CopyFormat::Text(TextFormat {
        null: b"\\nx".to_vec(),
        ..TextFormat::default()
    });
    assert_eq!(
        rewritten(&format, b"a\n", &[Replacement::Bytes(b"\nx")]),
        b"\\x0ax\n"
    );
    assert_eq!(
        rewritten(&csv(), b"a\n", &[Replacement::Bytes(b"")]),
        b"\"\"\n"
    );
    assert_eq!(
        rewritten(&csv(), b"a\n", &[Replacement::Bytes(b"\\.")]),
        b"\"\\.\"\n"
    );
    assert_eq!(
        rewritten(&text(), b"a\n", &[Replacement::Bytes(b"\\.")]),
        b"\\\\.\n"
    );
}

#[test]
fn a_last_row_that_becomes_empty_stays_a_row() {
    let format = CopyFormat::Csv(CsvFormat::default());
    for (stream, written) in [
        ("a", "\n"),
        ("a\nb", "\n\n"),
        ("a\rb", "\r\r"),
        ("a\r\nb", "\r\n\r\n"),
    ] {
        let out = rewritten(&format, stream.as_bytes(), &[Replacement::Null]);
        assert_eq!(out, written.as_bytes(), "{stream:?}");
    }
}

#[test]
fn a_rewrite_that_forgets_a_column_is_refused() {
    let rows = rows_of(&text(), [&b"a\tb\n"[..]]).unwrap();
    let mut out = BytesMut::new();
    let error = rows[0].rewrite(&[Replacement::Keep], &mut out).unwrap_err();
    assert_eq!(error, CopyError::WrongCount);
    assert!(out.is_empty());
    assert!(rows[0].cell(2).is_err());
}

#[test]
fn debug_output_shows_no_values() {
    let rows = rows_of(&text(), [&b"123-45-6789\n"[..]]).unwrap();
    assert!(!format!("{rows:?}").contains("6789"));
}
