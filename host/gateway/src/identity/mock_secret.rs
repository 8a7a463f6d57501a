//! The secret that challenges for unknown logins are made from: random, kept in a file of its own (mode
//! 0600), made on first use. It protects nothing but the knowledge of which logins exist.

use std::io::{Error, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads the secret, or makes one.
pub fn open(path: &Path) -> std::io::Result<[u8; 32]> {
    match read(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => make(path),
        other => other,
    }
}

fn read(path: &Path) -> std::io::Result<[u8; 32]> {
    let mut secret = [0; 32];
    std::fs::File::open(path)?.read_exact(&mut secret)?;
    Ok(secret)
}

/// Written beside and linked into place, so that it is never half there and the first of two makers wins.
fn make(path: &Path) -> std::io::Result<[u8; 32]> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|_| Error::other("the system gave no random numbers"))?;
    let beside = path.with_extension(format!("tmp{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&beside, path);
    std::fs::remove_file(&beside)?;
    match linked {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => read(path),
        Err(e) => Err(e),
        Ok(()) => Ok(secret),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_secret_is_made_once_and_kept_from_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mock-secret");
        let secret = open(&path).unwrap();
        assert_eq!(open(&path).unwrap(), secret);
        assert_ne!(secret, [0; 32]);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        std::fs::write(&path, "short").unwrap();
        assert!(open(&path).is_err());
    }
}
