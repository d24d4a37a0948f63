//! The proof of damage: what a whole record after a damaged one says of it.

use crate::record::{HEAD_BYTES, Head};
use crate::segment::Extent;
use cairn_disk::{File, Result};

/// How much is looked at at once.
const WINDOW_BYTES: usize = 1 << 20;

/// Whether a later record, whole, says that the damaged one at `end` was durable: then it was acknowledged.
pub(crate) fn proves_damage(file: &dyn File, end: Extent) -> Result<bool> {
    let file_bytes = file.bytes()?;
    let mut window = vec![0; WINDOW_BYTES];
    let (mut from, mut filled) = (end.bytes, 0);
    let mut at = end.bytes;
    while at + HEAD_BYTES as u64 <= file_bytes {
        if at + HEAD_BYTES as u64 > from + filled as u64 {
            from = at;
            filled = usize::try_from(file_bytes - at).unwrap_or(usize::MAX).min(WINDOW_BYTES);
            file.read_exact_at(from, &mut window[..filled])?;
        }
        let within = usize::try_from(at - from).expect("the window begins at most its own length before");
        at += match plausible(&window[within..filled], end, file_bytes - at) {
            Some((head, bytes)) => {
                let mut record = vec![0; bytes];
                file.read_exact_at(at, &mut record)?;
                let whole = head.check(&mut record).is_ok();
                if whole && head.durable_to().is_some_and(|first| end.next_offset < first) {
                    return Ok(true);
                }
                // What is inside a whole record is its payload, whatever it looks like.
                if whole { bytes as u64 } else { 1 }
            }
            None => 1,
        };
    }
    Ok(false)
}

/// The head at the start of `bytes`, when it may be that of a record after `end`.
fn plausible(bytes: &[u8], end: Extent, bytes_left: u64) -> Option<(Head, usize)> {
    let head = Head::read(bytes).ok()?;
    let record_bytes = head.record_bytes(bytes_left).ok()?;
    let later = head.offset > end.next_offset && head.timestamp_us >= end.last_timestamp_us;
    (later && head.flags_fit()).then_some((head, record_bytes))
}
