//! The name of a request for approval: short enough to be read over the phone, random enough that nobody
//! finds one by trying (40 bits, and whoever tries has to prove who they are first).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Crockford's base 32: no `I`, `L`, `O`, `U`, so nothing is misread or misheard.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of an id without its prefix: 8 × 5 bits.
const LETTERS: usize = 8;

/// `A-7K3Q-9FM2`: names one request for approval.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ApprovalId(String);

/// The text is not an approval id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an approval id; they look like A-7K3Q-9FM2")]
pub struct BadApprovalId;

impl ApprovalId {
    /// Forty bits of the system's randomness. An error means that the system has none: nothing may be asked then.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; 5];
        getrandom::fill(&mut bytes)?;
        let bits = bytes
            .iter()
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        Ok(Self::from_bits(bits))
    }

    /// As printed, `A-7K3Q-9FM2`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn from_bits(bits: u64) -> Self {
        let letter = |at: usize| {
            let value = (bits >> (5 * (LETTERS - 1 - at)) & 31) as usize;
            ALPHABET.get(value).copied().map_or('0', char::from)
        };
        let mut text = String::from("A");
        for at in 0..LETTERS {
            if at % 4 == 0 {
                text.push('-');
            }
            text.push(letter(at));
        }
        Self(text)
    }
}

impl FromStr for ApprovalId {
    type Err = BadApprovalId;

    /// Takes what people type: any case, with or without dashes, spaces and the leading `A`; `O` for zero,
    /// `I` and `L` for one.
    fn from_str(text: &str) -> Result<Self, BadApprovalId> {
        let letters: Vec<u8> = text
            .bytes()
            .filter(|byte| !matches!(byte, b'-' | b' '))
            .map(|byte| byte.to_ascii_uppercase())
            .take(LETTERS + 2)
            .collect();
        let letters = match letters.as_slice() {
            [b'A', rest @ ..] if rest.len() == LETTERS => rest,
            rest if rest.len() == LETTERS => rest,
            _ => return Err(BadApprovalId),
        };
        letters
            .iter()
            .try_fold(0_u64, |bits, letter| Some(bits << 5 | value(*letter)?))
            .map(Self::from_bits)
            .ok_or(BadApprovalId)
    }
}

impl TryFrom<String> for ApprovalId {
    type Error = BadApprovalId;

    fn try_from(text: String) -> Result<Self, BadApprovalId> {
        text.parse()
    }
}

impl From<ApprovalId> for String {
    fn from(id: ApprovalId) -> String {
        id.0
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn value(letter: u8) -> Option<u64> {
    let letter = match letter {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    };
    ALPHABET
        .iter()
        .position(|known| *known == letter)
        .map(|at| at as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_is_found_however_it_is_typed() {
        let id = ApprovalId::from_bits(0x38_E6_E4_BE_82);
        let printed = id.as_str();
        assert_eq!(printed.len(), 11);
        for typed in [
            printed.to_owned(),
            printed.to_lowercase(),
            printed.replace('-', ""),
            printed.trim_start_matches("A-").to_owned(),
            printed
                .replace('-', " ")
                .replace('1', "l")
                .replace('0', "o"),
        ] {
            assert_eq!(typed.parse(), Ok(id.clone()), "{typed}");
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for typed in [
            "",
            "A",
            "A-7K3Q",
            "A-7K3Q-9FM2X",
            "A-7K3Q-9FU2",
            "A-7K3Q-9F-é",
            "../../etc/passwd",
        ] {
            assert_eq!(typed.parse::<ApprovalId>(), Err(BadApprovalId), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn every_forty_bits_read_back(bits in 0_u64..1 << 40) {
            let id = ApprovalId::from_bits(bits);
            prop_assert_eq!(id.as_str().parse(), Ok(id.clone()));
        }
    }
}
