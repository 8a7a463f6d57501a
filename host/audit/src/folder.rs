//! The trail's folder: who may look into it, who has it, and the keys that lie in it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use almoner_ledger::{Origin, SigningKey, VerifierKey};
use rustix::fs::FlockOperation;
use zeroize::Zeroizing;

use crate::error::OpenError;

/// The lock's file, the signing key's, and its public half's.
const LOCK: &str = "lock";
pub(crate) const SIGNING_KEY: &str = "signing.key";
pub(crate) const VERIFIER_KEY: &str = "verifier.key";

/// The folder, held by this process alone until dropped.
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder if need be, shuts it to others, and takes it.
    pub(crate) fn take(path: &Path) -> Result<Folder, OpenError> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |error| OpenError::Io { doing, path, error }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("making", path))?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(failed("closing to others", path))?;
        let lock = path.join(LOCK);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock);
        let file = file.map_err(failed("opening", &lock))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Folder {
                path: path.to_owned(),
                _lock: file,
            }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Locked(path.to_owned())),
            Err(error) => Err(failed("locking", &lock)(error.into())),
        }
    }

    /// The signing key, if there is one.
    pub(crate) fn signing_key(&self) -> Result<Option<SigningKey>, OpenError> {
        let path = self.path.join(SIGNING_KEY);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(OpenError::Io {
                    doing: "reading",
                    path,
                    error,
                });
            }
        };
        let key = SigningKey::from_secret_text(&text);
        key.map(Some).map_err(|_| OpenError::Key {
            path,
            why: "it is damaged; restore it, or move it away and run `almoner audit recover`",
        })
    }

    /// Makes a signing key that signs under `origin`, and keeps it.
    pub(crate) fn make_signing_key(&self, origin: &Origin) -> Result<SigningKey, OpenError> {
        let path = self.path.join(SIGNING_KEY);
        let mut seed = Zeroizing::new([0_u8; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|_| OpenError::Key {
            path: path.clone(),
            why: "the system gave no randomness to make it from",
        })?;
        let key = SigningKey::from_seed(&origin.to_string(), &seed);
        let text = Zeroizing::new(format!("{}\n", key.to_secret_text().as_str()));
        create(&path, text.as_bytes()).map_err(|error| OpenError::Io {
            doing: "writing",
            path,
            error,
        })?;
        Ok(key)
    }

    /// Writes down the public half, for whoever verifies.
    pub(crate) fn publish(&self, key: &VerifierKey) -> Result<(), OpenError> {
        let path = self.path.join(VERIFIER_KEY);
        let text = format!("{key}\n");
        if std::fs::read_to_string(&path).is_ok_and(|found| found == text) {
            return Ok(());
        }
        let written = std::fs::write(&path, text);
        written.map_err(|error| OpenError::Io {
            doing: "writing",
            path,
            error,
        })
    }
}

/// A file for the owner's eyes, on stable storage together with its name, and never over another.
fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
