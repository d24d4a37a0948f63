//! Which paths a request that came over the wire may name.

use crate::error::{Error, Result};
use cairn_disk::{ErrorKind, Storage};
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// The path that `given` means: relative ones are below `dir`; absolute ones must be in `dir` or one of `allowed`. `..`
/// is refused wherever it stands, and so is everything that leads out of those directories over a symbolic link. The
/// result has no symbolic links in it; whether it exists is the caller's business, but its directory does.
///
/// Whoever can change those directories while the request runs can also change the files in them: this is no defence
/// against them.
pub fn resolve(storage: &dyn Storage, dir: &Path, allowed: &[PathBuf], given: &str) -> Result<PathBuf> {
    let refused = || Error::PathTraversal { given: given.to_owned() };
    if given.is_empty() || given.contains('\0') {
        return Err(Error::Input(format!("Invalid filepath: {given:?}")));
    }
    let path = dir.join(given);
    if Path::new(given).components().any(|part| part == Component::ParentDir) {
        return Err(refused());
    }
    let name = path.file_name().ok_or_else(refused)?;
    let parent = path.parent().ok_or_else(refused)?;
    let roots = || std::iter::once(dir).chain(allowed.iter().map(PathBuf::as_path));
    // What is outside is refused the same way whether it exists or not.
    let outside = !roots().any(|root| path.starts_with(root));
    let real = match real_path(storage, &path, parent, name) {
        Err(_) if outside => return Err(refused()),
        Err(Error::PathTraversal { .. }) => return Err(refused()),
        real => real?,
    };
    for root in roots() {
        match storage.canonical(root) {
            Ok(root) if real.starts_with(&root) => return Ok(real),
            Ok(_) => {}
            // A directory that is not there holds nothing.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(Error::Disk(e)),
        }
    }
    Err(refused())
}

fn real_path(storage: &dyn Storage, path: &Path, parent: &Path, name: &OsStr) -> Result<PathBuf> {
    match storage.stat(path)? {
        // A link that leads nowhere is refused: a file made through it would be made wherever it points.
        Some(_) => storage.canonical(path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::PathTraversal { given: path.display().to_string() },
            _ => Error::Disk(e),
        }),
        None => Ok(storage.canonical(parent)?.join(name)),
    }
}
