//! What both formats of COPY must hold to.

use almoner_wire::postgres::{
    Replacement,
    copy::{CopyError, CopyFormat, CopyRow, Cutter},
};
use bytes::BytesMut;

const ROW_BYTES_MAX: usize = 4096;

/// Rows of a stream are the same however it is cut, and are written again byte
/// for byte; a value put in place of every cell is read again as it is.
pub fn check(format: &CopyFormat, cut: usize, stream: &[u8]) {
    let (head, tail) = stream.split_at(cut.min(stream.len()));
    let whole = rows(format, &[stream]);
    let parts = rows(format, &[head, tail]);
    let (Ok(whole), Ok(parts)) = (&whole, &parts) else {
        assert_eq!(
            whole.is_ok(),
            parts.is_ok(),
            "a cut decides what is an error"
        );
        return;
    };
    let mut written = BytesMut::new();
    for (row, part) in whole.iter().zip(parts) {
        assert_eq!((row.kind(), row.raw()), (part.kind(), part.raw()));
        let keep = vec![Replacement::Keep; row.len()];
        row.rewrite(&keep, &mut written)
            .expect("a row read can be written");
        if let Some(Ok(Some(value))) = (row.len() > 0).then(|| row.cell(0)) {
            replace(format, row, &value);
        }
    }
    assert_eq!(written, stream);
}

fn replace(format: &CopyFormat, row: &CopyRow, value: &[u8]) {
    let mut out = BytesMut::new();
    let with = vec![Replacement::Bytes(value); row.len()];
    row.rewrite(&with, &mut out)
        .expect("a row read can be written");
    if out.len() > ROW_BYTES_MAX {
        return;
    }
    let again = rows(format, &[&out]).expect("what was written can be read");
    assert_eq!(again.len(), 1);
    for index in 0..row.len() {
        let read = again[0].cell(index).expect("no cell is lost");
        // An empty value and an empty NULL string are the same in text.
        assert!(read.is_none() && value.is_empty() || read.as_deref() == Some(value));
    }
}

fn rows(format: &CopyFormat, pieces: &[&[u8]]) -> Result<Vec<CopyRow>, CopyError> {
    let mut cutter = Cutter::new(format.clone(), ROW_BYTES_MAX)?;
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
