//! Snapshots of logs in a repository: what `cairn_log::SnapshotManager` links beside a log, copied to where a bad disk does not
//! reach it, and back.

use crate::codec::{self, Codec, Compression, FRAME_BYTES};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use crate::layout;
use crate::part_writer::new_encoder;
use crate::repository::{Repository, make_dir};
use cairn_disk::{Access, File, FileType, Storage, read_file, write_new};
use cairn_log::SnapshotManager;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// All logs' snapshots in a repository.
const LOGS: &str = "logs";
/// What is first in a log's snapshot, and says what the rest is.
const FIRST: &str = "snapshot.json";
/// The largest checksum file that is read.
const CHECKSUM_BYTES_MAX: u64 = 64 << 20;

/// A log's snapshot in a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportedLog {
    /// The log: its id and its timeline (a topic's partition has one of its own), 32 hex digits each and a `-` between.
    pub log: String,
    /// The snapshot's id, as in the log.
    pub id: String,
    /// Bytes of its files as stored.
    pub stored_bytes: u64,
}

/// Copies a log's snapshot into a repository. It is there whole and durable when this returns, and not at all after an error
/// or a crash. Each file is compressed in independent frames of 1 MiB, and listed in `checksum.sha256` with the hash of its
/// stored bytes.
pub fn export_log_snapshot(
    repository: &Repository,
    manager: &SnapshotManager,
    log_disk: &dyn Storage,
    id: &str,
    compression: Compression,
    job: &Job<'_>,
) -> Result<ExportedLog> {
    compression.validate()?;
    let snapshot = manager.get_snapshot(id).map_err(log_error)?;
    let snapshot = snapshot.ok_or_else(|| Error::NotFound(format!("Snapshot not found: {id}")))?;
    let _writer = repository.writer()?;
    let log = format!("{}-{}", snapshot.log_id, snapshot.timeline);
    let (storage, dir) = (repository.storage(), repository.root().join(LOGS).join(&log));
    let target = dir.join(id);
    if storage.stat(&target)?.is_some() {
        return Err(Error::Exists(format!(
            "{}: this snapshot is in the repository already",
            target.display()
        )));
    }
    make_dir(storage, &dir)?;
    let staged = dir.join(format!(".{id}.new"));
    storage.remove_dir_all(&staged)?;
    let stored = store(storage, manager, log_disk, id, &staged, compression, job);
    let stored_bytes = stored.inspect_err(|_| {
        // What cannot be removed now is removed by the next try.
        let _ = storage.remove_dir_all(&staged);
    })?;
    storage.rename(&staged, &target)?;
    storage.sync_dir(&dir)?;
    Ok(ExportedLog { log, id: id.to_owned(), stored_bytes })
}

/// Writes all files and the list of their hashes into `staged`, durably; the bytes stored.
fn store(
    storage: &dyn Storage,
    manager: &SnapshotManager,
    log_disk: &dyn Storage,
    id: &str,
    staged: &Path,
    compression: Compression,
    job: &Job<'_>,
) -> Result<u64> {
    storage.create_dir_all(staged)?;
    let files = manager.snapshot_files(id).map_err(log_error)?;
    let meter = Meter::new(job, files.len() as u64, files.iter().map(|file| file.bytes).sum());
    let (mut list, mut total) = (String::new(), 0);
    for file in files {
        let name = format!("{}.{}", file.name, compression.codec().extension());
        let source = log_disk.open(&file.path, Access::Read)?;
        let target = storage.create(&staged.join(&name))?;
        let (digest, bytes) = store_file(&*source, &*target, compression, job)?;
        target.sync()?;
        list.push_str(&format!("{digest}  {name}\n"));
        total += bytes;
        meter.file(file.bytes, bytes);
    }
    write_new(storage, &staged.join(layout::CHECKSUM), list.as_bytes())?;
    storage.sync_dir(staged)?;
    Ok(total + list.len() as u64)
}

/// Copies a file frame by frame; the hash and number of the stored bytes.
fn store_file(
    source: &dyn File,
    target: &dyn File,
    compression: Compression,
    job: &Job<'_>,
) -> Result<(Digest, u64)> {
    let (mut encoder, mut hasher) = (new_encoder(compression)?, Hasher::default());
    let bytes = source.bytes()?;
    let (mut at, mut stored) = (0, 0);
    let mut frame = vec![0; FRAME_BYTES];
    // A file without bytes is a frame without bytes.
    while at < bytes || stored == 0 {
        job.go_on()?;
        let left = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(FRAME_BYTES);
        source.read_exact_at(at, &mut frame[..left])?;
        let encoded = encoder
            .encode(&frame[..left])
            .map_err(|e| Error::Bug(format!("{}: compressing: {e}", source.path().display())))?;
        hasher.update(encoded);
        target.append(encoded)?;
        at += left as u64;
        stored += encoded.len() as u64;
        if left == 0 {
            break;
        }
    }
    Ok((hasher.finish(), stored))
}

/// The logs' snapshots in a repository, by log and id. Reads no file.
pub fn exported_log_snapshots(repository: &Repository) -> Result<Vec<ExportedLog>> {
    let (storage, root) = (repository.storage(), repository.root().join(LOGS));
    let mut found = Vec::new();
    if storage.stat(&root)?.is_none() {
        return Ok(found);
    }
    let dirs = |dir: &Path| -> Result<Vec<String>> {
        let entries = storage.list(dir)?.into_iter();
        let kept = entries.filter(|e| e.stat.file_type == FileType::Dir && !e.name.starts_with('.'));
        Ok(kept.map(|e| e.name).collect())
    };
    for log in dirs(&root)? {
        for id in dirs(&root.join(&log))? {
            let files = storage.list(&root.join(&log).join(&id))?;
            let stored_bytes = files.iter().map(|file| file.stat.bytes).sum();
            found.push(ExportedLog { log: log.clone(), id, stored_bytes });
        }
    }
    found.sort();
    Ok(found)
}

/// Brings a log's snapshot back from a repository: afterwards it is one of `manager`'s, and is restored like any other.
/// Every stored byte is hashed first; every file is checked again as it is taken.
pub fn import_log_snapshot(
    repository: &Repository,
    exported: &ExportedLog,
    manager: &SnapshotManager,
    job: &Job<'_>,
) -> Result<cairn_log::Snapshot> {
    repository.check()?;
    let dir = dir_of(repository, exported)?;
    let files = verify_files(repository.storage(), &dir, job)?;
    let storage = repository.storage();
    let opened = files.iter().map(|(name, codec)| {
        let plain = name.trim_end_matches(codec.extension()).trim_end_matches('.').to_owned();
        (plain, Plain::open(storage, &dir.join(name), *codec))
    });
    manager.import_snapshot(opened).map_err(log_error)
}

/// Reads and hashes every stored byte of a log's snapshot: the files that are right, the first one first.
pub fn verify_log_snapshot(repository: &Repository, exported: &ExportedLog, job: &Job<'_>) -> Result<usize> {
    repository.check()?;
    let dir = dir_of(repository, exported)?;
    Ok(verify_files(repository.storage(), &dir, job)?.len())
}

fn dir_of(repository: &Repository, exported: &ExportedLog) -> Result<PathBuf> {
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let found = plain(&exported.log) && plain(&exported.id);
    let dir = repository.root().join(LOGS).join(&exported.log).join(&exported.id);
    if !found || repository.storage().stat(&dir)?.is_none() {
        let message = format!("Snapshot not found: {} of log {}", exported.id, exported.log);
        return Err(Error::NotFound(message));
    }
    Ok(dir)
}

fn verify_files(storage: &dyn Storage, dir: &Path, job: &Job<'_>) -> Result<Vec<(String, Codec)>> {
    let path = dir.join(layout::CHECKSUM);
    let bytes = read_file(storage, &path, CHECKSUM_BYTES_MAX)?;
    let bad = |line: &str| Error::damaged(&path, None, "line", "a SHA-256, two spaces, a file name", line);
    let text = std::str::from_utf8(&bytes).map_err(|_| bad("bytes that are not UTF-8"))?;
    let mut files = Vec::new();
    for line in text.lines() {
        let (digest, name) = line.split_once("  ").ok_or_else(|| bad(line))?;
        let digest: Digest = digest.parse().map_err(|_| bad(line))?;
        let codec = name.rsplit_once('.').and_then(|(_, extension)| Codec::from_extension(extension));
        let codec = codec.filter(|_| !name.contains('/')).ok_or_else(|| bad(line))?;
        check_file(storage, &dir.join(name), digest, job)?;
        files.push((name.to_owned(), codec));
    }
    if !text.ends_with('\n') || !files.first().is_some_and(|(name, _)| name.starts_with(FIRST)) {
        return Err(Error::damaged(
            &path,
            None,
            "first line",
            FIRST,
            text.lines().next().unwrap_or_default(),
        ));
    }
    let listed = storage.list(dir)?.len();
    if listed != files.len() + 1 {
        return Err(Error::damaged(dir, None, "files", files.len() + 1, listed));
    }
    Ok(files)
}

fn check_file(storage: &dyn Storage, path: &Path, expected: Digest, job: &Job<'_>) -> Result<()> {
    let file = storage.open(path, Access::Read)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; FRAME_BYTES];
    let mut at = 0;
    loop {
        job.go_on()?;
        let got = file.read_at(at, &mut buffer)?;
        if got == 0 {
            break;
        }
        hasher.update(&buffer[..got]);
        at += got as u64;
    }
    let actual = hasher.finish();
    if actual == expected {
        Ok(())
    } else {
        Err(Error::damaged(path, None, "SHA-256 mismatch", expected, actual))
    }
}

/// The plain bytes of a stored file, or why it cannot be read.
struct Plain(Result<Box<dyn Read + Send>>);

impl Plain {
    fn open(storage: &dyn Storage, path: &Path, codec: Codec) -> Plain {
        let opened = storage.open(path, Access::Read).map_err(Error::from).and_then(|file| {
            let reader = BufReader::with_capacity(64 << 10, Bytes { file, at: 0 });
            codec::decoder(codec, reader).map_err(|e| Error::Bug(format!("{}: {e}", path.display())))
        });
        Plain(opened)
    }
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Ok(reader) => reader.read(buffer),
            Err(e) => Err(io::Error::other(e.to_string())),
        }
    }
}

struct Bytes {
    file: Box<dyn File>,
    at: u64,
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read_at(self.at, buffer).map_err(|e| io::Error::other(e.to_string()))?;
        self.at += got as u64;
        Ok(got)
    }
}

fn log_error(e: cairn_log::Error) -> Error {
    Error::Engine(cairn_engine::Error::Log(e))
}
