//! COPY streams in text format, under options taken from the input.
#![no_main]

use almoner_wire::postgres::copy::{CopyFormat, TextFormat};
use libfuzzer_sys::fuzz_target;

mod shared;

fuzz_target!(|input: (u8, bool, bool, u16, &[u8])| {
    let (delimiter, word, header, cut, stream) = input;
    let null = if word {
        b"NULL".to_vec()
    } else {
        b"\\N".to_vec()
    };
    let format = CopyFormat::Text(TextFormat {
        delimiter,
        null,
        header,
    });
    shared::check(&format, usize::from(cut), stream);
});
