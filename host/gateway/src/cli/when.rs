//! Times as people give and read them: ages, durations, and times of day in UTC.

use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

/// Reads `15m`, `2h`, `3d` (so long ago), `2026-01-31` (midnight UTC) or RFC 3339.
pub(super) fn instant(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let help = || {
        format!(
            "{text:?} is no time; write 15m, 2h or 3d (ago), 2026-01-31, or 2026-01-31T18:00:00Z"
        )
    };
    if let Some(ago) = ago(text) {
        return now.checked_sub(ago).map_err(|_| help());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // A date alone: its first moment, in UTC like everything in the trail.
    text.parse::<jiff::civil::Date>()
        .ok()
        .and_then(|_| format!("{text}T00:00:00Z").parse().ok())
        .ok_or_else(help)
}

/// For clap: an instant before the present.
pub(super) fn argument(text: &str) -> Result<Timestamp, String> {
    instant(text, Timestamp::now())
}

/// `in 9 min`, `12 s ago`.
pub(super) fn relative(time: Timestamp, now: Timestamp) -> String {
    let distance = time.duration_since(now);
    let words = rough(distance.abs());
    if distance.is_negative() {
        format!("{words} ago")
    } else {
        format!("in {words}")
    }
}

/// `9 min`, in the one unit that matters.
pub(super) fn rough(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `2026-01-31 18:00:00Z`: to the second, which is what people compare.
pub(super) fn shown(time: Timestamp) -> String {
    let mut text = String::new();
    let whole = Timestamp::from_second(time.as_second()).unwrap_or(time);
    // Writing to a string does not fail.
    let _ = write!(text, "{whole}");
    text.replace('T', " ")
}

/// `1,234,567`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn ago(text: &str) -> Option<SignedDuration> {
    let unit = text.chars().last()?;
    let number: i64 = text
        .strip_suffix(unit)?
        .parse()
        .ok()
        .filter(|number| *number >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    number.checked_mul(seconds).map(SignedDuration::from_secs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now: Timestamp = "2026-02-01T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("0s", "2026-02-01T12:00:00Z"),
            ("15m", "2026-02-01T11:45:00Z"),
            ("3d", "2026-01-29T12:00:00Z"),
            ("2w", "2026-01-18T12:00:00Z"),
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T18:00:00+01:00", "2026-01-31T17:00:00Z"),
        ] {
            assert_eq!(
                instant(text, now).unwrap(),
                expected.parse().unwrap(),
                "{text}"
            );
        }
        for text in [
            "",
            "m",
            "-3d",
            "3y",
            "yesterday",
            "2026-02-30",
            "99999999999999999d",
            "é",
        ] {
            assert!(instant(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn times_and_numbers_are_shown_as_people_read_them() {
        let now: Timestamp = "2026-02-01T12:00:00.75Z".parse().unwrap();
        assert_eq!(shown(now), "2026-02-01 12:00:00Z");
        for (seconds, expected) in [
            (90, "in 90 s"),
            (600, "in 10 min"),
            (-7_200, "2 h ago"),
            (-200_000, "2 d ago"),
        ] {
            let time = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
            assert_eq!(relative(time, now), expected);
        }
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), expected);
        }
    }
}
