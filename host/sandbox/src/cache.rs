//! Compiled code kept on disk, so that a restart does not compile again.
//!
//! Loading compiled code is running it, so nothing is loaded that this host did not write: the folder is
//! the user's alone, every entry carries a keyed MAC made with a key that never leaves the folder, and the
//! very bytes that were verified are the ones that are loaded. A cache that cannot be used is never an
//! error: the component is compiled.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::digest::Digest;

/// Names the use of the MAC, so that the key could serve nothing else.
const MAC_CONTEXT: &str = "almoner sandbox compiled code v1";
/// Length of the MAC at the head of an entry.
const MAC_BYTES: usize = blake3::OUT_LEN;
/// Size of an entry: compiled code is about three times its source.
const ENTRY_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A folder of compiled code.
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; blake3::KEY_LEN],
    engine: Digest,
}

impl Cache {
    /// Opens the folder, making it and its key if they are missing. Refuses a folder that others can enter.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        check_private(&fs::symlink_metadata(folder)?, 0o077, "folder")?;
        let secret = key(&folder.join("key"))?;
        Ok(Self {
            folder: folder.to_owned(),
            key: blake3::derive_key(MAC_CONTEXT, &secret),
            engine: engine_digest(engine),
        })
    }

    /// Compiled code of this source, if it is here and ours.
    pub(crate) fn load(&self, engine: &Engine, source: &Digest) -> Option<Component> {
        let entry = read(&self.path(source)).ok()?;
        let (mac, code) = entry.split_at_checked(MAC_BYTES)?;
        let mac = blake3::Hash::from_bytes(mac.try_into().ok()?);
        // `blake3::Hash` compares in constant time.
        if self.mac(source, code) != mac {
            tracing::warn!(plugin = %source, "cached code fails its check and is compiled again");
            return None;
        }
        #[allow(
            unsafe_code,
            reason = "compiled code of this host is loaded without compiling it again"
        )]
        // SAFETY: `code` must be what `Component::serialize` returned, unchanged. The MAC over these same
        // bytes proves that they were written by `store`, which writes nothing else, for the same source
        // and an engine of the same version and settings; its key is readable by this user alone.
        let component = unsafe { Component::deserialize(engine, code) };
        component
            .inspect_err(
                |error| tracing::warn!(plugin = %source, %error, "cached code is not usable"),
            )
            .ok()
    }

    /// Keeps compiled code. Written beside its place and moved there, so that no half entry is ever seen.
    pub(crate) fn store(&self, source: &Digest, component: &Component) -> io::Result<()> {
        let code = component.serialize().map_err(io::Error::other)?;
        let path = self.path(source);
        let draft = path.with_extension(format!("draft-{}", std::process::id()));
        let written = write(&draft, &[self.mac(source, &code).as_bytes(), &code]);
        let moved = written.and_then(|()| fs::rename(&draft, &path));
        if moved.is_err() {
            drop(fs::remove_file(&draft));
        }
        moved
    }

    fn mac(&self, source: &Digest, code: &[u8]) -> blake3::Hash {
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        mac.update(source.as_bytes())
            .update(self.engine.as_bytes())
            .update(code);
        mac.finalize()
    }

    fn path(&self, source: &Digest) -> PathBuf {
        let engine = self.engine.to_string();
        self.folder.join(format!(
            "{source}-{}.code",
            engine.get(..16).unwrap_or(&engine)
        ))
    }
}

/// The engine's version and settings.
fn engine_digest(engine: &Engine) -> Digest {
    struct Collect(Vec<u8>);
    impl Hasher for Collect {
        fn write(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut collect = Collect(Vec::new());
    engine.precompile_compatibility_hash().hash(&mut collect);
    Digest::of(&collect.0)
}

fn key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(mut file) => {
            getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
            file.write_all(&key)?;
            file.sync_all()?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mut file = File::open(path)?;
            check_private(&file.metadata()?, 0o077, "key")?;
            file.read_exact(&mut key)?;
        }
        Err(error) => return Err(error),
    }
    Ok(key)
}

fn check_private(found: &fs::Metadata, others: u32, what: &str) -> io::Result<()> {
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "the {what} of compiled code belongs to another user"
        )));
    }
    if found.mode() & others != 0 || found.is_symlink() {
        return Err(io::Error::other(format!(
            "the {what} of compiled code is open to others; it must be 0700"
        )));
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > ENTRY_BYTES_MAX {
        return Err(io::Error::other("entry too large"));
    }
    let mut entry = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    file.take(ENTRY_BYTES_MAX).read_to_end(&mut entry)?;
    Ok(entry)
}

fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}
