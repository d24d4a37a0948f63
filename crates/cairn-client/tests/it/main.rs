//! Tests of `cairn-client`.
// Helpers outside #[test] functions, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod client;
mod collections;
mod decode;
mod effect;
mod endpoint;
mod errors;
mod fake;
mod garbage;
mod pipeline;
mod reconnect;
mod request;
mod settings;
mod shape;
mod topics;
