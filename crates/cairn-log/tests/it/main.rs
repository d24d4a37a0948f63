//! Tests of `cairn-log`.
// Helpers outside #[test] functions, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod append;
mod clock;
mod closed;
mod commit;
mod common;
mod crash;
mod damage;
mod faults;
mod fixtures;
mod gate;
mod group;
mod identity;
mod indexes;
mod inspect;
mod limits;
mod lookup;
mod model;
mod read_ahead;
mod reader;
mod record;
mod recovered;
mod removal;
mod repair;
mod retention;
mod snapshots;
mod snapshots_common;
mod snapshots_crash;
mod snapshots_damage;
mod snapshots_faults;
mod snapshots_policy;
mod snapshots_stored;
mod sync_mode;
mod topics;
mod topics_alter;
mod topics_compaction;
mod topics_crash;
mod topics_full;
mod topics_model;
mod topics_snapshot;
mod torn;
mod truncation;
