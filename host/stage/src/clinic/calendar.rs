//! Dates of the made-up clinic, which stands still on one day so that it is the same on every day.

use jiff::civil::{Date, DateTime, Time, date};
use jiff::{Span, ToSpan};

use crate::random::Random;

/// The clinic's today.
pub(super) const TODAY: Date = date(2026, 6, 30);
/// The first day with records.
pub(super) const OPENED: Date = date(2024, 1, 1);

/// So many days later; at the end of the calendar, the end.
pub(super) fn later(day: Date, days: i64) -> Date {
    day.saturating_add(Span::new().days(days.clamp(-100_000, 100_000)))
}

/// A day between two.
pub(super) fn between(random: &mut Random, first: Date, last: Date) -> Date {
    let days = i64::from((last - first).get_days());
    later(first, random.between(0, days.max(0)))
}

/// A time of that day, when people work.
pub(super) fn at_work(random: &mut Random, day: Date) -> DateTime {
    let minute = i8::try_from(random.between(0, 59)).unwrap_or(0);
    let hour = i8::try_from(random.between(6, 21)).unwrap_or(12);
    day.to_datetime(Time::midnight())
        .saturating_add(i64::from(hour).hours().minutes(i64::from(minute)))
}

/// Whole years between a birth and a day.
pub(super) fn age(birth: Date, day: Date) -> i16 {
    let had_birthday = (day.month(), day.day()) >= (birth.month(), birth.day());
    day.year() - birth.year() - i16::from(!had_birthday)
}

/// The ways clinicians write a date.
pub(super) fn written(random: &mut Random, day: Date) -> String {
    let format = random.pick(&[
        "%m/%d/%Y",
        "%B %-d, %Y",
        "%Y-%m-%d",
        "%-d %b %Y",
        "%-m/%-d/%y",
    ]);
    day.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_counts_birthdays() {
        assert_eq!(age(date(1990, 7, 1), TODAY), 35);
        assert_eq!(age(date(1990, 6, 30), TODAY), 36);
    }
}
