//! `.nvec`: the portable single file (docs/format.md, "`.nvec`, version 1"), plain, in gzip or zstd, or as the directory layout.

mod collections;
mod directory;
mod file;
mod from_view;
mod header;
mod into_state;
mod open;
mod pairs;
mod parse;
mod parse_collections;
mod pieces;
mod save;
mod section;
mod sink;
mod source;
mod wrapped;

pub use file::{NvecInfo, NvecVerified, info, info_with, verify};
pub use into_state::{NvecLoaded, load, read, restore};
pub use save::{remove_unfinished, save};
