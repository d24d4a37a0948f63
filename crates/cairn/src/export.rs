//! `cairn export`: what a collection of a data directory holds, or held, as a file or a stream.

use crate::args_transfer::ExportArgs;
use crate::disk::storage;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::import::content;
use crate::interrupt;
use crate::output::{Output, bytes_field, count_field, field, warn};
use crate::output_file::Whole;
use crate::progress::Bar;
use crate::snapshot::local::{milliseconds, restore_to};
use cairn_disk::Storage;
use cairn_engine::{CollectionView, DEFAULT_NAME, Engine, Options, Target, View, view_dir};
use cairn_server::ZONE_NOTE;
use cairn_transfer::{Content, Element, ExportOptions, Format, export, export_ids};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Exports. `format` is the data's.
pub fn run(args: &ExportArgs, format: Option<&str>, output: Output) -> Result<()> {
    let started = Instant::now();
    let storage = storage();
    let wanted = Wanted::new(args, format)?;
    let cancel = interrupt::flag()?;
    let view = view(args, &storage)?;
    let name = args.collection.as_deref().unwrap_or(DEFAULT_NAME);
    let collection = view.collection(name).ok_or_else(|| {
        let there: Vec<&str> = view.collections().iter().map(CollectionView::name).collect();
        Failure::new(
            Exit::NotFound,
            format!("Collection not found: {name} (there are: {})", there.join(", ")),
        )
    })?;
    let (rows, bytes) = write(args, &wanted, collection, &storage, &cancel)?;
    if let Some(path) = &args.ids {
        let mut ids = Whole::begin(Arc::clone(&storage), path)?;
        export_ids(collection, &mut ids)?;
        ids.finish()?;
    }
    let Some(bytes) = bytes else {
        warn(&format!("{rows} rows of {} as of LSN {}", wanted.content.name(), view.lsn()));
        return Ok(());
    };
    output.record(&[
        field("file", args.output.display().to_string()),
        field("format", wanted.format.name()),
        field("collection", collection.name()),
        field("content", args.content.as_str()),
        count_field("rows", rows),
        bytes_field("bytes", bytes),
        field("timeline", view.timeline().to_string()),
        count_field("lsn", view.lsn().0),
        milliseconds(started),
        field("status", "completed"),
    ])
}

/// What was asked for, checked before anything is opened.
struct Wanted {
    content: Content,
    format: Format,
    element: Element,
}

impl Wanted {
    fn new(args: &ExportArgs, format: Option<&str>) -> Result<Wanted> {
        let content = content(&args.content)?;
        let by_name = || args.output.to_str().and_then(Format::from_file_name).unwrap_or(Format::JsonLines);
        let format = format.map_or_else(|| Ok(by_name()), Format::from_name)?;
        let element = match args.element.as_str() {
            "f32" => Element::F32,
            "f16" => Element::F16,
            other => {
                let message = format!("--element: expected f32 or f16, got {other:?}");
                return Err(Failure::new(Exit::Usage, message));
            }
        };
        if element == Element::F16 && format != Format::Npy {
            return Err(Failure::new(Exit::Usage, format!("--element is for npy, not for {format}")));
        }
        if args.ids.is_some() && content != Content::Vectors {
            return Err(Failure::new(
                Exit::Usage,
                "--ids is for --content vectors: other content has its ids",
            ));
        }
        Ok(Wanted { content, format, element })
    }
}

fn view(args: &ExportArgs, storage: &Arc<dyn Storage>) -> Result<View> {
    if let (Some(snapshot), Some(repo)) = (&args.snapshot, &args.repo) {
        // The View holds what it needs: the directory can go when it is there.
        let dir = tempfile::tempdir()?;
        let data = dir.path().join("data");
        restore_to(repo, snapshot, &data)?;
        return Ok(view_dir(storage, &data)?.0);
    }
    let Some(as_of) = &args.as_of else { return Ok(view_dir(storage, &args.data)?.0) };
    let (target, zone_assumed) = Target::parse(as_of)?;
    if zone_assumed {
        warn(&format!("note: {ZONE_NOTE}"));
    }
    let (engine, _) = Engine::open_past(Arc::clone(storage), &args.data, target, None, Options::default())?;
    Ok(engine.view()?)
}

/// Writes the rows; how many, and of a file its bytes.
fn write(
    args: &ExportArgs,
    wanted: &Wanted,
    collection: &CollectionView,
    storage: &Arc<dyn Storage>,
    cancel: &AtomicBool,
) -> Result<(u64, Option<u64>)> {
    let bar = Bar::new("exporting");
    let progress = |rows, about| bar.show_export(rows, about);
    let options = ExportOptions { element: wanted.element, progress: &progress, cancel };
    if args.output == Path::new("-") {
        let mut out = std::io::stdout();
        let rows = export(collection, wanted.content, wanted.format, &mut out, &options).map_err(piped)?;
        return Ok((rows, None));
    }
    let mut file = Whole::begin(Arc::clone(storage), &args.output)?;
    let rows = export(collection, wanted.content, wanted.format, &mut file, &options)?;
    Ok((rows, Some(file.finish()?)))
}

/// Whoever reads our standard output may have read enough: that is no failure.
fn piped(error: cairn_transfer::Error) -> Failure {
    match &error {
        cairn_transfer::Error::Write(source) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            Failure::silent(Exit::Done)
        }
        _ => Failure::from(error),
    }
}
