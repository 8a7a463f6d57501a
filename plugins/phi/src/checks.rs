//! Check digits: what tells an identifier from a number that merely looks like one. Input is the text of a hit,
//! separators included; anything that is not a letter or digit is skipped.

use crate::patterns::Check;

/// Confidence of a hit whose check digit is right, `None` if it is wrong.
pub(crate) fn confirmed(check: Check, text: &str) -> Option<u8> {
    let right = match check {
        Check::Card => card(text),
        Check::Iban => iban(text),
        Check::Vin => vin(text),
        Check::Dea => dea(text),
        Check::Imei => luhn(digits(text)) && digits(text).count() == 15,
    };
    // One in ten random numbers passes Luhn, one in 97 the bank's check.
    let confidence = match check {
        Check::Card | Check::Imei => 85,
        _ => 95,
    };
    right.then_some(confidence)
}

/// ISO/IEC 7812: 13 to 19 digits that pass Luhn and are not all the same.
fn card(text: &str) -> bool {
    let count = digits(text).count();
    let first = digits(text).next();
    (13..=19).contains(&count) && luhn(digits(text)) && !digits(text).all(|d| Some(d) == first)
}

/// The Luhn formula over digits, check digit last.
fn luhn(digits: impl DoubleEndedIterator<Item = u32>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit) {
            (0, digit) => digit,
            (_, digit @ 0..5) => digit * 2,
            (_, digit) => digit * 2 - 9,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO 13616: the first four characters moved to the end, letters as 10 to 35, the whole 1 modulo 97.
fn iban(text: &str) -> bool {
    let characters: Vec<u32> = text.chars().filter_map(|c| c.to_digit(36)).collect();
    let Some((head, rest)) = characters.split_at_checked(4) else {
        return false;
    };
    let remainder = rest.iter().chain(head).fold(0, |sum, &value| {
        let shift = if value < 10 { 10 } else { 100 };
        (sum * shift + value) % 97
    });
    (15..=34).contains(&characters.len()) && remainder == 1
}

/// 49 CFR 565.15: weighted sum modulo 11 in the ninth place.
fn vin(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |c: char| match c.to_ascii_uppercase() {
        c @ '0'..='9' => c.to_digit(10),
        c @ 'A'..='H' => Some(c as u32 - 'A' as u32 + 1),
        c @ 'J'..='R' => Some(c as u32 - 'J' as u32 + 1),
        c @ 'S'..='Z' => Some(c as u32 - 'S' as u32 + 2),
        _ => None,
    };
    let sum: Option<u32> = (text.chars().zip(WEIGHTS))
        .map(|(c, weight)| Some(value(c)? * weight))
        .sum();
    let expected = sum.and_then(|sum| match sum % 11 {
        10 => Some('X'),
        digit => char::from_digit(digit, 10),
    });
    // Seventeen digits are far more often something else; every real number has letters.
    text.chars().any(|c| c.is_ascii_alphabetic())
        && expected == text.chars().nth(8).map(|c| c.to_ascii_uppercase())
}

/// DEA registration: two letters, six digits, and a check digit.
fn dea(text: &str) -> bool {
    let digits: Vec<u32> = text
        .chars()
        .skip(2)
        .filter_map(|c| c.to_digit(10))
        .collect();
    let [a, b, c, d, e, f, check] = digits.as_slice() else {
        return false;
    };
    (a + c + e + 2 * (b + d + f)) % 10 == *check
}

fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> {
    text.chars().filter_map(|c| c.to_digit(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_samples_pass() {
        for (check, text) in [
            (Check::Card, "4111 1111 1111 1111"),
            (Check::Card, "3782-822463-10005"),
            (Check::Iban, "GB82 WEST 1234 5698 7654 32"),
            (Check::Iban, "ES9121000418450200051332"),
            (Check::Vin, "1M8GDM9AXKP042788"),
            (Check::Dea, "AB1234563"),
            (Check::Imei, "49-015420-323751-8"),
        ] {
            assert!(confirmed(check, text).is_some(), "{check:?} {text}");
        }
    }

    #[test]
    fn one_wrong_digit_fails() {
        for (check, text) in [
            (Check::Card, "4111 1111 1111 1112"),
            (Check::Card, "0000000000000000"),
            (Check::Iban, "GB82 WEST 1234 5698 7654 33"),
            (Check::Vin, "1M8GDM9A1KP042788"),
            (Check::Vin, "11111111111111111"),
            (Check::Dea, "AB1234564"),
            (Check::Imei, "49-015420-323751-9"),
        ] {
            assert_eq!(confirmed(check, text), None, "{check:?} {text}");
        }
    }
}
