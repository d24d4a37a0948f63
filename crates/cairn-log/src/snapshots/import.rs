//! Taking back a snapshot whose files were copied elsewhere.

use super::metadata::{self, JSON_BYTES_MAX, SNAPSHOT_JSON};
use super::snapshot::{Snapshot, SnapshotFile};
use super::store::read_stored;
use super::stream::{FileWriter, check_sum, drain};
use super::{SnapshotCodec, SnapshotManager};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

impl SnapshotManager {
    /// Takes a snapshot from files as [`SnapshotManager::snapshot_files`] names them: first its `snapshot.json`, then the
    /// others in any order, each a name and its bytes. Every byte is checked; the snapshot is whole and durable when it
    /// returns, and shares nothing with any log. After an error, and after a crash, nothing of it is there. Its id must be
    /// free; the log whose it was need not be here.
    pub fn import_snapshot<R: Read>(&self, files: impl IntoIterator<Item = (String, R)>) -> Result<Snapshot> {
        let mut files = files.into_iter();
        let mut snapshot = match files.next() {
            Some((name, bytes)) if name == SNAPSHOT_JSON => read_metadata(bytes)?,
            other => {
                let actual = other.map_or("none".to_owned(), |(name, _)| shown(&name));
                return refused("first file of a snapshot", SNAPSHOT_JSON.to_owned(), actual);
            }
        };
        let held = self.hold()?;
        let catalogue = self.tidy(&held)?;
        if self.storage.stat(&self.dir_of(&snapshot.id))?.is_some() {
            return Err(Error::SnapshotExists { dir: self.snapshot_dir.clone(), id: snapshot.id });
        }
        snapshot.linked = false;
        let staging = self.staging_of(&snapshot.id);
        let imported = self.import(&snapshot, files, &staging);
        imported.inspect_err(|_| self.discard(&staging))?;
        self.publish(&held, catalogue, &snapshot)?;
        Ok(snapshot)
    }

    /// Fills a directory with the snapshot, durably.
    fn import<R: Read>(
        &self,
        snapshot: &Snapshot,
        files: impl Iterator<Item = (String, R)>,
        staging: &Path,
    ) -> Result<()> {
        let storage = &*self.storage;
        let mut missing: BTreeMap<String, &SnapshotFile> =
            snapshot.files().map(|(base, file)| (file.stored_name(base), file)).collect();
        storage.create_dir_all(staging)?;
        for (name, bytes) in files {
            // What is not named, or not any more, is no path to write to.
            let Some(file) = missing.remove(&name) else {
                return refused(
                    "file of a snapshot",
                    format!("those of {}, each once", snapshot.id),
                    shown(&name),
                );
            };
            let path = staging.join(&name);
            let target = storage.create(&path)?;
            let sum = receive(&name, bytes, file.stored_bytes, &mut FileWriter::new(&*target))?;
            target.sync()?;
            check_sum(Path::new(&name), file.stored_sum(), sum)?;
            if file.codec != SnapshotCodec::None {
                read_stored(storage, &path, file, None)?;
            }
        }
        if let Some(name) = missing.keys().next() {
            let expected = format!("{} files, {name} among them", snapshot.files().count());
            return refused("files of a snapshot", expected, format!("{} fewer", missing.len()));
        }
        metadata::write(storage, staging, snapshot)?;
        Ok(storage.sync_dir(staging)?)
    }
}

/// Reads the metadata that comes first.
fn read_metadata(bytes: impl Read) -> Result<Snapshot> {
    let mut json = Vec::new();
    let read = bytes.take(JSON_BYTES_MAX).read_to_end(&mut json);
    read.map_err(|e| source_error(SNAPSHOT_JSON, e))?;
    Ok(metadata::decode(Path::new(SNAPSHOT_JSON), &json)?)
}

/// Writes what a source yields, one byte more than it should at most.
fn receive(
    name: &str,
    mut bytes: impl Read,
    bytes_max: u64,
    to: &mut FileWriter<'_>,
) -> Result<crate::sums::FileSum> {
    drain(&mut bytes, bytes_max, Some(to)).map_err(|e| source_error(name, e))
}

/// An error of the source that files come from, or of the disk that they are written to.
fn source_error(name: &str, error: io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<cairn_disk::Error>()) {
        Some(disk) => disk.clone().into(),
        None => cairn_disk::Error::io("import", &PathBuf::from(name), error).into(),
    }
}

fn refused<T>(what: &'static str, expected: String, actual: String) -> Result<T> {
    Err(Error::SnapshotRequest { what, expected, actual })
}

/// A foreign name, for people.
fn shown(name: &str) -> String {
    format!("`{}`", name.chars().take(80).collect::<String>().escape_debug())
}
