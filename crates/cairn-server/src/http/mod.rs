//! HTTP: the JSON interface, its listener and its rules.

mod access;
mod block_json;
mod body;
mod call;
mod cors;
mod dumps;
mod error;
mod health;
mod listener;
mod metrics;
mod nvecd;
mod routes;
mod settings;

pub(crate) use listener::Listener;
