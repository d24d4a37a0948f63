//! An answer as the cache holds it: in one piece, compressed where that pays.

use cairn_engine::{Hit, Hits};
use std::sync::Arc;

/// From this size on compressing is tried: smaller answers are mostly their entry's own overhead.
const COMPRESS_FROM: usize = 1024;
const COMPRESS_LEVEL: i32 = 1;

/// A kept answer.
#[derive(Clone)]
pub(crate) struct Packed {
    /// For each result its score, the length of its id, its id; all of it perhaps compressed.
    bytes: Arc<[u8]>,
    /// Its size before it was compressed; `None`: it was not.
    raw: Option<usize>,
    count: usize,
    mode: &'static str,
    candidates: usize,
}

impl Packed {
    /// Packs an answer; with `compress`, by zstd when that saves an eighth at least.
    pub fn new(hits: &Hits, compress: bool) -> Packed {
        // Scores first, then ids: bytes of a kind compress better side by side.
        let mut raw = Vec::with_capacity(hits.results.iter().map(|hit| 12 + hit.id.len()).sum());
        hits.results.iter().for_each(|hit| raw.extend_from_slice(&hit.score.to_bits().to_le_bytes()));
        for Hit { id, .. } in &hits.results {
            // Ids have 64 KiB at most.
            raw.extend_from_slice(&u32::try_from(id.len()).unwrap_or(u32::MAX).to_le_bytes());
            raw.extend_from_slice(id.as_bytes());
        }
        let smaller = (compress && raw.len() >= COMPRESS_FROM)
            .then(|| zstd::bulk::compress(&raw, COMPRESS_LEVEL).ok())
            .flatten()
            .filter(|small| small.len() <= raw.len() / 8 * 7);
        let (bytes, raw_bytes) = match smaller {
            Some(small) => (small, Some(raw.len())),
            None => (raw, None),
        };
        let (count, mode, candidates) = (hits.results.len(), hits.mode, hits.candidates);
        Packed { bytes: bytes.into(), raw: raw_bytes, count, mode, candidates }
    }

    /// Bytes it takes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The answer, as it was; `None` when its memory was overwritten.
    pub fn unpack(&self) -> Option<Hits> {
        let unpacked;
        let bytes: &[u8] = match self.raw {
            None => &self.bytes,
            Some(raw) => {
                unpacked = zstd::bulk::decompress(&self.bytes, raw).ok()?;
                &unpacked
            }
        };
        let (scores, mut ids) = bytes.split_at_checked(8 * self.count)?;
        let mut results = Vec::with_capacity(self.count);
        for score in scores.as_chunks::<8>().0 {
            let (length, rest) = ids.split_first_chunk::<4>()?;
            let (id, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            ids = rest;
            let id = std::str::from_utf8(id).ok()?.to_owned();
            results.push(Hit { id, score: f64::from_bits(u64::from_le_bytes(*score)) });
        }
        Some(Hits { results, mode: self.mode, candidates: self.candidates })
    }
}
