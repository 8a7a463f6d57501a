//! Times as the record holds them: RFC 3339, UTC, microseconds, always 27 characters.
//!
//! One spelling per instant, so that equal times are equal bytes. This module never asks what time it is.

use std::fmt;

/// Microseconds of the last instant that four year digits can write: 9999-12-31T23:59:59.999999Z.
const MICROS_MAX: u64 = 253_402_300_799_999_999;

/// An instant in UTC, in microseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The length of every written time.
    pub const LEN: usize = 27;

    /// From microseconds since 1970; instants after the year 9999 become its last one.
    pub fn from_micros(micros: u64) -> Timestamp {
        Timestamp(micros.min(MICROS_MAX))
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// Reads the one spelling this crate writes, `2026-01-31T23:59:59.000001Z`.
    pub fn parse(text: &[u8]) -> Option<Timestamp> {
        let text: &[u8; Self::LEN] = text.try_into().ok()?;
        let number = |from: usize, len: usize| {
            text.iter()
                .skip(from)
                .take(len)
                .try_fold(0_u64, |sum, &digit| {
                    digit
                        .is_ascii_digit()
                        .then(|| sum * 10 + u64::from(digit - b'0'))
                })
        };
        let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
        if hour > 23 || minute > 59 || second > 59 || month == 0 || month > 12 || year < 1970 {
            return None;
        }
        if day == 0 || day > days_in_month(year, month) {
            return None;
        }
        let days = days_before_year(year) + days_before_month(year, month) + day - 1;
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
        let parsed = Timestamp(seconds * 1_000_000 + number(20, 6)?);
        // The punctuation is checked by writing it again: one spelling, one reader.
        (parsed.text() == *text).then_some(parsed)
    }

    /// The 27 characters.
    pub fn text(self) -> [u8; Self::LEN] {
        let seconds = self.0 / 1_000_000;
        let (year, month, day) = date_of(seconds / 86_400);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        put(&mut text, 0, 4, year);
        put(&mut text, 5, 2, month);
        put(&mut text, 8, 2, day);
        put(&mut text, 11, 2, seconds % 86_400 / 3_600);
        put(&mut text, 14, 2, seconds % 3_600 / 60);
        put(&mut text, 17, 2, seconds % 60);
        put(&mut text, 20, 6, self.0 % 1_000_000);
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text()
            .iter()
            .try_for_each(|&byte| fmt::Write::write_char(f, char::from(byte)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn put(text: &mut [u8], from: usize, len: usize, mut value: u64) {
    for slot in text.iter_mut().skip(from).take(len).rev() {
        *slot = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

fn is_leap(year: u64) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of January of `year`.
fn days_before_year(year: u64) -> u64 {
    let past = year - 1;
    let leaps = past / 4 - past / 100 + past / 400;
    // 477 leap days lie before 1970.
    (year - 1970) * 365 + leaps - 477
}

fn days_before_month(year: u64, month: u64) -> u64 {
    (1..month).map(|earlier| days_in_month(year, earlier)).sum()
}

fn date_of(days: u64) -> (u64, u64, u64) {
    // The estimate is at most one year late, never early.
    let mut year = 1970 + days * 400 / 146_097;
    if days_before_year(year) > days {
        year -= 1;
    } else if days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut rest = days - days_before_year(year);
    let mut month = 1;
    while rest >= days_in_month(year, month) {
        rest -= days_in_month(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_instants_are_written_as_the_calendar_says() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_700_000_000_123_456, "2023-11-14T22:13:20.123456Z"),
            (4_107_542_399_999_999, "2100-02-28T23:59:59.999999Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (u64::MAX, "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(Timestamp::from_micros(micros).to_string(), text);
        }
    }

    #[test]
    fn every_day_until_2400_follows_the_day_before() {
        let mut expected = (1970, 1, 1);
        for days in 0..157_000 {
            assert_eq!(date_of(days), expected);
            expected = match expected {
                (y, 12, 31) => (y + 1, 1, 1),
                (y, m, d) if d == days_in_month(y, m) => (y, m + 1, 1),
                (y, m, d) => (y, m, d + 1),
            };
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "2023-11-14t22:13:20.123456Z",
            "2023-11-14T22:13:20.123456z",
            "2023-11-14T22:13:20.12345Z",
            "2023-02-29T00:00:00.000000Z",
            "2023-11-14T24:00:00.000000Z",
            "1969-12-31T23:59:59.999999Z",
            "2023-11-14T22:13:60.123456Z",
            "2023-11-14 22:13:20.123456Z",
        ] {
            assert_eq!(Timestamp::parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_reads_back(micros in 0..=MICROS_MAX) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(&time.text()), Some(time));
        }
    }
}
