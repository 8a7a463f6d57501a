//! Sizes ("16 MiB") and durations ("250ms") as people write them. Exact: no fractions, no rounding, no
//! number without a unit, since a bare 10 means seconds to one reader and milliseconds to another.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Largest first, as `Display` picks the largest that divides.
const SIZE_UNITS: [(&str, u64); 8] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];
/// In milliseconds, largest first.
const SPAN_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
const SIZE_PATTERN: &str = "^[0-9]+ *(B|kB|MB|GB|KiB|MiB|GiB|TiB)$";
const SPAN_PATTERN: &str = "^[0-9]+ *(ms|s|m|h|d)$";
const SIZE_EXPECTED: &str = "a size such as \"64 KiB\" or \"16 MiB\"";
const SPAN_EXPECTED: &str = "a duration such as \"250ms\", \"10s\" or \"15m\"";

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        measure(text, &SIZE_UNITS)
            .map(Self)
            .ok_or_else(|| format!("\"{text}\" is not {SIZE_EXPECTED}"))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        measure(text, &SPAN_UNITS)
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| format!("\"{text}\" is not {SPAN_EXPECTED}"))
    }
}

/// Digits, optional spaces, a unit; nothing else.
fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = unit.trim_start_matches(' ');
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn print(
    f: &mut fmt::Formatter<'_>,
    amount: u64,
    units: &[(&str, u64)],
    space: &str,
) -> fmt::Result {
    let fitting = units
        .iter()
        .find(|(_, factor)| amount >= *factor && amount.is_multiple_of(*factor));
    match fitting.or(units.last()) {
        Some((unit, factor)) => write!(f, "{}{space}{unit}", amount / factor),
        None => Ok(()),
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(f, self.0, &SIZE_UNITS, " ")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(
            f,
            u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX),
            &SPAN_UNITS,
            "",
        )
    }
}

/// Takes a string and hands it to `FromStr`; says what is expected of anything else.
struct Parse<T>(&'static str, std::marker::PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for Parse<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse(SIZE_EXPECTED, std::marker::PhantomData))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Parse(SPAN_EXPECTED, std::marker::PhantomData))
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": SIZE_PATTERN, "examples": ["64 KiB", "16 MiB"] })
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": SPAN_PATTERN, "examples": ["250ms", "10s", "15m"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_durations_are_exact() {
        assert_eq!("16 MiB".parse(), Ok(Size(16 << 20)));
        assert_eq!("16MiB".parse(), Ok(Size(16 << 20)));
        assert_eq!("5 MB".parse(), Ok(Size(5_000_000)));
        assert_eq!("0 B".parse(), Ok(Size(0)));
        assert_eq!("250ms".parse(), Ok(Span(Duration::from_millis(250))));
        assert_eq!("15m".parse(), Ok(Span(Duration::from_secs(900))));
        assert_eq!("7d".parse(), Ok(Span(Duration::from_secs(604_800))));
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        let wrong = [
            "",
            "10",
            "MiB",
            "1.5 MiB",
            "-1 B",
            "16 mib",
            "16 MiB ",
            " 1 B",
            "99999999999999 TiB",
            "1\u{a0}B",
        ];
        for wrong in wrong {
            assert!(
                wrong.parse::<Size>().is_err(),
                "{wrong:?} was taken for a size"
            );
        }
        for wrong in [
            "",
            "10",
            "s",
            "1h30m",
            "1.5s",
            "+1s",
            "10 sec",
            "999999999999999999d",
        ] {
            assert!(
                wrong.parse::<Span>().is_err(),
                "{wrong:?} was taken for a duration"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back_as_the_same(bytes: u64, ms in 0..u64::MAX / 2) {
            prop_assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
            let span = Span(Duration::from_millis(ms));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
