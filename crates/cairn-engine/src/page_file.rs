//! Page files: images of pages, immutable and checksummed.

use crate::codec::Decoder;
use crate::error::{Error, Result};
use crate::tree::PageRef;
use cairn_disk::{crc32c, sealed};
use std::path::Path;

const MAGIC: &[u8; 8] = b"CAIRNPAG";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;
/// A page that is gone has this length.
const GONE: u32 = u32::MAX;
/// Bytes of pages in one file, about.
pub(crate) const FILE_BYTES: usize = 4 << 20;

/// Splits pages into the contents of files of about [`FILE_BYTES`].
pub(crate) fn split(pages: Vec<PageRef>) -> Vec<Vec<PageRef>> {
    let mut files: Vec<Vec<PageRef>> = Vec::new();
    let mut bytes = usize::MAX;
    for page in pages {
        if bytes >= FILE_BYTES {
            files.push(Vec::new());
            bytes = 0;
        }
        bytes += 16 + page.page.as_ref().map_or(0, |p| p.encoded_bytes());
        if let Some(file) = files.last_mut() {
            file.push(page);
        }
    }
    files
}

/// The whole file. Each page is let go as soon as it is written.
pub(crate) fn encode(collection: u32, pages: Vec<PageRef>) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    for field in [VERSION, pages.len() as u32, collection, 0] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    for page in pages {
        let at = out.len();
        out.extend_from_slice(&page.table.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&page.number.to_le_bytes());
        out.extend_from_slice(&[0; 8]);
        let payload = out.len();
        let length = match &page.page {
            None => GONE,
            Some(image) => {
                image.encode(&mut out);
                u32::try_from(out.len() - payload).expect("pages are small")
            }
        };
        out[at + 8..at + 12].copy_from_slice(&length.to_le_bytes());
        let crc = page_crc(&out[at..at + 12], &out[payload..]);
        out[at + 12..at + 16].copy_from_slice(&crc.to_le_bytes());
    }
    sealed::seal(&mut out);
    out
}

fn page_crc(head: &[u8], payload: &[u8]) -> u32 {
    let mut crc = cairn_disk::Crc32c::new();
    crc.update(head);
    crc.update(payload);
    crc.value()
}

/// One page of a file: its table, its number and its payload (`None`: it is gone).
pub(crate) struct StoredPage<'a> {
    pub table: u16,
    pub number: u32,
    pub payload: Option<&'a [u8]>,
}

/// Reads a whole file, checking everything: of which collection they are, and the pages.
pub(crate) fn decode<'a>(path: &Path, bytes: &'a [u8]) -> Result<(u32, Vec<StoredPage<'a>>)> {
    let body = sealed::check(path, bytes, MAGIC, VERSION)?;
    decode_body(body).map_err(|e| e.in_file(path))
}

fn decode_body(body: &[u8]) -> Result<(u32, Vec<StoredPage<'_>>)> {
    let mut d = Decoder::new(body);
    d.take(HEADER_BYTES - 12)?;
    let (count, owner, reserved) = (d.u32()?, d.u32()?, d.u32()?);
    if reserved != 0 {
        return Err(Error::Decode("page file: reserved bytes are not zero"));
    }
    let mut pages = Vec::new();
    for _ in 0..count {
        let head = d.take(12)?;
        let mut h = Decoder::new(head);
        let (table, zero, number, length) = (h.u16()?, h.u16()?, h.u32()?, h.u32()?);
        let crc = d.u32()?;
        let payload = if length == GONE { None } else { Some(d.take(length as usize)?) };
        if zero != 0 || crc != page_crc(head, payload.unwrap_or_default()) {
            return Err(Error::Decode("page file: CRC mismatch of a page"));
        }
        pages.push(StoredPage { table, number, payload });
    }
    d.finish()?;
    Ok((owner, pages))
}

const _: () = assert!(HEADER_BYTES == 8 + 4 * 4);

/// The CRC-32C of a whole file, as a manifest lists it.
pub(crate) fn file_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes)
}
