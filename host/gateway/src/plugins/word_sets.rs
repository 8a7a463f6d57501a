//! Files of words that an operator mounts for a plugin: names, deny-lists, allow-lists. Read whole with the generation
//! they belong to, and held to their digests.
//!
//! No word of them appears in any message.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use almoner_sandbox::WordSets;
use sha2::{Digest, Sha256};

use super::generation::BuildError;
use crate::config::policy::{PluginUse, WordSetUse};
use crate::policy::hex;

/// Bytes of one file. A million names have half of it.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Words of all sets of one plugin: with their table, some 100 MiB of memory, once per generation.
const WORDS_MAX: usize = 1_000_000;
/// Bytes of one word. What is longer is a line that nobody meant as a word.
const WORD_BYTES_MAX: usize = 256;

/// A set as status and records show it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SetInfo {
    /// Name by which the plugin asks.
    pub name: String,
    /// SHA-256 of its file, hex.
    pub sha256: String,
    /// How many different words it has.
    pub words: usize,
}

/// The sets of one plugin, ready to be asked.
#[derive(Default)]
pub(super) struct Mounted {
    pub(super) words: WordSets,
    pub(super) about: Vec<SetInfo>,
}

/// Reads all sets of a plugin.
pub(super) fn mount(wanted: &PluginUse) -> Result<Mounted, BuildError> {
    let mut sets = Vec::new();
    let mut about = Vec::new();
    let mut total = 0;
    for set in &wanted.sets {
        let failed = |why: String| BuildError::Plugin {
            place: set.place.clone(),
            name: wanted.name.clone(),
            why: format!("word set {:?}: {why}", set.name),
        };
        let (words, sha256) = read_words(&set.path).map_err(failed)?;
        check_digest(set, &sha256).map_err(failed)?;
        total += words.len();
        if total > WORDS_MAX {
            return Err(failed(format!(
                "the sets of one plugin have at most {WORDS_MAX} words together"
            )));
        }
        about.push(SetInfo {
            name: set.name.clone(),
            sha256,
            words: words.len(),
        });
        sets.push((set.name.clone(), words));
    }
    Ok(Mounted {
        words: WordSets::new(sets),
        about,
    })
}

fn check_digest(set: &WordSetUse, found: &str) -> Result<(), String> {
    match &set.sha256 {
        Some(expected) if expected != found => Err(format!(
            "{} has SHA-256 {found}, the policy says {expected}. Check who changed the file, then correct `sha256`",
            set.path.display()
        )),
        _ => Ok(()),
    }
}

/// The words of a file, one a line, and the file's SHA-256. Blank lines and lines that begin with `#` are skipped; a
/// word is compared as it is written, without blanks around it.
pub fn read_words(path: &Path) -> Result<(HashSet<Box<str>>, String), String> {
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let mut why = format!("{} is larger than ", path.display());
        let _ = write!(why, "{} MiB; split it", FILE_BYTES_MAX >> 20);
        return Err(why);
    }
    let digest = hex(&Sha256::digest(&bytes));
    let text =
        std::str::from_utf8(&bytes).map_err(|_| format!("{} is not UTF-8 text", path.display()))?;
    let mut words = HashSet::new();
    for (at, line) in (1..).zip(text.lines()) {
        let word = line.trim();
        if word.is_empty() || word.starts_with('#') {
            continue;
        }
        if word.len() > WORD_BYTES_MAX {
            return Err(format!(
                "{}:{at}: a word has at most {WORD_BYTES_MAX} bytes",
                path.display()
            ));
        }
        words.insert(word.into());
    }
    // A list that lost its contents on the way would let everything pass that it was made to stop.
    if words.is_empty() {
        return Err(format!("{} has no words", path.display()));
    }
    Ok((words, digest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[test]
    fn a_file_has_one_word_a_line_and_remarks() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("words.txt");
        std::fs::write(&file, "# wards\nNorth\n\n  South Wing \nNorth\r\n").unwrap();
        let (words, digest) = read_words(&file).unwrap();
        let mut words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        words.sort_unstable();
        assert_eq!(words, ["North", "South Wing"]);
        assert_eq!(digest.len(), 64);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_no_word_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("words.txt");
        let long = format!("North\n{}\n", "secret".repeat(60));
        for (bytes, says) in [
            (b"".as_slice(), "has no words"),
            (b"# nothing\n", "has no words"),
            (b"caf\xe9\n", "is not UTF-8"),
            (long.as_bytes(), ":2: a word has at most 256 bytes"),
        ] {
            std::fs::write(&file, bytes).unwrap();
            let why = read_words(&file).unwrap_err();
            assert!(why.contains(says) && !why.contains("secret"), "{why}");
        }
        assert!(
            read_words(&dir.path().join("gone"))
                .unwrap_err()
                .contains("cannot read")
        );
    }
}
