//! COPY streams in CSV format, under options taken from the input.
#![no_main]

use almoner_wire::postgres::copy::{CopyFormat, CsvFormat};
use libfuzzer_sys::fuzz_target;

mod shared;

fuzz_target!(|input: ([u8; 3], bool, bool, u16, &[u8])| {
    let ([delimiter, quote, escape], word, header, cut, stream) = input;
    let null = if word { b"NULL".to_vec() } else { Vec::new() };
    let format = CopyFormat::Csv(CsvFormat {
        delimiter,
        null,
        quote,
        escape,
        header,
    });
    shared::check(&format, usize::from(cut), stream);
});
