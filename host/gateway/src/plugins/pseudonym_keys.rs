//! The keys of pseudonyms: a file that only the gateway's user may read, made on first use. The last key
//! is the active one; earlier ones stay, so that old tokens can still be told apart by their key.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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
    /// No random numbers.
    #[error("pseudonym keys: the system gave no random numbers")]
    NoRandomness,
}

/// The key file, as read.
pub struct KeyFile {
    path: PathBuf,
    keys: Vec<StoredKey>,
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
        match fs::metadata(path) {
            Ok(metadata) if metadata.permissions().mode() & 0o077 != 0 => {
                Err(KeyFileError::Permissions(path.to_owned()))
            }
            Ok(_) => Self::read(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut file = Self {
                    path: path.to_owned(),
                    keys: Vec::new(),
                };
                file.rotate()?;
                Ok(file)
            }
            Err(error) => Err(io("reading", path, error)),
        }
    }

    /// Adds a fresh key, which becomes the active one, and writes the file anew.
    pub fn rotate(&mut self) -> Result<&str, KeyFileError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| KeyFileError::NoRandomness)?;
        self.keys.push(StoredKey {
            id: format!("k{}", self.keys.len() + 1),
            created: jiff::Timestamp::now().to_string(),
            secret: STANDARD.encode(secret),
        });
        self.write()?;
        self.keys
            .last()
            .map(|key| key.id.as_str())
            .ok_or_else(|| KeyFileError::Malformed(self.path.clone()))
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
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &self.path)
        };
        written().map_err(|error| io("writing", &self.path, error))
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

        let mut again = again;
        assert_eq!(again.rotate().unwrap(), "k2");
        assert_ne!(token(&first), token(&KeyFile::open(&path).unwrap()));

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            KeyFile::open(&path),
            Err(KeyFileError::Permissions(_))
        ));
    }
}
