//! Tests of `cairn-transfer`.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[cfg(feature = "arrow")]
mod arrow;
mod bad_rows;
mod crash;
mod csv;
mod formats;
mod jsonl;
mod npy;
mod properties;
mod resume;
mod round_trips;
mod stopping;
mod streams;
mod support;
mod vecs;
mod wire;
