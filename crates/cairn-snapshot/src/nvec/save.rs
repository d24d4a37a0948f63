//! Saving a View as a `.nvec` file.

use super::collections::FilePayloads;
use super::directory;
use super::file::NvecInfo;
use super::header::{FLAG_EXTENSIONS, FOOTER_BYTES, HEADER_BYTES, Header, VERSION, saturated};
use super::section::{SECTION_HEADER_BYTES, encode_header};
use super::sink::{FileSink, Sink};
use super::wrapped::{Wrapping, compression_of};
use crate::codec::Compression;
use crate::error::{Error, Result};
use crate::job::Job;
use cairn_disk::{ErrorKind, File, FileType, Storage, parent_dir};
use cairn_engine::View;
use std::ffi::OsString;
use std::path::Path;

/// Writes the state of `view`, without what is volatile, to `path` (mode 0600), replacing a file that is there. When this returns, the file is
/// durable and whole; until then `path` is what it was, also after a crash. `now_us` is the time now, microseconds since
/// the Unix epoch.
///
/// The bytes are made on the way to the file; sizes and section CRCs, which stand before them, by a pass that writes
/// nothing. `job.threads` is not used.
///
/// A path that ends in `.gz` or `.zst` is compressed. One whose name begins with `snapshot-` and has no ending becomes the directory
/// layout, and must not be there yet.
pub fn save(storage: &dyn Storage, path: &Path, view: &View, now_us: i64, job: &Job<'_>) -> Result<NvecInfo> {
    if directory::is_meant(path) {
        return directory::save(storage, path, view, now_us, job);
    }
    let plan = Plan::new(view, now_us, job)?;
    let file = create_unfinished(storage, path)?;
    let file: Box<dyn File> = match compression_of(path) {
        Compression::None => file,
        compression => Box::new(Wrapping::new(file, compression)?),
    };
    let written = plan.write(file.as_ref(), job).and_then(|()| Ok(storage.rename(file.path(), path)?));
    if let Err(e) = written {
        // The first error is the one to report; what stays has a name that `remove_unfinished` knows.
        let _ = storage.remove(file.path());
        return Err(e);
    }
    storage.sync_dir(parent_dir(path))?;
    Ok(plan.info(view))
}

/// Removes what saves did not finish in `dir`, because the process died: files named `.<name>.<number>.unfinished`, directories
/// named `.<name>.unfinished`. How many there were. Not while anyone saves to that directory.
pub fn remove_unfinished(storage: &dyn Storage, dir: &Path) -> Result<u64> {
    let mut removed = 0;
    for entry in storage.list(dir)? {
        let ours = entry.name.starts_with('.') && entry.name.ends_with(UNFINISHED);
        if !ours || entry.stat.file_type == FileType::Other {
            continue;
        }
        match entry.stat.file_type {
            FileType::Dir => storage.remove_dir_all(&dir.join(entry.name))?,
            _ => storage.remove(&dir.join(entry.name))?,
        }
        removed += 1;
    }
    Ok(removed)
}

/// The end of the name of a file that is not finished.
const UNFINISHED: &str = ".unfinished";
/// Unfinished files of one name, at most.
const UNFINISHED_MAX: u32 = 1_000;

/// A new file beside `path`, of its own: two saves to one path do not meet, and the one that ends last stays.
fn create_unfinished(storage: &dyn Storage, path: &Path) -> Result<Box<dyn File>> {
    let name =
        path.file_name().ok_or_else(|| Error::Input(format!("Invalid filepath: {}", path.display())))?;
    for n in 1..=UNFINISHED_MAX {
        let mut unfinished = OsString::from(".");
        unfinished.push(name);
        unfinished.push(format!(".{n}{UNFINISHED}"));
        match storage.create(&path.with_file_name(unfinished)) {
            Err(e) if e.kind() == ErrorKind::Exists => {}
            created => return Ok(created?),
        }
    }
    Err(Error::Exists(format!("{}: {UNFINISHED_MAX} unfinished files beside it", path.display())))
}

/// A file whose every size is known.
pub(crate) struct Plan<'a> {
    payloads: FilePayloads<'a>,
    header: Header,
    pub sections: Vec<Planned>,
}

/// A section that will be written.
pub(crate) struct Planned {
    pub kind: u32,
    pub bytes: u64,
    crc: u32,
}

impl<'a> Plan<'a> {
    pub fn new(view: &'a View, now_us: i64, job: &Job<'_>) -> Result<Plan<'a>> {
        let payloads = FilePayloads::new(view, job)?;
        let mut sections = Vec::new();
        let mut file_bytes = HEADER_BYTES + FOOTER_BYTES;
        for kind in payloads.kinds() {
            job.go_on()?;
            let measured = payloads.measure(kind)?;
            file_bytes += SECTION_HEADER_BYTES + measured.bytes;
            sections.push(Planned { kind, bytes: measured.bytes, crc: measured.crc() });
        }
        let counts = view.default_collection().counts();
        let created_ms = u64::try_from(now_us / 1_000)
            .map_err(|_| Error::Input(format!("the clock says {now_us} µs since 1970: before that")))?;
        let header = Header {
            flags: FLAG_EXTENSIONS,
            events: saturated(counts.events),
            pairs: saturated(counts.pairs),
            vectors: saturated(counts.vectors),
            created_ms,
            file_bytes,
        };
        Ok(Plan { payloads, header, sections })
    }

    pub fn write(&self, file: &dyn File, job: &Job<'_>) -> Result<()> {
        let mut sink = FileSink::new(file, self.header.file_bytes, job);
        sink.put(&self.header.encode())?;
        for section in &self.sections {
            sink.put(&encode_header(section.kind, section.crc, section.bytes))?;
            let before = sink.bytes();
            self.payloads.put(section.kind, &mut sink)?;
            if sink.bytes() - before != section.bytes {
                return Err(Error::Bug(format!("section {} came out in two sizes", section.kind)));
            }
        }
        let crc = sink.crc();
        sink.u32(crc)?;
        sink.u32(0)?;
        sink.finish()?;
        file.sync()?;
        Ok(())
    }

    pub fn info(&self, view: &View) -> NvecInfo {
        let counts = view.default_collection().counts();
        NvecInfo {
            version: VERSION,
            flags: self.header.flags,
            event_count: counts.events,
            pair_count: counts.pairs,
            vector_count: counts.vectors,
            context_count: counts.contexts,
            file_size: self.header.file_bytes,
            created_ms: self.header.created_ms,
            collection_count: self.payloads.count(),
        }
    }
}
