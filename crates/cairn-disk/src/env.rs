//! Which disk a process runs on, by its environment.

use crate::{LossyDisk, RealDisk, Storage};
use std::sync::Arc;

/// The variable that chooses the disk: `lossy`, or unset for the real one.
const VARIABLE: &str = "CAIRN_DISK";

/// Whether `CAIRN_DISK=lossy`: a disk for crash tests, which loses unsynced data when the process dies. Whoever starts
/// on it says so loudly.
pub fn is_lossy() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|v| v == "lossy")
}

/// The disk that the environment asks for: [`LossyDisk`] when [`is_lossy`], else [`RealDisk`].
pub fn storage_from_env() -> Arc<dyn Storage> {
    if is_lossy() { Arc::new(LossyDisk::new()) } else { Arc::new(RealDisk::new()) }
}
