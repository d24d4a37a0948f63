//! The disk this process runs on.

use crate::output::warn;
use cairn_disk::{Storage, is_lossy, storage_from_env};
use cairn_engine::{Clock, SystemClock};
use std::path::Path;
use std::sync::Arc;

/// The disk the environment asks for. The one that loses data on purpose is never used in silence.
pub fn storage() -> Arc<dyn Storage> {
    if is_lossy() {
        warn(
            "WARNING: CAIRN_DISK=lossy: when this process dies, everything it has not synced is LOST. For tests only.",
        );
    }
    storage_from_env()
}

/// Microseconds since the Unix epoch.
pub fn now_us() -> i64 {
    SystemClock.now_us()
}

/// The whole size of a directory's files, in bytes.
pub fn bytes_below(storage: &dyn Storage, dir: &Path) -> Result<u64, cairn_disk::Error> {
    let mut bytes = 0;
    for entry in storage.list(dir)? {
        bytes += match entry.stat.file_type {
            cairn_disk::FileType::Dir => bytes_below(storage, &dir.join(&entry.name))?,
            _ => entry.stat.bytes,
        };
    }
    Ok(bytes)
}
