//! What is done to a value that was found, as far as text goes; typed values are the protocol's to write.
//! Every treatment of this file yields text from which the value cannot be read back. Nothing here decides
//! which treatment applies.

use std::sync::Arc;

use crate::config::policy::Treatment;

/// ZIP3 areas with 20,000 people or fewer, from the 2020 census tabulation areas; Safe Harbor
/// (45 CFR 164.514(b)(2)(i)(B)) has them shown as `000`.
const ZIP3_RESTRICTED: [&str; 18] = [
    "036", "059", "102", "202", "203", "204", "205", "369", "556", "692", "753", "772", "821",
    "823", "878", "879", "884", "893",
];

/// Safe Harbor lets no date speak of an age above 89.
const AGE_MAX_YEARS: i32 = 89;

/// Characters of a pseudonym behind its kind: 60 bits, so that a billion values of one kind have a
/// collision in fewer than one case of two.
const PSEUDONYM_CHARS: usize = 12;

/// Crockford's base32 without letters that read alike.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Keyed tokens: the same value of the same kind at the same resource gets the same token, and nobody
/// without the key can compute or test one.
#[derive(Clone)]
pub struct Pseudonyms {
    key_id: Arc<str>,
    key: Arc<[u8; 32]>,
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pseudonyms")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl Pseudonyms {
    /// With the active key and its public id.
    pub fn new(key_id: impl Into<Arc<str>>, key: [u8; 32]) -> Self {
        Self {
            key_id: key_id.into(),
            key: Arc::new(key),
        }
    }

    /// The active key's id; records name it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Whether both make the same tokens under the same name.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.key == other.key
    }

    /// 32 bytes that stand for the value; protocols make typed tokens (UUIDs) of them.
    pub fn bytes(&self, resource: &str, kind: &str, value: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in [resource.as_bytes(), kind.as_bytes(), value.trim_ascii()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }

    /// `mrn-5k2w9c0a7d3x`.
    pub fn token(&self, resource: &str, kind: &str, value: &[u8]) -> String {
        let bytes = self.bytes(resource, kind, value);
        let mut token = short_kind(kind).replace('.', "-");
        token.push('-');
        token.extend(bytes.iter().take(PSEUDONYM_CHARS).map(|byte| {
            let digit = BASE32.get(usize::from(byte & 31)).copied().unwrap_or(b'0');
            char::from(digit)
        }));
        token
    }
}

/// Text in place of `value`; `None` where the treatment is NULL and the whole value goes.
/// `this_year` bounds what a birth year may tell.
pub fn treat_text(
    value: &str,
    kind: &str,
    treatment: Treatment,
    resource: &str,
    pseudonyms: &Pseudonyms,
    this_year: i32,
) -> Option<String> {
    match treatment {
        Treatment::Keep => Some(value.to_owned()),
        Treatment::Null => None,
        Treatment::Redact => Some(tag(kind)),
        Treatment::Last4 => Some(last_four(value)),
        Treatment::Year => Some(
            year_of(value)
                .filter(|year| year_may_show(*year, this_year))
                .map_or_else(|| tag(kind), |year| year.to_string()),
        ),
        Treatment::Zip3 => Some(zip3(value).unwrap_or_else(|| tag(kind))),
        Treatment::Pseudonym => Some(pseudonyms.token(resource, kind, value.as_bytes())),
    }
}

/// `[SSN]`: names the kind, and can be taken for no value.
pub fn tag(kind: &str) -> String {
    format!("[{}]", short_kind(kind).to_ascii_uppercase())
}

/// Whether a year tells of no age above 89.
pub fn year_may_show(year: i32, this_year: i32) -> bool {
    this_year - year <= AGE_MAX_YEARS
}

fn short_kind(kind: &str) -> &str {
    kind.strip_prefix("phi.").unwrap_or(kind)
}

/// Hides letters and digits but the last four, and never shows more than half of them.
fn last_four(value: &str) -> String {
    let count = value.chars().filter(|c| c.is_alphanumeric()).count();
    let hidden = count - (count / 2).min(4);
    let mut seen = 0;
    value
        .chars()
        .map(|c| {
            if !c.is_alphanumeric() {
                return c;
            }
            seen += 1;
            if seen <= hidden { '*' } else { c }
        })
        .collect()
}

/// The one four-digit number from 1800 to 2199; none if there is no such number or more than one.
fn year_of(value: &str) -> Option<i32> {
    let mut years = value
        .split(|c: char| !c.is_ascii_digit())
        .filter(|run| run.len() == 4)
        .filter_map(|run| run.parse::<i32>().ok())
        .filter(|year| (1800..2200).contains(year));
    let year = years.next()?;
    years.next().is_none().then_some(year)
}

fn zip3(value: &str) -> Option<String> {
    let digits: String = value.chars().filter(char::is_ascii_digit).take(5).collect();
    if digits.len() < 5 {
        return None;
    }
    let area = digits.get(..3)?;
    let area = if ZIP3_RESTRICTED.contains(&area) {
        "000"
    } else {
        area
    };
    Some(format!("{area}**"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    fn treat(value: &str, treatment: Treatment) -> Option<String> {
        let keys = Pseudonyms::new("k1", [7; 32]);
        treat_text(value, "phi.ssn", treatment, "ehr", &keys, 2026)
    }

    #[test]
    fn last_four_never_shows_more_than_half() {
        assert_eq!(
            treat("123-45-6789", Treatment::Last4).unwrap(),
            "***-**-6789"
        );
        assert_eq!(treat("1234", Treatment::Last4).unwrap(), "**34");
        assert_eq!(treat("7", Treatment::Last4).unwrap(), "*");
    }

    #[test]
    fn a_year_that_tells_of_an_age_above_89_is_withheld() {
        assert_eq!(treat("1957-03-15", Treatment::Year).unwrap(), "1957");
        assert_eq!(treat("1931-03-15", Treatment::Year).unwrap(), "[SSN]");
        assert_eq!(treat("03/15/57", Treatment::Year).unwrap(), "[SSN]");
        assert_eq!(treat("1957-2001", Treatment::Year).unwrap(), "[SSN]");
    }

    #[test]
    fn zip3_hides_small_areas() {
        assert_eq!(treat("02139-4307", Treatment::Zip3).unwrap(), "021**");
        assert_eq!(treat("03601", Treatment::Zip3).unwrap(), "000**");
        assert_eq!(treat("0213", Treatment::Zip3).unwrap(), "[SSN]");
    }

    #[test]
    fn pseudonyms_depend_on_resource_kind_and_key() {
        let one = Pseudonyms::new("k1", [1; 32]);
        let two = Pseudonyms::new("k2", [2; 32]);
        let token = one.token("ehr", "phi.mrn", b"MRN-1");
        assert_eq!(token, one.token("ehr", "phi.mrn", b" MRN-1 "));
        assert_ne!(token, one.token("lab", "phi.mrn", b"MRN-1"));
        assert_ne!(token, one.token("ehr", "phi.ssn", b"MRN-1"));
        assert_ne!(token, two.token("ehr", "phi.mrn", b"MRN-1"));
        assert!(token.starts_with("mrn-") && token.len() == 16);
    }
}
