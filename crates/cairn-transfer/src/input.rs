//! The input: what is read, decompressed, counted and summed up.

use crate::error::{Error, Result};
use crate::format::{Compression, Format, MAGIC_BYTES};
use crate::source::{self, DiskReader};
use cairn_disk::{Access, Crc32c, File, Storage};
use std::fmt;
use std::io::{self, BufRead, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much is read at once, in bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// What is read: a file or a stream, decompressed when its first bytes say gzip or zstd. It keeps no more than a buffer
/// in memory, knows how many bytes it has given out, and their checksum.
pub struct Input {
    name: String,
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What of the buffer was given out, and what there is.
    at: usize,
    filled: usize,
    /// Up to where the buffer is in the checksum.
    summed: usize,
    crc: Crc32c,
    position: u64,
    raw: Arc<AtomicU64>,
    stored: Option<Stored>,
    compression: Compression,
}

/// What is known of a file.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The file itself.
    #[cfg(feature = "arrow")]
    pub file: Arc<dyn File>,
    /// Its length in bytes, compressed.
    pub bytes: u64,
    /// A checksum over samples of it.
    pub sample: u32,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Input {
    /// Reads a stream of unknown length. `name` is for messages.
    ///
    /// # Errors
    /// `Read`, when its first bytes cannot be read.
    pub fn from_reader(name: &str, reader: impl Read + Send + 'static) -> Result<Input> {
        Input::new(name, Box::new(reader), None)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// `Disk`, `Read`.
    pub fn open(storage: &dyn Storage, path: &Path) -> Result<Input> {
        let file: Arc<dyn File> = storage.open(path, Access::Read)?.into();
        let stored = Stored {
            #[cfg(feature = "arrow")]
            file: Arc::clone(&file),
            bytes: file.bytes()?,
            sample: source::sample(&*file)?,
        };
        Input::new(&path.display().to_string(), Box::new(DiskReader::new(file)), Some(stored))
    }

    fn new(name: &str, reader: Box<dyn Read + Send>, stored: Option<Stored>) -> Result<Input> {
        let raw = Arc::new(AtomicU64::new(0));
        let mut reader = Counting { reader, count: Arc::clone(&raw) };
        let failed = |source| Error::Read { name: name.to_owned(), position: 0, source: Arc::new(source) };
        let mut head = Vec::new();
        reader.by_ref().take(4).read_to_end(&mut head).map_err(failed)?;
        let compression = Compression::from_magic(&head);
        let whole = Cursor::new(head).chain(reader);
        let buffered = |whole| io::BufReader::with_capacity(BUFFER_BYTES, whole);
        let reader: Box<dyn Read + Send> = match compression {
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered(whole))),
            Compression::Zstd => {
                Box::new(zstd::stream::read::Decoder::with_buffer(buffered(whole)).map_err(failed)?)
            }
            Compression::None => Box::new(whole),
        };
        Ok(Input {
            name: name.to_owned(),
            reader,
            buffer: vec![0; BUFFER_BYTES],
            at: 0,
            filled: 0,
            summed: 0,
            crc: Crc32c::new(),
            position: 0,
            raw,
            stored,
            compression,
        })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it was wrapped in.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes given out, decompressed.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes read from the file or stream, as they are there.
    pub fn raw_bytes(&self) -> u64 {
        self.raw.load(Ordering::Relaxed)
    }

    /// The length of the file, as it is there; `None` of a stream.
    pub fn bytes_total(&self) -> Option<u64> {
        self.stored.as_ref().map(|stored| stored.bytes)
    }

    /// Counts what is read of the file by another way than this.
    #[cfg(feature = "arrow")]
    pub(crate) fn raw_counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.raw)
    }

    pub(crate) fn stored(&self) -> Option<&Stored> {
        self.stored.as_ref()
    }

    /// The CRC-32C of all bytes given out.
    pub fn crc(&mut self) -> u32 {
        self.sum_up();
        self.crc.value()
    }

    /// The next bytes, [`MAGIC_BYTES`] or all there are, without taking them.
    ///
    /// # Errors
    /// `Read`.
    pub fn peek(&mut self) -> Result<&[u8]> {
        while self.filled - self.at < MAGIC_BYTES {
            if self.more().map_err(|e| self.failed(e))? == 0 {
                break;
            }
        }
        let end = self.filled.min(self.at + MAGIC_BYTES);
        Ok(&self.buffer[self.at..end])
    }

    /// The format by its first bytes, or else by its name.
    ///
    /// # Errors
    /// `Read`; `Input` when neither says.
    pub fn detect(&mut self) -> Result<Format> {
        let by_magic = Format::from_magic(self.peek()?);
        by_magic.or_else(|| Format::from_file_name(&self.name)).ok_or_else(|| {
            Error::Input(format!("{}: its format is not known by name or first bytes: name it", self.name))
        })
    }

    /// Takes bytes up to a position, so that the checksum covers them.
    pub(crate) fn skip_to(&mut self, position: u64) -> Result<()> {
        while self.position < position {
            if self.at == self.filled && self.more().map_err(|e| self.failed(e))? == 0 {
                let got = format!("{} bytes", self.position);
                return Err(self.changed("length", format!("at least {position} bytes"), got));
            }
            let have = self.filled - self.at;
            self.consume(usize::try_from(position - self.position).map_or(have, |n| n.min(have)));
        }
        Ok(())
    }

    /// Fills `bytes`; says how many there were, less only at the end.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < bytes.len() {
            match self.read(&mut bytes[done..]) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed(e)),
            }
        }
        Ok(done)
    }

    /// An error of reading here.
    pub(crate) fn failed(&self, source: io::Error) -> Error {
        Error::Read { name: self.name.clone(), position: self.position, source: Arc::new(source) }
    }

    /// Bytes that are not of their format.
    pub(crate) fn bad(
        &self,
        place: impl ToString,
        what: &str,
        expected: impl ToString,
        got: impl ToString,
    ) -> Error {
        Error::Format {
            name: self.name.clone(),
            place: place.to_string(),
            what: what.to_owned(),
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }

    pub(crate) fn changed(&self, what: &'static str, expected: impl ToString, got: impl ToString) -> Error {
        let (expected, got) = (expected.to_string(), got.to_string());
        Error::Changed { name: self.name.clone(), what, expected, got }
    }

    fn sum_up(&mut self) {
        self.crc.update(&self.buffer[self.summed..self.at]);
        self.summed = self.at;
    }

    /// Reads more behind what there is; 0 at the end.
    fn more(&mut self) -> io::Result<usize> {
        if self.at > 0 {
            self.sum_up();
            self.buffer.copy_within(self.at..self.filled, 0);
            self.filled -= self.at;
            (self.at, self.summed) = (0, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
                Ok(n) => {
                    self.filled += n;
                    return Ok(n);
                }
            }
        }
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.filled {
            self.more()?;
        }
        Ok(&self.buffer[self.at..self.filled])
    }

    fn consume(&mut self, amount: usize) {
        let amount = amount.min(self.filled - self.at);
        self.at += amount;
        self.position += amount as u64;
    }
}

impl Read for Input {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let have = self.fill_buf()?;
        let n = have.len().min(bytes.len());
        bytes[..n].copy_from_slice(&have[..n]);
        self.consume(n);
        Ok(n)
    }
}

/// Counts what is read.
struct Counting {
    reader: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(bytes)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
