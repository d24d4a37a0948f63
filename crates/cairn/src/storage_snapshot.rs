//! `cairn storage snapshot`: snapshots by the words, and with the JSON, of the storage commands.

use crate::args::CompressionArg;
use crate::args_storage::{StorageCreateArgs, StorageListArgs, StorageRestoreArgs, StorageSnapshot};
use crate::block_fields::{fields, only};
use crate::block_on;
use crate::connect::connect;
use crate::disk::{now_us, storage};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, bytes_field, count_field, field, warn};
use crate::session::open_engine;
use crate::snapshot::local::{
    Asked, Back, compression, create_in, listed, milliseconds, restore_here, with_bar,
};
use crate::snapshot::{lines, remote};
use crate::wire::ask;
use cairn_client::Block;
use cairn_disk::FileType;
use cairn_engine::{Engine, Options, Target};
use cairn_snapshot::{Created, Listed, Snapshot, nvec};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs a command.
pub fn run(command: &StorageSnapshot, output: Output) -> Result<()> {
    match command {
        StorageSnapshot::Create(args) => create(args, output),
        StorageSnapshot::Restore(args) => restore(args, output),
        StorageSnapshot::List(args) => list(args, output),
    }
}

/// One snapshot, with the fields that the storage commands print.
struct Row {
    id: String,
    kind: String,
    collections: Vec<String>,
    vectors: u64,
    size_bytes: u64,
    compressed: bool,
    created_at: String,
    path: String,
}

impl Row {
    fn of(snapshot: &Snapshot, repo: &Path) -> Row {
        let incremental = snapshot.base.is_some();
        Row {
            id: snapshot.id.to_string(),
            kind: snapshot.snapshot_type.name().to_owned(),
            collections: snapshot.collections.iter().map(|c| c.name.clone()).collect(),
            vectors: if incremental { snapshot.changed_vectors } else { snapshot.counts.vectors },
            size_bytes: snapshot.size_bytes(),
            compressed: snapshot.compression.name() != "none",
            created_at: snapshot.created_at(),
            path: repo.join("snapshots").join(snapshot.id.as_str()).display().to_string(),
        }
    }

    /// From what a server said of it.
    fn told<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Row {
        let text = |key: &str| get(key).unwrap_or_default().to_owned();
        let number = |key: &str| text(key).parse().unwrap_or(0);
        let incremental = text("type") == "incremental";
        let collections = text("collections");
        Row {
            id: text("id"),
            kind: text("type"),
            collections: collections.split(',').filter(|name| *name != "-").map(str::to_owned).collect(),
            vectors: number(if incremental { "changed_vectors" } else { "vectors" }),
            size_bytes: number(if incremental { "added_bytes" } else { "stored_bytes" }),
            compressed: text("compression") != "none",
            created_at: text("created_at"),
            path: text("path"),
        }
    }
}

fn create(args: &StorageCreateArgs, output: Output) -> Result<()> {
    let started = Instant::now();
    if let Some(file) = &args.output {
        return create_file(args, file, output);
    }
    let stored = match (args.compress, args.compression) {
        (true, _) => CompressionArg::Gzip,
        (false, asked) => asked.unwrap_or(CompressionArg::None),
    };
    let collections: Vec<String> = args.collection.iter().cloned().collect();
    let (name, what) = (args.name.as_deref(), &args.what);
    let row = match &args.place.addr {
        Some(addr) => {
            let line = lines::create(name, &collections, Some(stored), what, Some(&args.path))?;
            let block = ask(addr, &line)?;
            note_full(block.get("full_because"));
            Row::told(|key| block.get(key))
        }
        None => {
            let (data, compression) = (&*args.place.data, compression(Some(stored)));
            let asked = Asked { data, name, collections: &collections, compression, what };
            let Created { snapshot, full_because } = create_in(&args.path, &asked)?;
            note_full(full_because.as_deref());
            Row::of(&snapshot, &args.path)
        }
    };
    output.record(&[
        field("snapshot_id", row.id),
        field("type", row.kind),
        field("collections", row.collections),
        count_field("vectors", row.vectors),
        bytes_field("size_bytes", row.size_bytes),
        field("compressed", row.compressed),
        field("path", row.path),
        milliseconds(started),
        field("status", "completed"),
    ])
}

fn note_full(why: Option<&str>) {
    if let Some(why) = why {
        warn(&format!("note: a full snapshot was made: {why}"));
    }
}

/// One portable file of the whole database.
fn create_file(args: &StorageCreateArgs, file: &Path, output: Output) -> Result<()> {
    let started = Instant::now();
    let (vectors, bytes) = match &args.place.addr {
        Some(addr) => {
            let block = ask_dump(addr, "SAVE", file)?;
            (block.get("vector_store_vectors").and_then(|n| n.parse().ok()).unwrap_or(0), None)
        }
        None => {
            let disk = storage();
            let opened =
                Engine::open_past(disk.clone(), &args.place.data, Target::Latest, None, Options::default())?;
            let view = opened.0.view()?;
            let made = with_bar("storing", |job| nvec::save(&*disk, file, &view, now_us(), job))?;
            (made.vector_count, Some(stored_bytes(file)?))
        }
    };
    let plain = file.extension().is_some_and(|extension| extension == "nvec");
    output.record(&[
        field("type", "full"),
        count_field("vectors", vectors),
        bytes.map_or_else(|| field("size_bytes", None::<u64>), |n| bytes_field("size_bytes", n)),
        field("compressed", !plain),
        field("path", file.display().to_string()),
        milliseconds(started),
        field("status", "completed"),
    ])
}

/// Bytes of a file, or of the files in a directory.
fn stored_bytes(path: &Path) -> Result<u64> {
    let disk = storage();
    match disk.stat(path)? {
        Some(stat) if stat.file_type == FileType::Dir => {
            Ok(disk.list(path)?.iter().map(|entry| entry.stat.bytes).sum())
        }
        stat => Ok(stat.map_or(0, |stat| stat.bytes)),
    }
}

/// `DUMP SAVE` or `DUMP LOAD` at a server.
fn ask_dump(addr: &str, verb: &str, file: &Path) -> Result<Block> {
    let path = file
        .to_str()
        .ok_or_else(|| Failure::new(Exit::Usage, format!("{}: expected UTF-8", file.display())))?;
    block_on(async move {
        let mut client = connect(addr).await?;
        let done = match verb {
            "SAVE" => client.dump_save(Some(path)).await,
            _ => client.dump_load(path).await,
        };
        Ok(done?)
    })
}

/// Restores a portable file: into a new directory, or as the state of the database that is there.
fn restore_file(args: &StorageRestoreArgs, file: &Path, output: Output) -> Result<()> {
    let (started, how) = (Instant::now(), &args.how);
    if how.collection.is_some() || how.from.is_some() || how.branch || how.dry_run {
        let message = "a portable file is restored whole: --collection, --from, --branch and --dry-run need a repository";
        return Err(Failure::new(Exit::Usage, message));
    }
    let vectors = match &args.place.addr {
        Some(addr) => {
            let block = ask_dump(addr, "LOAD", file)?;
            block.get("vector_store_vectors").and_then(|n| n.parse().ok()).unwrap_or(0)
        }
        None => {
            let (disk, data) = (storage(), &args.place.data);
            if how.verify {
                with_bar("verifying", |job| nvec::verify(&*disk, file, job))?;
            }
            let info = with_bar("reading", |job| nvec::info_with(&*disk, file, job))?;
            let there = disk.stat(data)?.is_some() && !disk.list(data)?.is_empty();
            if there && !how.overwrite {
                let message = format!("{} is not empty", data.display());
                let next =
                    "choose another --data, or --overwrite: the state that is there stays as a timeline";
                return Err(Failure::new(Exit::Usage, message).next(next));
            }
            if there {
                let engine = open_engine(data)?;
                with_bar("restoring", |job| nvec::load(&engine, &*disk, file, job))?;
                engine.close()?;
            } else {
                with_bar("restoring", |job| nvec::restore(&disk, file, data, now_us(), job))?;
            }
            info.vector_count
        }
    };
    output.record(&[
        field("snapshot_id", file.display().to_string()),
        field("collections_restored", vec!["default"]),
        count_field("vectors_restored", vectors),
        milliseconds(started),
        field("status", "completed"),
    ])
}

fn restore(args: &StorageRestoreArgs, output: Output) -> Result<()> {
    let started = Instant::now();
    if let Some(file) = portable(args)? {
        return restore_file(args, &file, output);
    }
    let (repo, id) = located(&args.snapshot, &args.path)?;
    if args.how.as_of.is_some() {
        return Err(Failure::new(Exit::Usage, "--as-of: cairn snapshot restore and cairn recover take it"));
    }
    let block = match &args.place.addr {
        Some(addr) => ask(addr, &lines::restore(&id, &args.how, Some(&repo))?)?,
        None => match restore_here(&repo, &id, &args.place.data, &args.how)? {
            Back::Answer(block) => block,
            Back::Directory(restored) => {
                let snapshot = &restored.snapshot;
                let names: Vec<&str> = snapshot.collections.iter().map(|c| c.name.as_str()).collect();
                let mut lines = vec![
                    format!("id: {}", snapshot.id),
                    format!("collections_restored: {}", names.join(",")),
                    format!("vectors_restored: {}", snapshot.counts.vectors),
                ];
                if let Some(path) = &restored.replaced {
                    warn(&format!("note: the directory that was there is kept as {}", path.display()));
                    lines.push(format!("replaced: {}", path.display()));
                }
                Block { head: String::new(), lines }
            }
        },
    };
    if args.how.dry_run || args.how.branch {
        return output.record(&fields(&block));
    }
    let mut record: Vec<Field> = vec![field("snapshot_id", block.get("id").unwrap_or_default())];
    record.extend(only(&block, &["collections_restored", "vectors_restored"]));
    record.push(milliseconds(started));
    record.push(field("status", "completed"));
    output.record(&record)
}

/// The portable file that is meant: a path that is one, and no snapshot of a repository. At a server, one with an ending of theirs.
fn portable(args: &StorageRestoreArgs) -> Result<Option<PathBuf>> {
    let path = Path::new(&args.snapshot);
    let endings = ["nvec", "gz", "zst", "snap", "snapshot"];
    let ending = path.extension().and_then(|e| e.to_str()).is_some_and(|e| endings.contains(&e));
    if args.place.addr.is_some() {
        return Ok((ending && !args.snapshot.contains("/snap-")).then(|| path.to_owned()));
    }
    let disk = storage();
    let portable = match disk.stat(path)? {
        Some(stat) if stat.file_type == FileType::Dir => disk.stat(&path.join("vectors.bin.gz"))?.is_some(),
        Some(stat) => stat.file_type == FileType::File,
        None => false,
    };
    Ok(portable.then(|| path.to_owned()))
}

/// The repository and the id that are meant: an id or a name in the repository at `path`; or the path of a snapshot, as create
/// prints it, or as `<repository>/<id>.gz`, whatever its ending.
fn located(snapshot: &str, path: &Path) -> Result<(PathBuf, String)> {
    if !snapshot.contains('/') {
        return Ok((path.to_owned(), snapshot.to_owned()));
    }
    let given = Path::new(snapshot);
    let name = given.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let id = name.split('.').next().unwrap_or_default().to_owned();
    let mut above = given.parent();
    let disk = storage();
    while let Some(dir) = above.filter(|dir| !dir.as_os_str().is_empty()) {
        if disk.stat(&dir.join("cairn-repository.json"))?.is_some() {
            return Ok((dir.to_owned(), id));
        }
        above = dir.parent();
    }
    Err(Failure::new(Exit::NotFound, format!("{snapshot}: no snapshot there, and no repository above it"))
        .next("cairn storage snapshot list --path DIR shows what there is"))
}

fn list(args: &StorageListArgs, output: Output) -> Result<()> {
    let (mut rows, mut damaged) = (Vec::new(), None);
    if let Some(addr) = &args.addr {
        let block = ask(addr, &lines::list(args.collection.as_deref(), Some(&args.path))?)?;
        for line in &block.lines {
            let values = remote::values(line);
            match values.get("error") {
                Some(error) => damaged = Some(format!("snapshot {}: {error}", values["id"])),
                None => rows.push(Row::told(|key| values.get(key).copied())),
            }
        }
    } else {
        for entry in listed(&args.path, args.collection.as_deref())? {
            match entry {
                Listed::Whole(snapshot) => rows.push(Row::of(&snapshot, &args.path)),
                Listed::Damaged { id, error } => damaged = Some(format!("snapshot {id}: {error}")),
            }
        }
    }
    let row = |row: Row| {
        vec![
            field("id", row.id),
            field("type", row.kind),
            field("collections", row.collections),
            count_field("vectors", row.vectors),
            bytes_field("size_bytes", row.size_bytes),
            field("compressed", row.compressed),
            field("created_at", row.created_at),
            field("path", row.path),
        ]
    };
    output.list("snapshots", &rows.into_iter().map(row).collect::<Vec<_>>())?;
    match damaged {
        None => Ok(()),
        Some(what) => {
            Err(Failure::new(Exit::Damage, what).next("cairn snapshot verify names what is damaged"))
        }
    }
}
