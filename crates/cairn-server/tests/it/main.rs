//! Tests of `cairn-server`.
// Helpers outside #[test] functions, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod any_bytes;
mod auth;
mod auth_matrix;
mod bad_input;
mod cache;
mod cache_model;
mod cache_turn;
mod cidr;
mod client;
mod collections;
mod config;
#[path = "../../../../fuzz/src/conversation.rs"]
mod conversation;
mod decimal;
mod deploy;
mod differential;
mod double;
mod dumps;
mod forgotten;
mod frame;
mod fuzzed;
mod http_auth;
#[path = "../../../../fuzz/src/http_bodies.rs"]
mod http_bodies;
mod http_bulk;
mod http_client;
mod http_data;
mod http_kept;
mod http_metrics;
mod http_more;
mod http_nvecd;
mod http_rules;
mod http_tls;
mod info;
mod interpreter;
mod keeping;
mod lane;
mod limiter;
mod limits;
mod limits_set;
mod lines;
mod loading;
mod model;
mod numbers;
mod parse;
mod parse_wal;
mod past;
mod paths;
mod reload;
mod render;
mod running;
#[path = "../../../../fuzz/src/scene.rs"]
mod scene;
#[path = "../../../../fuzz/src/session.rs"]
mod session;
mod simdisk;
mod slow;
mod snapshots;
mod snapshots_incremental;
mod stop;
mod timelines;
mod topics;
mod units;
mod unix;
mod variables;
mod wal;
mod wal_config;
mod wire;
mod wire_table;
