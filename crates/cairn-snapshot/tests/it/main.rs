//! Tests of `cairn-snapshot`.

mod archive_crash;
mod archive_damage;
mod archive_fixture;
mod archive_full;
mod archive_plan;
mod archive_real;
mod archive_ship;
mod archive_support;
mod codecs;
mod collections;
mod concurrency;
mod corrupt_repository;
mod crash_create;
mod crash_delete;
mod crash_restore;
mod crashes;
mod deletes;
mod fixtures;
mod hostile;
mod ids;
mod indexed;
mod listing;
mod log_snapshots;
mod names;
mod nvec_collections;
mod nvec_files;
mod nvec_foreign;
#[path = "../../../cairn-engine/tests/it/oracle.rs"]
mod oracle;
mod paths;
mod real_disk;
mod recover;
mod repositories;
mod snapshot_collections;
mod snapshots;
mod support;
