//! `cairn storage snapshot`: snapshots by the words, and with the JSON, of the storage commands.

use crate::args::CompressionArg;
use crate::args_storage::{StorageCreateArgs, StorageListArgs, StorageRestoreArgs, StorageSnapshot};
use crate::block_fields::{fields, only};
use crate::disk::storage;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, bytes_field, count_field, field, warn};
use crate::snapshot::local::{Asked, Back, compression, create_in, listed, milliseconds, restore_here};
use crate::snapshot::{lines, remote};
use crate::wire::ask;
use cairn_client::Block;
use cairn_snapshot::{Created, Listed, Snapshot};
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

fn restore(args: &StorageRestoreArgs, output: Output) -> Result<()> {
    let started = Instant::now();
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
