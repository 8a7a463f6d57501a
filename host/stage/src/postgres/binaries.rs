//! Where PostgreSQL's server programs are. Distributions keep them out of `PATH`, by version.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::error::{Result, StageError};

/// Says where to look first; for machines with several versions.
const OVERRIDE: &str = "ALMONER_POSTGRES_BIN";
/// Folders that hold one folder per version, with `bin` in it.
const BY_VERSION: [&str; 4] = [
    "/usr/lib/postgresql",
    "/usr/pgsql",
    "/opt/homebrew/opt",
    "/usr/local/opt",
];

/// The folder with `initdb` and `postgres`; the newest if there are several.
pub(super) fn find() -> Result<PathBuf> {
    let named = env::var_os(OVERRIDE).map(PathBuf::from);
    let path: Vec<PathBuf> = env::var_os("PATH")
        .map(|p| env::split_paths(&p).collect())
        .unwrap_or_default();
    let mut versions: Vec<PathBuf> = BY_VERSION
        .iter()
        .flat_map(|folder| below(Path::new(folder)))
        .collect();
    versions.sort_by_key(|bin| std::cmp::Reverse(version(bin)));
    named
        .into_iter()
        .chain(path)
        .chain(versions)
        .find(|bin| complete(bin))
        .ok_or_else(|| StageError::Missing {
            program: "a PostgreSQL server (initdb, postgres)".into(),
            looked: format!("${OVERRIDE}, PATH, {}", BY_VERSION.join(", ")),
            remedy: "install your system's package, 'postgresql' on Debian",
        })
}

fn complete(bin: &Path) -> bool {
    bin.join("initdb").is_file() && bin.join("postgres").is_file()
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| complete(bin))
        .collect()
}

/// The number in `…/15/bin` or `…/postgresql@17/bin`.
fn version(bin: &Path) -> u32 {
    let name = bin
        .parent()
        .and_then(Path::file_name)
        .map(|n| n.to_string_lossy().into_owned());
    let digits = |name: String| {
        name.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .ok()
    };
    name.and_then(digits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(
            version(Path::new("/usr/lib/postgresql/15/bin"))
                > version(Path::new("/usr/lib/postgresql/9/bin"))
        );
        assert_eq!(
            version(Path::new("/opt/homebrew/opt/postgresql@17/bin")),
            17
        );
        assert_eq!(version(Path::new("bin")), 0);
    }
}
