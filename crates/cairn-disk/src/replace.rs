//! Whole files: read, written once, replaced atomically.

use crate::{Access, Error, Result, Storage};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What [`atomic_replace`] adds to a path to name its temporary file. One left behind by a crash is replaced by the
/// next call, and means nothing.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// The directory that holds `path`'s entry; `.` for a bare name.
pub fn parent_dir(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

/// Makes `path` hold exactly `bytes`, durably: writes `<path>.tmp`, syncs it, renames it, syncs the directory.
///
/// After a crash the file is the old one or the new one, whole. After an error before the rename, the old one is in
/// place; after a failed sync of the directory, which one a crash would leave is unknown. One writer for a path at a
/// time.
pub fn atomic_replace(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = temporary_path(path);
    if storage.stat(&temporary)?.is_some() {
        storage.remove(&temporary)?;
    }
    let written = write_new(storage, &temporary, bytes).and_then(|()| storage.rename(&temporary, path));
    if let Err(error) = written {
        // The first error is the one to report; the next call removes what stays.
        let _ = storage.remove(&temporary);
        return Err(error);
    }
    storage.sync_dir(parent_dir(path))
}

/// Bytes of a file that are handed to the system at once: see [`crate::RealDisk`].
const PIECE_BYTES: usize = 1 << 20;

/// Creates `path` with `bytes` and syncs the file. Its name lasts once the caller syncs the directory. After an error
/// the file may be there in part.
pub fn write_new(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    let file = storage.create(path)?;
    for piece in bytes.chunks(PIECE_BYTES) {
        file.append(piece)?;
    }
    file.sync()
}

/// The whole file, which may be `bytes_max` long; a longer one is [`Error::Corrupt`].
pub fn read_file(storage: &dyn Storage, path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let file = storage.open(path, Access::Read)?;
    let bytes = file.bytes()?;
    let too_big = || Error::Corrupt {
        path: path.to_owned(),
        offset: None,
        what: "size mismatch",
        expected: format!("at most {bytes_max} bytes"),
        actual: format!("{bytes} bytes"),
    };
    if bytes > bytes_max {
        return Err(too_big());
    }
    let mut buf = vec![0; usize::try_from(bytes).map_err(|_| too_big())?];
    file.read_exact_at(0, &mut buf)?;
    Ok(buf)
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(TEMPORARY_SUFFIX);
    PathBuf::from(name)
}
