//! Folds look-alikes before matching, so that a number typed with a typographic dash, a no-break space,
//! full-width digits or an invisible character inside is found like any other.
//!
//! Each character becomes one character or none, and every byte of the result knows where it came from:
//! spans are always reported in the original text. ASCII text never comes here.

/// A folded text with its way back.
#[derive(Default)]
pub(crate) struct Folded {
    text: String,
    /// Per byte of `text`: where its character starts and ends in the original.
    origin: Vec<(u32, u32)>,
}

impl Folded {
    /// Folds `original`, reusing what this held before.
    pub(crate) fn refill(&mut self, original: &str) {
        self.text.clear();
        self.origin.clear();
        for (start, character) in original.char_indices() {
            let Some(folded) = fold(character) else {
                continue;
            };
            self.text.push(folded);
            let end = start + character.len_utf8();
            let origin = (
                u32::try_from(start).unwrap_or(u32::MAX),
                u32::try_from(end).unwrap_or(u32::MAX),
            );
            self.origin.resize(self.text.len(), origin);
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The original bytes of a non-empty span of the folded text.
    pub(crate) fn original(&self, start: usize, end: usize) -> Option<(u32, u32)> {
        let (first, _) = self.origin.get(start)?;
        let (_, last) = self.origin.get(end.checked_sub(1)?)?;
        Some((*first, *last))
    }
}

/// `None`: the character cannot be seen and is left out.
fn fold(character: char) -> Option<char> {
    Some(match character {
        '\0'..='\x7f' => character,
        '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => return None,
        '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}'
        | '\u{fe00}'..='\u{fe0f}' => return None,
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            ' '
        }
        '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' => '-',
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{2033}' => '"',
        '\u{2024}' | '\u{fe52}' | '\u{3002}' => '.',
        '\u{2044}' | '\u{2215}' => '/',
        '\u{2236}' | '\u{fe55}' | '\u{a789}' => ':',
        '\u{fe6b}' => '@',
        // Full-width forms are the printable ASCII characters, shifted.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0)?,
        _ => digit(character).unwrap_or(character),
    })
}

/// First digits of the decimal systems that people write numbers in. Each is followed by its other nine.
const ZEROS: [u32; 21] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x17e0, 0x1810, 0x2080, 0x2070, 0xa8d0,
];
/// Digits in the mathematical alphabets: five styles in a row.
const MATHEMATICAL: std::ops::RangeInclusive<u32> = 0x1d7ce..=0x1d7ff;

fn digit(character: char) -> Option<char> {
    let code = u32::from(character);
    let value = match character {
        '¹' => 1,
        '²' => 2,
        '³' => 3,
        _ if MATHEMATICAL.contains(&code) => (code - MATHEMATICAL.start()) % 10,
        _ => ZEROS
            .iter()
            .find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10))?,
    };
    char::from_digit(value, 10)
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

    fn folded(text: &str) -> Folded {
        let mut folded = Folded::default();
        folded.refill(text);
        folded
    }

    #[test]
    fn look_alikes_of_a_number_fold_to_the_number() {
        for text in [
            "123\u{2011}45\u{2013}6789",
            "123\u{ad}-45-6789",
            "１２３-４５-６７８９",
            "1\u{200b}2\u{200d}3-45-6789",
            "١٢٣-٤٥-٦٧٨٩",
            "𝟏𝟐𝟑-𝟒𝟓-𝟔𝟕𝟖𝟗",
        ] {
            assert_eq!(folded(text).text(), "123-45-6789", "for {text:?}");
        }
    }

    #[test]
    fn a_span_goes_back_to_the_bytes_it_came_from() {
        let text = "né １２\u{200b}３!";
        let folded = folded(text);
        assert_eq!(folded.text(), "né 123!");
        let at = folded.text().find("123").unwrap();
        let (start, end) = folded.original(at, at + 3).unwrap();
        assert_eq!(&text[start as usize..end as usize], "１２\u{200b}３");
    }

    #[test]
    fn letters_with_accents_stay_as_they_are() {
        assert_eq!(folded("Zoë Müller").text(), "Zoë Müller");
    }

    proptest! {
        #[test]
        fn every_span_of_the_folded_text_has_character_boundaries_in_the_original(text in "\\PC{0,40}") {
            let folded = folded(&text);
            let bounds: Vec<usize> =
                folded.text().char_indices().map(|(i, _)| i).chain([folded.text().len()]).collect();
            for pair in bounds.windows(2) {
                let (start, end) = folded.original(pair[0], pair[1]).unwrap();
                prop_assert!(text.is_char_boundary(start as usize) && text.is_char_boundary(end as usize));
                prop_assert!(start < end);
            }
        }
    }
}
