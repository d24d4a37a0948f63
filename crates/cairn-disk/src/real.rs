//! The real disk: files of the operating system.

use crate::{Access, Bytes, Entry, Error, File, FileType, LockGuard, Result, Stat, Storage, Throttle};
use parking_lot::Mutex;
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{self, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// So many bytes of a file are written before the disk is asked to begin with them: little is left for its sync, which would
/// otherwise hold up the syncs of other files, such as a log's.
const AHEAD_BYTES: u64 = 256 << 10;

/// Files and directories of the operating system.
///
/// [`File::sync`] is `fdatasync`, which writes the length too; [`Storage::sync_dir`] is `fsync` of the directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl RealDisk {
    /// The disk of this machine.
    pub fn new() -> Self {
        Self
    }
}

impl Storage for RealDisk {
    fn create(&self, path: &Path) -> Result<Box<dyn File>> {
        let file = create_new(path).map_err(|e| Error::io("create", path, e))?;
        Ok(Box::new(RealFile::new(path, file)))
    }

    fn open(&self, path: &Path, access: Access) -> Result<Box<dyn File>> {
        let file = open_regular(path, access).map_err(|e| Error::io("open", path, e))?;
        Ok(Box::new(RealFile::new(path, file)))
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(stat_of(&metadata))),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(Error::io("stat", path, e)),
        }
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>> {
        list(dir).map_err(|e| Error::io("list", dir, e))
    }

    fn create_dir_all(&self, dir: &Path) -> Result<()> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|e| Error::io("create directory", dir, e))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(|e| Error::io("rename", named(from, &e, to), e))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<()> {
        fs::hard_link(from, to).map_err(|e| Error::io("link", named(from, &e, to), e))
    }

    fn reflink(&self, from: &Path, to: &Path) -> Result<()> {
        let source = open_regular(from, Access::Read).map_err(|e| Error::io("copy", from, e))?;
        let target = create_new(to).map_err(|e| Error::io("copy to", to, e))?;
        if let Err(e) = copy(&source, &target) {
            // Half a copy is of no use; the error that matters is the first.
            let _ = fs::remove_file(to);
            return Err(Error::io("copy to", to, e));
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|e| Error::io("remove", path, e))
    }

    fn remove_gently(&self, path: &Path, throttle: &Throttle) -> Result<()> {
        // What is open keeps its space. One that cannot be opened is removed as any other.
        let opened = open_regular(path, Access::Read).ok();
        self.remove(path)?;
        if let Some(file) = opened {
            throttle.let_go(file);
        }
        Ok(())
    }

    fn remove_dir_all(&self, dir: &Path) -> Result<()> {
        match fs::remove_dir_all(dir) {
            Err(e) if is_absent(&e) && fs::symlink_metadata(dir).is_err() => Ok(()),
            done => done.map_err(|e| Error::io("remove directory", dir, e)),
        }
    }

    fn sync_dir(&self, dir: &Path) -> Result<()> {
        let opened = OpenOptions::new().read(true).custom_flags(flags(OFlags::DIRECTORY)).open(dir);
        let synced = opened.and_then(|d| d.sync_all());
        synced.map_err(|e| Error::io("sync directory", dir, e))
    }

    fn lock(&self, path: &Path, holder: &str) -> Result<Box<dyn LockGuard>> {
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = opened.map_err(|e| Error::io("lock", path, e))?;
        Ok(Box::new(lock_file(file, path, holder)?))
    }

    fn free_bytes(&self, path: &Path) -> Result<u64> {
        let stat = rustix::fs::statvfs(path).map_err(|e| Error::io("read free space of", path, e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn canonical(&self, path: &Path) -> Result<PathBuf> {
        fs::canonicalize(path).map_err(|e| Error::io("resolve", path, e))
    }
}

/// An open file of the operating system.
#[derive(Debug)]
struct RealFile {
    path: PathBuf,
    file: fs::File,
    /// Held from finding the end to having written there: bytes written since the disk was asked to begin with what there is.
    end: Mutex<u64>,
    /// The same file, opened once more by the first append: the system finds its end, which saves a call for each append.
    /// `None` where it cannot be opened so.
    appender: OnceLock<Option<fs::File>>,
}

impl RealFile {
    fn new(path: &Path, file: fs::File) -> Self {
        Self { path: path.to_owned(), file, end: Mutex::new(0), appender: OnceLock::new() }
    }

    fn length(&self, op: &'static str) -> Result<u64> {
        let metadata = self.file.metadata().map_err(|e| Error::io(op, &self.path, e))?;
        Ok(metadata.len())
    }
}

/// The same file again, whatever its name is by now, so that every write goes to its end. Where the system has no such names,
/// `None`.
fn reopen_to_append(file: &fs::File) -> Option<fs::File> {
    // What was opened for reading stays so.
    if !rustix::fs::fcntl_getfl(file).ok()?.intersects(OFlags::RDWR | OFlags::WRONLY) {
        return None;
    }
    let same = format!("/proc/self/fd/{}", file.as_raw_fd());
    OpenOptions::new().append(true).open(same).ok()
}

impl File for RealFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn bytes(&self) -> Result<u64> {
        self.length("stat")
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        read_at(&self.file, offset, buf).map_err(|e| Error::io("read", &self.path, e))
    }

    fn append(&self, bytes: &[u8]) -> Result<()> {
        let mut waiting = self.end.lock();
        let failed = |e| Error::io("append to", &self.path, e);
        match self.appender.get_or_init(|| reopen_to_append(&self.file)) {
            Some(file) => (&*file).write_all(bytes).map_err(failed)?,
            None => self.file.write_all_at(bytes, self.length("append to")?).map_err(failed)?,
        }
        *waiting += bytes.len() as u64;
        if *waiting >= AHEAD_BYTES {
            *waiting = 0;
            begin_writing(&self.file);
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let _end = self.end.lock();
        check_write(offset, self.length("write")?).map_err(|e| Error::io("write", &self.path, e))?;
        self.file.write_all_at(bytes, offset).map_err(|e| Error::io("write", &self.path, e))
    }

    fn truncate(&self, bytes: u64) -> Result<()> {
        let _end = self.end.lock();
        check_truncate(bytes, self.length("truncate")?).map_err(|e| Error::io("truncate", &self.path, e))?;
        self.file.set_len(bytes).map_err(|e| Error::io("truncate", &self.path, e))
    }

    fn sync(&self) -> Result<()> {
        *self.end.lock() = 0;
        self.file.sync_data().map_err(|e| Error::io("sync", &self.path, e))
    }

    fn append_gently(&self, bytes: &[u8], throttle: &Throttle) -> Result<()> {
        throttle.write_through(bytes, |piece| self.append(piece), || begin_writing(&self.file))
    }

    fn map(&self) -> Result<Box<dyn Bytes>> {
        crate::mapped::map(&self.file, &self.path)
    }
}

/// Asks the system to begin writing what is dirty of a file, and does not wait for it. Only a sync makes anything last, and tells
/// of errors; so whether this worked does not matter.
fn begin_writing(file: &fs::File) {
    #[cfg(target_os = "linux")]
    // SAFETY: the call takes numbers only, and the descriptor is open as long as `file` is borrowed.
    unsafe {
        libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Reads at `offset`, again when a signal interrupts.
pub(crate) fn read_at(file: &fs::File, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read_at(buf, offset) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Refuses a write that would leave a hole.
pub(crate) fn check_write(offset: u64, length: u64) -> io::Result<()> {
    if offset > length {
        let why = format!("at byte {offset} of a file of {length} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(())
}

/// Refuses a truncate that would make the file longer.
pub(crate) fn check_truncate(bytes: u64, length: u64) -> io::Result<()> {
    if bytes > length {
        let why = format!("to {bytes} bytes, but it has {length}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(())
}

/// Whether the error says that nothing is at the path.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Locks an open lock file and writes its holder into it; the lock goes with the returned guard.
pub(crate) fn lock_file(file: fs::File, path: &Path, holder: &str) -> Result<FileLock> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = [0; 1024];
            let n = read_at(&file, 0, &mut text).map_err(|e| Error::io("lock", path, e))?;
            return Err(locked(path, &text[..n]));
        }
        Err(TryLockError::Error(e)) => return Err(Error::io("lock", path, e)),
    }
    let written = file.set_len(0).and_then(|()| (&file).write_all(holder.as_bytes()));
    written.map_err(|e| Error::io("write to", path, e))?;
    Ok(FileLock { file })
}

/// The error for a lock that another holds, who wrote `text` about itself.
pub(crate) fn locked(path: &Path, text: &[u8]) -> Error {
    let holder = match String::from_utf8_lossy(text).trim() {
        "" => "a process that has not written its name yet".to_owned(),
        text => text.to_owned(),
    };
    Error::Locked { path: path.to_owned(), holder }
}

/// A lock of the operating system: it ends with the guard, or the process.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: fs::File,
}

impl LockGuard for FileLock {}

impl Drop for FileLock {
    fn drop(&mut self) {
        // A process that another thread starts right now has the same open file until it runs its program: closing ours would
        // leave the lock held until then. What cannot be unlocked is unlocked by closing it.
        let _ = self.file.unlock();
    }
}

fn create_new(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a regular file. Anything else is refused, and opening it does not wait (as opening a pipe would).
fn open_regular(path: &Path, access: Access) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.read(true).write(access == Access::Write);
    let file = options.custom_flags(flags(OFlags::NONBLOCK)).open(path)?;
    let kind = file.metadata()?.file_type();
    if kind.is_dir() {
        return Err(Errno::ISDIR.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).expect("open flags are an int in C")
}

fn copy(mut source: &fs::File, mut target: &fs::File) -> io::Result<()> {
    // Sharing blocks works on some file systems only, and why it failed does not matter: the copy finds out.
    if reflink_copy::reflink_file(source, target).is_ok() {
        return Ok(());
    }
    target.set_len(0)?;
    io::copy(&mut source, &mut target)?;
    Ok(())
}

fn list(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        match entry.metadata() {
            Ok(metadata) => entries.push(Entry { name, stat: stat_of(&metadata) }),
            // Removed by another since it was listed.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn stat_of(metadata: &fs::Metadata) -> Stat {
    let kind = metadata.file_type();
    if kind.is_file() {
        Stat { file_type: FileType::File, bytes: metadata.len() }
    } else if kind.is_dir() {
        Stat { file_type: FileType::Dir, bytes: 0 }
    } else {
        Stat { file_type: FileType::Other, bytes: 0 }
    }
}

/// Which of two paths an error is about: the source when that is missing, else the target.
fn named<'a>(from: &'a Path, error: &io::Error, to: &'a Path) -> &'a Path {
    if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(from).is_err() { from } else { to }
}
