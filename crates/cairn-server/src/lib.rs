//! The server: the line protocol over TCP, its limits and its configuration.

mod archiver;
mod auth;
mod auto_dump;
mod backend;
mod bare;
mod budget;
mod cache;
mod cache_answer;
mod cache_key;
mod check;
mod cidr;
mod collection_change;
mod collections;
mod command;
pub mod config;
mod config_admin;
mod connections;
mod counters;
mod decimal;
mod dump;
mod engine_backend;
mod failure;
mod frame;
mod http;
mod info;
mod interpreter;
mod jobs;
mod keeping;
mod lane;
mod limiter;
mod live;
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
mod rights;
mod scheduler;
mod schedules;
mod server;
mod session;
mod snapshot;
mod snapshot_restore;
mod storage;
mod timelines;
mod tls;
mod topic_snapshots;
mod topics;
mod units;
mod unix;
mod variables;
mod wal;
mod wal_change;
mod words;

pub use archiver::{ArchiveStatus, Archiver};
pub use auth::{Auth, Caller, Password, Refused, Role};
pub use backend::{Backend, Cost, Written};
#[doc(hidden)]
pub use bare::{Answered, Asked, Bare};
pub use cache::CacheConfig;
pub use cidr::Cidr;
pub use collection_change::SpecChange;
pub use command::{
    AppendTopic, Ask, Cache, Collections, Command, Compact, Compression, Configs, Create, Dump, Mmap, One,
    Prune, ReadTopic, Recover, ReplayWal, Restore, Session, Snapshot, StorageAsk, Timelines,
    TopicCompression, TopicOptions, TopicSnapshots, Topics, Variables, Verify, Wal,
};
pub use config::Config;
pub use counters::{Counter, Counters};
pub use engine_backend::EngineBackend;
pub use failure::Failure;
pub use frame::{Framer, Line};
pub use info::records_per_second;
pub use interpreter::{Batch, Interpreter, Question, Rules, Slots, Step};
pub use limiter::{Limiter, RateConfig, UNIX_PEER};
pub use live::{Live, Reloaded};
pub use parse::{is_verify, parse};
pub use parse_wal::{ZONE_NOTE, in_order, timeline_id};
pub use render::{Dialect, render};
pub use reply::{
    Block, BlockLine, Done, Dumped, Header, JobState, JobStatus, JobStatuses, Reply, Section, Stores, Trace,
};
pub use retention::{policy_text, take_policy};
pub use rights::needs;
pub use schedules::{ScheduleStatus, scheduled, schedules_block};
pub use server::Server;
pub use timelines::{drop_plan, recovery_plan, timelines_block};
pub use units::{parse_duration, parse_size, show_duration, show_size};
pub use wal_change::{WalChange, flush_text, retention_text, wal_text};
