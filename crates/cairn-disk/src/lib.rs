//! The only code that touches files: the [`Storage`] trait and its disks.
//!
//! [`RealDisk`] is the one users run on. [`SimDisk`] keeps what is live and what is durable apart, in memory, and shows
//! what a crash at any operation would leave. [`LossyDisk`] does the same with real files for real processes: SIGKILL
//! loses what was not synced.
// The rest of the workspace reaches files through this crate; here is where `std::fs` is called.
#![allow(clippy::disallowed_methods)]

mod crc;
mod env;
mod error;
mod lines_file;
mod lossy;
mod mapped;
mod real;
mod removed;
mod replace;
pub mod sealed;
mod sim;
mod socket;
mod storage;
mod throttle;

pub use crc::{Crc32c, crc32c};
pub use env::{is_lossy, storage_from_env};
pub use error::{Error, ErrorKind, Result};
pub use lines_file::LinesFile;
pub use lossy::LossyDisk;
pub use real::RealDisk;
pub use replace::{atomic_replace, parent_dir, read_file, write_new};
pub use sim::{Fate, Fault, Hook, SimDisk};
pub use socket::SocketFile;
pub use storage::{Access, Advice, Bytes, Entry, File, FileType, LockGuard, Stat, Storage};
pub use throttle::{Throttle, Throttled};
