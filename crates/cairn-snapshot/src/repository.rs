//! A repository: a directory of snapshots and the parts they share.

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;
use crate::names;
use cairn_disk::{FileType, LockGuard, Storage, atomic_replace, parent_dir, read_file};
use cairn_engine::DatabaseId;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `format`.
const FORMAT: &str = "cairndb-repository";
/// `version`.
const VERSION: u32 = 1;
/// Bytes of `cairn-repository.json`, at most.
const BYTES_MAX: u64 = 4_096;

/// How long whoever makes the repository waits for another who does.
const MAKE_WAIT: Duration = Duration::from_secs(1);
/// How long whoever makes a snapshot waits for another writer: a prune of thousands of parts takes some seconds.
const WRITER_WAIT: Duration = Duration::from_secs(5);
/// What is waited before a held lock is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// An open repository. Reading takes no lock and writes nothing; [`crate::create`] and [`crate::delete`] hold `LOCK` while
/// they work.
#[derive(Debug, Clone)]
pub struct Repository {
    storage: Arc<dyn Storage>,
    root: PathBuf,
    id: String,
}

/// `cairn-repository.json`, keys in the order of docs/format.md.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    version: u32,
    id: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl Repository {
    /// Opens the repository at `root`, checking its `cairn-repository.json`.
    pub fn open(storage: Arc<dyn Storage>, root: &Path) -> Result<Repository> {
        let path = root.join(layout::REPOSITORY_FILE);
        if storage.stat(&path)?.is_none() {
            return Err(Error::NotFound(format!("{}: no snapshot repository there", root.display())));
        }
        let bytes = read_file(storage.as_ref(), &path, BYTES_MAX)?;
        let id = decode(&path, &bytes)?;
        Ok(Repository { storage, root: root.to_owned(), id })
    }

    /// Makes a repository at `root`, which is absent or empty, or holds what a crash left of an earlier call. It lasts when
    /// this returns.
    pub fn create(storage: Arc<dyn Storage>, root: &Path, now_us: i64) -> Result<Repository> {
        let disk = storage.as_ref();
        make_dir(disk, root)?;
        let _lock = lock(disk, root, "snapshot", MAKE_WAIT)?;
        check_unused(disk, root)?;
        for dir in [layout::PARTS, layout::SNAPSHOTS, layout::TMP] {
            disk.create_dir_all(&root.join(dir))?;
        }
        disk.sync_dir(root)?;
        let id = DatabaseId::random().to_string();
        atomic_replace(disk, &root.join(layout::REPOSITORY_FILE), &encode(&id, now_us)?)?;
        Ok(Repository { storage, root: root.to_owned(), id })
    }

    /// Opens the repository at `root`, making it when there is none, also when another makes it at the same time.
    pub fn open_or_create(storage: Arc<dyn Storage>, root: &Path, now_us: i64) -> Result<Repository> {
        let path = root.join(layout::REPOSITORY_FILE);
        if storage.stat(&path)?.is_some() {
            return Self::open(storage, root);
        }
        match Self::create(Arc::clone(&storage), root, now_us) {
            // Another was first.
            Err(_) if storage.stat(&path)?.is_some() => Self::open(storage, root),
            made => made,
        }
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its id: 32 hex digits, random.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Checks `cairn-repository.json` once more, as it is on the disk now.
    pub(crate) fn check(&self) -> Result<()> {
        let path = self.root.join(layout::REPOSITORY_FILE);
        let id = decode(&path, &read_file(self.storage(), &path, BYTES_MAX)?)?;
        if id != self.id {
            return Err(Error::damaged(&path, None, "id", &self.id, id));
        }
        Ok(())
    }

    pub(crate) fn disk(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.storage)
    }

    pub(crate) fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    /// Takes the lock of writers, and removes what an earlier one left unfinished.
    pub(crate) fn writer(&self) -> Result<Writer> {
        self.writer_after("snapshot", WRITER_WAIT)
    }

    /// The same for `what`, the words that others see, waiting up to `wait` for another writer.
    pub(crate) fn writer_after(&self, what: &str, wait: Duration) -> Result<Writer> {
        let lock = lock(self.storage(), &self.root, what, wait)?;
        self.check()?;
        self.clean()?;
        Ok(Writer { _lock: lock })
    }

    /// Removes what an earlier writer did not finish.
    fn clean(&self) -> Result<()> {
        let storage = self.storage();
        let tmp = self.root.join(layout::TMP);
        storage.create_dir_all(&tmp)?;
        for entry in storage.list(&tmp)? {
            remove(storage, &tmp.join(entry.name), entry.stat.file_type)?;
        }
        let snapshots = self.root.join(layout::SNAPSHOTS);
        for entry in storage.list(&snapshots)? {
            if layout::is_unfinished(&entry.name) {
                remove(storage, &snapshots.join(entry.name), entry.stat.file_type)?;
            }
        }
        Ok(())
    }
}

/// The right to write to a repository, until it is dropped.
#[derive(Debug)]
pub(crate) struct Writer {
    _lock: Box<dyn LockGuard>,
}

fn remove(storage: &dyn Storage, path: &Path, file_type: FileType) -> Result<()> {
    match file_type {
        FileType::Dir => storage.remove_dir_all(path)?,
        FileType::File | FileType::Other => storage.remove(path)?,
    }
    Ok(())
}

/// Takes the lock of writers for `what`. One that is held is waited for, up to `wait`; then the error names its holder.
fn lock(storage: &dyn Storage, root: &Path, what: &str, wait: Duration) -> Result<Box<dyn LockGuard>> {
    let path = root.join(layout::LOCK);
    let (started, us) = (Instant::now(), format!("pid {} ({what})\n", std::process::id()));
    loop {
        match storage.lock(&path, &us) {
            Err(cairn_disk::Error::Locked { path, holder }) => {
                let waited = started.elapsed();
                if waited >= wait {
                    return Err(Error::Locked { path, holder: holder.trim().to_owned(), waited });
                }
                std::thread::sleep(LOCK_PAUSE.min(wait - waited));
            }
            taken => return Ok(taken?),
        }
    }
}

/// Makes a directory and those above it, all of which last.
pub(crate) fn make_dir(storage: &dyn Storage, dir: &Path) -> Result<()> {
    let mut missing = Vec::new();
    let mut at = dir;
    while storage.stat(at)?.is_none() {
        missing.push(at);
        let parent = parent_dir(at);
        if parent == at {
            break;
        }
        at = parent;
    }
    storage.create_dir_all(dir)?;
    for made in missing.into_iter().rev() {
        storage.sync_dir(parent_dir(made))?;
    }
    Ok(())
}

/// Refuses a directory that holds anything but what an unfinished `create` leaves.
fn check_unused(storage: &dyn Storage, root: &Path) -> Result<()> {
    let taken = |name: &str| {
        Err(Error::Exists(format!("{}: expected an empty directory, but it holds {name}", root.display())))
    };
    for entry in storage.list(root)? {
        match entry.name.as_str() {
            layout::LOCK => {}
            layout::PARTS | layout::SNAPSHOTS | layout::TMP if entry.stat.file_type == FileType::Dir => {
                if let Some(inside) = storage.list(&root.join(&entry.name))?.first() {
                    return taken(&format!("{}/{}", entry.name, inside.name));
                }
            }
            layout::REPOSITORY_FILE => {
                return Err(Error::Exists(format!("{}: is a repository", root.display())));
            }
            // Of a crash while it was written.
            name if name.strip_prefix(layout::REPOSITORY_FILE) == Some(".tmp") => {}
            name => return taken(name),
        }
    }
    Ok(())
}

/// The file's one line.
fn encode(id: &str, now_us: i64) -> Result<Vec<u8>> {
    let mut wire = Wire {
        format: FORMAT.to_owned(),
        version: VERSION,
        id: id.to_owned(),
        created_at: names::rfc3339(now_us),
        checksum: None,
    };
    let json = |wire: &Wire| {
        serde_json::to_vec(wire).map_err(|e| Error::Bug(format!("{}: {e}", layout::REPOSITORY_FILE)))
    };
    wire.checksum = Some(Digest::of(&json(&wire)?).to_string());
    let mut bytes = json(&wire)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The repository's id.
fn decode(path: &Path, bytes: &[u8]) -> Result<String> {
    let fields =
        |e: serde_json::Error| Error::damaged(path, None, "fields", "the fields of docs/format.md", e);
    let head: Head = serde_json::from_slice(bytes).map_err(fields)?;
    if head.format != FORMAT {
        return Err(Error::damaged(path, None, "format", FORMAT, format!("{:.80?}", head.format)));
    }
    if head.version != VERSION {
        return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: head.version });
    }
    let wire: Wire = serde_json::from_slice(bytes).map_err(fields)?;
    let created_us = names::from_rfc3339(&wire.created_at).ok_or_else(|| {
        Error::damaged(path, None, "created_at", "a time as RFC 3339 has it, UTC", &wire.created_at)
    })?;
    let id_is_hex = wire.id.len() == 32 && wire.id.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    if !id_is_hex {
        return Err(Error::damaged(path, None, "id", "32 hex digits", format!("{:.80?}", wire.id)));
    }
    let whole = encode(&wire.id, created_us)?;
    if whole != bytes {
        let of = |bytes: &[u8]| Digest::of(bytes).to_string();
        return Err(Error::damaged(path, None, "SHA-256 mismatch", of(&whole), of(bytes)));
    }
    Ok(wire.id)
}
