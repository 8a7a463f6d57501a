//! Offsets between a plugin's unit and UTF-8 bytes.
//!
//! A detector in JavaScript and one in Rust mean different bytes by `2..14`. An ASCII cell counts the same
//! in all units, so only other cells are given a table, once per cell and call.

use crate::raw;

/// How a plugin counts the offsets of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetUnit {
    /// As Rust does.
    Utf8Bytes,
    /// As JavaScript does.
    Utf16Units,
    /// As Python does.
    CodePoints,
}

impl From<raw::OffsetUnit> for OffsetUnit {
    fn from(raw: raw::OffsetUnit) -> Self {
        match raw {
            raw::OffsetUnit::Utf8Bytes => Self::Utf8Bytes,
            raw::OffsetUnit::Utf16Units => Self::Utf16Units,
            raw::OffsetUnit::CodePoints => Self::CodePoints,
        }
    }
}

impl OffsetUnit {
    /// Bytes that so many units take at most.
    pub(crate) fn bytes_max(self, units: u32) -> u32 {
        match self {
            Self::Utf8Bytes => units,
            Self::Utf16Units => units.saturating_mul(3),
            Self::CodePoints => units.saturating_mul(4),
        }
    }
}

/// The conversion for one cell.
pub(crate) struct Ruler<'a> {
    text: &'a str,
    /// Byte at which each unit starts, and the length at the end. `None`: units are bytes. The second
    /// half of a surrogate pair starts inside its character, where no span may begin or end.
    byte_of_unit: Option<Vec<u32>>,
}

impl<'a> Ruler<'a> {
    pub(crate) fn new(text: &'a str, unit: OffsetUnit) -> Self {
        let byte_of_unit = match unit {
            OffsetUnit::Utf8Bytes => None,
            _ if text.is_ascii() => None,
            OffsetUnit::Utf16Units => Some(table(text, char::len_utf16)),
            OffsetUnit::CodePoints => Some(table(text, |_| 1)),
        };
        Self { text, byte_of_unit }
    }

    /// The bytes of a span in units; `None` if it is empty or does not fit the text.
    pub(crate) fn bytes(&self, start: u32, end: u32) -> Option<(u32, u32)> {
        let (start, end) = match &self.byte_of_unit {
            None => (start, end),
            Some(table) => (*table.get(start as usize)?, *table.get(end as usize)?),
        };
        let fits = start < end
            && self.text.is_char_boundary(start as usize)
            && self.text.is_char_boundary(end as usize);
        fits.then_some((start, end))
    }

    /// The units of a span in bytes that lies on character boundaries.
    pub(crate) fn units(&self, start: u32, end: u32) -> (u32, u32) {
        match &self.byte_of_unit {
            None => (start, end),
            Some(table) => (unit_at(table, start), unit_at(table, end)),
        }
    }
}

fn unit_at(table: &[u32], byte: u32) -> u32 {
    let unit = table.partition_point(|&start| start < byte);
    u32::try_from(unit).unwrap_or(u32::MAX)
}

fn table(text: &str, units_of: fn(char) -> usize) -> Vec<u32> {
    let mut table = Vec::with_capacity(text.len() + 1);
    for (byte, character) in text.char_indices() {
        for unit in 0..units_of(character) {
            table.push(u32::try_from(byte + unit).unwrap_or(u32::MAX));
        }
    }
    table.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
    table
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]

    use proptest::prelude::*;

    use super::*;

    const UNITS: [OffsetUnit; 3] = [
        OffsetUnit::Utf8Bytes,
        OffsetUnit::Utf16Units,
        OffsetUnit::CodePoints,
    ];

    #[test]
    fn the_same_span_is_found_in_every_unit() {
        let text = "é 555-123-4567";
        assert_eq!(
            Ruler::new(text, OffsetUnit::Utf8Bytes).bytes(3, 15),
            Some((3, 15))
        );
        assert_eq!(
            Ruler::new(text, OffsetUnit::Utf16Units).bytes(2, 14),
            Some((3, 15))
        );
        assert_eq!(
            Ruler::new(text, OffsetUnit::CodePoints).bytes(2, 14),
            Some((3, 15))
        );
    }

    #[test]
    fn half_of_a_surrogate_pair_does_not_fit() {
        let ruler = Ruler::new("😀1", OffsetUnit::Utf16Units);
        assert_eq!(ruler.bytes(1, 3), None);
        assert_eq!(ruler.bytes(2, 3), Some((4, 5)));
    }

    #[test]
    fn spans_beyond_the_end_and_empty_spans_and_spans_backwards_do_not_fit() {
        for unit in UNITS {
            for text in ["abc", "äbc"] {
                let ruler = Ruler::new(text, unit);
                assert_eq!(ruler.bytes(0, 9), None);
                assert_eq!(ruler.bytes(9, 12), None);
                assert_eq!(ruler.bytes(1, 1), None);
                assert_eq!(ruler.bytes(3, 2), None);
            }
        }
    }

    #[test]
    fn a_byte_inside_a_character_does_not_fit() {
        assert_eq!(Ruler::new("äb", OffsetUnit::Utf8Bytes).bytes(1, 3), None);
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same_span(text in "\\PC{1,20}", a in 0usize..20, b in 0usize..20) {
            let bounds: Vec<usize> = text.char_indices().map(|(i, _)| i).chain([text.len()]).collect();
            let (a, b) = (bounds[a % bounds.len()], bounds[b % bounds.len()]);
            prop_assume!(a < b);
            for unit in UNITS {
                let ruler = Ruler::new(&text, unit);
                let (start, end) = ruler.units(a as u32, b as u32);
                prop_assert_eq!(ruler.bytes(start, end), Some((a as u32, b as u32)));
            }
        }
    }
}
