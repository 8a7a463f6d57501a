//! Plugins that a gateway has compiled, lent to the next one: compiling takes longer than most tests.
//!
//! The whole folder is lent, with the key that its entries are checked with; what does not fit is compiled
//! again. A folder that cannot be lent or kept costs time and is never an error.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Name of the kept folder in the cache.
const KEPT: &str = "compiled";
/// Entries kept: those of plugins that were built anew are of no more use, and each is some MiB to copy.
const ENTRIES_MAX: usize = 12;

/// Gives a gateway that was never started what others have compiled.
pub(crate) fn lend(cache: &Path, folder: &Path) {
    let kept = cache.join(KEPT);
    let lent = copy(&kept, folder, |_| true);
    if lent.is_err() {
        // Nothing kept yet, or another test put a newer one in its place meanwhile.
        let _ = fs::remove_dir_all(folder);
    }
}

/// Keeps what a gateway has compiled, if some of it is new.
pub(crate) fn keep(cache: &Path, folder: &Path) {
    // Several tests may do so at once; whoever comes last is as good as the others.
    let _ = try_keep(cache, folder);
}

fn try_keep(cache: &Path, folder: &Path) -> io::Result<()> {
    let kept = cache.join(KEPT);
    let (own, known) = (entries(folder)?, entries(&kept).unwrap_or_default());
    if own.is_subset(&known) {
        return Ok(());
    }
    fs::create_dir_all(cache)?;
    let making = tempfile::Builder::new()
        .prefix("making-")
        .tempdir_in(cache)?;
    let (whole, old) = (making.path().join("new"), making.path().join("old"));
    let all = own.len() <= ENTRIES_MAX;
    copy(folder, &whole, |name| all || !known.contains(name))?;
    let _ = fs::rename(&kept, old);
    fs::rename(whole, kept)
}

fn entries(folder: &Path) -> io::Result<BTreeSet<OsString>> {
    let names = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name()));
    names
        .filter(|name| name.as_ref().map_or(true, |name| is_code(name)))
        .collect()
}

fn is_code(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "code")
}

/// Copies the files of a folder into one that only we can enter. Files keep their modes.
fn copy(from: &Path, to: &Path, wanted: impl Fn(&OsString) -> bool) -> io::Result<()> {
    let files = fs::read_dir(from)?;
    DirBuilder::new().recursive(true).mode(0o700).create(to)?;
    for entry in files {
        let entry = entry?;
        if wanted(&entry.file_name()) && entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[test]
    fn what_one_gateway_compiled_the_next_one_is_lent_and_old_code_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, first) = (folder.path().join("cache"), folder.path().join("first"));
        let next = folder.path().join("next");
        lend(&cache, &next);
        assert!(!next.exists());
        fs::create_dir(&first).unwrap();
        for name in ["key", "a.code", "b.code"] {
            fs::write(first.join(name), name).unwrap();
        }
        keep(&cache, &first);
        lend(&cache, &next);
        assert_eq!(entries(&next).unwrap(), entries(&first).unwrap());
        assert_eq!(fs::read_to_string(next.join("key")).unwrap(), "key");
        for nr in 0..ENTRIES_MAX {
            fs::write(next.join(format!("{nr}.code")), "new").unwrap();
        }
        keep(&cache, &next);
        let kept = entries(&cache.join(KEPT)).unwrap();
        assert!(
            kept.len() == ENTRIES_MAX && !kept.contains(&OsString::from("a.code")),
            "{kept:?}"
        );
    }
}
