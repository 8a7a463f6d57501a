//! Signed checkpoints, as C2SP signed notes (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), with Ed25519.
//!
//! A checkpoint says: this log, at this size, has this root. Whoever keeps one can show later that what it
//! covers was changed. Keys are named after the log's origin, as the specification shows. The signing key
//! never prints itself, and is wiped when dropped.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::hash::Root;

/// The longest signed note that is read: a checkpoint of 300 bytes with room for many witnesses.
pub const NOTE_BYTES_MAX: usize = 16 * 1024;
/// The signature algorithm byte of Ed25519 in signed notes.
const ED25519: u8 = 1;
/// What begins every signature line.
const DASH: &str = "\u{2014} ";

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: a chain's name and epoch, `name/epoch`.
    pub origin: String,
    /// How many records.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Root,
    /// Further lines, uninterpreted. The gateway writes none: the specification advises against them.
    pub extensions: Vec<String>,
}

/// Why a checkpoint or a key is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note, or the note is not a checkpoint.
    #[error("this is not a signed checkpoint")]
    Malformed,
    /// No signature by the key that was asked for.
    #[error("the checkpoint is not signed by the expected key")]
    NoSignature,
    /// A signature that names the key and is not its signature.
    #[error("the checkpoint's signature is wrong: its text was changed, or another key made it")]
    BadSignature,
    /// Not a key in text form.
    #[error("this is not an Ed25519 key in the form name+id+base64")]
    Key,
}

impl Checkpoint {
    /// The signed note: the checkpoint's text, an empty line, and one signature.
    pub fn sign(&self, key: &SigningKey) -> String {
        let text = self.text();
        let mut signature = key.verifier().id().to_vec();
        signature.extend_from_slice(&key.key.sign(text.as_bytes()).to_bytes());
        format!(
            "{text}\n{DASH}{} {}\n",
            key.name,
            STANDARD.encode(signature)
        )
    }

    /// Reads a signed note and believes it only if `key` signed it.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
        let (text, signatures) = split_note(note)?;
        let checkpoint = Checkpoint::parse_text(text)?;
        for (name, signature) in signatures {
            let Some((id, signature)) = signature.split_first_chunk::<4>() else {
                return Err(CheckpointError::Malformed);
            };
            // Signatures of others are for others to check.
            if name != key.name || *id != key.id() {
                continue;
            }
            let signature = ed25519_dalek::Signature::from_slice(signature)
                .map_err(|_| CheckpointError::BadSignature)?;
            let checked = key.key.verify_strict(text.as_bytes(), &signature);
            return checked
                .map(|()| checkpoint)
                .map_err(|_| CheckpointError::BadSignature);
        }
        Err(CheckpointError::NoSignature)
    }

    /// Reads what a signed note says without asking who signed it.
    pub fn peek(note: &str) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::parse_text(split_note(note)?.0)
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            STANDARD.encode(self.root.0)
        );
        for extension in &self.extensions {
            text.push_str(extension);
            text.push('\n');
        }
        text
    }

    fn parse_text(text: &str) -> Result<Checkpoint, CheckpointError> {
        let mut lines = text.lines();
        let mut line = || {
            lines
                .next()
                .filter(|line| !line.is_empty())
                .ok_or(CheckpointError::Malformed)
        };
        let origin = line()?.to_owned();
        let size = line()?.parse().map_err(|_| CheckpointError::Malformed)?;
        let root = STANDARD
            .decode(line()?)
            .map_err(|_| CheckpointError::Malformed)?;
        let root = Root(root.try_into().map_err(|_| CheckpointError::Malformed)?);
        let checkpoint = Checkpoint {
            origin,
            size,
            root,
            extensions: lines.map(str::to_owned).collect(),
        };
        // Numbers and base64 have more than one spelling; a signature covers one.
        if checkpoint.text() != text || checkpoint.extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::Malformed);
        }
        Ok(checkpoint)
    }
}

/// The public half of a key, with the name it signs under. Its text form is `name+hexid+base64`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: ed25519_dalek::VerifyingKey,
}

impl VerifierKey {
    /// The name: the origin of the log it signs for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The 32 bytes of the public key.
    pub fn public_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The same key under the name of another epoch.
    #[must_use]
    pub fn renamed(&self, name: &str) -> VerifierKey {
        VerifierKey {
            name: name.to_owned(),
            key: self.key,
        }
    }

    /// The key id of c2sp.org/signed-note, which depends on the name.
    pub fn id(&self) -> [u8; 4] {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update([b'\n', ED25519])
            .chain_update(self.key.as_bytes())
            .finalize()
            .into();
        let [a, b, c, d, ..] = digest;
        [a, b, c, d]
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(
            f,
            "{}+{:08x}+{}",
            self.name,
            u32::from_be_bytes(self.id()),
            STANDARD.encode(bytes)
        )
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<VerifierKey, CheckpointError> {
        let (name, id, bytes) =
            split_key(text.trim_end_matches('\n')).ok_or(CheckpointError::Key)?;
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| CheckpointError::Key)?;
        let key = VerifierKey {
            name: name.to_owned(),
            key,
        };
        if format!("{:08x}", u32::from_be_bytes(key.id())) != id || key.key.is_weak() {
            return Err(CheckpointError::Key);
        }
        Ok(key)
    }
}

/// The secret half. Wiped when dropped; its text form is for the key file alone.
pub struct SigningKey {
    name: String,
    key: ed25519_dalek::SigningKey,
}

impl SigningKey {
    /// The key with this seed, signing under the origin `name`. The caller provides the randomness.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> SigningKey {
        SigningKey {
            name: name.to_owned(),
            key: ed25519_dalek::SigningKey::from_bytes(seed),
        }
    }

    /// The same key under the name of another epoch.
    #[must_use]
    pub fn renamed(&self, name: &str) -> SigningKey {
        SigningKey {
            name: name.to_owned(),
            key: self.key.clone(),
        }
    }

    /// The public half.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey {
            name: self.name.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// A key for another purpose, named by `context`, from which this one cannot be found.
    pub fn derive(&self, context: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(context, self.key.as_bytes()))
    }

    /// The text form, `PRIVATE+KEY+name+hexid+base64`, as Go's signed-note tools write it.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(vec![ED25519]);
        bytes.extend_from_slice(self.key.as_bytes());
        let encoded = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
        let id = u32::from_be_bytes(self.verifier().id());
        Zeroizing::new(format!(
            "PRIVATE+KEY+{}+{id:08x}+{}",
            self.name,
            encoded.as_str()
        ))
    }

    /// Reads the text form.
    pub fn from_secret_text(text: &str) -> Result<SigningKey, CheckpointError> {
        let rest = text
            .trim_end_matches('\n')
            .strip_prefix("PRIVATE+KEY+")
            .ok_or(CheckpointError::Key)?;
        let (name, id, seed) = split_key(rest).ok_or(CheckpointError::Key)?;
        let key = SigningKey::from_seed(name, &Zeroizing::new(seed));
        if format!("{:08x}", u32::from_be_bytes(key.verifier().id())) != id {
            return Err(CheckpointError::Key);
        }
        Ok(key)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.name)
    }
}

/// `name+hexid+base64(algorithm || 32 bytes)`.
fn split_key(text: &str) -> Option<(&str, &str, [u8; 32])> {
    let (name, rest) = text.split_once('+')?;
    let (id, encoded) = rest.split_once('+')?;
    let bytes = Zeroizing::new(STANDARD.decode(encoded).ok()?);
    let (&algorithm, bytes) = bytes.split_first()?;
    let fine = !name.is_empty() && !name.contains(char::is_whitespace) && algorithm == ED25519;
    fine.then_some(())?;
    Some((name, id, bytes.try_into().ok()?))
}

type Signatures<'n> = Vec<(&'n str, Vec<u8>)>;

/// A note's text, with its last line feed, and its signatures.
fn split_note(note: &str) -> Result<(&str, Signatures<'_>), CheckpointError> {
    let malformed = CheckpointError::Malformed;
    if note.len() > NOTE_BYTES_MAX || note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(malformed);
    }
    let at = note.rfind("\n\n").ok_or(malformed)?;
    let (text, rest) = note.split_at(at + 1);
    let lines = rest
        .strip_prefix('\n')
        .and_then(|rest| rest.strip_suffix('\n'))
        .ok_or(malformed)?;
    let mut signatures = Vec::new();
    for line in lines.split('\n') {
        let (name, encoded) = line
            .strip_prefix(DASH)
            .and_then(|line| line.split_once(' '))
            .ok_or(malformed)?;
        signatures.push((name, STANDARD.decode(encoded).map_err(|_| malformed)?));
    }
    Ok((text, signatures))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;
    use proptest::prelude::*;

    fn key() -> SigningKey {
        SigningKey::from_seed("hospital.example/audit/1", &[7; 32])
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint {
            origin: "hospital.example/audit/1".into(),
            size: 20_852_163,
            root: Root([9; 32]),
            extensions: vec![],
        }
    }

    /// The key and signed text that Go's golang.org/x/mod/sumdb/note package documents.
    #[test]
    fn a_key_and_a_note_from_gos_documentation_verify() {
        let key: VerifierKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
            .parse()
            .unwrap();
        let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let (text, signatures) = split_note(note).unwrap();
        let (name, signature) = signatures.first().unwrap();
        assert_eq!(*name, key.name());
        let (id, signature) = signature.split_first_chunk::<4>().unwrap();
        assert_eq!(*id, key.id());
        let signature = ed25519_dalek::Signature::from_slice(signature).unwrap();
        key.key.verify_strict(text.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn what_was_signed_opens_with_its_key_and_no_other() {
        let note = checkpoint().sign(&key());
        assert_eq!(Checkpoint::open(&note, &key().verifier()), Ok(checkpoint()));
        let other = SigningKey::from_seed("hospital.example/audit/1", &[8; 32]);
        assert_eq!(
            Checkpoint::open(&note, &other.verifier()),
            Err(CheckpointError::NoSignature)
        );
        let renamed = key().verifier().renamed("hospital.example/audit/2");
        assert_eq!(
            Checkpoint::open(&note, &renamed),
            Err(CheckpointError::NoSignature)
        );
    }

    #[test]
    fn keys_read_back_from_their_text() {
        let text = key().verifier().to_string();
        assert_eq!(text.parse::<VerifierKey>().unwrap(), key().verifier());
        let secret = key().to_secret_text();
        assert_eq!(
            SigningKey::from_secret_text(&secret).unwrap().verifier(),
            key().verifier()
        );
        assert!(!format!("{:?}", key()).contains(secret.rsplit('+').next().unwrap()));
    }

    #[test]
    fn extensions_are_covered_by_the_signature() {
        let extended = Checkpoint {
            extensions: vec!["time 2026".into()],
            ..checkpoint()
        };
        let note = extended.sign(&key());
        assert_eq!(Checkpoint::open(&note, &key().verifier()), Ok(extended));
        let changed = note.replace("2026", "2027");
        assert_eq!(
            Checkpoint::open(&changed, &key().verifier()),
            Err(CheckpointError::BadSignature)
        );
    }

    proptest! {
        #[test]
        fn no_changed_byte_goes_unnoticed(at in 0_usize..190, to: u8) {
            let note = checkpoint().sign(&key());
            let mut bytes = note.clone().into_bytes();
            let at = at % bytes.len();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
            if let Ok(changed) = String::from_utf8(bytes)
                && changed != note
            {
                prop_assert!(Checkpoint::open(&changed, &key().verifier()).is_err());
            }
        }
    }
}
