//! Tests of `cairn-log`.
// Helpers outside #[test] functions, too, fail by panicking.
#![allow(clippy::unwrap_used)]

mod append;
mod clock;
mod commit;
mod common;
mod crash;
mod damage;
mod faults;
mod gate;
mod identity;
mod indexes;
mod inspect;
mod lookup;
mod model;
mod reader;
mod record;
mod removal;
mod torn;
mod truncation;
