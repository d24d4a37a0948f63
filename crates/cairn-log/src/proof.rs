//! The proof of damage: what a whole record after a damaged one says of it.

use crate::resync::Resync;
use crate::segment::Extent;
use cairn_disk::{File, Result};

/// Whether a later record, whole, says that the damaged one at `end` was durable: then it was acknowledged.
pub(crate) fn proves_damage(file: &dyn File, end: Extent) -> Result<bool> {
    let mut records = Resync::new(file, end.bytes)?;
    while let Some(found) =
        records.next(|h| h.offset > end.next_offset && h.timestamp_us >= end.last_timestamp_us)?
    {
        if found.head.durable_to().is_some_and(|first| end.next_offset < first) {
            return Ok(true);
        }
    }
    Ok(false)
}
