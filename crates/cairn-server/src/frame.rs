//! The frame: bytes received → request lines, whatever the bytes are.

use memchr::{memchr, memchr_iter};

/// A buffer as large as this is given back once a long line has been read.
const KEPT_BYTES: usize = 1 << 20;

/// Splits received bytes into lines. It holds at most one line and what was received after it.
#[derive(Debug)]
pub struct Framer {
    buffer: Vec<u8>,
    /// What is before this has been handed out.
    start: usize,
    /// What is between `start` and this holds no line end.
    searched: usize,
    /// Inside a line that was refused as too long: its bytes are dropped.
    skipping: bool,
    line_bytes_max: usize,
}

/// A request line, without its end. Empty lines are not requests and are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line of text.
    Text(&'a str),
    /// A line of bytes that are not UTF-8.
    NotUtf8(&'a [u8]),
    /// A line of more bytes than allowed: its beginning. It is skipped to its end.
    TooLong(&'a [u8]),
}

impl Framer {
    /// Lines of at most `line_bytes_max` bytes, the line end not counted.
    pub fn new(line_bytes_max: usize) -> Self {
        Framer { buffer: Vec::new(), start: 0, searched: 0, skipping: false, line_bytes_max }
    }

    /// The longest line allowed, in bytes.
    pub fn line_bytes_max(&self) -> usize {
        self.line_bytes_max
    }

    /// Changes the longest line allowed, from the next one on.
    pub fn set_line_bytes_max(&mut self, line_bytes_max: usize) {
        self.line_bytes_max = line_bytes_max;
    }

    /// Takes bytes received.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.space(bytes.len()).extend_from_slice(bytes);
    }

    /// The buffer, with room for `bytes` more, to read into. Only ever append to it.
    pub fn space(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.start == self.buffer.len() {
            if self.buffer.capacity() > KEPT_BYTES {
                self.buffer = Vec::new();
            }
            self.buffer.clear();
            (self.start, self.searched) = (0, 0);
        } else if self.start >= self.buffer.len() / 2 {
            // Moves at most as many bytes as were handed out: linear over the stream.
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.reserve(bytes);
        &mut self.buffer
    }

    /// Bytes received that are no complete line yet.
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Line ends among the bytes that were not handed out, counted up to `max`.
    pub fn pending_lines(&self, max: usize) -> usize {
        memchr_iter(b'\n', self.buffer.get(self.start..).unwrap_or_default()).take(max).count()
    }

    /// Whether a line has begun and not ended.
    pub fn mid_line(&self) -> bool {
        self.skipping || self.pending_bytes() > 0
    }

    /// Bytes of memory that it holds.
    pub fn held_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// The next complete line; `None` when more bytes are needed.
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        let Found { begin, end, too_long } = self.find()?;
        let bytes = self.buffer.get(begin..end).unwrap_or_default();
        Some(match std::str::from_utf8(bytes) {
            _ if too_long => Line::TooLong(bytes),
            Ok(text) => Line::Text(text),
            Err(_) => Line::NotUtf8(bytes),
        })
    }

    fn find(&mut self) -> Option<Found> {
        loop {
            let unread = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(at) = memchr(b'\n', unread) else {
                self.searched = self.buffer.len();
                return self.unfinished();
            };
            let (begin, newline) = (self.start, self.searched + at);
            self.start = newline + 1;
            self.searched = self.start;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            let line = self.buffer.get(begin..newline).unwrap_or_default();
            let end = begin + line.strip_suffix(b"\r").unwrap_or(line).len();
            if end > begin {
                return Some(Found { begin, end, too_long: end - begin > self.line_bytes_max });
            }
        }
    }

    /// No line end in the buffer: a line that is too long already is refused now and dropped as it comes.
    fn unfinished(&mut self) -> Option<Found> {
        // One byte more than the limit may still be the `\r`.
        let too_long = self.pending_bytes() > self.line_bytes_max + 1;
        if !self.skipping && !too_long {
            return None;
        }
        let (begin, end) = (self.start, self.buffer.len());
        self.start = end;
        let told = std::mem::replace(&mut self.skipping, true);
        (!told).then_some(Found { begin, end, too_long })
    }
}

/// Where a line is in the buffer.
struct Found {
    begin: usize,
    end: usize,
    too_long: bool,
}
