//! Tests of `cairn-disk`.
// Where `unwrap` fails, the test fails; and the real directory is looked at beside the disk under test.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod behaviour;
mod crc;
mod durability;
mod faults;
mod images;
mod lines_file;
mod lossy;
mod random;
mod removed;
mod replace;
mod sealed;
mod socket;
mod support;
mod throttle;
mod torn;
