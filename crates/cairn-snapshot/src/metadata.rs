//! `metadata.json`: a snapshot as people and programs read it. What comes in is foreign until every field was checked.

use crate::codec::Codec;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout;
use crate::log_part::{LOG_PART_BYTES_MAX, LogPart};
use crate::names;
use crate::part::{MANIFEST_BYTES_MAX, PART_BYTES_MAX, Part, PartId};
use crate::snapshot::{Place, Snapshot, SnapshotCollection, SnapshotFile, SnapshotType};
use crate::snapshot_id::{NAME_BYTES_MAX, SnapshotId, validate_name};
use cairn_engine::{Counts, Lsn};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// `format`.
const FORMAT: &str = "cairndb-snapshot";
/// `version` of a snapshot with shuffled parts.
const VERSION: u32 = 3;
/// `version` of one without, which programs that know no shuffled parts can read.
const VERSION_UNSHUFFLED: u32 = 2;
/// The first one that is still read: full snapshots of whole databases, without a list.
const VERSION_MIN: u32 = 1;
/// Bytes of a `metadata.json`, at most: about 200,000 files.
pub(crate) const BYTES_MAX: u64 = 64 << 20;
/// Bytes of a description.
const DESCRIPTION_BYTES_MAX: usize = 4_096;
/// Tags of a snapshot.
const TAGS_MAX: usize = 64;

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    version: u32,
    id: String,
    name: Option<String>,
    description: String,
    tags: Vec<String>,
    r#type: String,
    created_at: String,
    database: String,
    timeline: String,
    lsn: u64,
    time_us: i64,
    compression: String,
    counts: Counts,
    plain_bytes: u64,
    stored_bytes: u64,
    manifest: WirePart,
    /// Of an incremental snapshot: none, they are in the list.
    files: Vec<WireFile>,
    // From here on since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    added_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    whole: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collections: Option<Vec<WireCollection>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_vectors: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<WirePlace>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list: Option<WirePart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<Vec<WireLog>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCollection {
    name: String,
    number: u32,
    dimension: u32,
    counts: Counts,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePlace {
    timeline: String,
    lsn: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireLog {
    timeline: String,
    first_lsn: u64,
    last_lsn: u64,
    records: u64,
    part: String,
    bytes: u64,
    stored: String,
    stored_bytes: u64,
    stored_sha256: String,
}

/// The list: manifest and files of a checkpoint, as a part that snapshots share.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireList {
    format: String,
    version: u32,
    manifest: WirePart,
    files: Vec<WireFile>,
}

/// `format` of the list.
const LIST_FORMAT: &str = "cairndb-files";
/// `version` of the list.
const LIST_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePart {
    part: String,
    bytes: u64,
    stored: String,
    stored_bytes: u64,
    stored_sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFile {
    name: String,
    part: String,
    bytes: u64,
    stored: String,
    stored_bytes: u64,
    stored_sha256: String,
}

/// Refuses what a caller may not put into a snapshot.
pub(crate) fn validate_labels(name: Option<&str>, description: &str, tags: &[String]) -> Result<()> {
    name.map_or(Ok(()), validate_name)?;
    if description.len() > DESCRIPTION_BYTES_MAX {
        let got = description.len();
        return Err(Error::Input(format!(
            "description: expected at most {DESCRIPTION_BYTES_MAX} bytes, got {got}"
        )));
    }
    if tags.len() > TAGS_MAX {
        return Err(Error::Input(format!("tags: expected at most {TAGS_MAX}, got {}", tags.len())));
    }
    let bad =
        |tag: &&String| tag.is_empty() || tag.len() > NAME_BYTES_MAX || tag.chars().any(char::is_control);
    match tags.iter().find(bad) {
        Some(tag) => Err(Error::Input(format!(
            "tag: expected 1 to {NAME_BYTES_MAX} bytes without control characters, got {tag:.160?}"
        ))),
        None => Ok(()),
    }
}

/// The bytes of the list of a checkpoint: one line.
pub(crate) fn encode_list(manifest: &Part, files: &[SnapshotFile]) -> Result<Vec<u8>> {
    let list = WireList {
        format: LIST_FORMAT.to_owned(),
        version: LIST_VERSION,
        manifest: wire_part(manifest),
        files: files.iter().map(wire_file).collect(),
    };
    let mut bytes = serde_json::to_vec(&list).map_err(|e| Error::Bug(format!("{LIST_FORMAT}: {e}")))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Manifest and files of a list, whose bytes are those of the part at `path`.
pub(crate) fn decode_list(path: &Path, bytes: &[u8]) -> Result<(Part, Vec<SnapshotFile>)> {
    let head: Head = serde_json::from_slice(bytes).map_err(|e| not_json(path, &e))?;
    if head.format != LIST_FORMAT {
        return Err(Error::damaged(path, None, "format", LIST_FORMAT, format!("{:.80?}", head.format)));
    }
    if head.version != LIST_VERSION {
        return Err(Error::Version { path: path.to_owned(), expected: LIST_VERSION, actual: head.version });
    }
    let list: WireList = serde_json::from_slice(bytes).map_err(|e| not_json(path, &e))?;
    let reader = Reader { path, version: VERSION };
    let files = list.files.into_iter().map(|file| reader.file(file)).collect::<Result<_>>()?;
    Ok((reader.manifest(&list.manifest)?, files))
}

/// The bytes of the file, in lines for people.
pub(crate) fn encode(snapshot: &Snapshot) -> Result<Vec<u8>> {
    let files = match snapshot.snapshot_type {
        SnapshotType::Full => snapshot.files.iter().map(wire_file).collect(),
        SnapshotType::Incremental => Vec::new(),
    };
    let wire = Wire {
        format: FORMAT.to_owned(),
        version: version(snapshot),
        id: snapshot.id.to_string(),
        name: snapshot.name.clone(),
        description: snapshot.description.clone(),
        tags: snapshot.tags.clone(),
        r#type: snapshot.snapshot_type.name().to_owned(),
        created_at: snapshot.created_at(),
        database: snapshot.database.to_string(),
        timeline: snapshot.timeline.to_string(),
        lsn: snapshot.lsn.0,
        time_us: snapshot.time_us,
        compression: snapshot.compression.name().to_owned(),
        counts: snapshot.counts,
        plain_bytes: snapshot.plain_bytes,
        stored_bytes: snapshot.stored_bytes,
        manifest: wire_part(&snapshot.manifest),
        files,
        added_bytes: Some(snapshot.added_bytes),
        whole: Some(snapshot.whole),
        collections: Some(snapshot.collections.iter().map(wire_collection).collect()),
        base: snapshot.base.as_ref().map(ToString::to_string),
        changed_vectors: Some(snapshot.changed_vectors),
        image: Some(WirePlace { timeline: snapshot.image.timeline.to_string(), lsn: snapshot.image.lsn.0 }),
        list: snapshot.list.as_ref().map(wire_part),
        log: Some(snapshot.log.iter().map(wire_log).collect()),
    };
    let mut bytes =
        serde_json::to_vec_pretty(&wire).map_err(|e| Error::Bug(format!("{}: {e}", layout::METADATA)))?;
    bytes.push(b'\n');
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Error::Input(format!(
            "{}: {} bytes, at most {BYTES_MAX}: too many files",
            layout::METADATA,
            bytes.len()
        )));
    }
    Ok(bytes)
}

fn version(snapshot: &Snapshot) -> u32 {
    let shuffled = snapshot.parts().any(|part| part.codec.width().is_some());
    if shuffled { VERSION } else { VERSION_UNSHUFFLED }
}

fn wire_part(part: &Part) -> WirePart {
    WirePart {
        part: part.id.to_string(),
        bytes: part.bytes,
        stored: part.stored(),
        stored_bytes: part.stored_bytes,
        stored_sha256: part.stored_sha256.to_string(),
    }
}

fn wire_file(file: &SnapshotFile) -> WireFile {
    let WirePart { part, bytes, stored, stored_bytes, stored_sha256 } = wire_part(&file.part);
    WireFile { name: file.name.clone(), part, bytes, stored, stored_bytes, stored_sha256 }
}

fn wire_collection(collection: &SnapshotCollection) -> WireCollection {
    let SnapshotCollection { name, number, dimension, counts } = collection.clone();
    WireCollection { name, number, dimension, counts }
}

fn wire_log(log: &LogPart) -> WireLog {
    let WirePart { part, bytes, stored, stored_bytes, stored_sha256 } = wire_part(&log.part);
    WireLog {
        timeline: log.timeline.to_string(),
        first_lsn: log.first.0,
        last_lsn: log.last.0,
        records: log.records,
        part,
        bytes,
        stored,
        stored_bytes,
        stored_sha256,
    }
}

/// The snapshot `id`, whose `metadata.json` at `path` has these bytes.
pub(crate) fn decode(path: &Path, id: &SnapshotId, bytes: &[u8]) -> Result<Snapshot> {
    let head: Head = serde_json::from_slice(bytes).map_err(|e| not_json(path, &e))?;
    if head.format != FORMAT {
        return Err(Error::damaged(path, None, "format", FORMAT, head.format));
    }
    if !(VERSION_MIN..=VERSION).contains(&head.version) {
        return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: head.version });
    }
    let wire: Wire = serde_json::from_slice(bytes).map_err(|e| not_json(path, &e))?;
    Reader { path, version: wire.version }.snapshot(id, wire)
}

fn not_json(path: &Path, e: &serde_json::Error) -> Error {
    Error::damaged(path, None, "fields", "the fields of docs/format.md", e)
}

/// Puts the files of the list into an incremental snapshot that was read from the `metadata.json` at `path`.
pub(crate) fn complete(
    path: &Path,
    mut snapshot: Snapshot,
    list: (Part, Vec<SnapshotFile>),
) -> Result<Snapshot> {
    let reader = Reader { path, version: VERSION };
    if snapshot.manifest != list.0 {
        return Err(reader.bad("manifest", "the one of its list", snapshot.manifest.id));
    }
    snapshot.files = list.1;
    reader.check_files(&snapshot)?;
    Ok(snapshot)
}

/// What version 2 added.
struct Since2 {
    added_bytes: u64,
    whole: bool,
    collections: Vec<SnapshotCollection>,
    base: Option<SnapshotId>,
    changed_vectors: u64,
    image: Place,
    list: Option<Part>,
    log: Vec<LogPart>,
}

/// Checks what stands in the file at `path`.
struct Reader<'a> {
    path: &'a Path,
    /// Of the file, or of the one that vouches for it.
    version: u32,
}

impl Reader<'_> {
    fn bad(&self, what: &str, expected: impl ToString, actual: impl ToString) -> Error {
        // Foreign text is quoted and cut short.
        let actual = format!("{:.200?}", actual.to_string());
        Error::damaged(self.path, None, what, expected, actual)
    }

    fn snapshot(&self, id: &SnapshotId, wire: Wire) -> Result<Snapshot> {
        if wire.id != id.as_str() {
            return Err(self.bad("id", id, wire.id));
        }
        validate_labels(wire.name.as_deref(), &wire.description, &wire.tags)
            .map_err(|e| self.bad("labels", "labels within their limits", e))?;
        let kind = SnapshotType::from_name(&wire.r#type)
            .filter(|kind| wire.version > 1 || *kind == SnapshotType::Full)
            .ok_or_else(|| self.bad("type", "full or incremental", &wire.r#type))?;
        let created_us = names::from_rfc3339(&wire.created_at)
            .ok_or_else(|| self.bad("created_at", "a time as RFC 3339 has it, UTC", &wire.created_at))?;
        let hex = |what, text: &str| self.bad(what, "32 hex digits", text);
        let mut wire = wire;
        let since_2 = self.since_2(&mut wire, kind)?;
        let snapshot = Snapshot {
            id: id.clone(),
            name: wire.name,
            description: wire.description,
            tags: wire.tags,
            snapshot_type: kind,
            created_us,
            database: wire.database.parse().map_err(|_| hex("database", &wire.database))?,
            timeline: wire.timeline.parse().map_err(|_| hex("timeline", &wire.timeline))?,
            lsn: Lsn(wire.lsn),
            time_us: wire.time_us,
            compression: Codec::from_name(&wire.compression)
                .filter(|codec| codec.width().is_none())
                .ok_or_else(|| self.bad("compression", "zstd, gzip or none", &wire.compression))?,
            counts: wire.counts,
            plain_bytes: wire.plain_bytes,
            stored_bytes: wire.stored_bytes,
            manifest: self.manifest(&wire.manifest)?,
            files: wire.files.into_iter().map(|file| self.file(file)).collect::<Result<_>>()?,
            added_bytes: since_2.added_bytes,
            whole: since_2.whole,
            collections: since_2.collections,
            base: since_2.base,
            changed_vectors: since_2.changed_vectors,
            image: since_2.image,
            list: since_2.list,
            log: since_2.log,
        };
        // An incremental one is checked once its files are known.
        if kind == SnapshotType::Full {
            self.check_files(&snapshot)?;
        } else if !snapshot.files.is_empty() {
            return Err(self.bad("files", "none, they are in the list", snapshot.files.len()));
        }
        self.check_log(&snapshot)?;
        Ok(snapshot)
    }

    /// The fields that version 2 added; of version 1 what they mean.
    fn since_2(&self, wire: &mut Wire, kind: SnapshotType) -> Result<Since2> {
        let timeline = |text: &str| text.parse().map_err(|_| self.bad("timeline", "32 hex digits", text));
        let there = [
            wire.added_bytes.is_some(),
            wire.whole.is_some(),
            wire.collections.is_some(),
            wire.changed_vectors.is_some(),
            wire.image.is_some(),
            wire.list.is_some(),
            wire.log.is_some(),
        ];
        if wire.version == 1 {
            if there.contains(&true) || wire.base.is_some() {
                return Err(self.bad("fields", "those of version 1", "one of version 2"));
            }
            let image = Place { timeline: timeline(&wire.timeline)?, lsn: Lsn(wire.lsn) };
            return Ok(Since2 {
                added_bytes: wire.stored_bytes,
                whole: true,
                collections: Vec::new(),
                base: None,
                changed_vectors: 0,
                image,
                list: None,
                log: Vec::new(),
            });
        }
        let (
            Some(added_bytes),
            Some(whole),
            Some(collections),
            Some(changed_vectors),
            Some(image),
            Some(list),
            Some(log),
        ) = (
            wire.added_bytes,
            wire.whole,
            wire.collections.take(),
            wire.changed_vectors,
            wire.image.take(),
            wire.list.take(),
            wire.log.take(),
        )
        else {
            return Err(self.bad("fields", "those of version 2", "one is missing"));
        };
        let base: Option<SnapshotId> = match &wire.base {
            Some(id) => Some(id.parse().map_err(|_| self.bad("base", "a snapshot's id", id))?),
            None => None,
        };
        if base.is_some() != (kind == SnapshotType::Incremental) {
            return Err(self.bad("base", "one of an incremental snapshot, none of a full one", kind.name()));
        }
        let of = |WireCollection { name, number, dimension, counts }| SnapshotCollection {
            name,
            number,
            dimension,
            counts,
        };
        Ok(Since2 {
            added_bytes,
            whole,
            collections: collections.into_iter().map(of).collect(),
            base,
            changed_vectors,
            image: Place { timeline: timeline(&image.timeline)?, lsn: Lsn(image.lsn) },
            list: Some(self.manifest(&list)?),
            log: log.into_iter().map(|log| self.log(log)).collect::<Result<_>>()?,
        })
    }

    fn log(&self, wire: WireLog) -> Result<LogPart> {
        let WireLog {
            timeline,
            first_lsn,
            last_lsn,
            records,
            part,
            bytes,
            stored,
            stored_bytes,
            stored_sha256,
        } = wire;
        if bytes > LOG_PART_BYTES_MAX {
            return Err(self.bad("bytes of a log part", format!("at most {LOG_PART_BYTES_MAX}"), bytes));
        }
        if first_lsn > last_lsn || records > last_lsn - first_lsn + 1 {
            let actual = format!("{records} from {first_lsn} to {last_lsn}");
            return Err(self.bad("records of a log part", "no more than its LSNs", actual));
        }
        Ok(LogPart {
            timeline: timeline.parse().map_err(|_| self.bad("timeline", "32 hex digits", &timeline))?,
            first: Lsn(first_lsn),
            last: Lsn(last_lsn),
            records,
            part: self.part(&WirePart { part, bytes, stored, stored_bytes, stored_sha256 })?,
        })
    }

    /// The log goes on where the checkpoint stands, has no gap, and ends where the snapshot stands.
    fn check_log(&self, snapshot: &Snapshot) -> Result<()> {
        let mut lsn = snapshot.image.lsn;
        for log in &snapshot.log {
            if Some(log.first.0) != lsn.0.checked_add(1) {
                return Err(self.bad("first LSN of a log part", format!("the one after {lsn}"), log.first));
            }
            lsn = log.last;
        }
        if lsn != snapshot.lsn {
            return Err(self.bad("lsn", lsn, snapshot.lsn));
        }
        Ok(())
    }

    fn file(&self, wire: WireFile) -> Result<SnapshotFile> {
        let WireFile { name, part, bytes, stored, stored_bytes, stored_sha256 } = wire;
        if !cairn_engine::is_image_name(&name) {
            return Err(self.bad("file name", cairn_engine::IMAGE_NAMES, name));
        }
        let part = self.part(&WirePart { part, bytes, stored, stored_bytes, stored_sha256 })?;
        Ok(SnapshotFile { name, part })
    }

    fn manifest(&self, wire: &WirePart) -> Result<Part> {
        if wire.bytes > MANIFEST_BYTES_MAX {
            return Err(self.bad(
                "bytes of the manifest",
                format!("at most {MANIFEST_BYTES_MAX}"),
                wire.bytes,
            ));
        }
        self.part(wire)
    }

    fn part(&self, wire: &WirePart) -> Result<Part> {
        let id: PartId = wire.part.parse().map_err(|e| self.bad("part", "a SHA-256", e))?;
        let stored_sha256 =
            wire.stored_sha256.parse().map_err(|e| self.bad("stored_sha256", "a SHA-256", e))?;
        let codec = Codec::ALL
            .into_iter()
            .filter(|codec| self.version >= VERSION || codec.width().is_none())
            .find(|codec| layout::part_path(id, *codec) == wire.stored)
            .ok_or_else(|| self.bad("stored", layout::part_path(id, Codec::Zstd), &wire.stored))?;
        if wire.bytes > PART_BYTES_MAX {
            return Err(self.bad("bytes", format!("at most {PART_BYTES_MAX}"), wire.bytes));
        }
        let stored_bytes_max = Codec::stored_bytes_max(wire.bytes);
        if wire.stored_bytes > stored_bytes_max {
            return Err(self.bad("stored_bytes", format!("at most {stored_bytes_max}"), wire.stored_bytes));
        }
        Ok(Part { id, bytes: wire.bytes, codec, stored_bytes: wire.stored_bytes, stored_sha256 })
    }

    /// Names are unique, a part is the same wherever it is named, and the sums are right.
    fn check_files(&self, snapshot: &Snapshot) -> Result<()> {
        let mut names = BTreeSet::new();
        if let Some(twice) = snapshot.files.iter().find(|file| !names.insert(&file.name)) {
            return Err(self.bad("file name", "each name once", &twice.name));
        }
        let mut parts = BTreeMap::new();
        if let Some(other) = snapshot.parts().find(|part| *parts.entry(part.id).or_insert(**part) != **part) {
            return Err(self.bad("part", "the same fields wherever it is named", other.id));
        }
        if let Some(list) = &snapshot.list {
            let digest = Digest::of(&encode_list(&snapshot.manifest, &snapshot.files)?);
            if digest != list.id.0 {
                return Err(self.bad("list", format!("{digest}, that of its manifest and files"), list.id));
            }
        }
        let (plain, stored) = sums(snapshot);
        if plain != snapshot.plain_bytes {
            return Err(self.bad("plain_bytes", plain, snapshot.plain_bytes));
        }
        if stored != snapshot.stored_bytes {
            return Err(self.bad("stored_bytes", stored, snapshot.stored_bytes));
        }
        Ok(())
    }
}

/// `plain_bytes` and `stored_bytes` of a snapshot. Each part is at most [`PART_BYTES_MAX`], and their number is bounded by
/// [`BYTES_MAX`]: no sum overflows.
pub(crate) fn sums(snapshot: &Snapshot) -> (u64, u64) {
    let plain = snapshot.parts().map(|part| part.bytes).sum();
    let stored = snapshot.unique_parts().iter().map(|part| part.stored_bytes).sum();
    (plain, stored)
}
