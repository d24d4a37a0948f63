//! `.nvec`: the portable single file (docs/format.md, "`.nvec`, version 1").

mod collections;
mod file;
mod from_view;
mod header;
mod into_state;
mod pairs;
mod parse;
mod parse_collections;
mod save;
mod section;
mod sink;
mod source;

pub use file::{NvecInfo, NvecVerified, info, verify};
pub use into_state::{NvecLoaded, load, read, restore};
pub use save::{remove_unfinished, save};
