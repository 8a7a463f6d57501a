//! The head anchor: which record was the last one acknowledged, kept outside the database.
//!
//! RocksDB can come up without the end of what it had synced and not say so. The anchor is a small file of
//! two slots, written in turn, each with a checksum (for anyone) and a keyed one (for the gateway, so that
//! nobody without the signing key can make the anchor fit a shortened store).
//!
//! When it is written: after a batch is durable and before its waiters are released, but at most once in
//! [`ANCHOR_EVERY`]; in between it follows by timer. So a busy trail pays one more sync in 50 ms, an idle
//! one anchors every record before release, and a loss that nobody notices is at most the last 50 ms of a
//! busy trail, of which signed checkpoints and receipts may still tell.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use almoner_ledger::Hash;

/// The anchor follows the head by no more than this.
pub(crate) const ANCHOR_EVERY: Duration = Duration::from_millis(50);
/// The file's name within the trail's folder.
pub(crate) const ANCHOR: &str = "anchor";
/// The trail's folder in a gateway's data folder, which holds the anchor beside it.
const USUAL_FOLDER: &str = "audit";
/// What the key that authenticates anchors is derived for.
pub(crate) const ANCHOR_CONTEXT: &str = "almoner audit anchor v1";

/// One slot lies in one page, so that a torn write spoils one slot at most.
const SLOT_BYTES: u64 = 4096;
const MAGIC: [u8; 16] = *b"almoner anchor 1";
/// Magic, counter, epoch, place, hash.
const COVERED: usize = 16 + 8 + 8 + 8 + 32;
const WRITTEN: usize = COVERED + 32 + 32;

/// What an anchor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// Grows with every write; the higher of two slots counts.
    counter: u64,
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
}

/// Where the anchor of a trail lies if nothing else is said: in its folder, where copies have it, or beside
/// it, where a gateway's own data folder has it.
pub fn usual_anchor(dir: &Path) -> PathBuf {
    let within = dir.join(ANCHOR);
    if !within.exists()
        && let Ok(whole) = dir.canonicalize()
        && whole.file_name().is_some_and(|name| name == USUAL_FOLDER)
        && let Some(beside) = whole.parent().map(|data| data.join(ANCHOR))
        && beside.exists()
    {
        return beside;
    }
    within
}

/// The file, open for writing.
pub(crate) struct AnchorFile {
    file: File,
    key: [u8; 32],
    counter: u64,
}

impl AnchorFile {
    /// Opens the file, making it if need be. `found` is what [`read`] found in it.
    pub(crate) fn open(path: &Path, key: [u8; 32], found: Found) -> io::Result<AnchorFile> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        if file.metadata()?.len() < 2 * SLOT_BYTES || found == Found::Lost {
            file.write_all_at(&[0; 2 * SLOT_BYTES as usize], 0)?;
            file.sync_all()?;
            if let Some(folder) = path.parent() {
                File::open(folder)?.sync_all()?;
            }
        }
        let counter = match found {
            Found::Anchor(last) => last.counter,
            Found::Blank | Found::Lost => 0,
        };
        Ok(AnchorFile { file, key, counter })
    }

    /// A file that cannot be written, for tests of what happens then.
    #[cfg(test)]
    pub(crate) fn unwritable(path: &Path) -> AnchorFile {
        #[allow(clippy::unwrap_used, reason = "for tests")]
        let file = File::open(path).unwrap();
        AnchorFile {
            file,
            key: [0; 32],
            counter: 0,
        }
    }

    /// Writes the older slot and waits until it is on stable storage. An error is final, as with records.
    pub(crate) fn write(&mut self, epoch: u64, seq: u64, hash: Hash) -> io::Result<()> {
        self.counter += 1;
        let anchor = Anchor {
            counter: self.counter,
            epoch,
            seq,
            hash,
        };
        self.file
            .write_all_at(&encode(&anchor, &self.key), (self.counter % 2) * SLOT_BYTES)?;
        self.file.sync_data()
    }
}

impl Drop for AnchorFile {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.key);
    }
}

/// What is in an anchor's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// No file, or one that was made and never written.
    Blank,
    /// Something, but no slot that can be believed.
    Lost,
    Anchor(Anchor),
}

/// Reads the anchor. Without `key` only the checksum is checked, which shows accidents and not intent.
pub(crate) fn read(path: &Path, key: Option<&[u8; 32]>) -> io::Result<Found> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Blank),
        Err(error) => return Err(error),
    };
    if bytes.iter().all(|&byte| byte == 0) {
        return Ok(Found::Blank);
    }
    let slots = bytes.chunks(SLOT_BYTES as usize).take(2);
    let newest = slots
        .filter_map(|slot| decode(slot, key))
        .max_by_key(|anchor| anchor.counter);
    Ok(newest.map_or(Found::Lost, Found::Anchor))
}

fn encode(anchor: &Anchor, key: &[u8; 32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(WRITTEN);
    bytes.extend_from_slice(&MAGIC);
    for number in [anchor.counter, anchor.epoch, anchor.seq] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(&anchor.hash.0);
    let (sum, mac) = (blake3::hash(&bytes), blake3::keyed_hash(key, &bytes));
    bytes.extend_from_slice(sum.as_bytes());
    bytes.extend_from_slice(mac.as_bytes());
    bytes
}

fn decode(slot: &[u8], key: Option<&[u8; 32]>) -> Option<Anchor> {
    let (covered, rest) = slot.split_at_checked(COVERED)?;
    let (sum, rest) = rest.split_first_chunk::<32>()?;
    let (mac, _) = rest.split_first_chunk::<32>()?;
    // Comparing blake3 hashes takes the same time wherever they differ.
    let believed = blake3::hash(covered) == *sum
        && key.is_none_or(|key| blake3::keyed_hash(key, covered) == *mac);
    let rest = covered.strip_prefix(&MAGIC)?;
    let (counter, rest) = rest.split_first_chunk::<8>()?;
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let (seq, hash) = rest.split_first_chunk::<8>()?;
    believed.then_some(())?;
    Some(Anchor {
        counter: u64::from_be_bytes(*counter),
        epoch: u64::from_be_bytes(*epoch),
        seq: u64::from_be_bytes(*seq),
        hash: Hash(hash.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "tests state what they expect"
    )]
    use super::*;

    fn found(path: &Path, key: &[u8; 32]) -> Option<u64> {
        match read(path, Some(key)).unwrap() {
            Found::Anchor(anchor) => Some(anchor.seq),
            Found::Blank | Found::Lost => None,
        }
    }

    #[test]
    fn the_newest_slot_counts_and_a_torn_one_falls_back_to_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ANCHOR);
        let key = [3; 32];
        assert_eq!(read(&path, Some(&key)).unwrap(), Found::Blank);
        let mut file = AnchorFile::open(&path, key, Found::Blank).unwrap();
        assert_eq!(
            read(&path, Some(&key)).unwrap(),
            Found::Blank,
            "two empty slots say nothing"
        );
        for seq in 1..=5 {
            file.write(1, seq, Hash([7; 32])).unwrap();
            assert_eq!(found(&path, &key), Some(seq));
        }
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[SLOT_BYTES as usize + 50] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(found(&path, &key), Some(4));
        assert_eq!(
            read(&path, Some(&[4; 32])).unwrap(),
            Found::Lost,
            "another key believes neither"
        );
        assert!(matches!(
            read(&path, None).unwrap(),
            Found::Anchor(Anchor { seq: 4, .. })
        ));
        let last = read(&path, Some(&key)).unwrap();
        AnchorFile::open(&path, key, last)
            .unwrap()
            .write(1, 6, Hash::ZERO)
            .unwrap();
        assert_eq!(found(&path, &key), Some(6));
    }
}
