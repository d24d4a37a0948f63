//! `SimDisk`: a disk in memory that knows what is live and what is durable, and what a crash would leave.

mod content;
mod disk;
mod entries;
mod fate;
mod files;
mod inode;
mod rng;
mod tree;

pub use disk::{Hook, SimDisk};
pub use fate::Fate;

/// A failure to inject: [`SimDisk::fail_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The device fails. A write may leave a part; after a failed sync of a file, what was unsynced stays readable but
    /// no later sync makes it last.
    Eio,
    /// The disk is full. As [`Fault::Eio`], with the other error.
    Enospc,
}
