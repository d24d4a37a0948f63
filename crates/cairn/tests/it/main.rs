//! Process tests of `cairn`: the binary as users run it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::disallowed_methods, reason = "a test looks at files from outside, and damages them")]

mod archive;
mod check;
mod collection;
mod demo;
mod durability;
mod exec;
mod export;
mod full_disk;
mod help;
mod hostile;
mod import;
mod import_interrupted;
mod import_sample;
mod keeping;
mod locked;
mod open;
mod reload;
mod remote;
mod repair;
mod run;
mod serve;
mod snapshot;
mod soak;
mod storage;
mod storage_snapshot;
mod timeline;
mod topic;
mod transfer;
mod wal;
mod workload;
