//! An open `.nvec` file: what it says about itself, and whether it is whole.

use super::header::{FOOTER_BYTES, HEADER_BYTES, Header, VERSION};
use super::open::open;
use super::parse::{self, Discard};
use super::parse_collections;
use super::section::{self, SECTION_HEADER_BYTES, Section};
use super::source::{Source, crc_mismatch};
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use crate::names;
use cairn_disk::{File, Storage};
use std::path::Path;

/// What nvecd's documents call damage.
pub(crate) const CRC_MISMATCH: &str = "CRC mismatch: file may be corrupted";
/// How much is read at once to sum it up.
const READ_BYTES: usize = 1 << 20;
/// The last millisecond of the year 9999.
const CREATED_MS_MAX: u64 = 253_402_300_799_999;

/// What a `.nvec` file says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NvecInfo {
    /// Format version.
    pub version: u32,
    /// Bit 0: extension sections follow the three.
    pub flags: u32,
    /// Events in all rings of `default`.
    pub event_count: u64,
    /// Co-occurrence pairs of `default`.
    pub pair_count: u64,
    /// Vectors of `default`.
    pub vector_count: u64,
    /// Contexts of `default`.
    pub context_count: u64,
    /// Bytes of the file, once it is decompressed.
    pub file_size: u64,
    /// When it was made, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Collections, `default` included.
    pub collection_count: u64,
}

impl NvecInfo {
    /// When it was made, UTC, as nvecd prints it: `2025-01-18T12:00:00`.
    pub fn created_at(&self) -> String {
        let us = i64::try_from(self.created_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        names::seconds(us)
    }
}

/// A `.nvec` file found whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NvecVerified {
    /// The CRC-32 of every byte before the footer.
    pub crc: u32,
}

/// What the file at `path` says about itself. Checked are magic, version, size and the layout of its sections, and that
/// its header agrees with them; only [`verify`] reads all bytes.
pub fn info(storage: &dyn Storage, path: &Path) -> Result<NvecInfo> {
    info_with(storage, path, &Job::default())
}

/// As [`info`], by a job that can be stopped: a compressed file is read to its end.
pub fn info_with(storage: &dyn Storage, path: &Path, job: &Job<'_>) -> Result<NvecInfo> {
    let opened = open(storage, path, job)?;
    NvecFile::open(opened.file.as_ref())?.info(job)
}

/// Reads every byte of the file at `path`: magic, version, size, CRCs, then whether the content is what
/// [`super::load`] takes. Changes nothing.
pub fn verify(storage: &dyn Storage, path: &Path, job: &Job<'_>) -> Result<NvecVerified> {
    let opened = open(storage, path, job)?;
    let nvec = NvecFile::open(opened.file.as_ref())?;
    let meter = nvec.meter(job, opened.passed_bytes);
    let checked = nvec.check(job, &meter)?;
    parse::content(&nvec, &checked.sections, job, &meter, &mut Discard)?;
    Ok(NvecVerified { crc: checked.crc })
}

/// An open file whose magic, version and size are right.
pub(crate) struct NvecFile<'a> {
    pub file: &'a dyn File,
    pub header: Header,
}

/// A file whose CRCs are right.
pub(crate) struct Checked {
    pub crc: u32,
    pub sections: Vec<Section>,
}

impl<'a> NvecFile<'a> {
    pub(crate) fn open(file: &'a dyn File) -> Result<NvecFile<'a>> {
        let bytes = file.bytes()?;
        let mut head = vec![0; HEADER_BYTES.min(bytes) as usize];
        file.read_exact_at(0, &mut head)?;
        Ok(NvecFile { file, header: Header::decode(file.path(), &head, bytes)? })
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    /// Flags and sections.
    pub(crate) fn sections(&self) -> Result<Vec<Section>> {
        self.header.check_flags(self.path())?;
        section::table(self.file, &self.header)
    }

    pub(crate) fn info(&self, job: &Job<'_>) -> Result<NvecInfo> {
        let sections = self.sections()?;
        let header = &self.header;
        if header.created_ms > CREATED_MS_MAX {
            let expected = format!("at most {CREATED_MS_MAX}");
            return Err(Error::damaged(self.path(), Some(24), "created", expected, header.created_ms));
        }
        let counts = parse::counts(self, &sections, job)?;
        Ok(NvecInfo {
            version: VERSION,
            flags: header.flags,
            event_count: counts.events,
            pair_count: counts.pairs,
            vector_count: counts.vectors,
            context_count: counts.contexts,
            file_size: header.file_bytes,
            created_ms: header.created_ms,
            collection_count: parse_collections::count(self, &sections, job)?,
        })
    }

    /// Counts the two times the file is read, for its CRCs, then for its content, after what was read to open it.
    pub(crate) fn meter<'j>(&self, job: &'j Job<'j>, passed_bytes: u64) -> Meter<'j> {
        let twice = self.header.file_bytes.saturating_mul(2);
        Meter::new(job, 1, twice.saturating_add(passed_bytes)).after(passed_bytes)
    }

    /// Reads every byte and checks the file's CRC and each section's. Damage is told as the file's CRC, with the place of
    /// the section that has it when that can be known.
    pub(crate) fn check(&self, job: &Job<'_>, meter: &Meter<'_>) -> Result<Checked> {
        let sections = self.sections();
        let mut whole = crc32fast::Hasher::new();
        let mut damaged: Option<(Section, u32)> = None;
        let mut at = 0;
        for section in sections.iter().flatten() {
            self.sum(at..section.at, &mut whole, job, meter)?;
            at = section.at + section.bytes;
            let actual = self.sum(section.at..at, &mut whole, job, meter)?;
            if actual != section.crc {
                damaged.get_or_insert((*section, actual));
            }
        }
        let end = self.header.file_bytes - FOOTER_BYTES;
        self.sum(at..end, &mut whole, job, meter)?;
        let crc = whole.finalize();
        let (expected, reserved) = self.footer(end)?;
        if crc != expected {
            let offset = damaged.map(|(section, _)| section.at - SECTION_HEADER_BYTES);
            let (expected, actual) = (format!("0x{expected:08x}"), format!("0x{crc:08x}"));
            return Err(Error::damaged(self.path(), offset, CRC_MISMATCH, expected, actual));
        }
        if reserved != 0 {
            return Err(Error::damaged(self.path(), Some(end + 4), "reserved bytes", "zeros", reserved));
        }
        let sections = sections?;
        match damaged {
            Some((section, actual)) => Err(crc_mismatch(self.file, section, actual)),
            None => Ok(Checked { crc, sections }),
        }
    }

    /// The CRC of a range, which is also added to `whole`.
    fn sum(
        &self,
        range: std::ops::Range<u64>,
        whole: &mut crc32fast::Hasher,
        job: &Job<'_>,
        meter: &Meter<'_>,
    ) -> Result<u32> {
        let mut crc = crc32fast::Hasher::new();
        let mut buffer = vec![0; (range.end - range.start).min(READ_BYTES as u64) as usize];
        let mut at = range.start;
        while at < range.end {
            job.go_on()?;
            let n = (range.end - at).min(buffer.len() as u64) as usize;
            self.file.read_exact_at(at, &mut buffer[..n])?;
            crc.update(&buffer[..n]);
            at += n as u64;
            meter.bytes(n as u64, 0);
        }
        whole.combine(&crc);
        Ok(crc.finalize())
    }

    fn footer(&self, at: u64) -> Result<(u32, u32)> {
        let mut bytes = [0; FOOTER_BYTES as usize];
        self.file.read_exact_at(at, &mut bytes)?;
        let [a, b, c, d, e, f, g, h] = bytes;
        Ok((u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])))
    }

    /// A cursor over the payload of a section.
    pub(crate) fn source(
        &self,
        section: Section,
        job: &'a Job<'a>,
        meter: Option<&'a Meter<'a>>,
    ) -> Source<'a> {
        Source::new(self.file, section, job, meter)
    }
}
