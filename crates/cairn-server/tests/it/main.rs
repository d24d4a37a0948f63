//! Tests of `cairn-server`.
// Helpers outside #[test] functions, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod any_bytes;
mod auth;
mod auth_matrix;
mod bad_input;
mod cache;
mod cache_model;
mod cidr;
mod collections;
mod config;
mod differential;
mod double;
mod dumps;
mod frame;
mod info;
mod interpreter;
mod keeping;
mod limiter;
mod limits;
mod lines;
mod loading;
mod model;
mod numbers;
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
mod variables;
mod wal;
mod wal_config;
mod wire;
mod wire_table;
