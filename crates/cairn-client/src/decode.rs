//! The decoder: bytes received → replies, without a socket.

use crate::reply::text;
use crate::{Error, Kind, Result, Shape};
use std::ops::Range;

/// Splits received bytes into replies. Give it bytes with [`Decoder::feed`], take replies with [`Decoder::next`].
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the reply being decoded begins; what is before it has been handed out.
    start: usize,
    /// Where the next unread line begins.
    scan: usize,
    /// The bytes between `scan` and here hold no line end.
    searched: usize,
    stage: Stage,
    head: Range<usize>,
    rows: usize,
    debug: bool,
    reply_bytes_max: usize,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Head,
    /// So many lines are left; then debug lines may follow.
    Rows(usize),
    DebugHead,
    DebugRows(usize),
    UntilEnd(Kind),
    /// The value of a bulk string, with its line end.
    Value(usize),
    /// So many bulk strings are left.
    Values(usize),
    /// Inside a bulk string of an array: its bytes, and the bulk strings left after it.
    ArrayValue(usize, usize),
}

/// Where a complete reply is in the decoder's buffer.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    kind: Kind,
    head: Range<usize>,
    body: Range<usize>,
    rows: usize,
}

/// A reply as received, borrowed from the decoder's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// The first line, without its line end.
    pub head: &'a [u8],
    /// The bytes after the first line; without the final `END`.
    pub body: &'a [u8],
    /// The number of search results; the lines after them are debug lines.
    pub rows: usize,
}

impl<'a> Frame<'a> {
    /// True unless the server refused.
    pub fn is_ok(&self) -> bool {
        self.kind != Kind::Error
    }

    /// The lines of the body, without their line ends.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let body = self.body.strip_suffix(b"\n").unwrap_or(self.body);
        let none = self.body.is_empty();
        body.split(|&b| b == b'\n')
            .filter(move |_| !none)
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The first line; of an error, without `(error)`, `ERROR` or `-ERR`.
    pub fn message(&self) -> Result<&'a str> {
        let head = text(self.head)?;
        Ok(ERRORS.iter().find_map(|mark| head.strip_prefix(mark)).unwrap_or(head).trim_start())
    }
}

const ERRORS: [&str; 3] = ["(error)", "ERROR", "-ERR"];

impl Decoder {
    /// A decoder that refuses a reply of more than `reply_bytes_max` bytes.
    pub fn new(reply_bytes_max: usize) -> Self {
        Decoder {
            buffer: Vec::new(),
            start: 0,
            scan: 0,
            searched: 0,
            stage: Stage::Head,
            head: 0..0,
            rows: 0,
            debug: false,
            // So that places in the buffer can be added up.
            reply_bytes_max: reply_bytes_max.min(usize::MAX / 4),
        }
    }

    /// Takes bytes received.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.space(bytes.len()).extend_from_slice(bytes);
    }

    /// The buffer, with room for `bytes` more, to read into. Only ever append to it.
    pub(crate) fn space(&mut self, bytes: usize) -> &mut Vec<u8> {
        if self.start > 0 && (self.start == self.buffer.len() || self.start >= self.buffer.capacity() / 2) {
            self.buffer.drain(..self.start);
            let moved = self.start;
            (self.start, self.scan, self.searched) = (0, self.scan - moved, self.searched - moved);
            self.head = self.head.start.saturating_sub(moved)..self.head.end.saturating_sub(moved);
        }
        self.buffer.reserve(bytes);
        &mut self.buffer
    }

    /// The bytes received that no reply has taken.
    pub fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// The next reply, of a request with this shape; `None` when more bytes are needed. Ask again with the same shape.
    #[allow(clippy::should_implement_trait)] // Not an iterator: each reply needs its request's shape.
    pub fn next(&mut self, shape: Shape) -> Result<Option<Frame<'_>>> {
        Ok(self.poll(shape)?.map(|parts| self.frame(&parts)))
    }

    pub(crate) fn frame(&self, parts: &Parts) -> Frame<'_> {
        let bytes = |range: &Range<usize>| self.buffer.get(range.clone()).unwrap_or_default();
        Frame { kind: parts.kind, head: bytes(&parts.head), body: bytes(&parts.body), rows: parts.rows }
    }

    pub(crate) fn poll(&mut self, shape: Shape) -> Result<Option<Parts>> {
        loop {
            let done = match self.stage {
                Stage::Value(left) | Stage::ArrayValue(left, _) => {
                    if self.buffer.len() < self.scan + left {
                        return self.wait();
                    }
                    self.scan += left;
                    self.searched = self.scan;
                    self.value_read()
                }
                _ => match self.line() {
                    None => return self.wait(),
                    Some(line) => self.step(shape, line)?,
                },
            };
            if let Some((kind, body_end)) = done {
                return Ok(Some(self.finish(kind, body_end)));
            }
        }
    }

    fn wait(&self) -> Result<Option<Parts>> {
        if self.buffer.len() - self.start > self.reply_bytes_max {
            return Err(Error::Protocol(format!("a reply of more than {} bytes", self.reply_bytes_max)));
        }
        Ok(None)
    }

    /// The next line without its end; moves past it.
    fn line(&mut self) -> Option<Range<usize>> {
        let unread = self.buffer.get(self.searched..).unwrap_or_default();
        match unread.iter().position(|&b| b == b'\n') {
            None => {
                self.searched = self.buffer.len();
                None
            }
            Some(at) => {
                let (begin, end) = (self.scan, self.searched + at);
                self.scan = end + 1;
                self.searched = self.scan;
                let cr = self.buffer.get(begin..end).is_some_and(|line| line.ends_with(b"\r"));
                Some(begin..end - usize::from(cr))
            }
        }
    }

    /// Takes a line; says when the reply is complete, and where its body ends.
    fn step(&mut self, shape: Shape, line: Range<usize>) -> Result<Option<(Kind, usize)>> {
        let bytes = self.buffer.get(line.clone()).unwrap_or_default();
        match self.stage {
            Stage::Head => {
                self.head = line.clone();
                (self.rows, self.stage) = (0, Stage::Head);
                let first = First::of(shape, bytes)?;
                self.first(shape, first)
            }
            Stage::Rows(left) => {
                self.stage = Stage::Rows(left - 1);
                Ok(if left > 1 { None } else { self.rows_read() })
            }
            Stage::DebugHead => match bytes.strip_prefix(b"# DEBUG ") {
                None => Err(Error::Protocol(format!("expected `# DEBUG <n>`, got {}", shown(bytes)))),
                Some(number) => match number_of(number)? {
                    0 => Ok(Some((Kind::Results, self.scan))),
                    n => {
                        self.stage = Stage::DebugRows(n);
                        Ok(None)
                    }
                },
            },
            Stage::DebugRows(left) => {
                self.stage = Stage::DebugRows(left - 1);
                Ok((left == 1).then_some((Kind::Results, self.scan)))
            }
            Stage::UntilEnd(kind) => Ok((bytes == b"END").then_some((kind, line.start))),
            Stage::Values(left) => {
                let missing = || Error::Protocol("an array with a value that is not there".to_owned());
                let length = count(bytes, b'$')?.ok_or_else(missing)?;
                self.stage = Stage::ArrayValue(self.counted(length, "bytes")? + 2, left - 1);
                Ok(None)
            }
            // `poll` reads these by length.
            Stage::Value(_) | Stage::ArrayValue(..) => Ok(None),
        }
    }

    fn first(&mut self, shape: Shape, first: First) -> Result<Option<(Kind, usize)>> {
        match first {
            First::Whole(kind) => {
                match (shape, kind) {
                    (Shape::DebugOn, Kind::Ok) => self.debug = true,
                    (Shape::DebugOff, Kind::Ok) => self.debug = false,
                    _ => {}
                }
                return Ok(Some((kind, self.scan)));
            }
            First::Lines(kind) => self.stage = Stage::UntilEnd(kind),
            First::Rows(n) => {
                self.counted(n, "lines")?;
                self.rows = n;
                if n == 0 {
                    return Ok(self.rows_read());
                }
                self.stage = Stage::Rows(n);
            }
            First::Value(bytes) => self.stage = Stage::Value(self.counted(bytes, "bytes")? + 2),
            First::Values(0) => return Ok(Some((Kind::Array, self.scan))),
            First::Values(n) => self.stage = Stage::Values(self.counted(n, "values")?),
        }
        Ok(None)
    }

    /// A number of things of a byte at least, which a reply can have.
    fn counted(&self, n: usize, what: &str) -> Result<usize> {
        if n > self.reply_bytes_max {
            let max = self.reply_bytes_max;
            return Err(Error::Protocol(format!("a reply of {n} {what}, expected at most {max} bytes")));
        }
        Ok(n)
    }

    fn rows_read(&mut self) -> Option<(Kind, usize)> {
        if !self.debug {
            return Some((Kind::Results, self.scan));
        }
        self.stage = Stage::DebugHead;
        None
    }

    fn value_read(&mut self) -> Option<(Kind, usize)> {
        match self.stage {
            Stage::ArrayValue(_, 0) => Some((Kind::Array, self.scan)),
            Stage::ArrayValue(_, left) => {
                self.stage = Stage::Values(left);
                None
            }
            _ => Some((Kind::Bulk, self.scan)),
        }
    }

    fn finish(&mut self, kind: Kind, body_end: usize) -> Parts {
        let after_head = self.buffer.get(self.head.end..).unwrap_or_default();
        let line_end = after_head.iter().position(|&b| b == b'\n').map_or(0, |at| at + 1);
        let parts = Parts {
            kind,
            head: self.head.clone(),
            body: self.head.end + line_end..body_end,
            rows: self.rows,
        };
        self.start = self.scan;
        self.stage = Stage::Head;
        parts
    }
}

/// What the first line of a reply says about the rest.
enum First {
    Whole(Kind),
    Lines(Kind),
    Rows(usize),
    Value(usize),
    Values(usize),
}

impl First {
    fn of(shape: Shape, line: &[u8]) -> Result<First> {
        if let Some(mark) = ERRORS.iter().find(|mark| line.starts_with(mark.as_bytes())) {
            let lines = shape == Shape::Verify && *mark == "(error)";
            return Ok(if lines { First::Lines(Kind::Error) } else { First::Whole(Kind::Error) });
        }
        let one_line = || line.starts_with(b"OK DUMP_") && !line.starts_with(b"OK DUMP_INFO");
        Ok(match shape {
            Shape::Line | Shape::DebugOn | Shape::DebugOff => First::Whole(Kind::Ok),
            Shape::Results => match line.strip_prefix(b"OK RESULTS ") {
                Some(number) => First::Rows(number_of(number)?),
                None => {
                    return Err(Error::Protocol(format!("expected `OK RESULTS <n>`, got {}", shown(line))));
                }
            },
            Shape::Dump | Shape::Verify if one_line() => First::Whole(Kind::Ok),
            Shape::Block | Shape::Dump | Shape::Verify => First::Lines(Kind::Block),
            Shape::Bulk => match count(line, b'$')? {
                Some(bytes) => First::Value(bytes),
                None => First::Whole(Kind::Bulk),
            },
            Shape::Array => match count(line, b'*')? {
                Some(n) => First::Values(n),
                None => First::Whole(Kind::Array),
            },
        })
    }
}

/// The number of a line `$<n>` or `*<n>`; `None` when it is negative.
pub(crate) fn count(line: &[u8], mark: u8) -> Result<Option<usize>> {
    match line.split_first() {
        Some((first, b"-1")) if *first == mark => Ok(None),
        Some((first, number)) if *first == mark => number_of(number).map(Some),
        _ => Err(Error::Protocol(format!("expected `{}<n>`, got {}", char::from(mark), shown(line)))),
    }
}

fn number_of(bytes: &[u8]) -> Result<usize> {
    let number = std::str::from_utf8(bytes).ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| Error::Protocol(format!("expected a number, got {}", shown(bytes))))
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line.get(..80).unwrap_or(line)).into_owned()
}
