//! The directory layout of ruvector's document: `snapshot-{id}/` with `metadata.json`, `vectors.bin.gz`, `index.bin.gz`,
//! `metadata.bin.gz` and `checksum.sha256`. Its three binary files, put together in the order of their sections, are a `.nvec`.

use super::file::NvecInfo;
use super::header::{FOOTER_BYTES, HEADER_BYTES};
use super::open::{Opened, READINGS};
use super::pieces::{Pieces, Place, Split};
use super::save::Plan;
use super::section::{METADATA, SECTION_HEADER_BYTES, SECTIONS_MAX, VECTORS};
use super::wrapped::{Unwrapped, Wrapping};
use crate::codec::{Codec, Compression};
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use crate::names;
use cairn_disk::{Access, File, FileType, Storage, parent_dir, read_file, write_new};
use cairn_engine::View;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The binary files, in the order of `checksum.sha256`, and the magics they begin with.
pub(crate) const FILES: [(&str, &[u8; 8]); 3] =
    [("vectors.bin.gz", b"CAIRNRVV"), ("index.bin.gz", b"CAIRNRVI"), ("metadata.bin.gz", b"CAIRNRVM")];
const VECTORS_FILE: usize = 0;
const INDEX_FILE: usize = 1;
const METADATA_FILE: usize = 2;
/// Magic, version, zero.
const HEAD_BYTES: u64 = 16;
const VERSION: u32 = 1;
const METADATA_JSON: &str = "metadata.json";
const CHECKSUM: &str = "checksum.sha256";
/// `format`.
const FORMAT: &str = "cairndb-ruvector-snapshot";
/// Bytes of the two text files, at most.
const TEXT_BYTES_MAX: u64 = 64 << 10;
/// How a directory is called before it is finished.
const UNFINISHED: &str = ".unfinished";

/// Whether a save to this path makes the directory layout: its name begins as one of it, and has no ending.
pub(crate) fn is_meant(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("snapshot-") && !name.contains('.')
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    version: u32,
    id: String,
    created_at: String,
    size_bytes: u64,
    checksum: String,
    snapshot_type: String,
    vector_count: u64,
    metadata: Counted,
    files: Vec<WireFile>,
}

/// What of a state the document's fields do not tell.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    collections: u64,
    events: u64,
    contexts: u64,
    co_occurrence_pairs: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFile {
    name: String,
    plain_bytes: u64,
    stored_bytes: u64,
    sha256: String,
}

/// Writes the state of `view` as the directory `path`, which is not there yet. It is whole and lasts when this returns; until then it
/// is not there, also after a crash.
pub(crate) fn save(
    storage: &dyn Storage,
    path: &Path,
    view: &View,
    now_us: i64,
    job: &Job<'_>,
) -> Result<NvecInfo> {
    if storage.stat(path)?.is_some() {
        return Err(Error::Exists(format!("{}: expected a name that is free", path.display())));
    }
    let plan = Plan::new(view, now_us, job)?;
    let info = plan.info(view);
    let staged = staged(path)?;
    storage.remove_dir_all(&staged)?;
    let written = storage.create_dir_all(&staged).map_err(Error::from).and_then(|()| {
        write(storage, &staged, path, &plan, &info, now_us, job)?;
        storage.sync_dir(&staged)?;
        Ok(storage.rename(&staged, path)?)
    });
    if let Err(e) = written {
        let _ = storage.remove_dir_all(&staged);
        return Err(e);
    }
    storage.sync_dir(parent_dir(path))?;
    Ok(info)
}

fn staged(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::Input(format!("Invalid filepath: {}", path.display())))?;
    Ok(path.with_file_name(format!(".{name}{UNFINISHED}")))
}

fn write(
    storage: &dyn Storage,
    staged: &Path,
    path: &Path,
    plan: &Plan<'_>,
    info: &NvecInfo,
    now_us: i64,
    job: &Job<'_>,
) -> Result<()> {
    let mut files = Vec::new();
    for (name, magic) in FILES {
        let file = Wrapping::new(storage.create(&staged.join(name))?, Compression::Gzip { level: 6 })?;
        file.append(magic)?;
        file.append(&VERSION.to_le_bytes())?;
        file.append(&0u32.to_le_bytes())?;
        files.push(file);
    }
    let split = Split::new(&staged.join(FILES[INDEX_FILE].0), routes(plan), files);
    plan.write(&split, job)?;
    let mut listed = Vec::new();
    for ((name, _), file) in FILES.iter().zip(split.files()) {
        let (stored_bytes, sha256) = sum(storage, &staged.join(name), job)?;
        let (name, sha256) = ((*name).to_owned(), sha256.to_string());
        listed.push(WireFile { name, plain_bytes: file.bytes()?, stored_bytes, sha256 });
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let wire = Wire {
        format: FORMAT.to_owned(),
        version: VERSION,
        id: name.strip_prefix("snapshot-").unwrap_or(name).to_owned(),
        created_at: names::rfc3339(now_us / 1_000 * 1_000),
        size_bytes: listed.iter().map(|file| file.stored_bytes).sum(),
        checksum: Digest::of(lines(&listed).as_bytes()).to_string(),
        snapshot_type: "Full".to_owned(),
        vector_count: info.vector_count,
        metadata: Counted {
            collections: info.collection_count,
            events: info.event_count,
            contexts: info.context_count,
            co_occurrence_pairs: info.pair_count,
        },
        files: listed,
    };
    let mut json =
        serde_json::to_vec_pretty(&wire).map_err(|e| Error::Bug(format!("{METADATA_JSON}: {e}")))?;
    json.push(b'\n');
    write_new(storage, &staged.join(METADATA_JSON), &json)?;
    let checksum = format!("{}  {METADATA_JSON}\n{}", Digest::of(&json), lines(&wire.files));
    write_new(storage, &staged.join(CHECKSUM), checksum.as_bytes())?;
    Ok(())
}

/// Which bytes of the `.nvec` go to which file: the ends of the runs, and the files.
fn routes(plan: &Plan<'_>) -> Vec<(u64, usize)> {
    let mut at = HEADER_BYTES;
    let mut routes = vec![(at, INDEX_FILE)];
    for section in &plan.sections {
        at += SECTION_HEADER_BYTES + section.bytes;
        routes.push((at, file_of(section.kind)));
    }
    routes.push((at + FOOTER_BYTES, INDEX_FILE));
    routes
}

fn file_of(kind: u32) -> usize {
    match kind {
        VECTORS => VECTORS_FILE,
        METADATA => METADATA_FILE,
        _ => INDEX_FILE,
    }
}

/// The lines of `checksum.sha256` about the binary files.
fn lines(files: &[WireFile]) -> String {
    files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name)).collect()
}

fn sum(storage: &dyn Storage, path: &Path, job: &Job<'_>) -> Result<(u64, Digest)> {
    let file = storage.open(path, Access::Read)?;
    let (mut hasher, mut at, mut buffer) = (Hasher::default(), 0, vec![0; 256 << 10]);
    loop {
        job.go_on()?;
        match file.read_at(at, &mut buffer)? {
            0 => return Ok((at, hasher.finish())),
            n => {
                hasher.update(&buffer[..n]);
                at += n as u64;
            }
        }
    }
}

/// Opens a directory as the `.nvec` that its files are, once their names, lengths and SHA-256 are right.
pub(crate) fn open(storage: &dyn Storage, dir: &Path, job: &Job<'_>) -> Result<Opened> {
    let wire = read_metadata(storage, dir)?;
    let plain_bytes = wire.files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.plain_bytes));
    let meter = Meter::new(job, 1, plain_bytes.saturating_mul(READINGS));
    let mut pass = |_, bytes| {
        job.go_on()?;
        meter.bytes(bytes, 0);
        Ok(())
    };
    let mut files = Vec::new();
    for ((name, magic), said) in FILES.iter().zip(&wire.files) {
        let path = dir.join(name);
        if storage.stat(&path)?.is_some_and(|stat| stat.file_type != FileType::File) {
            return Err(Error::damaged(&path, None, "file", "a regular file", "something else"));
        }
        let (bytes, digest) = sum(storage, &path, job)?;
        if bytes != said.stored_bytes {
            let (expected, actual) = (format!("{} bytes", said.stored_bytes), format!("{bytes} bytes"));
            return Err(Error::damaged(&path, None, "size mismatch", expected, actual));
        }
        if digest.to_string() != said.sha256 {
            return Err(Error::damaged(&path, None, "SHA-256 mismatch", &said.sha256, digest));
        }
        let stored: Arc<dyn File> = Arc::from(storage.open(&path, Access::Read)?);
        let plain = Unwrapped::open(stored, Codec::Gzip, |_| said.plain_bytes, &mut pass)?;
        check_head(&plain, magic, said.plain_bytes)?;
        files.push(plain);
    }
    let places = places(&files)?;
    Ok(Opened { file: Box::new(Pieces::new(dir, places, files)), passed_bytes: meter.bytes_done() })
}

fn check_head(file: &Unwrapped, magic: &[u8; 8], plain_bytes: u64) -> Result<()> {
    let path = file.path();
    let bytes = file.bytes()?;
    if bytes != plain_bytes || bytes < HEAD_BYTES {
        let actual = if bytes > plain_bytes { "more".to_owned() } else { format!("{bytes} bytes") };
        let expected = format!("{plain_bytes} bytes, at least {HEAD_BYTES}");
        return Err(Error::damaged(path, None, "size mismatch of plain bytes", expected, actual));
    }
    let mut head = [0; HEAD_BYTES as usize];
    file.read_exact_at(0, &mut head)?;
    if &head[..8] != magic {
        let (expected, actual) = (magic.escape_ascii(), head[..8].escape_ascii());
        return Err(Error::damaged(path, Some(0), "magic", expected, actual));
    }
    let version = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    if version != VERSION {
        return Err(Error::Version { path: path.to_owned(), expected: VERSION, actual: version });
    }
    if head[12..] != [0; 4] {
        return Err(Error::damaged(path, Some(12), "reserved bytes", "zeros", format!("{:?}", &head[12..])));
    }
    Ok(())
}

fn read_metadata(storage: &dyn Storage, dir: &Path) -> Result<Wire> {
    let path = dir.join(METADATA_JSON);
    let bytes = read_file(storage, &path, TEXT_BYTES_MAX)?;
    let checksum = dir.join(CHECKSUM);
    let sums = read_file(storage, &checksum, TEXT_BYTES_MAX)?;
    let fields =
        |e: serde_json::Error| Error::damaged(&path, None, "fields", "the fields of docs/format.md", e);
    let wire: Wire = serde_json::from_slice(&bytes).map_err(fields)?;
    let bad = |what: &str, expected: &str, actual: &dyn std::fmt::Display| {
        Error::damaged(&path, None, what, expected, format!("{:.120}", actual.to_string()))
    };
    if wire.format != FORMAT {
        return Err(bad("format", FORMAT, &wire.format));
    }
    if wire.version != VERSION {
        return Err(Error::Version { path, expected: VERSION, actual: wire.version });
    }
    if wire.snapshot_type != "Full" {
        return Err(bad("snapshot_type", "Full", &wire.snapshot_type));
    }
    let named: Vec<&str> = wire.files.iter().map(|file| file.name.as_str()).collect();
    if named != FILES.map(|(name, _)| name) {
        return Err(bad("files", "vectors.bin.gz, index.bin.gz, metadata.bin.gz", &named.join(", ")));
    }
    if Digest::of(lines(&wire.files).as_bytes()).to_string() != wire.checksum {
        return Err(bad("checksum", "the SHA-256 of the lines of checksum.sha256", &wire.checksum));
    }
    let size: u64 = wire.files.iter().fold(0, |sum, file| sum.saturating_add(file.stored_bytes));
    if size != wire.size_bytes {
        return Err(bad("size_bytes", &size.to_string(), &wire.size_bytes));
    }
    let expected = format!("{}  {METADATA_JSON}\n{}", Digest::of(&bytes), lines(&wire.files));
    if expected.as_bytes() != sums {
        let actual = String::from_utf8_lossy(&sums).into_owned();
        return Err(Error::damaged(&checksum, None, "checksum lines", expected, format!("{actual:.400}")));
    }
    Ok(wire)
}

/// Where the bytes of the `.nvec` are, in order.
fn places(files: &[Unwrapped]) -> Result<Vec<Place>> {
    let index = &files[INDEX_FILE];
    let whole = |file: usize| -> Result<Place> {
        Ok(Place { file, at: HEAD_BYTES, bytes: files[file].bytes()? - HEAD_BYTES })
    };
    let end = index.bytes()?;
    let too_short =
        || Error::damaged(index.path(), None, "size mismatch", "header, sections and footer", end);
    let last = end.checked_sub(FOOTER_BYTES).filter(|last| *last >= HEAD_BYTES + HEADER_BYTES);
    let last = last.ok_or_else(too_short)?;
    let mut places = vec![Place { file: INDEX_FILE, at: HEAD_BYTES, bytes: HEADER_BYTES }];
    // Each stands before the first section of a higher kind.
    let mut waiting = vec![(METADATA, METADATA_FILE), (VECTORS, VECTORS_FILE)];
    let mut at = HEAD_BYTES + HEADER_BYTES;
    while at < last {
        if places.len() > SECTIONS_MAX {
            let expected = format!("at most {SECTIONS_MAX}");
            return Err(Error::damaged(index.path(), Some(at), "sections", expected, "more"));
        }
        let mut head = [0; SECTION_HEADER_BYTES as usize];
        if last - at < SECTION_HEADER_BYTES {
            return Err(too_short());
        }
        index.read_exact_at(at, &mut head)?;
        let kind = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let bytes = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes"));
        if file_of(kind) != INDEX_FILE {
            return Err(Error::damaged(index.path(), Some(at), "section", "one of the index", kind));
        }
        let whole_bytes = bytes.checked_add(SECTION_HEADER_BYTES).filter(|n| *n <= last - at);
        let bytes = whole_bytes.ok_or_else(|| {
            Error::damaged(index.path(), Some(at), "section length", format!("at most {}", last - at), bytes)
        })?;
        while let Some((_, file)) = waiting.pop_if(|(before, _)| *before < kind) {
            places.push(whole(file)?);
        }
        places.push(Place { file: INDEX_FILE, at, bytes });
        at += bytes;
    }
    while let Some((_, file)) = waiting.pop() {
        places.push(whole(file)?);
    }
    places.push(Place { file: INDEX_FILE, at: last, bytes: FOOTER_BYTES });
    Ok(places)
}
