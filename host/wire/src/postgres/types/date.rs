//! Dates and timestamps in binary: days, and microseconds, since 2000-01-01.
//!
//! The proleptic Gregorian calendar, with a year zero (1 BC), as PostgreSQL
//! counts inside. Both types have two infinities.

use super::{TypeError, invalid};

/// Microseconds of a day.
pub const DAY_MICROS: i64 = 86_400_000_000;
/// Days from 0000-03-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 730_425;
/// Days of 400 years, after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;

/// A value that may be infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finite<T> {
    /// `-infinity`
    Before,
    /// A value.
    At(T),
    /// `infinity`
    After,
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// The year; zero is 1 BC.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Civil {
    /// The day that lies so many days after 2000-01-01.
    #[must_use]
    pub fn from_days(days: i32) -> Self {
        // Years begin in March here, so that a leap day is a year's last.
        let days = i64::from(days) + EPOCH_DAYS;
        let (cycle, day) = (days.div_euclid(CYCLE_DAYS), days.rem_euclid(CYCLE_DAYS));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, carry) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        Self {
            // An i32 of days spans fewer than twelve million years.
            year: (cycle * 400 + year + carry) as i32,
            month: month as u8,
            day: day as u8,
        }
    }

    /// Days after 2000-01-01; `None` if there is no such day, or it is too far.
    #[must_use]
    pub fn days(self) -> Option<i32> {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let (month, borrow) = match month {
            3..=12 => (month - 3, 0),
            1..=2 => (month + 9, 1),
            _ => return None,
        };
        let year = i64::from(self.year) - borrow;
        let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
        let day_of_year = (153 * month + 2) / 5 + day - 1;
        let days = cycle * CYCLE_DAYS + 365 * year + year / 4 - year / 100 + day_of_year;
        let days = i32::try_from(days - EPOCH_DAYS).ok()?;
        // A 30th of February would come back as a day of March.
        (Self::from_days(days) == self).then_some(days)
    }
}

/// Reads a binary `date` as days since 2000-01-01.
pub fn decode_date(value: &[u8]) -> Result<Finite<i32>, TypeError> {
    let field = value
        .try_into()
        .map_err(|_| invalid("date", "it has not four bytes"))?;
    Ok(match i32::from_be_bytes(field) {
        i32::MIN => Finite::Before,
        i32::MAX => Finite::After,
        days => Finite::At(days),
    })
}

/// Writes a binary `date`.
#[must_use]
pub const fn encode_date(date: Finite<i32>) -> [u8; 4] {
    match date {
        Finite::Before => i32::MIN.to_be_bytes(),
        Finite::At(days) => days.to_be_bytes(),
        Finite::After => i32::MAX.to_be_bytes(),
    }
}

/// Reads a binary `timestamp` or `timestamptz` as microseconds since
/// 2000-01-01 00:00 (UTC for the latter).
pub fn decode_timestamp(value: &[u8]) -> Result<Finite<i64>, TypeError> {
    let field = value
        .try_into()
        .map_err(|_| invalid("timestamp", "it has not eight bytes"))?;
    Ok(match i64::from_be_bytes(field) {
        i64::MIN => Finite::Before,
        i64::MAX => Finite::After,
        micros => Finite::At(micros),
    })
}

/// Writes a binary `timestamp` or `timestamptz`.
#[must_use]
pub const fn encode_timestamp(timestamp: Finite<i64>) -> [u8; 8] {
    match timestamp {
        Finite::Before => i64::MIN.to_be_bytes(),
        Finite::At(micros) => micros.to_be_bytes(),
        Finite::After => i64::MAX.to_be_bytes(),
    }
}

/// The day a timestamp falls on, and the microseconds into that day.
#[must_use]
pub fn split_timestamp(micros: i64) -> (i32, i64) {
    // An i64 of microseconds spans fewer than 2^31 days.
    (
        micros.div_euclid(DAY_MICROS) as i32,
        micros.rem_euclid(DAY_MICROS),
    )
}

/// The timestamp of a day and microseconds into it, if it can be said.
#[must_use]
pub fn join_timestamp(days: i32, micros: i64) -> Option<i64> {
    i64::from(days).checked_mul(DAY_MICROS)?.checked_add(micros)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;
    use proptest::prelude::*;

    const fn civil(year: i32, month: u8, day: u8) -> Civil {
        Civil { year, month, day }
    }

    #[test]
    fn known_days_are_where_the_server_puts_them() {
        for (day, days) in [
            (civil(2000, 1, 1), 0),
            (civil(1999, 12, 31), -1),
            (civil(2000, 2, 29), 59),
            (civil(2000, 3, 1), 60),
            (civil(1970, 1, 1), -10_957),
            (civil(2024, 2, 29), 8825),
            (civil(1900, 3, 1), -36_465),
            (civil(-4712, 1, 1), -2_451_507),
        ] {
            assert_eq!(day.days(), Some(days), "{day:?}");
            assert_eq!(Civil::from_days(days), day);
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for day in [
            civil(1900, 2, 29),
            civil(2023, 2, 29),
            civil(2024, 4, 31),
            civil(2024, 0, 1),
            civil(2024, 13, 1),
            civil(2024, 1, 0),
            civil(i32::MAX, 1, 1),
        ] {
            assert_eq!(day.days(), None, "{day:?}");
        }
    }

    #[test]
    fn infinities_survive() {
        assert_eq!(decode_date(&[0x7f, 0xff, 0xff, 0xff]), Ok(Finite::After));
        assert_eq!(decode_date(&[0x80, 0, 0, 0]), Ok(Finite::Before));
        assert_eq!(encode_timestamp(Finite::After), i64::MAX.to_be_bytes());
        assert_eq!(
            decode_timestamp(&i64::MIN.to_be_bytes()),
            Ok(Finite::Before)
        );
        assert!(decode_date(&[0; 3]).is_err() && decode_timestamp(&[0; 9]).is_err());
    }

    #[test]
    fn a_timestamp_before_the_epoch_falls_on_the_day_it_began() {
        assert_eq!(split_timestamp(-1), (-1, DAY_MICROS - 1));
        assert_eq!(join_timestamp(-1, DAY_MICROS - 1), Some(-1));
        assert_eq!(join_timestamp(i32::MAX, 0), None);
    }

    proptest! {
        #[test]
        fn every_day_comes_back(days in any::<i32>()) {
            prop_assert_eq!(Civil::from_days(days).days(), Some(days));
        }

        #[test]
        fn every_timestamp_comes_back(micros in any::<i64>()) {
            let (days, rest) = split_timestamp(micros);
            prop_assert!((0..DAY_MICROS).contains(&rest));
            // The first day of all can be split, but its midnight lies outside.
            if days > split_timestamp(i64::MIN).0 {
                prop_assert_eq!(join_timestamp(days, rest), Some(micros));
            }
        }
    }
}
