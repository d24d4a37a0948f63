//! The socket file: the path at which a process listens for others of its machine.

use crate::{Error, Result};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A Unix socket that is listened on; its file goes when this does, unless another has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    /// Listens at `path`, for those whom the permission bits `mode` let in, from the first moment on. The socket of a
    /// process that is gone is replaced; one on which somebody still listens is [`Error::Locked`], any other file there is
    /// refused. A path of more than about 100 bytes is refused by the system.
    pub fn listen(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile)> {
        check_free(path)?;
        // Made under another name, and moved once its permissions are right: nobody connects before.
        let made = path.with_added_extension(format!("{}", std::process::id()));
        let failed = |op| move |e| Error::io(op, path, e);
        remove_stale(&made).map_err(failed("listen at"))?;
        let listener = UnixListener::bind(&made).map_err(failed("listen at"))?;
        let placed = fs::set_permissions(&made, fs::Permissions::from_mode(mode))
            .and_then(|()| fs::symlink_metadata(&made))
            .and_then(|metadata| fs::rename(&made, path).map(|()| metadata));
        match placed {
            Ok(metadata) => {
                let (device, inode) = (metadata.dev(), metadata.ino());
                Ok((listener, SocketFile { path: path.to_owned(), device, inode }))
            }
            Err(e) => {
                // Half made: what went wrong is said already.
                let _ = fs::remove_file(&made);
                Err(Error::io("listen at", path, e))
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode);
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| ours(&metadata)) {
            // A file that stays is replaced by the next who listens.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether nobody listens at a path, and nothing but a socket is there.
fn check_free(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Error::io("listen at", path, e)),
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => {
            let other = io::Error::new(
                io::ErrorKind::AlreadyExists,
                "expected no file or a socket, got another file",
            );
            return Err(Error::io("listen at", path, other));
        }
    }
    match UnixStream::connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        // One whose queue is full is alive, too.
        Ok(_) => Err(locked(path)),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(locked(path)),
        Err(e) => Err(Error::io("listen at", path, e)),
    }
}

fn locked(path: &Path) -> Error {
    Error::Locked { path: path.to_owned(), holder: "a process that listens there".to_owned() }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
