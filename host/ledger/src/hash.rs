//! The two kinds of digest of the audit chain, as two types that cannot be confused.
//!
//! `Hash` is BLAKE3 (records, bodies), `Root` is SHA-256 (nodes of the tree). Neither ever holds a secret,
//! so comparing them takes no care about time.

use std::fmt;

/// The context string that separates record hashes from every other use of BLAKE3.
pub const RECORD_CONTEXT: &str = "almoner audit record v1";

/// The BLAKE3 digest of a record's line, or of a body's stored bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the genesis record carries as `prev`: there is nothing before it.
    pub const ZERO: Hash = Hash([0; 32]);

    /// The hash of a record's line, without its line feed.
    pub fn of_line(line: &[u8]) -> Hash {
        let mut hasher = record_hasher().clone();
        hasher.update(line);
        Hash(*hasher.finalize().as_bytes())
    }

    /// The hash of a body's bytes as they are stored.
    pub fn of_body(bytes: &[u8]) -> Hash {
        Hash(*blake3::hash(bytes).as_bytes())
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn from_hex(text: &[u8]) -> Option<Hash> {
        decode_hex(text).map(Hash)
    }

    /// Appends 64 lower-case hexadecimal digits.
    pub fn write_hex(&self, out: &mut Vec<u8>) {
        for byte in self.0 {
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_display(&self.0, f)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_display(&self.0, f)
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Hash::from_hex(text.as_bytes())
            .ok_or_else(|| serde::de::Error::custom("64 hexadecimal digits expected"))
    }
}

/// A SHA-256 digest: a node or the root of the RFC 6962 tree.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Root(pub [u8; 32]);

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_display(&self.0, f)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_display(&self.0, f)
    }
}

/// Deriving the key from the context costs as much as hashing a small record, so it happens once.
fn record_hasher() -> &'static blake3::Hasher {
    static HASHER: std::sync::OnceLock<blake3::Hasher> = std::sync::OnceLock::new();
    HASHER.get_or_init(|| blake3::Hasher::new_derive_key(RECORD_CONTEXT))
}

const fn digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + nibble - 10
    }
}

fn decode_hex(text: &[u8]) -> Option<[u8; 32]> {
    let text: &[u8; 64] = text.try_into().ok()?;
    let mut out = [0_u8; 32];
    let (pairs, _) = text.as_chunks::<2>();
    // Bad digits are gathered and looked at once: the verifier decodes one hash for each record.
    let mut bad = 0;
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        let (high, low) = (nibble(*high), nibble(*low));
        bad |= high | low;
        *byte = (high << 4) | (low & 15);
    }
    (bad < 16).then_some(out)
}

/// The digit's value, or 255.
fn nibble(letter: u8) -> u8 {
    #[allow(
        clippy::indexing_slicing,
        reason = "computed by the compiler, which would refuse a bad index"
    )]
    const VALUES: [u8; 256] = {
        let mut values = [255; 256];
        let mut value = 0;
        while value < 16 {
            values[digit(value) as usize] = value;
            value += 1;
        }
        values
    };
    VALUES.get(usize::from(letter)).copied().unwrap_or(255)
}

fn write_display(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[test]
    fn hex_reads_back_what_it_wrote_and_nothing_else() {
        let hash = Hash::of_line(b"x");
        let mut text = Vec::new();
        hash.write_hex(&mut text);
        assert_eq!(Hash::from_hex(&text), Some(hash));
        assert_eq!(text, hash.to_string().into_bytes());
        assert_eq!(Hash::from_hex(&text.to_ascii_uppercase()), None);
        assert_eq!(Hash::from_hex(text.get(1..).unwrap()), None);
    }

    #[test]
    fn a_record_and_a_body_of_the_same_bytes_hash_apart() {
        assert_ne!(Hash::of_line(b"same"), Hash::of_body(b"same"));
        assert_eq!(
            Hash::of_line(b"same").0,
            blake3::derive_key(RECORD_CONTEXT, b"same")
        );
    }
}
