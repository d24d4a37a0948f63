//! `cairn import`: rows of a file or a stream, into a data directory or to a running server.

use crate::args_collection::{NewArgs, SpecArgs};
use crate::args_history::PlaceArgs;
use crate::args_transfer::ImportArgs;
use crate::collection::create_line;
use crate::disk::storage;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::import_sink::Sink;
use crate::interrupt;
use crate::only_content::OnlyContent;
use crate::output::{Field, Output, count_field, field};
use crate::output_file::Appender;
use crate::progress::Bar;
use crate::session::{Session, asked, open_engine, open_or_create};
use crate::snapshot::local::milliseconds;
use crate::topic::word;
use cairn_disk::Storage;
use cairn_transfer::{
    Content, End, Fields, Format, Ids, Importer, Input, OnError, Progress, ReadOptions, Report, RowReader,
    StateFile, open,
};
use std::io::LineWriter;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Bad rows that the report names.
const BAD_ROWS_SHOWN: usize = 10;
/// Batches after which the state is noted.
const BATCHES_A_NOTE: u64 = 8;

/// Imports. `format` is the data's.
pub fn run(args: &ImportArgs, format: Option<&str>, output: Output) -> Result<()> {
    let started = Instant::now();
    let storage = storage();
    let on_error = OnError::from_name(&args.on_error)?;
    let mut rows = reader(args, format, &*storage)?;
    let cancel = interrupt::flag()?;
    let mut sink = sink(args)?;
    let resumed = state_is_there(args, &*storage)?;
    // A line is there whole as soon as it is known.
    let open = |path| Appender::open(&*storage, path, resumed).map(LineWriter::new);
    let mut bad_rows = args.bad_rows.as_deref().map(open).transpose()?;
    let target = target(args)?;
    let bar = Bar::new("importing");
    let progress = |progress: Progress| bar.show_rows(progress);
    let importer = Importer {
        batch_rows: args.batch as usize,
        on_error,
        bad_rows_kept: BAD_ROWS_SHOWN,
        bad_rows_to: bad_rows.as_mut().map(|file| file as &mut dyn std::io::Write),
        progress: &progress,
        cancel: &cancel,
        note_rows: u64::from(args.batch) * BATCHES_A_NOTE,
        state: args.resume.as_ref().map(|path| StateFile { storage: &*storage, path, target: &target }),
        ..Importer::default()
    };
    let done = importer.run(&mut rows, |writes| sink.write(writes));
    drop(bar);
    if let Some(file) = &bad_rows {
        file.get_ref().sync(&*storage)?;
    }
    // What was acknowledged is checkpointed, whatever became of the rest.
    sink.end()?;
    let report = done?;
    output.record(&record(args, &rows, &report, started))?;
    ended(args, report)
}

fn reader(args: &ImportArgs, format: Option<&str>, storage: &dyn Storage) -> Result<OnlyContent> {
    let content = args.content.as_deref().map(content).transpose()?;
    if content == Some(Content::Pairs) {
        let message = "--content: co-occurrence cannot be imported: events imply it";
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut input = input(&args.file, storage)?;
    let format = match format {
        Some(name) => Format::from_name(name)?,
        None => input.detect()?,
    };
    let (id, vector) = (args.id_field.as_deref(), args.vector_field.as_deref());
    let fields = Fields::from_options(id, vector, &args.metadata_fields, &args.ignored_fields)?;
    let matrix = matches!(format, Format::Npy | Format::Fvecs | Format::Bvecs);
    if !matrix && (args.ids.is_some() || args.id_prefix.is_some()) {
        let message =
            format!("--ids and --id-prefix are for npy, fvecs and bvecs; {format} has ids of its own");
        return Err(Failure::new(Exit::Usage, message));
    }
    let ids = match &args.ids {
        Some(path) => Ids::from_input(Input::open(storage, path)?, &fields)?,
        None => Ids::numbers(args.id_prefix.as_deref().unwrap_or_default()),
    };
    Ok(OnlyContent { rows: open(input, format, ReadOptions { fields, ids })?, content })
}

fn input(path: &Path, storage: &dyn Storage) -> Result<Input> {
    if path == Path::new("-") {
        return Ok(Input::from_reader("standard input", std::io::stdin())?);
    }
    Ok(Input::open(storage, path)?)
}

/// The content of a name; `co-occurrence` is pairs.
pub fn content(name: &str) -> Result<Content> {
    match name {
        "co-occurrence" | "pairs" => Ok(Content::Pairs),
        _ => Content::from_name(name).map_err(|_| {
            let message = "--content: expected items, vectors, metadata, events or co-occurrence";
            Failure::new(Exit::Usage, format!("{message}, got {name:?}"))
        }),
    }
}

/// Where rows go; the collection is there, or is made.
fn sink(args: &ImportArgs) -> Result<Sink> {
    let name = args.collection.as_deref();
    if let Some(name) = name {
        prepare(&args.place, word(name)?, args.create.then_some((&args.new, &args.spec)))?;
    }
    if !args.create && create_line("x", &args.new, &args.spec)? != "COLLECTION CREATE x" {
        let message = "options of a new collection need --create and --collection NAME";
        return Err(Failure::new(Exit::Usage, message));
    }
    match &args.place.addr {
        Some(addr) => Sink::connect(addr, name),
        None if name.is_some() => Ok(Sink::Engine(open_engine(&args.place.data)?, name.map(Arc::from))),
        None => Ok(Sink::Engine(open_or_create(&args.place.data)?, None)),
    }
}

/// Looks for a collection, and makes it when it is not there and that was asked for.
fn prepare(place: &PlaceArgs, name: &str, create: Option<(&NewArgs, &SpecArgs)>) -> Result<()> {
    let line = create.map(|(new, spec)| create_line(name, new, spec)).transpose()?;
    line.iter().try_for_each(|line| asked(line).map(drop))?;
    let session = if line.is_some() { Session::open_or_create(place)? } else { Session::open(place)? };
    let there = session.ask(&format!("COLLECTION STATS {name}"));
    let done = match (there, line) {
        (Err(missing), Some(line)) if missing.exit == Exit::NotFound => session.ask(&line).map(drop),
        (Err(missing), None) if missing.exit == Exit::NotFound => {
            Err(missing.next("--create makes it, with -d N and the other options of cairn collection create"))
        }
        (there, _) => there.map(drop),
    };
    session.end()?;
    done
}

fn state_is_there(args: &ImportArgs, storage: &dyn Storage) -> Result<bool> {
    Ok(match &args.resume {
        Some(path) => storage.stat(path)?.is_some(),
        None => false,
    })
}

/// What the state says of where rows go: another place is another import.
fn target(args: &ImportArgs) -> Result<String> {
    let collection = args.collection.as_deref().unwrap_or(cairn_engine::DEFAULT_NAME);
    let place = match &args.place.addr {
        Some(addr) => addr.clone(),
        None => std::path::absolute(&args.place.data)?.display().to_string().replace(['\n', '\r'], "?"),
    };
    Ok(format!("{place} {collection}"))
}

fn record(args: &ImportArgs, rows: &OnlyContent, report: &Report, started: Instant) -> Vec<Field> {
    let counts = report.counts;
    let status = match report.end {
        End::Done => "completed",
        End::Cancelled => "cancelled",
        End::BadRow(_) => "stopped",
        End::Failed(_) => "failed",
    };
    let here = counts.read.saturating_sub(report.resumed_at);
    let rate = (here as f64 / started.elapsed().as_secs_f64().max(1e-6)) as u64;
    let bad: Vec<String> = report.bad_rows.iter().map(ToString::to_string).collect();
    vec![
        field("file", rows.input().name()),
        field("format", rows.format().name()),
        field("collection", args.collection.as_deref().unwrap_or(cairn_engine::DEFAULT_NAME)),
        count_field("rows_read", counts.read),
        count_field("rows_written", counts.written),
        count_field("rows_skipped", counts.skipped),
        count_field("resumed_at", report.resumed_at),
        field("bad_rows", bad),
        count_field("rows_per_second", rate),
        milliseconds(started),
        field("status", status),
    ]
}

/// How the command ends: 1 at a bad row that stopped it, and when it was interrupted.
fn ended(args: &ImportArgs, report: Report) -> Result<()> {
    let again = match &args.resume {
        Some(path) => format!("the same command goes on there: {} has its state", path.display()),
        None => "the same command begins anew; with --resume STATE it would go on".to_owned(),
    };
    match report.end {
        End::Done => Ok(()),
        End::Cancelled => Err(Failure::new(Exit::Failed, "interrupted").next(again)),
        End::BadRow(place) => {
            let of_it = report.bad_rows.iter().find(|row| row.place == place);
            let what = of_it.map_or_else(|| place.to_string(), ToString::to_string);
            Err(Failure::new(Exit::Failed, what)
                .next(format!("--on-error skip leaves bad rows out; {again}")))
        }
        End::Failed(error) => Err(Failure::from(error).next(again)),
    }
}

impl From<cairn_transfer::Error> for Failure {
    fn from(error: cairn_transfer::Error) -> Self {
        let failure = Failure::of_kind(error.kind(), &error);
        match error.kind() {
            // A file of the user's, not of the database.
            cairn_transfer::ErrorKind::Corrupt => failure
                .next("the file is not what its format says, or is cut short; rows before that were taken"),
            _ => failure,
        }
    }
}
