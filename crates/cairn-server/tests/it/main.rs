//! Tests of `cairn-server`.
// Helpers outside #[test] functions, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod any_bytes;
mod bad_input;
mod cidr;
mod client;
mod collections;
mod config;
mod deploy;
mod double;
mod dumps;
mod frame;
mod info;
mod interpreter;
mod keeping;
mod limits;
mod loading;
mod parse;
mod parse_wal;
mod past;
mod paths;
mod render;
mod running;
mod simdisk;
mod snapshots;
mod snapshots_incremental;
mod stop;
mod timelines;
mod topics;
mod units;
mod wal;
mod wal_config;
mod wire;
