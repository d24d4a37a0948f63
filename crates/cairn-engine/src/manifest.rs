//! The manifest of a checkpoint: which files are the state at an LSN.

use crate::collection::Counts;
use crate::dedup::Ends;
use crate::error::{Error, Result};
use crate::neighbours::Scale;
use crate::settings::Settings;
use crate::spec::CollectionSpec;
use crate::view::{CollectionView, Position, StateView};
use cairn_disk::sealed;
use cairn_log::{DatabaseId, Lsn, TimelineId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const MAGIC: &[u8; 8] = b"CAIRNCKP";
const VERSION: u32 = 2;
/// The first one that is still read: it knew one collection.
const VERSION_MIN: u32 = 1;
/// Magic, version, reserved, length of the body.
const HEADER_BYTES: usize = 24;

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Relative to the timeline's directory: `segments/….vec`, `pages/….pages`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// CRC-32C of the whole file.
    pub crc32c: u32,
}

/// The scalars of a collection's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    pub items: u32,
    pub contexts: u32,
    pub dimension: u32,
    /// The number by which places name the buffer's rows.
    pub next_segment: u32,
    /// The number that the next segment gets; absent in version 1, where it was the one after the buffer's.
    #[serde(default)]
    next_number: u32,
    /// f64 bits as 16 hex digits.
    scale: String,
    epoch: i32,
    dedup_oldest: u32,
    dedup_newest: u32,
    dedup_len: u32,
    pub counts: Counts,
}

impl Head {
    pub fn of(state: &CollectionView) -> Head {
        let (scale, ends) = (state.neighbours.scale, state.dedup.ends);
        Head {
            items: state.items.count,
            contexts: state.contexts.count,
            dimension: state.vectors.dimension,
            next_segment: state.vectors.buffer_number,
            next_number: state.vectors.next_segment,
            scale: format!("{:016x}", scale.scale.to_bits()),
            epoch: scale.epoch,
            dedup_oldest: ends.oldest,
            dedup_newest: ends.newest,
            dedup_len: ends.len,
            counts: state.counts,
        }
    }

    /// The number that the next segment gets.
    pub fn next_number(&self) -> u32 {
        self.next_number.max(self.next_segment.saturating_add(1))
    }

    pub fn scale(&self) -> Result<Scale> {
        let bits =
            u64::from_str_radix(&self.scale, 16).map_err(|_| Error::Decode("manifest: scale is not hex"))?;
        Ok(Scale { scale: f64::from_bits(bits), epoch: self.epoch })
    }

    pub fn ends(&self) -> Ends {
        Ends { oldest: self.dedup_oldest, newest: self.dedup_newest, len: self.dedup_len }
    }
}

/// One collection of a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollectionEntry {
    pub number: u32,
    pub name: String,
    pub settings: Settings,
    /// Absent in version 1, which knew only the collection `default`.
    #[serde(default)]
    pub spec: CollectionSpec,
    pub head: Head,
}

/// What a checkpoint's file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    database: String,
    timeline: String,
    lsn: u64,
    time_us: i64,
    pub collections: Vec<CollectionEntry>,
    /// Aliases, and the numbers of the collections they mean.
    #[serde(default)]
    pub aliases: BTreeMap<String, u32>,
    /// The number that the next new collection gets.
    #[serde(default = "one")]
    pub next_collection: u32,
    pub files: Vec<FileRef>,
}

fn one() -> u32 {
    1
}

impl Manifest {
    pub fn new(position: Position, state: &StateView, files: Vec<FileRef>) -> Manifest {
        let entry = |state: &CollectionView| CollectionEntry {
            number: state.number,
            name: state.name.clone(),
            settings: state.settings.clone(),
            spec: state.spec.clone(),
            head: if state.spec.volatile { Head::of(&state.emptied()) } else { Head::of(state) },
        };
        let mut manifest = Manifest {
            database: String::new(),
            timeline: String::new(),
            lsn: 0,
            time_us: 0,
            collections: state.collections.iter().map(entry).collect(),
            aliases: state.aliases.clone(),
            next_collection: state.next_number,
            files,
        };
        manifest.set_position(position);
        manifest
    }

    /// Where the state stands.
    pub fn position(&self) -> Result<Position> {
        let bad = |_| Error::Decode("manifest: database or timeline id");
        if i64::try_from(self.lsn).is_err() {
            return Err(Error::Decode("manifest: an LSN past 2^63 - 1"));
        }
        Ok(Position {
            database: self.database.parse::<DatabaseId>().map_err(bad)?,
            timeline: self.timeline.parse::<TimelineId>().map_err(bad)?,
            lsn: Lsn(self.lsn),
            time_us: self.time_us,
        })
    }

    /// The same state on another timeline.
    pub fn set_position(&mut self, position: Position) {
        self.database = position.database.to_string();
        self.timeline = position.timeline.to_string();
        self.lsn = position.lsn.0;
        self.time_us = position.time_us;
    }

    /// The whole file.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let body = serde_json::to_vec(self).map_err(|e| Error::Bug(format!("manifest: {e}")))?;
        let mut out = Vec::with_capacity(HEADER_BYTES + body.len() + 4);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&0u32.to_le_bytes());
        out.extend_from_slice(&(body.len() as u64).to_le_bytes());
        out.extend_from_slice(&body);
        sealed::seal(&mut out);
        Ok(out)
    }

    /// Reads a whole file, checking everything.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Manifest> {
        let body = sealed::check_versions(path, bytes, MAGIC, VERSION_MIN..=VERSION)?;
        Self::decode_body(body).map_err(|e| e.in_file(path))
    }

    fn decode_body(body: &[u8]) -> Result<Manifest> {
        let mut d = crate::codec::Decoder::new(body);
        d.take(12)?;
        let (reserved, length) = (d.u32()?, d.u64()?);
        if reserved != 0 || length != d.left() as u64 {
            return Err(Error::Decode("manifest: size mismatch"));
        }
        let manifest: Manifest =
            serde_json::from_slice(d.take(d.left())?).map_err(|e| Error::Input(format!("manifest: {e}")))?;
        manifest.position()?;
        manifest.files.iter().try_for_each(|file| crate::layout::check_image_name(&file.name))?;
        Ok(manifest)
    }
}
