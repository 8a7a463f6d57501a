//! A cluster's files: made by `initdb`, or copied from one made earlier, which is much quicker.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::account::Account;
use crate::error::{Result, StageError, tail};

/// The superuser of every private cluster, and its password: it guards nothing, since the server is
/// reachable by this machine alone and holds made-up people.
pub(super) const SUPERUSER: &str = "postgres";
pub(super) const SUPERUSER_PASSWORD: &str = "stage";

/// Makes the cluster in `data`. With a cache folder, copies the one kept there, or keeps a copy.
pub(super) fn make(
    bin: &Path,
    data: &Path,
    account: Option<&Account>,
    cache: Option<&Path>,
) -> Result<()> {
    let kept = cache.map(|folder| kept_cluster(folder, bin)).transpose()?;
    match kept {
        Some(kept) if kept.is_dir() => copy(&kept, data, account),
        Some(kept) => {
            initdb(bin, data, account)?;
            keep(data, &kept)
        }
        None => initdb(bin, data, account),
    }
}

fn initdb(bin: &Path, data: &Path, account: Option<&Account>) -> Result<()> {
    let folder = data.parent().unwrap_or(data);
    let password_file = folder.join("superuser.password");
    fs::write(&password_file, SUPERUSER_PASSWORD)
        .map_err(StageError::io("writing a password file"))?;

    let mut command = Command::new(bin.join("initdb"));
    command.args([
        "--no-sync",
        "--no-instructions",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--auth=scram-sha-256",
    ]);
    // The smallest log segments: a cluster is copied for every test.
    command
        .args(["--wal-segsize=1", "--username", SUPERUSER, "--pwfile"])
        .arg(&password_file);
    command
        .arg("--pgdata")
        .arg(data)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8");
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    let output = command.output().map_err(StageError::io("running initdb"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(StageError::Failed {
        program: "initdb".into(),
        status: output.status.to_string(),
        output: tail(&String::from_utf8_lossy(&output.stderr)),
    })
}

/// One kept cluster per version of the server: files of one are not understood by another.
fn kept_cluster(cache: &Path, bin: &Path) -> Result<PathBuf> {
    let output = Command::new(bin.join("postgres")).arg("--version").output();
    let output = output.map_err(StageError::io("asking postgres for its version"))?;
    let version: String = String::from_utf8_lossy(&output.stdout)
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    Ok(cache.join(format!("cluster-{}", version.trim_matches('-'))))
}

/// Keeps a copy. Several may do so at once: each renames a whole copy into place, and whoever comes second
/// finds the place taken, which is as good.
fn keep(data: &Path, kept: &Path) -> Result<()> {
    let cache = kept.parent().unwrap_or(kept);
    fs::create_dir_all(cache).map_err(StageError::io(format!("making {}", cache.display())))?;
    let making = tempfile::Builder::new().prefix("making-").tempdir_in(cache);
    let making = making.map_err(StageError::io("making a temporary folder"))?;
    let copy_to = making.path().join("data");
    copy(data, &copy_to, None)?;
    // Taken already: what is in the temporary folder goes with it.
    let _ = fs::rename(&copy_to, kept);
    Ok(())
}

/// Copies a folder, giving the copy to `account`.
fn copy(from: &Path, to: &Path, account: Option<&Account>) -> Result<()> {
    let doing = || format!("copying {} to {}", from.display(), to.display());
    copy_tree(from, to, account).map_err(|source| StageError::Io {
        doing: doing(),
        source,
    })
}

fn copy_tree(from: &Path, to: &Path, account: Option<&Account>) -> std::io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target, account)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
            give(&target, account)?;
        }
    }
    // PostgreSQL refuses a data folder that others may enter.
    fs::set_permissions(to, fs::Permissions::from_mode(0o700))?;
    give(to, account)
}

/// Makes the account the owner.
pub(super) fn give(path: &Path, account: Option<&Account>) -> std::io::Result<()> {
    match account {
        Some(account) => chown(path, Some(account.uid), Some(account.gid)),
        None => Ok(()),
    }
}
