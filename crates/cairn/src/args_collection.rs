//! The command line of collections: `collection`.

use crate::args_history::PlaceArgs;
use clap::{ArgGroup, Args, Subcommand};

const EXAMPLES: &str = "Examples:
  cairn collection create products -d 384 --on-disk
  cairn collection create cache -d 384 --storage memory --volatile
  cairn collection create archive -d 768 --storage hybrid --hot-tier-size 10GB
  cairn collection create exact -d 384 --index flat --elements i8
  cairn collection list --addr 127.0.0.1:11017 --format table
  cairn collection stats products
  cairn collection configure products --ef-search 128 --max-vectors 1000000
  cairn collection alias shop products                  shop means products from now on
  cairn collection unalias shop
  cairn collection rename products products-2026
  cairn collection delete products --dry-run            what would go

A new collection has a graph unless --index flat is given; hnsw and ivf of other systems mean the graph. Without --addr
they work on a data directory that no server has open; create makes one where there is none. They print JSON unless
--format table is given.";

/// Of `collection`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CollectionArgs {
    /// What to do with collections.
    #[command(subcommand)]
    pub command: CollectionCommand,
}

/// The commands below `collection`.
#[derive(Debug, Subcommand)]
pub enum CollectionCommand {
    /// Makes a collection.
    Create(CreateCollectionArgs),
    /// Lists the collections.
    List(PlaceArgs),
    /// Says how a collection is kept, and how much is in it.
    Stats(OneCollectionArgs),
    /// Deletes a collection with all that is in it; asks on a terminal.
    Delete(DeleteCollectionArgs),
    /// Gives a collection another name; aliases go on meaning it.
    Rename(RenameCollectionArgs),
    /// Makes an alias mean a collection: a new alias, or one that meant another.
    Alias(AliasArgs),
    /// Takes an alias away.
    Unalias(UnaliasArgs),
    /// Changes how a collection is stored, indexed and bounded; an option that is not given stays as it is.
    Configure(ConfigureCollectionArgs),
}

/// What only a new collection can be told.
#[derive(Debug, Clone, Default, Args)]
pub struct NewArgs {
    /// Elements of every vector [default: as many as the first vector has].
    #[arg(short = 'd', long, value_name = "N")]
    pub dimension: Option<String>,
    /// How vectors are compared: cosine, dot or l2 [default: cosine].
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<String>,
    /// Nothing of it is logged: it is empty after a restart.
    #[arg(long)]
    pub volatile: bool,
}

/// How a collection is stored, indexed and bounded.
#[derive(Debug, Clone, Default, Args)]
#[command(group = ArgGroup::new("where").args(["on_disk", "storage"]))]
pub struct SpecArgs {
    /// Vectors are mapped from files: the same as --storage mmap.
    #[arg(long)]
    pub on_disk: bool,
    /// Where vectors are: memory, mmap or hybrid [default: memory].
    #[arg(long, value_name = "MODE")]
    pub storage: Option<String>,
    /// Bytes of vectors that a hybrid collection holds in memory, as 10GB.
    #[arg(long, value_name = "SIZE")]
    pub hot_tier_size: Option<String>,
    /// How vectors are searched: graph or flat; hnsw and ivf mean graph.
    #[arg(long, value_name = "INDEX")]
    pub index: Option<String>,
    /// Neighbours of a node of the graph, 2 to 128.
    #[arg(long, value_name = "N")]
    pub m: Option<String>,
    /// Candidates that building the graph looks at, 8 to 4096.
    #[arg(long, value_name = "N")]
    pub ef_construction: Option<String>,
    /// Candidates that a query looks at, when it does not say.
    #[arg(long, value_name = "N")]
    pub ef_search: Option<String>,
    /// What searches of a flat collection read first: f32, f16 or i8; the f32 vectors always decide.
    #[arg(long, value_name = "TYPE")]
    pub elements: Option<String>,
    /// The most vectors; 0: any number.
    #[arg(long, value_name = "N")]
    pub max_vectors: Option<String>,
    /// The most bytes of vectors, as 8GB; 0: any number.
    #[arg(long, value_name = "SIZE")]
    pub max_bytes: Option<String>,
    /// A metadata field with an index from the start; may be given again.
    #[arg(long = "field", value_name = "NAME")]
    pub fields: Vec<String>,
    /// How mapped vectors will be read: normal, random or sequential.
    #[arg(long, value_name = "MODE")]
    pub advise: Option<String>,
    /// Mapped vectors are read into memory at once; off: no longer.
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    pub populate: Option<String>,
}

/// Of `collection create`.
#[derive(Debug, Args)]
pub struct CreateCollectionArgs {
    /// Its name: letters, digits, `.`, `_` and `-`.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// What only a new one can be told.
    #[command(flatten)]
    pub new: NewArgs,
    /// How it is kept.
    #[command(flatten)]
    pub spec: SpecArgs,
}

/// Of `collection configure`.
#[derive(Debug, Args)]
pub struct ConfigureCollectionArgs {
    /// Its name, or an alias.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// How it is kept.
    #[command(flatten)]
    pub spec: SpecArgs,
}

/// A collection.
#[derive(Debug, Args)]
pub struct OneCollectionArgs {
    /// Its name, or an alias.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Of `collection delete`.
#[derive(Debug, Args)]
pub struct DeleteCollectionArgs {
    /// Its own name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Says what would go, and deletes nothing.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Deletes without asking.
    #[arg(long)]
    pub yes: bool,
}

/// Of `collection rename`.
#[derive(Debug, Args)]
pub struct RenameCollectionArgs {
    /// Its own name.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The new one.
    #[arg(value_name = "NEW")]
    pub new: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Of `collection alias`.
#[derive(Debug, Args)]
pub struct AliasArgs {
    /// The alias.
    #[arg(value_name = "ALIAS")]
    pub alias: String,
    /// The collection that it means.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Of `collection unalias`.
#[derive(Debug, Args)]
pub struct UnaliasArgs {
    /// The alias.
    #[arg(value_name = "ALIAS")]
    pub alias: String,
    /// Which database.
    #[command(flatten)]
    pub place: PlaceArgs,
}
