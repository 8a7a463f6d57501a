//! Copying a trail, or linking to its files.
//!
//! The database is linked within the trail's own folder first: the writer must wait neither for bytes nor for
//! another disk. A copy's bytes are then copied from the links, so that nothing that is done to a copy can reach
//! the trail. Links stay links only for whoever reads and removes them at once.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::ReadError;
use crate::read::Reader;
use crate::{anchor, folder, store};

/// How long signing and linking may take. Linking is quick, but the flush before it has a memtable to write.
const LINK_WAIT_MAX: Duration = Duration::from_secs(60);

/// What the files of a copy are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// Files of their own.
    Own,
    /// The trail's files under further names: to be read, never to be written.
    Linked,
}

pub(crate) fn copy(reader: &Reader, dir: &Path, files: Files) -> Result<(), ReadError> {
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |error| ReadError::Io { doing, path, error }
    };
    DirBuilder::new()
        .mode(0o700)
        .create(dir)
        .map_err(failed("making", dir))?;
    // The anchor first: it may be behind the copied records, never ahead of them.
    let anchor = dir.join(anchor::ANCHOR);
    match std::fs::copy(&reader.anchor, &anchor) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        copied => copied
            .map(|_| ())
            .map_err(failed("copying the head anchor to", &anchor))?,
    }
    let key = dir.join(folder::VERIFIER_KEY);
    std::fs::write(&key, &reader.key).map_err(failed("writing", &key))?;

    static COPIES: AtomicU64 = AtomicU64::new(0);
    let number = COPIES.fetch_add(1, Ordering::Relaxed);
    let staging = reader
        .dir
        .join(format!("copy-{}-{number}", std::process::id()));
    // What is flushed here the writer need not flush while everybody waits.
    if reader.is_live() {
        reader.store.flush().map_err(ReadError::Database)?;
    }
    let (from, to) = (Arc::clone(&reader.store), staging.clone());
    reader.signed(LINK_WAIT_MAX, move || from.copy_to(&to))??;
    let target = dir.join(store::DATABASE);
    let moved = match files {
        Files::Own => copied(&staging, &target),
        Files::Linked => match std::fs::rename(&staging, &target) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                copied(&staging, &target)
            }
            moved => moved,
        },
    };
    moved.map_err(failed("moving the copied database to", &target))
}

/// Copies the bytes, and takes the links away whether that went well or not: they would keep the space of files
/// that the trail has long replaced.
fn copied(staging: &Path, target: &Path) -> io::Result<()> {
    let copied = copy_files(staging, target);
    copied.and(std::fs::remove_dir_all(staging))
}

/// A database is one folder of files. Each is on disk before the copy counts as made: it may be the only one left.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        std::fs::copy(entry.path(), &copy)?;
        std::fs::File::open(&copy)?.sync_all()?;
    }
    std::fs::File::open(to)?.sync_all()
}
