//! The admin API's socket file: for the gateway's user alone, from the first moment on.
//!
//! The socket is bound inside a folder that only this user can enter, gets its mode there, and is then moved
//! to its place: at no time can others open it. A file of a gateway that is gone is replaced; one that
//! somebody listens on, or that is no socket, is left alone.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Only the gateway's user may connect.
const MODE: u32 = 0o600;

/// The socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A gateway is running.
    #[error(
        "opening the admin socket: another gateway listens on {0}; stop it, or give this one a folder of its own"
    )]
    InUse(PathBuf),
    /// The place is taken by something else.
    #[error(
        "opening the admin socket: {0} is there and is no socket; move it away, or set another path"
    )]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("opening the admin socket: {doing} {path}: {error}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// A bound socket. Its file is removed when this is dropped, unless somebody else's lies there by then.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    file: SocketFile,
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl AdminSocket {
    /// Binds the socket. Must be called within a runtime.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |doing| {
            move |error| SocketError::Io {
                doing,
                path: path.to_path_buf(),
                error,
            }
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut builder = std::fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed("making the folder of"))?;
        make_room(path)?;
        let nursery =
            Nursery::in_folder(folder).map_err(failed("making a private folder beside"))?;
        let born = nursery.0.join("s");
        let listener = UnixListener::bind(&born).map_err(failed("binding"))?;
        std::fs::set_permissions(&born, Permissions::from_mode(MODE))
            .map_err(failed("setting the mode of"))?;
        let inode = std::fs::metadata(&born)
            .map_err(failed("looking at"))?
            .ino();
        std::fs::rename(&born, path).map_err(failed("moving to its place"))?;
        Ok(Self {
            listener,
            file: SocketFile {
                path: path.to_path_buf(),
                inode,
            },
        })
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours =
            std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if ours {
            // The next gateway would replace it anyway.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that nobody listens on.
fn make_room(path: &Path) -> Result<(), SocketError> {
    let failed = |doing| {
        move |error| SocketError::Io {
            doing,
            path: path.to_path_buf(),
            error,
        }
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("looking at")(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NotASocket(path.to_path_buf()));
        }
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse(path.to_path_buf())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed("removing the left-over"))
        }
        // Nobody can be proven to be gone: leave it.
        Err(error) => Err(failed("asking who listens on")(error)),
    }
}

/// A folder for this user alone, removed with all that is left in it.
struct Nursery(PathBuf);

impl Nursery {
    fn in_folder(folder: &Path) -> io::Result<Self> {
        // A short name: the path of a socket may have 107 bytes.
        let mut bytes = [0_u8; 4];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let path = folder.join(format!(".{:08x}", u32::from_be_bytes(bytes)));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        // Empty unless binding failed half-way; what cannot be removed is private and empty.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests state what they expect")]
    use super::*;

    #[tokio::test]
    async fn the_socket_is_for_its_user_alone_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/admin.sock");
        let socket = AdminSocket::bind(&path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_left_over_is_replaced_and_a_living_socket_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "the standard library leaves the file");
        let socket = AdminSocket::bind(&path).unwrap();
        assert!(matches!(
            AdminSocket::bind(&path),
            Err(SocketError::InUse(_))
        ));
        std::os::unix::net::UnixStream::connect(socket.path()).unwrap();
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        std::fs::write(&path, "notes").unwrap();
        assert!(matches!(
            AdminSocket::bind(&path),
            Err(SocketError::NotASocket(_))
        ));
        let link = folder.path().join("link.sock");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(
            AdminSocket::bind(&link),
            Err(SocketError::NotASocket(_))
        ));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "notes");
    }

    #[tokio::test]
    async fn a_stopping_gateway_does_not_remove_its_successors_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let old = AdminSocket::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let successor = AdminSocket::bind(&path).unwrap();
        drop(old);
        assert!(path.exists());
        drop(successor);
    }
}
