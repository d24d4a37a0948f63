//! A file's bytes in memory, in chunks that copies share until one of them is written.

use std::sync::Arc;

/// Big enough that a small file is one chunk, small enough that copying one for a write costs little.
const CHUNK_BYTES: usize = 32 * 1024;

/// Bytes. All chunks but the last are full. A clone costs nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    chunks: Arc<Vec<Arc<Vec<u8>>>>,
}

impl Content {
    pub(super) fn bytes(&self) -> u64 {
        let full = self.chunks.len().saturating_sub(1) * CHUNK_BYTES;
        (full + self.chunks.last().map_or(0, |c| c.len())) as u64
    }

    /// Reads at most `buf.len()` bytes at `offset`.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let Ok(mut at) = usize::try_from(offset) else { return 0 };
        let mut done = 0;
        while done < buf.len() {
            let Some(chunk) = self.chunks.get(at / CHUNK_BYTES) else { break };
            let Some(rest) = chunk.get(at % CHUNK_BYTES..).filter(|r| !r.is_empty()) else { break };
            let n = rest.len().min(buf.len() - done);
            buf[done..done + n].copy_from_slice(&rest[..n]);
            (done, at) = (done + n, at + n);
        }
        done
    }

    /// Writes at `offset`; a gap before it is filled with zeros.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.extend_to(offset);
        let mut at = to_usize(offset);
        let mut rest = bytes;
        let chunks = Arc::make_mut(&mut self.chunks);
        while !rest.is_empty() {
            let (number, within) = (at / CHUNK_BYTES, at % CHUNK_BYTES);
            if number == chunks.len() {
                chunks.push(Arc::default());
            }
            let (now, later) = rest.split_at(rest.len().min(CHUNK_BYTES - within));
            let chunk = Arc::make_mut(&mut chunks[number]);
            let over = now.len().min(chunk.len() - within);
            chunk[within..within + over].copy_from_slice(&now[..over]);
            chunk.extend_from_slice(&now[over..]);
            at += now.len();
            rest = later;
        }
    }

    /// Cuts to `bytes`; a shorter content stays as it is.
    pub(super) fn truncate(&mut self, bytes: u64) {
        if bytes >= self.bytes() {
            return;
        }
        let bytes = to_usize(bytes);
        let chunks = Arc::make_mut(&mut self.chunks);
        chunks.truncate(bytes.div_ceil(CHUNK_BYTES));
        if let (Some(last), rest @ 1..) = (chunks.last_mut(), bytes % CHUNK_BYTES) {
            Arc::make_mut(last).truncate(rest);
        }
    }

    /// Lengthens with zeros to `bytes`; a longer content stays as it is.
    pub(super) fn extend_to(&mut self, bytes: u64) {
        let zeros = [0; 4096];
        while self.bytes() < bytes {
            let n = to_usize((bytes - self.bytes()).min(zeros.len() as u64));
            self.write(self.bytes(), &zeros[..n]);
        }
    }

    /// All bytes as one piece: shared when they are one chunk, else copied.
    pub(super) fn whole(&self) -> Arc<Vec<u8>> {
        match self.chunks.as_slice() {
            [] => Arc::default(),
            [one] => Arc::clone(one),
            many => Arc::new(many.iter().flat_map(|c| c.iter().copied()).collect()),
        }
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        let chunks = bytes.chunks(CHUNK_BYTES).map(|c| Arc::new(c.to_vec())).collect();
        Self { chunks: Arc::new(chunks) }
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a simulated file fits in memory")
}
