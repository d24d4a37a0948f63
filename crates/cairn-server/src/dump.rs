//! DUMP: the portable single file, over the wire.

use crate::command::Dump;
use crate::engine_backend::EngineBackend;
use crate::failure::{Failure, shown};
use crate::jobs::{Family, Kind};
use crate::reply::{Dumped, Header, Reply, Stores};
use cairn_engine::{Counts, DEFAULT_NAME, ErrorKind};
use cairn_snapshot::nvec::{self, NvecInfo};
use cairn_snapshot::{Job, dump_name, resolve};
use std::path::PathBuf;

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn dump(backend: &EngineBackend, dump: &Dump) -> Reply {
    let done = match dump {
        Dump::Save(given) => save(backend, given.as_deref()),
        Dump::Load(given) => load(backend, given),
        Dump::Verify(given) => verify(backend, given),
        Dump::Info(given) => info(backend, given),
        Dump::Status => Ok(Dumped::Status(backend.jobs.status(Family::Dump))),
    };
    done.map_or_else(Reply::Failed, Reply::Dump)
}

fn save(backend: &EngineBackend, given: Option<&str>) -> Result<Dumped> {
    let name = given.or(backend.snapshot.default_filename.as_deref());
    let target = name.unwrap_or_default().to_owned();
    backend.jobs.run(Family::Dump, Kind::Save, "DUMP SAVE", &target, |job| {
        backend.savable()?;
        let storage = backend.storage.as_ref();
        backend.prepare_dir(&backend.snapshot.dir)?;
        let now_us = backend.now_us();
        let path = match name {
            Some(name) => path(backend, name)?,
            None => path(backend, &dump_name(storage, &backend.snapshot.dir, now_us)?)?,
        };
        let shown = path.display().to_string();
        backend.jobs.rename(Family::Dump, &shown);
        let info = nvec::save(storage, &path, &backend.engine.view()?, now_us, job)?;
        Ok(Dumped::Saved {
            path: shown,
            stores: stores(&info),
            bytes: info.file_size,
            collections: info.collection_count,
        })
    })
}

fn load(backend: &EngineBackend, given: &str) -> Result<Dumped> {
    backend.jobs.run(Family::Dump, Kind::Load, "DUMP LOAD", given, |job| {
        let path = path(backend, given)?;
        let shown = path.display().to_string();
        backend.jobs.rename(Family::Dump, &shown);
        let replaced = backend.engine.collection_info(DEFAULT_NAME)?.counts;
        let names = backend.engine.collections().into_iter().map(|info| info.name);
        let replaced_collections = names.filter(|name| name != DEFAULT_NAME).collect();
        let loaded = nvec::load(&backend.engine, backend.storage.as_ref(), &path, job)
            .map_err(|e| not_found(e, given))?;
        Ok(Dumped::Loaded {
            path: shown,
            stores: stores(&loaded.info),
            replaced: stores_of(&replaced),
            collections: loaded.info.collection_count,
            replaced_collections,
        })
    })
}

fn verify(backend: &EngineBackend, given: &str) -> Result<Dumped> {
    let path = path(backend, given)?;
    let job = Job { cancel: backend.jobs.cancelled(), ..Job::default() };
    match nvec::verify(backend.storage.as_ref(), &path, &job) {
        Ok(found) => Ok(Dumped::Verified { path: path.display().to_string(), crc32: found.crc }),
        Err(e) => {
            // The request named the file: what a VERIFY prints is what was expected and what is there.
            let mut failure = not_found(e, given);
            failure.details.retain(|(key, _)| key == "expected" || key == "actual");
            Err(failure)
        }
    }
}

fn info(backend: &EngineBackend, given: &str) -> Result<Dumped> {
    let path = path(backend, given)?;
    let job = Job { cancel: backend.jobs.cancelled(), ..Job::default() };
    let info = nvec::info_with(backend.storage.as_ref(), &path, &job).map_err(|e| not_found(e, given))?;
    let header = Header {
        version: info.version,
        flags: info.flags,
        events: info.event_count,
        pairs: info.pair_count,
        vectors: info.vector_count,
        file_bytes: info.file_size,
        created_ms: i64::try_from(info.created_ms).unwrap_or(i64::MAX),
        collections: info.collection_count,
    };
    Ok(Dumped::Info { path: path.display().to_string(), header })
}

/// The file that a request means. Never one of the database or of the repository, wherever those are.
pub(crate) fn path(backend: &EngineBackend, given: &str) -> Result<PathBuf> {
    let storage = backend.storage.as_ref();
    let path = resolve(storage, &backend.snapshot.dir, &backend.snapshot.allowed_dirs, given)
        .map_err(|e| not_found(e, given))?;
    for held in [&backend.data_dir, &backend.repository_dir] {
        let inside = storage.canonical(held).is_ok_and(|held| path.starts_with(held));
        if inside {
            return Err(Failure::input(format!(
                "Invalid filepath: {} belongs to the database",
                path.display()
            )));
        }
    }
    Ok(path)
}

fn not_found(error: cairn_snapshot::Error, given: &str) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => Failure::new(ErrorKind::NotFound, format!("File not found: {}", shown(given))),
        _ => error.into(),
    }
}

fn stores(info: &NvecInfo) -> Stores {
    Stores {
        contexts: info.context_count,
        events: info.event_count,
        vectors: info.vector_count,
        pairs: info.pair_count,
    }
}

fn stores_of(counts: &Counts) -> Stores {
    Stores { contexts: counts.contexts, events: counts.events, vectors: counts.vectors, pairs: counts.pairs }
}
