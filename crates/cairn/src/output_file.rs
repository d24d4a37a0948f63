//! The output file: written under another name, synced, and renamed when it is whole; or appended to.

use crate::failure::Result;
use cairn_disk::{Access, File, Storage, parent_dir};
use cairn_transfer::Compression;
use flate2::write::GzEncoder;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Appends to a file of the disk.
#[derive(Debug)]
pub struct Appender(Box<dyn File>);

impl Appender {
    /// Opens a file at its end when `on`, else anew.
    pub fn open(storage: &dyn Storage, path: &Path, on: bool) -> Result<Appender> {
        let there = storage.stat(path)?.is_some();
        if there && on {
            return Ok(Appender(storage.open(path, Access::Write)?));
        }
        if there {
            storage.remove(path)?;
        }
        Ok(Appender(storage.create(path)?))
    }

    /// Makes it last.
    pub fn sync(&self, storage: &dyn Storage) -> Result<()> {
        self.0.sync()?;
        Ok(storage.sync_dir(parent_dir(self.0.path()))?)
    }
}

impl Write for Appender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.append(bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file in the making. Dropped before [`Whole::finish`], nothing of it is left, and what was there before stays.
pub struct Whole {
    storage: Arc<dyn Storage>,
    path: PathBuf,
    unfinished: PathBuf,
    out: Option<Packed>,
}

/// What wraps its bytes.
enum Packed {
    Plain(Appender),
    Gzip(Box<GzEncoder<Appender>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Appender>>),
}

impl Whole {
    /// Begins the file of this name, compressed when its name says so.
    pub fn begin(storage: Arc<dyn Storage>, path: &Path) -> Result<Whole> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let unfinished = path.with_file_name(format!(".{name}.unfinished"));
        let file = Appender::open(&*storage, &unfinished, false)?;
        let out = match Compression::from_file_name(&name) {
            Compression::None => Packed::Plain(file),
            Compression::Gzip => Packed::Gzip(Box::new(GzEncoder::new(file, flate2::Compression::default()))),
            Compression::Zstd => Packed::Zstd(Box::new(zstd::stream::write::Encoder::new(file, 0)?)),
        };
        Ok(Whole { storage, path: path.to_owned(), unfinished, out: Some(out) })
    }

    /// Makes it durable, and gives it its name; how many bytes it has.
    pub fn finish(mut self) -> Result<u64> {
        let file = match self.out.take() {
            Some(Packed::Plain(file)) => file,
            Some(Packed::Gzip(packed)) => packed.finish()?,
            Some(Packed::Zstd(packed)) => packed.finish()?,
            None => return Ok(0),
        };
        let bytes = file.0.bytes()?;
        file.0.sync()?;
        self.storage.rename(&self.unfinished, &self.path)?;
        self.storage.sync_dir(parent_dir(&self.path))?;
        Ok(bytes)
    }
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Some(Packed::Plain(file)) => file.write(bytes),
            Some(Packed::Gzip(packed)) => packed.write(bytes),
            Some(Packed::Zstd(packed)) => packed.write(bytes),
            None => Err(io::Error::other("the file is finished")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // The end of the file comes with `finish`.
        Ok(())
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        // After `finish` there is nothing of this name; a failure leaves a file that the next export replaces.
        let _ = self.storage.remove(&self.unfinished);
    }
}
