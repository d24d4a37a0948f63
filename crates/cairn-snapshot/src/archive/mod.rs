//! The log archive: a timeline's log, shipped to the repository as it grows, and read back from there.
//!
//! A [`Shipper`] copies what is durable in a log, [`list`] says what is there and what is missing, [`windows`] and [`plan`]
//! what can be recovered from snapshots and archive together, [`ArchiveReader`] streams the records. Format:
//! `docs/format.md`, "Archive".

mod ancestry;
mod archived_file;
mod catalog;
mod gap;
mod lag;
mod listing;
mod log_source;
mod plan;
mod prune;
mod reader;
mod record_stream;
mod segment_header;
mod segment_name;
mod shipment;
mod shipper;
mod timeline_info;
mod trailer;
mod verify;
mod window;
mod writer;

pub use ancestry::{Leg, chain};
pub use catalog::{ArchivedRange, ArchivedTimeline, archived_to, list};
pub use gap::{Gap, GapRecord};
pub use lag::Lag;
pub use plan::{Plan, plan};
pub use prune::{ArchiveKeep, PruneFile, PrunePlan, prune, prune_plan};
pub use reader::ArchiveReader;
pub use shipper::{Shipped, Shipper};
pub use timeline_info::TimelineInfo;
pub use verify::{ArchiveReport, verify_archive};
pub use window::{Window, windows};
