//! The keys of pseudonyms: a file that only the gateway's user may read, made on first use. The last key
//! is the active one; earlier ones stay, so that old tokens can still be told apart by their key.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::policy::Pseudonyms;

/// Keys a file may hold.
const KEYS_MAX: usize = 1_000;

/// Why the keys cannot be used. Never shows a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file could not be read or written.
    #[error("pseudonym keys: {doing} {path}: {error}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Others may read it.
    #[error("pseudonym keys: {0} can be read by others; run: chmod 600 {0}")]
    Permissions(PathBuf),
    /// It is not what this program writes.
    #[error("pseudonym keys: {0} is not a key file; restore it from your backup")]
    Malformed(PathBuf),
    /// It holds as many keys as it may.
    #[error(
        "pseudonym keys: {0} holds {KEYS_MAX} keys already; keep a copy and remove the oldest ones by hand"
    )]
    Full(PathBuf),
    /// No random numbers.
    #[error("pseudonym keys: the system gave no random numbers")]
    NoRandomness,
}

/// The key file, as read.
pub struct KeyFile {
    path: PathBuf,
    keys: Vec<StoredKey>,
}

/// What may be said of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeyAbout<'k> {
    /// Its public id; records name it.
    pub id: &'k str,
    /// When it was made, UTC.
    pub created: &'k str,
    /// Whether pseudonyms are made with it.
    pub active: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    id: String,
    created: String,
    secret: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    key: Vec<StoredKey>,
}

impl KeyFile {
    /// Reads the file, or makes one with a fresh key.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        match Self::existing(path) {
            Err(KeyFileError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {
                let mut file = Self {
                    path: path.to_owned(),
                    keys: Vec::new(),
                };
                file.add()?;
                Ok(file)
            }
            other => other,
        }
    }

    /// Reads the file. One that is not there is an error: whoever has used keys must not get others unasked.
    pub fn existing(path: &Path) -> Result<Self, KeyFileError> {
        let metadata = fs::metadata(path).map_err(|error| io("reading", path, error))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(KeyFileError::Permissions(path.to_owned()));
        }
        Self::read(path)
    }

    /// Adds a fresh key to the file at `path`, which becomes the active one. Nobody else changes the file
    /// meanwhile; it keeps its owner.
    pub fn rotate(path: &Path) -> Result<Self, KeyFileError> {
        let folder = folder(path);
        let lock = fs::File::open(folder).map_err(|error| io("opening", folder, error))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| io("locking", folder, error.into()))?;
        let mut file = Self::existing(path)?;
        file.add()?;
        Ok(file)
    }

    /// The keys, without their secrets, oldest first; the last is the active one.
    pub fn about(&self) -> impl ExactSizeIterator<Item = KeyAbout<'_>> {
        let last = self.keys.len().saturating_sub(1);
        self.keys
            .iter()
            .enumerate()
            .map(move |(place, key)| KeyAbout {
                id: &key.id,
                created: &key.created,
                active: place == last,
            })
    }

    fn add(&mut self) -> Result<(), KeyFileError> {
        if self.keys.len() >= KEYS_MAX {
            return Err(KeyFileError::Full(self.path.clone()));
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| KeyFileError::NoRandomness)?;
        self.keys.push(StoredKey {
            id: format!("k{}", self.last_number() + 1),
            created: jiff::Timestamp::now().to_string(),
            secret: STANDARD.encode(secret),
        });
        self.write()
    }

    /// Ids are never given twice, even if old keys were removed by hand.
    fn last_number(&self) -> u64 {
        let number = |key: &StoredKey| key.id.strip_prefix('k')?.parse().ok();
        self.keys.iter().filter_map(number).max().unwrap_or(0)
    }

    /// The active key.
    pub fn pseudonyms(&self) -> Result<Pseudonyms, KeyFileError> {
        let malformed = || KeyFileError::Malformed(self.path.clone());
        let key = self.keys.last().ok_or_else(malformed)?;
        let secret = STANDARD
            .decode(&key.secret)
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
            .ok_or_else(malformed)?;
        Ok(Pseudonyms::new(key.id.as_str(), secret))
    }

    fn read(path: &Path) -> Result<Self, KeyFileError> {
        let text = fs::read_to_string(path).map_err(|error| io("reading", path, error))?;
        let document: Document =
            toml::from_str(&text).map_err(|_| KeyFileError::Malformed(path.to_owned()))?;
        if document.key.is_empty() || document.key.len() > KEYS_MAX {
            return Err(KeyFileError::Malformed(path.to_owned()));
        }
        Ok(Self {
            path: path.to_owned(),
            keys: document.key,
        })
    }

    /// Written beside and renamed into place: a key file is never half there.
    fn write(&self) -> Result<(), KeyFileError> {
        let text = toml::to_string(&Document {
            key: self
                .keys
                .iter()
                .map(|key| StoredKey {
                    id: key.id.clone(),
                    created: key.created.clone(),
                    secret: key.secret.clone(),
                })
                .collect(),
        })
        .map_err(|_| KeyFileError::Malformed(self.path.clone()))?;
        let beside = self.path.with_extension("tmp");
        let written = || -> std::io::Result<()> {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&beside)?;
            // An administrator's rotation must leave the file to the account that the gateway runs as.
            if let Ok(before) = fs::metadata(&self.path) {
                let made = file.metadata()?;
                if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
                    fchown(&file, Some(before.uid()), Some(before.gid()))?;
                }
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &self.path)?;
            fs::File::open(folder(&self.path))?.sync_all()
        };
        written().map_err(|error| io("writing", &self.path, error))
    }
}

/// The folder that holds it.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn io(doing: &'static str, path: &Path, error: std::io::Error) -> KeyFileError {
    KeyFileError::Io {
        doing,
        path: path.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[test]
    fn keys_are_made_once_kept_secret_and_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let token = |file: &KeyFile| file.pseudonyms().unwrap().token("ehr", "phi.mrn", b"1");
        let first = KeyFile::open(&path).unwrap();
        let again = KeyFile::open(&path).unwrap();
        assert_eq!(token(&first), token(&again));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );

        let rotated = KeyFile::rotate(&path).unwrap();
        let ids: Vec<_> = rotated.about().map(|key| (key.id, key.active)).collect();
        assert_eq!(ids, [("k1", false), ("k2", true)]);
        assert_ne!(token(&first), token(&rotated));
        assert_eq!(token(&rotated), token(&KeyFile::open(&path).unwrap()));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );

        let gone = folder.path().join("gone.toml");
        assert!(KeyFile::rotate(&gone).is_err() && !gone.exists());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            KeyFile::open(&path),
            Err(KeyFileError::Permissions(_))
        ));
    }
}
