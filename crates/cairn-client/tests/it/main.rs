//! Tests of `cairn-client`.
// Helpers outside #[test] functions, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod client;
mod collections;
mod decode;
mod fake;
mod pipeline;
mod request;
mod shape;
