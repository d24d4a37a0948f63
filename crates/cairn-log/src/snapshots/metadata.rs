//! The metadata of snapshots: `snapshot.json` of one, `snapshots.json` of all.

use super::SnapshotCodec;
use super::sealed_json;
use super::snapshot::{Snapshot, SnapshotFile, SnapshotFileKind, SnapshotGroup, SnapshotSegment, id_number};
use crate::error::corrupt;
use cairn_disk::{Result, Storage, atomic_replace, read_file, write_new};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// In each snapshot's directory: what it is.
pub(crate) const SNAPSHOT_JSON: &str = "snapshot.json";
/// Beside the snapshots' directories: what they all are.
pub(crate) const SNAPSHOTS_JSON: &str = "snapshots.json";
/// The longest metadata that is read.
pub(crate) const JSON_BYTES_MAX: u64 = 256 << 20;

const SNAPSHOT_FORMAT: &str = "cairndb-log-snapshot";
const SNAPSHOTS_FORMAT: &str = "cairndb-log-snapshots";
const VERSION: u32 = 1;

/// The bytes of a `snapshot.json`.
pub(crate) fn encode(snapshot: &Snapshot) -> Vec<u8> {
    sealed_json::encode(SNAPSHOT_FORMAT, VERSION, &WireSnapshot::from(snapshot))
}

/// What the bytes of a `snapshot.json` say.
pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Snapshot> {
    sealed_json::decode::<WireSnapshot>(path, SNAPSHOT_FORMAT, VERSION, bytes)?.into_snapshot(path)
}

/// Reads the `snapshot.json` of a snapshot's directory.
pub(crate) fn read(storage: &dyn Storage, dir: &Path) -> Result<Snapshot> {
    let path = dir.join(SNAPSHOT_JSON);
    decode(&path, &read_file(storage, &path, JSON_BYTES_MAX)?)
}

/// Writes a `snapshot.json` where there is none, and syncs it; the directory is the caller's to sync.
pub(crate) fn write(storage: &dyn Storage, dir: &Path, snapshot: &Snapshot) -> Result<()> {
    write_new(storage, &dir.join(SNAPSHOT_JSON), &encode(snapshot))
}

/// Reads `snapshots.json`.
pub(crate) fn read_all(storage: &dyn Storage, snapshot_dir: &Path) -> Result<Vec<Snapshot>> {
    let path = snapshot_dir.join(SNAPSHOTS_JSON);
    let bytes = read_file(storage, &path, JSON_BYTES_MAX)?;
    let wire: WireSnapshots = sealed_json::decode(&path, SNAPSHOTS_FORMAT, VERSION, &bytes)?;
    wire.snapshots.into_iter().map(|wire| wire.into_snapshot(&path)).collect()
}

/// Replaces `snapshots.json`, atomically and durably.
pub(crate) fn write_all(storage: &dyn Storage, snapshot_dir: &Path, snapshots: &[Snapshot]) -> Result<()> {
    let wire = WireSnapshots { snapshots: snapshots.iter().map(WireSnapshot::from).collect() };
    let bytes = sealed_json::encode(SNAPSHOTS_FORMAT, VERSION, &wire);
    atomic_replace(storage, &snapshot_dir.join(SNAPSHOTS_JSON), &bytes)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSnapshots {
    snapshots: Vec<WireSnapshot>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSnapshot {
    id: String,
    timestamp_us: i64,
    base_offset: u64,
    high_water_mark: u64,
    num_segments: u64,
    total_size: u64,
    stored_size: u64,
    segment_offsets: Vec<u64>,
    linked: bool,
    base_id: Option<String>,
    changed_segments: Vec<u64>,
    group: Option<WireGroup>,
    log_id: String,
    timeline: String,
    segments: Vec<WireSegment>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireGroup {
    id: String,
    logs: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSegment {
    base_offset: u64,
    next_offset: u64,
    sealed: bool,
    compacted: bool,
    files: Vec<WireFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFile {
    name: String,
    bytes: u64,
    crc32c: String,
    compression: String,
    stored_bytes: u64,
    stored_crc32c: String,
}

impl From<&Snapshot> for WireSnapshot {
    fn from(snapshot: &Snapshot) -> WireSnapshot {
        WireSnapshot {
            id: snapshot.id.clone(),
            timestamp_us: snapshot.timestamp_us,
            base_offset: snapshot.base_offset,
            high_water_mark: snapshot.high_water_mark,
            num_segments: snapshot.num_segments as u64,
            total_size: snapshot.total_size,
            stored_size: snapshot.stored_size,
            segment_offsets: snapshot.segment_offsets.clone(),
            linked: snapshot.linked,
            base_id: snapshot.base_id.clone(),
            changed_segments: snapshot.changed_segments.clone(),
            group: snapshot.group.as_ref().map(|g| WireGroup { id: g.id.clone(), logs: g.logs }),
            log_id: snapshot.log_id.to_string(),
            timeline: snapshot.timeline.to_string(),
            segments: snapshot.segments.iter().map(WireSegment::from).collect(),
        }
    }
}

impl From<&SnapshotSegment> for WireSegment {
    fn from(segment: &SnapshotSegment) -> WireSegment {
        let file = |file: &SnapshotFile| WireFile {
            name: file.name(segment.base_offset),
            bytes: file.bytes,
            crc32c: format!("{:08x}", file.crc32c),
            compression: file.codec.name().to_owned(),
            stored_bytes: file.stored_bytes,
            stored_crc32c: format!("{:08x}", file.stored_crc32c),
        };
        WireSegment {
            base_offset: segment.base_offset,
            next_offset: segment.next_offset,
            sealed: segment.sealed,
            compacted: segment.compacted,
            files: segment.files.iter().map(file).collect(),
        }
    }
}

impl WireSnapshot {
    /// What is written, checked: segments follow one another, names are those of their files, sums are right.
    fn into_snapshot(self, path: &Path) -> Result<Snapshot> {
        let bad = |what, expected: &str, actual: &str| corrupt(path, None, what, expected, actual);
        if id_number(&self.id).is_none() {
            return Err(bad("id", "snapshot- and a number", &self.id));
        }
        let segments: Vec<SnapshotSegment> =
            self.segments.into_iter().map(|segment| segment.into_segment(path)).collect::<Result<_>>()?;
        let follow = segments.windows(2).all(|two| two[0].next_offset == two[1].base_offset);
        let ends = segments.first().zip(segments.last()).map(|(a, b)| (a.base_offset, b.next_offset));
        if !follow || ends != Some((self.base_offset, self.high_water_mark)) {
            let expected = format!("offsets {} to {}, in a row", self.base_offset, self.high_water_mark);
            return Err(bad("segments", &expected, &format!("{ends:?}")));
        }
        let log_id = self.log_id.parse().map_err(|_| bad("log_id", "32 hex digits", &self.log_id))?;
        let timeline = self.timeline.parse().map_err(|_| bad("timeline", "32 hex digits", &self.timeline))?;
        let snapshot = Snapshot {
            id: self.id,
            timestamp_us: self.timestamp_us,
            base_offset: self.base_offset,
            high_water_mark: self.high_water_mark,
            num_segments: 0,
            total_size: 0,
            segment_offsets: Vec::new(),
            stored_size: 0,
            linked: self.linked,
            base_id: self.base_id,
            changed_segments: self.changed_segments,
            group: self.group.map(|g| SnapshotGroup { id: g.id, logs: g.logs }),
            log_id,
            timeline,
            segments,
        };
        let snapshot = snapshot.sum_up();
        let sums = (snapshot.num_segments as u64, snapshot.total_size, snapshot.stored_size);
        let written = (self.num_segments, self.total_size, self.stored_size);
        if sums != written || snapshot.segment_offsets != self.segment_offsets {
            let expected = format!("{sums:?} and {:?}", snapshot.segment_offsets);
            let actual = format!("{written:?} and {:?}", self.segment_offsets);
            return Err(bad("segments and sizes", &expected, &actual));
        }
        Ok(snapshot)
    }
}

impl WireSegment {
    fn into_segment(self, path: &Path) -> Result<SnapshotSegment> {
        let base = self.base_offset;
        let files: Vec<SnapshotFile> =
            self.files.into_iter().map(|file| file.into_file(path, base)).collect::<Result<_>>()?;
        let kinds: Vec<SnapshotFileKind> = files.iter().map(|file| file.kind).collect();
        if kinds != SnapshotFileKind::ALL && kinds != [SnapshotFileKind::Log] {
            let expected = "a .log, or a .log, an .index and a .timeindex";
            return Err(corrupt(path, None, "files of a segment", expected, format!("{kinds:?}")));
        }
        let SnapshotFile { bytes, .. } = files[0];
        if bytes > i64::MAX as u64 || self.next_offset < base {
            let actual = format!("offsets {base} to {}, {bytes} bytes", self.next_offset);
            return Err(corrupt(path, None, "segment", "an end after its beginning", actual));
        }
        Ok(SnapshotSegment {
            base_offset: base,
            next_offset: self.next_offset,
            sealed: self.sealed,
            compacted: self.compacted,
            files,
        })
    }
}

impl WireFile {
    fn into_file(self, path: &Path, base: u64) -> Result<SnapshotFile> {
        let bad = |what, expected: &str, actual: &str| corrupt(path, None, what, expected, actual);
        let crc = |text: &str| {
            let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
            let parsed = u32::from_str_radix(text, 16).ok().filter(|_| digits);
            parsed.ok_or_else(|| bad("crc32c", "8 hex digits", text))
        };
        let kind = SnapshotFileKind::ALL
            .into_iter()
            .find(|kind| self.name == format!("{base:020}.{}", kind.extension()))
            .ok_or_else(|| bad("file name", &format!("{base:020}.log|.index|.timeindex"), &self.name))?;
        let codec = SnapshotCodec::from_name(&self.compression)
            .ok_or_else(|| bad("compression", "none, zstd or gzip", &self.compression))?;
        let file = SnapshotFile {
            kind,
            bytes: self.bytes,
            crc32c: crc(&self.crc32c)?,
            codec,
            stored_bytes: self.stored_bytes,
            stored_crc32c: crc(&self.stored_crc32c)?,
        };
        if codec == SnapshotCodec::None && file.sum() != file.stored_sum() {
            return Err(bad("stored file", "the same bytes, uncompressed", &self.name));
        }
        Ok(file)
    }
}
