//! Whatever a server sends: no panic, what is understood is written again byte
//! for byte, and so are rows nobody replaced a cell of.
#![no_main]

use almoner_wire::postgres::{Backend, DataRow, Decoder, Direction, Limits, Replacement, types};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::new(Limits::new(Direction::Backend, 1 << 16));
    let mut buf = BytesMut::from(data);
    while let Ok(Some(frame)) = decoder.decode(&mut buf) {
        let Ok(message) = Backend::decode(&frame) else {
            continue;
        };
        let mut out = BytesMut::new();
        message
            .encode(&mut out)
            .expect("what was read can be written");
        assert_eq!(out, frame.raw());
        if let Backend::DataRow(body) = message
            && let Ok(row) = DataRow::decode(body)
        {
            let mut out = BytesMut::new();
            let keep = vec![Replacement::Keep; row.len()];
            row.rewrite(&keep, &mut out)
                .expect("a row read can be written");
            assert_eq!(out, frame.raw());
            row.cells().flatten().for_each(arrays);
        }
    }
});

/// An array that is understood means the same when written again.
fn arrays(cell: &[u8]) {
    use types::array::TextArray;
    if let Ok(array) = TextArray::decode_text(cell) {
        assert!(TextArray::decode_text(&array.encode_text()) == Ok(array));
    }
    if let Ok(array) = TextArray::decode_binary(cell) {
        let binary = array.encode_binary().expect("an array read can be written");
        assert!(TextArray::decode_binary(&binary) == Ok(array));
    }
}
