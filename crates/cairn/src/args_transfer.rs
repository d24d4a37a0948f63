//! The command line of rows in and out: `import`, `export`.

use crate::args::DATA;
use crate::args_collection::{NewArgs, SpecArgs};
use crate::args_history::PlaceArgs;
use clap::Args;
use std::path::PathBuf;

const IMPORT_EXAMPLES: &str = "Examples:
  cairn import vectors.npy --ids items.jsonl.gz --collection products --create -d 384 --on-disk
  cairn import items.jsonl.gz --collection products --ignore-field text
  cairn import events.csv --addr 127.0.0.1:11017
  cairn import rows.jsonl --on-error skip --bad-rows bad.jsonl --resume rows.state
  zcat items.jsonl.gz | cairn import - --format jsonl --id-field sku --metadata-field price --metadata-field text=body

Formats: npy, fvecs, bvecs, jsonl, csv, lines (VECSET, METASET and EVENT lines), and in builds with the feature arrow
parquet, arrow, arrows; as they are or wrapped in gzip or zstd. Without --format the first bytes say, or the name. An item needs
a vector before it can have metadata: import vectors first. A data directory that is absent is made.

With --resume the state of the import is kept in that file: interrupted with Ctrl-C, stopped or killed, the same command
goes on where it was. Exits with 1 when a row was bad and --on-error is stop, and when it was interrupted.";

const EXPORT_EXAMPLES: &str = "Examples:
  cairn export --collection products --output products.jsonl.zst
  cairn export --content vectors --output vectors.npy --ids ids.jsonl
  cairn export --content events --format csv
  cairn export --content co-occurrence --as-of 2026-11-21T10:00:00Z --output pairs.jsonl
  cairn export --snapshot before-upgrade --repo backups --output then.jsonl

Rows come in the order of the bytes of their ids, so that the same state gives the same bytes. Names that end in .gz or .zst
are compressed. A file is there whole or not at all. --as-of works beside a running server.";

/// Of `import`.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub struct ImportArgs {
    /// What is read; `-` is standard input.
    #[arg(value_name = "FILE|-")]
    pub file: PathBuf,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Into which collection [default: default].
    #[arg(long, value_name = "NAME")]
    pub collection: Option<String>,
    /// What is taken of the rows: vectors, metadata, items (both) or events; a row without any of it is bad
    /// [default: everything].
    #[arg(long, value_name = "CONTENT")]
    pub content: Option<String>,
    /// The ids of a matrix's rows: a file with one a line, or JSON Lines.
    #[arg(long, value_name = "FILE", conflicts_with = "id_prefix")]
    pub ids: Option<PathBuf>,
    /// The ids of a matrix's rows: this and the row's number, from 0.
    #[arg(long, value_name = "TEXT")]
    pub id_prefix: Option<String>,
    /// The field that is the id [default: id].
    #[arg(long, value_name = "NAME")]
    pub id_field: Option<String>,
    /// The field that is the vector [default: vector].
    #[arg(long, value_name = "NAME")]
    pub vector_field: Option<String>,
    /// A field that becomes metadata, kept under its own name or KEY; may be given again [default: metadata].
    #[arg(long = "metadata-field", value_name = "NAME[=KEY]")]
    pub metadata_fields: Vec<String>,
    /// A field that is passed over; may be given again. Any other field is an error.
    #[arg(long = "ignore-field", value_name = "NAME")]
    pub ignored_fields: Vec<String>,
    /// At a bad row: stop, or skip it and go on.
    #[arg(long, value_name = "skip|stop", default_value = "stop")]
    pub on_error: String,
    /// Gets every bad row, as JSON Lines.
    #[arg(long, value_name = "FILE")]
    pub bad_rows: Option<PathBuf>,
    /// Keeps the state of the import here, and goes on where an interrupted one was.
    #[arg(long, value_name = "STATE")]
    pub resume: Option<PathBuf>,
    /// Rows written at once.
    #[arg(long, value_name = "ROWS", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub batch: u32,
    /// Makes the collection when it is not there, with the options that follow.
    #[arg(long, requires = "collection")]
    pub create: bool,
    /// What a new collection is told.
    #[command(flatten)]
    pub new: NewArgs,
    /// How a new collection is kept.
    #[command(flatten)]
    pub spec: SpecArgs,
}

/// Of `export`.
#[derive(Debug, Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub struct ExportArgs {
    /// The data directory; without --as-of of a server that does not run.
    #[arg(long, value_name = "DIR", default_value = DATA, conflicts_with = "snapshot")]
    pub data: PathBuf,
    /// Of which collection [default: default].
    #[arg(long, value_name = "NAME")]
    pub collection: Option<String>,
    /// What: items, vectors, metadata, events or co-occurrence.
    #[arg(long, value_name = "CONTENT", default_value = "items")]
    pub content: String,
    /// Where to; `-` is standard output.
    #[arg(long, short = 'o', value_name = "FILE|-", default_value = "-")]
    pub output: PathBuf,
    /// Gets the ids of exported vectors, in their order, as JSON Lines.
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,
    /// The element type of npy: f32 or f16.
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub element: String,
    /// As it was then: `latest`, an LSN, or a time as 2026-11-21T10:00:00Z.
    #[arg(long, value_name = "POINT", conflicts_with = "snapshot")]
    pub as_of: Option<String>,
    /// As a snapshot has it, by id or name.
    #[arg(long, value_name = "ID|NAME", requires = "repo")]
    pub snapshot: Option<String>,
    /// The snapshot's repository.
    #[arg(long, value_name = "DIR", requires = "snapshot")]
    pub repo: Option<PathBuf>,
}
