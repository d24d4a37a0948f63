//! Tests of the tree.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod chain;
mod data;
mod docs;
mod scripts;
mod style;
