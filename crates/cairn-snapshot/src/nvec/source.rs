//! Reading the payload of one section, in chunks, and never past its end.

use super::section::Section;
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use cairn_disk::File;

/// How much is read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A cursor over a section's payload. Sums it up as it goes; [`Source::finish`] checks the sum.
pub(crate) struct Source<'a> {
    file: &'a dyn File,
    section: Section,
    job: &'a Job<'a>,
    meter: Option<&'a Meter<'a>>,
    buffer: Vec<u8>,
    /// What of the buffer was taken.
    used: usize,
    /// Where in the file the buffer ends.
    next: u64,
    crc: crc32fast::Hasher,
}

impl<'a> Source<'a> {
    pub(crate) fn new(
        file: &'a dyn File,
        section: Section,
        job: &'a Job<'a>,
        meter: Option<&'a Meter<'a>>,
    ) -> Source<'a> {
        let crc = crc32fast::Hasher::new();
        Source { file, section, job, meter, buffer: Vec::new(), used: 0, next: section.at, crc }
    }

    /// An error about what stands where the cursor is.
    pub(crate) fn bad(&self, what: &str, expected: impl ToString, actual: impl ToString) -> Error {
        Error::damaged(self.file.path(), Some(self.at()), what, expected, actual)
    }

    fn at(&self) -> u64 {
        self.next - (self.buffer.len() - self.used) as u64
    }

    /// Bytes not yet taken.
    pub(crate) fn left(&self) -> u64 {
        self.section.at + self.section.bytes - self.at()
    }

    /// The next `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Result<&[u8]> {
        if n as u64 > self.left() {
            return Err(self.bad("section end", format!("{n} bytes more"), format!("{} bytes", self.left())));
        }
        if self.buffer.len() - self.used < n {
            self.fill(n)?;
        }
        self.used += n;
        Ok(&self.buffer[self.used - n..self.used])
    }

    /// Reads on until the buffer holds `n` bytes, which the section has.
    fn fill(&mut self, n: usize) -> Result<()> {
        self.job.go_on()?;
        self.buffer.drain(..self.used);
        self.used = 0;
        let unread = self.section.at + self.section.bytes - self.next;
        let held = self.buffer.len();
        let more = (n.max(BUFFER_BYTES) - held).min(usize::try_from(unread).unwrap_or(usize::MAX));
        self.buffer.resize(held + more, 0);
        self.file.read_exact_at(self.next, &mut self.buffer[held..])?;
        self.crc.update(&self.buffer[held..]);
        self.next += more as u64;
        if let Some(meter) = self.meter {
            meter.bytes(more as u64, 0);
        }
        Ok(())
    }

    /// Leaves `n` bytes out, which are not read: what was taken has no sum from then on.
    pub(crate) fn skip(&mut self, n: u64) -> Result<()> {
        if n > self.left() {
            return Err(self.bad("section end", format!("{n} bytes more"), format!("{} bytes", self.left())));
        }
        let buffered = (self.buffer.len() - self.used) as u64;
        self.used += n.min(buffered) as usize;
        if n > buffered {
            self.next += n - buffered;
        }
        Ok(())
    }

    /// Where in the file the next byte is.
    pub(crate) fn position(&self) -> u64 {
        self.at()
    }

    /// Fails unless every byte was taken or left out.
    pub(crate) fn at_end(&self) -> Result<()> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.bad("section end", "the last entry's end", format!("{left} bytes more"))),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A finite number.
    pub(crate) fn score(&mut self) -> Result<f64> {
        let score = f64::from_le_bytes(self.array()?);
        if score.is_finite() { Ok(score) } else { Err(self.bad("score", "a finite number", score)) }
    }

    /// Bytes that are reserved.
    pub(crate) fn zeros<const N: usize>(&mut self) -> Result<()> {
        let bytes = self.array::<N>()?;
        if bytes == [0; N] { Ok(()) } else { Err(self.bad("reserved bytes", "zeros", format!("{bytes:?}"))) }
    }

    /// A count of entries that take `entry_bytes_min` or more each: no more than the section can hold.
    pub(crate) fn count(&mut self, entry_bytes_min: u64) -> Result<u64> {
        let count = self.u64()?;
        let most = self.left() / entry_bytes_min.max(1);
        if count <= most { Ok(count) } else { Err(self.bad("count", format!("at most {most}"), count)) }
    }

    /// A string of an id or a name: 1 to 65,535 bytes, which is what the engine's formats hold. It replaces `text`.
    pub(crate) fn text(&mut self, text: &mut String) -> Result<()> {
        let bytes = self.u32()?;
        if !(1..=u32::from(u16::MAX)).contains(&bytes) {
            return Err(self.bad("string length", "1 to 65535", bytes));
        }
        text.clear();
        match std::str::from_utf8(self.take(bytes as usize)?) {
            Ok(valid) => {
                text.push_str(valid);
                Ok(())
            }
            Err(_) => Err(self.bad("string", "UTF-8", "other bytes")),
        }
    }

    /// `n` finite numbers. They replace `out`.
    pub(crate) fn f32s(&mut self, n: usize, out: &mut Vec<f32>) -> Result<()> {
        out.clear();
        let bytes = self.take(n.saturating_mul(4))?;
        out.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        match out.iter().find(|x| !x.is_finite()) {
            None => Ok(()),
            Some(x) => Err(self.bad("vector element", "a finite number", x)),
        }
    }

    /// Fails unless every byte was taken and they are what the section's CRC says.
    pub(crate) fn finish(self) -> Result<()> {
        self.at_end()?;
        let actual = self.crc.clone().finalize();
        if actual == self.section.crc { Ok(()) } else { Err(crc_mismatch(self.file, self.section, actual)) }
    }
}

/// A section's payload is not what was written.
pub(crate) fn crc_mismatch(file: &dyn File, section: Section, actual: u32) -> Error {
    let (expected, actual) = (format!("0x{:08x}", section.crc), format!("0x{actual:08x}"));
    Error::damaged(file.path(), Some(section.at), super::file::CRC_MISMATCH, expected, actual)
}
