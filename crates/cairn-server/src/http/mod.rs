//! HTTP: the JSON interface, its listener and its rules.

mod access;
mod block_json;
mod body;
mod bulk;
mod cache;
mod call;
mod collections;
mod cors;
mod dumps;
mod error;
mod health;
mod items;
mod jobs;
mod listener;
mod metrics;
mod nvecd;
mod options;
mod routes;
mod search;
mod settings;
mod snapshots;
mod storage;
mod streamed;
mod timelines;
mod topic_snapshots;
mod topics;
mod wal;

pub(crate) use access::Peer;
pub(crate) use call::Gate;
pub(crate) use listener::Listener;
pub(crate) use routes::router;
