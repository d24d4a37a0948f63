//! The server: the line protocol over TCP, its limits and its configuration.

mod backend;
mod check;
mod cidr;
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
mod memory;
mod parse;
mod parse_admin;
mod render;
mod reply;
mod server;
mod session;
mod snapshot;
mod words;

pub use backend::{Backend, Cost, Written};
pub use cidr::Cidr;
pub use command::{Ask, Command, Compression, Create, Dump, Snapshot};
pub use config::Config;
pub use counters::{Counter, Counters};
pub use engine_backend::EngineBackend;
pub use failure::Failure;
pub use frame::{Framer, Line};
pub use interpreter::{Batch, Interpreter, Question, Rules, Slots, Step};
pub use parse::{is_verify, parse};
pub use render::{Dialect, render};
pub use reply::{Block, BlockLine, Done, Dumped, Header, JobState, JobStatus, Reply, Section, Stores};
pub use server::Server;
