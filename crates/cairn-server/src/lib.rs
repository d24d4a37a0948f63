//! The server: the line protocol over TCP, its limits and its configuration.

mod archiver;
mod auto_dump;
mod backend;
mod cache;
mod cache_answer;
mod cache_key;
mod check;
mod cidr;
mod collection_change;
mod collections;
mod command;
pub mod config;
mod counters;
mod dump;
mod engine_backend;
mod failure;
mod frame;
mod info;
mod interpreter;
mod jobs;
mod keeping;
mod memory;
mod parse;
mod parse_admin;
mod parse_collection;
mod parse_keeping;
mod parse_snapshot;
mod parse_topic;
mod parse_topic_snapshot;
mod parse_wal;
mod render;
mod reply;
mod retention;
mod scheduler;
mod schedules;
mod server;
mod session;
mod snapshot;
mod snapshot_restore;
mod storage;
mod timelines;
mod topic_snapshots;
mod topics;
mod units;
mod wal;
mod wal_change;
mod words;

pub use archiver::{ArchiveStatus, Archiver};
pub use backend::{Backend, Cost, Written};
pub use cache::CacheConfig;
pub use cidr::Cidr;
pub use collection_change::SpecChange;
pub use command::{
    AppendTopic, Ask, Cache, Collections, Command, Compact, Compression, Create, Dump, Mmap, One, Prune,
    ReadTopic, Recover, ReplayWal, Restore, Snapshot, StorageAsk, Timelines, TopicCompression, TopicOptions,
    TopicSnapshots, Topics, Verify, Wal,
};
pub use config::Config;
pub use counters::{Counter, Counters};
pub use engine_backend::EngineBackend;
pub use failure::Failure;
pub use frame::{Framer, Line};
pub use info::records_per_second;
pub use interpreter::{Batch, Interpreter, Question, Rules, Slots, Step};
pub use parse::{is_verify, parse};
pub use parse_wal::{ZONE_NOTE, in_order, timeline_id};
pub use render::{Dialect, render};
pub use reply::{Block, BlockLine, Done, Dumped, Header, JobState, JobStatus, Reply, Section, Stores};
pub use retention::{policy_text, take_policy};
pub use schedules::{ScheduleStatus, scheduled, schedules_block};
pub use server::Server;
pub use timelines::{drop_plan, recovery_plan, timelines_block};
pub use units::{parse_duration, parse_size, show_duration, show_size};
pub use wal_change::{WalChange, flush_text, retention_text, wal_text};
