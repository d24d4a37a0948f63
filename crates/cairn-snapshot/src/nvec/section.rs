//! The sections of a `.nvec` file: kinds, and the table of where they are.

use super::header::{FLAG_EXTENSIONS, FOOTER_BYTES, HEADER_BYTES, Header};
use crate::error::{Error, Result};
use cairn_disk::File;

/// Bytes before a section's payload: u32 kind, u32 CRC-32 of the payload, u64 length of the payload.
pub(crate) const SECTION_HEADER_BYTES: u64 = 16;
/// Sections of a file, at most: those of docs/format.md and room for what others add.
pub(crate) const SECTIONS_MAX: usize = 1_024;

/// Contexts and their rings.
pub(crate) const EVENTS: u32 = 1;
/// Co-occurrence scores, each pair once.
pub(crate) const PAIRS: u32 = 2;
/// Vectors.
pub(crate) const VECTORS: u32 = 3;
/// The true counts.
pub(crate) const COUNTS: u32 = 16;
/// Metadata.
pub(crate) const METADATA: u32 = 17;
/// Settings.
pub(crate) const SETTINGS: u32 = 18;
/// What dedup remembers, and the totals.
pub(crate) const DEDUP: u32 = 19;
/// Pairs that only one item lists.
pub(crate) const ONE_SIDED: u32 = 20;
/// Which database, timeline and LSN it was.
pub(crate) const ORIGIN: u32 = 21;
/// Pairs whose second item has another score for the first.
pub(crate) const UNEVEN: u32 = 22;

/// Further collections, each with sections of its own, and aliases.
pub(crate) const COLLECTIONS: u32 = 23;
/// How `default` is stored, indexed and bounded.
pub(crate) const SPEC: u32 = 24;

/// The first kind of an extension.
pub(crate) const EXTENSIONS_FROM: u32 = 16;

/// Where a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Section {
    pub kind: u32,
    pub crc: u32,
    /// Where its payload begins.
    pub at: u64,
    /// Bytes of its payload.
    pub bytes: u64,
}

/// The header before a section's payload.
pub(crate) fn encode_header(kind: u32, crc: u32, bytes: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&bytes.to_le_bytes());
    out
}

/// Finds the sections of a file by their headers, and checks that they fill it: kinds 1 to 3 in order, then extensions
/// ascending. Reads no payload.
pub(crate) fn table(file: &dyn File, header: &Header) -> Result<Vec<Section>> {
    let path = file.path();
    let bad = |at: u64, what: &str, expected: String, actual: String| {
        Err(Error::damaged(path, Some(at), what, expected, actual))
    };
    let end = header.file_bytes - FOOTER_BYTES;
    let mut sections: Vec<Section> = Vec::new();
    let mut at = HEADER_BYTES;
    while at < end {
        if end - at < SECTION_HEADER_BYTES {
            return bad(
                at,
                "section",
                format!("a header of {SECTION_HEADER_BYTES} bytes"),
                format!("{} bytes", end - at),
            );
        }
        let mut head = [0; SECTION_HEADER_BYTES as usize];
        file.read_exact_at(at, &mut head)?;
        let [kind, crc, low, high] =
            [0, 4, 8, 12].map(|i| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]));
        let bytes = u64::from(low) | u64::from(high) << 32;
        let rest = end - at - SECTION_HEADER_BYTES;
        if bytes > rest {
            return bad(at + 8, "section length", format!("at most {rest}"), bytes.to_string());
        }
        let fits = match sections.len() {
            n @ 0..=2 => kind as usize == n + 1,
            _ => kind >= EXTENSIONS_FROM && sections.last().is_some_and(|last| kind > last.kind),
        };
        if !fits || sections.len() >= SECTIONS_MAX {
            return bad(
                at,
                "section kind",
                "1, 2, 3, then extensions ascending".to_owned(),
                kind.to_string(),
            );
        }
        sections.push(Section { kind, crc, at: at + SECTION_HEADER_BYTES, bytes });
        at += SECTION_HEADER_BYTES + bytes;
    }
    let extensions = sections.len() > 3;
    if sections.len() < 3 || extensions != (header.flags & FLAG_EXTENSIONS != 0) {
        let expected =
            if extensions { "no extensions" } else { "3 sections, and extensions as the flags say" };
        return bad(end, "sections", expected.to_owned(), sections.len().to_string());
    }
    Ok(sections)
}

/// The section of a kind.
pub(crate) fn find(sections: &[Section], kind: u32) -> Option<&Section> {
    sections.iter().find(|section| section.kind == kind)
}
