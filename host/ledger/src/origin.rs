//! Where a record comes from: a log's name and its epoch, written `name/epoch`.
//!
//! An epoch ends when an operator declares a loss; the next one is another log to everybody outside, so
//! that its checkpoints cannot be confused with those of records that are gone.

use std::fmt;

/// The longest name of a log, in bytes. It stands in every record.
pub const NAME_BYTES_MAX: usize = 128;

/// A log's name and epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    name: String,
    epoch: u64,
}

impl Origin {
    /// The origin of the log called `name` in this epoch; `None` if the name is empty, too long, or holds
    /// anything but printable ASCII without spaces, quotes, backslashes and plus signs.
    pub fn new(name: &str, epoch: u64) -> Option<Origin> {
        let fits = |byte: u8| matches!(byte, 0x21..=0x7e) && !matches!(byte, b'"' | b'\\' | b'+');
        let fine = !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(fits);
        fine.then(|| Origin {
            name: name.to_owned(),
            epoch,
        })
    }

    /// Reads `name/epoch`.
    pub fn parse(text: &str) -> Option<Origin> {
        let (name, epoch) = text.rsplit_once('/')?;
        let origin = Origin::new(name, epoch.parse().ok()?)?;
        (origin.to_string() == text).then_some(origin)
    }

    /// The log's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The epoch, counted from 1.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The epoch after this one.
    #[must_use]
    pub fn next(&self) -> Origin {
        Origin {
            name: self.name.clone(),
            epoch: self.epoch + 1,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.epoch)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[test]
    fn an_origin_reads_back_and_other_spellings_do_not() {
        let origin = Origin::new("hospital.example/audit", 2).unwrap();
        assert_eq!(origin.to_string(), "hospital.example/audit/2");
        assert_eq!(Origin::parse("hospital.example/audit/2"), Some(origin));
        for text in ["a/02", "a/+2", "a b/1", "a+b/1", "/1", "a", "a/", "a\"/1"] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }
}
