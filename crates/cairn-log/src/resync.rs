//! `Resync`: the whole records that come after damage, found byte by byte.

use crate::record::{HEAD_BYTES, Head};
use cairn_disk::{File, Result};

/// How much is looked at at once.
const WINDOW_BYTES: usize = 1 << 20;

/// A record whose checksum holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub head: Head,
    pub position: u64,
    /// Its length.
    pub bytes: u64,
}

/// Looks for records from a position on. What is inside a whole record is its payload, whatever it looks like.
pub(crate) struct Resync<'a> {
    file: &'a dyn File,
    file_bytes: u64,
    at: u64,
    window: Vec<u8>,
    /// Where the window begins, and how much of it there is.
    from: u64,
    filled: usize,
}

impl<'a> Resync<'a> {
    /// Begins at a position of the file.
    pub fn new(file: &'a dyn File, at: u64) -> Result<Self> {
        let file_bytes = file.bytes()?;
        Ok(Resync { file, file_bytes, at, window: vec![0; WINDOW_BYTES], from: at, filled: 0 })
    }

    /// The next whole record whose head is `wanted`; `None` when there is none up to the file's end.
    pub fn next(&mut self, wanted: impl Fn(&Head) -> bool) -> Result<Option<Found>> {
        while self.at + HEAD_BYTES as u64 <= self.file_bytes {
            self.fill()?;
            let position = self.at;
            let within =
                usize::try_from(position - self.from).expect("the window begins at most its length before");
            if let Some((head, bytes)) = self.plausible(within).filter(|(head, _)| wanted(head)) {
                let mut record = vec![0; bytes];
                self.file.read_exact_at(position, &mut record)?;
                if head.check(&mut record).is_ok() {
                    let bytes = bytes as u64;
                    self.at += bytes;
                    return Ok(Some(Found { head, position, bytes }));
                }
            }
            self.at += 1;
        }
        Ok(None)
    }

    /// Has a head's bytes at the present position in the window.
    fn fill(&mut self) -> Result<()> {
        if self.at + HEAD_BYTES as u64 > self.from + self.filled as u64 {
            self.from = self.at;
            self.filled = usize::try_from(self.file_bytes - self.at).unwrap_or(usize::MAX).min(WINDOW_BYTES);
            self.file.read_exact_at(self.from, &mut self.window[..self.filled])?;
        }
        Ok(())
    }

    /// What may be a record's head, and the length it says.
    fn plausible(&self, within: usize) -> Option<(Head, usize)> {
        let head = Head::read(&self.window[within..self.filled]).ok()?;
        let bytes = head.record_bytes(self.file_bytes - self.at).ok()?;
        head.flags_fit().then_some((head, bytes))
    }
}
