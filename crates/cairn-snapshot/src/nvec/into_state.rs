//! A `.nvec` file as a state: loaded into a running engine, or restored into a data directory.

use super::file::{NvecFile, NvecInfo};
use super::open::open;
use super::pairs::Pair;
use super::parse::{self, Event, FileCounts, Visitor};
use super::parse_collections;
use super::section::{self, EVENTS, Section};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::repository::make_dir;
use cairn_disk::{Storage, parent_dir};
use cairn_engine::{
    CollectionSpec, CollectionView, DEFAULT_NAME, DatabaseId, Engine, LoadReport, Lsn, Metadata, Position,
    Remembered, RestoreReport, Settings, StateBuilder, TimelineId, View, restore_dir,
};
use std::path::Path;
use std::sync::Arc;

/// What [`load`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NvecLoaded {
    /// The file.
    pub info: NvecInfo,
    /// The new timeline.
    pub report: LoadReport,
}

/// Reads the file at `path` as a state, checking all of it. Extensions that this build does not know are skipped. A file
/// without settings gets `defaults`, with its own metric and ring capacity; one that does not say how `default` is stored
/// and indexed, the default spec.
///
/// Memory: the state, and a few buffers.
pub fn read(
    storage: &dyn Storage,
    path: &Path,
    defaults: &Settings,
    job: &Job<'_>,
) -> Result<(View, NvecInfo)> {
    read_with(storage, path, defaults, &CollectionSpec::default(), job)
}

fn read_with(
    storage: &dyn Storage,
    path: &Path,
    defaults: &Settings,
    default_spec: &CollectionSpec,
    job: &Job<'_>,
) -> Result<(View, NvecInfo)> {
    let opened = open(storage, path, job)?;
    let nvec = NvecFile::open(opened.file.as_ref())?;
    let meter = nvec.meter(job, opened.passed_bytes);
    let sections = nvec.check(job, &meter)?.sections;
    let info = nvec.info(job)?;
    let settings = match parse::settings(&nvec, &sections, job)? {
        Some(settings) => settings,
        None => foreign_settings(&nvec, &sections, defaults, job)?,
    };
    let refused =
        |e: cairn_engine::Error| Error::damaged(path, None, "settings", "settings in their ranges", e);
    let spec = parse_collections::default_spec(&nvec, &sections, job)?;
    let mut builder = StateBuilder::new(settings).map_err(refused)?;
    builder.configure(spec.unwrap_or_else(|| default_spec.clone())).map_err(refused)?;
    let mut state = State { builder, listed: Listed::default(), finished: Vec::new() };
    parse::content(&nvec, &sections, job, &meter, &mut state)?;
    let position = parse::origin(&nvec, &sections, job)?.unwrap_or(Position {
        database: DatabaseId::ZERO,
        timeline: TimelineId::ZERO,
        lsn: Lsn(0),
        time_us: i64::try_from(info.created_ms).unwrap_or(0).saturating_mul(1_000),
    });
    Ok((state.finish(path, position)?, info))
}

/// Replaces the state of a running engine by the file at `path`. Reads go on from the old state meanwhile; on any failure
/// nothing has changed.
pub fn load(engine: &Engine, storage: &dyn Storage, path: &Path, job: &Job<'_>) -> Result<NvecLoaded> {
    let mut loaded = None;
    let reason = format!("loaded {}", path.display());
    let (defaults, spec) = (&engine.options().settings, engine.collection_info(DEFAULT_NAME)?.spec);
    let report = engine.load(&reason, |draft| {
        let (view, info) = read_with(storage, path, defaults, &spec, job)?;
        loaded = Some(info);
        Ok::<_, Error>(draft.put_image(view.into_image())?)
    })?;
    let info = loaded.ok_or_else(|| Error::Bug("the engine loaded without asking for files".to_owned()))?;
    Ok(NvecLoaded { info, report })
}

/// Builds the data directory `target` from the file at `path`. `target` is absent or empty; afterwards it is whole, or as
/// it was. `now_us` is the time now, microseconds since the Unix epoch.
pub fn restore(
    storage: &Arc<dyn Storage>,
    path: &Path,
    target: &Path,
    now_us: i64,
    job: &Job<'_>,
) -> Result<RestoreReport> {
    let reason = format!("restored {}", path.display());
    make_dir(storage.as_ref(), parent_dir(target))?;
    restore_dir(storage, target, now_us, &reason, |draft| {
        let (view, _) = read(storage.as_ref(), path, &Settings::default(), job)?;
        Ok(draft.put_image(view.into_image())?)
    })
}

/// Settings for a file that has none of ours.
fn foreign_settings(
    nvec: &NvecFile<'_>,
    sections: &[Section],
    defaults: &Settings,
    job: &Job<'_>,
) -> Result<Settings> {
    let mut largest = LargestRing(0);
    let counts = parse::counts(nvec, sections, job)?;
    if let Some(events) = section::find(sections, EVENTS) {
        parse::events(nvec.source(*events, job, None), &counts, &mut largest)?;
    }
    let ctx_buffer_size = if largest.0 == 0 { defaults.ctx_buffer_size } else { largest.0 };
    Ok(Settings {
        metric: parse::metric(nvec, sections, job)?,
        dimension: 0,
        ctx_buffer_size,
        ..defaults.clone()
    })
}

struct LargestRing(u32);

impl Visitor for LargestRing {
    fn context(&mut self, _name: &str, ring_capacity: u32) -> Result<(), String> {
        self.0 = self.0.max(ring_capacity);
        Ok(())
    }
}

/// How much the file lists of a collection.
#[derive(Default)]
struct Listed {
    metadata: u64,
    dedup: u64,
}

/// A state that is being put together.
struct State {
    builder: StateBuilder,
    /// Of the collection that is being filled.
    listed: Listed,
    /// Of those that are, in their order.
    finished: Vec<(FileCounts, Listed)>,
}

impl Visitor for State {
    fn context(&mut self, name: &str, _ring_capacity: u32) -> Result<(), String> {
        told(self.builder.push_context(name))
    }

    fn event(&mut self, context: &str, event: &Event<'_>) -> Result<(), String> {
        told(self.builder.push_event(context, event.id, event.op, event.score, event.time_s))
    }

    fn pair(&mut self, pair: &Pair<'_>) -> Result<(), String> {
        if let Some(score) = pair.forward {
            told(self.builder.set_neighbour(pair.first, pair.second, score))?;
        }
        if let Some(score) = pair.backward {
            told(self.builder.set_neighbour(pair.second, pair.first, score))?;
        }
        Ok(())
    }

    fn dimension(&mut self, dimension: u32) -> Result<(), String> {
        told(self.builder.set_dimension(dimension))
    }

    fn vector(&mut self, id: &str, vector: &[f32]) -> Result<(), String> {
        told(self.builder.set_vector(id, vector))
    }

    fn metadata(&mut self, id: &str, metadata: Metadata) -> Result<(), String> {
        self.listed.metadata += 1;
        told(self.builder.set_metadata(id, metadata))
    }

    fn totals(&mut self, total_events: u64, stored_events: u64) {
        self.builder.set_totals(total_events, stored_events);
    }

    fn dedup(
        &mut self,
        state: Remembered,
        score: u8,
        context: &str,
        id: &str,
        time_s: i64,
    ) -> Result<(), String> {
        self.listed.dedup += 1;
        told(self.builder.push_dedup(state, score, context, id, time_s))
    }

    fn counted(&mut self, counts: &FileCounts) {
        self.finished.push((*counts, std::mem::take(&mut self.listed)));
    }

    fn collection(&mut self, name: &str, settings: Settings, spec: CollectionSpec) -> Result<(), String> {
        told(self.builder.begin_collection(name, settings, spec))
    }

    fn alias(&mut self, alias: &str, collection: &str) {
        self.builder.set_alias(alias, collection);
    }
}

fn told(result: cairn_engine::Result<()>) -> Result<(), String> {
    result.map_err(|e| e.to_string())
}

impl State {
    /// The state, once it holds everything the file lists: an entry that stood twice, or found no room in its ring, is
    /// missing in the counts.
    fn finish(self, path: &Path, position: Position) -> Result<View> {
        let finished = self.finished;
        let refused = |e: cairn_engine::Error| {
            Error::damaged(path, None, "collections", "names, and aliases of collections that are there", e)
        };
        let view = self.builder.finish(position).map_err(refused)?;
        for (collection, (expected, listed)) in view.collections().iter().zip(&finished) {
            all_there(path, collection, expected, listed)?;
        }
        Ok(view)
    }
}

fn all_there(path: &Path, collection: &CollectionView, expected: &FileCounts, listed: &Listed) -> Result<()> {
    let actual = collection.counts();
    let all = [
        ("contexts", expected.contexts, actual.contexts),
        ("events", expected.events, actual.events),
        ("pairs", expected.pairs, actual.pairs),
        ("vectors", expected.vectors, actual.vectors),
        ("metadata", listed.metadata, actual.metadata),
        ("dedup entries", listed.dedup, collection.dedup().count() as u64),
    ];
    match all.into_iter().find(|(_, expected, actual)| expected != actual) {
        None => Ok(()),
        Some((what, expected, actual)) => {
            let what = format!("{what} that a state can hold");
            Err(Error::damaged(path, None, what, expected, actual))
        }
    }
}
