//! `metadata.json`: a snapshot as people and programs read it. What comes in is foreign until every field was checked.

use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::layout;
use crate::names;
use crate::part::{MANIFEST_BYTES_MAX, PART_BYTES_MAX, Part, PartId};
use crate::snapshot::{Snapshot, SnapshotFile, SnapshotType};
use crate::snapshot_id::{NAME_BYTES_MAX, SnapshotId, validate_name};
use cairn_engine::{Counts, Lsn};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// `format`.
const FORMAT: &str = "cairndb-snapshot";
/// `version`.
const VERSION: u32 = 1;
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
    files: Vec<WireFile>,
}

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

/// The bytes of the file, in lines for people.
pub(crate) fn encode(snapshot: &Snapshot) -> Result<Vec<u8>> {
    let wire = Wire {
        format: FORMAT.to_owned(),
        version: VERSION,
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
        files: snapshot.files.iter().map(wire_file).collect(),
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

/// The snapshot `id`, whose `metadata.json` at `path` has these bytes.
pub(crate) fn decode(path: &Path, id: &SnapshotId, bytes: &[u8]) -> Result<Snapshot> {
    let head: Head = serde_json::from_slice(bytes).map_err(|e| not_json(path, &e))?;
    if head.format != FORMAT {
        return Err(Error::damaged(path, None, "format", FORMAT, head.format));
    }
    if head.version != VERSION {
        return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: head.version });
    }
    let wire: Wire = serde_json::from_slice(bytes).map_err(|e| not_json(path, &e))?;
    Reader { path }.snapshot(id, wire)
}

fn not_json(path: &Path, e: &serde_json::Error) -> Error {
    Error::damaged(path, None, "fields", "the fields of docs/format.md", e)
}

/// Checks what stands in the file at `path`.
struct Reader<'a> {
    path: &'a Path,
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
        if wire.r#type != SnapshotType::Full.name() {
            return Err(self.bad("type", SnapshotType::Full.name(), wire.r#type));
        }
        let created_us = names::from_rfc3339(&wire.created_at)
            .ok_or_else(|| self.bad("created_at", "a time as RFC 3339 has it, UTC", &wire.created_at))?;
        let hex = |what, text: &str| self.bad(what, "32 hex digits", text);
        let snapshot = Snapshot {
            id: id.clone(),
            name: wire.name,
            description: wire.description,
            tags: wire.tags,
            snapshot_type: SnapshotType::Full,
            created_us,
            database: wire.database.parse().map_err(|_| hex("database", &wire.database))?,
            timeline: wire.timeline.parse().map_err(|_| hex("timeline", &wire.timeline))?,
            lsn: Lsn(wire.lsn),
            time_us: wire.time_us,
            compression: Codec::from_name(&wire.compression)
                .ok_or_else(|| self.bad("compression", "zstd, gzip or none", &wire.compression))?,
            counts: wire.counts,
            plain_bytes: wire.plain_bytes,
            stored_bytes: wire.stored_bytes,
            manifest: self.manifest(&wire.manifest)?,
            files: wire.files.into_iter().map(|file| self.file(file)).collect::<Result<_>>()?,
        };
        self.check_files(&snapshot)?;
        Ok(snapshot)
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
