//! Tests of `cairn-snapshot`.

mod codecs;
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
mod listing;
mod names;
mod nvec_files;
mod nvec_foreign;
mod paths;
mod real_disk;
mod repositories;
mod snapshots;
mod support;
