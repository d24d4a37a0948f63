//! The typed reply.

use crate::{Error, Frame, Refusal, Result};
use std::borrow::Cow;

/// What a reply is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// One line that says it is done.
    Ok,
    /// Search results.
    Results,
    /// A first line, lines, and `END`.
    Block,
    /// A bulk string.
    Bulk,
    /// An array of bulk strings.
    Array,
    /// An error.
    Error,
}

/// A reply that owns its text. Both dialects give the same values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// One line, whole: `OK EVENT`, `OK DUMP_SAVED /path`.
    Ok(Cow<'static, str>),
    /// Search results, best first, and the debug lines that followed them (none unless `DEBUG ON`).
    Results(Vec<Hit>, Vec<String>),
    /// Several lines.
    Block(Block),
    /// The value of a bulk string; `None` for `$-1`.
    Bulk(Option<String>),
    /// The values of an array.
    Array(Vec<String>),
    /// The server refused.
    Error(Refusal),
}

/// One search result.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The item's id.
    pub id: String,
    /// Its score, as precise as the wire's four decimals.
    pub score: f64,
}

/// A reply of several lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Block {
    /// The first line: `OK INFO`.
    pub head: String,
    /// The lines between the first and `END`.
    pub lines: Vec<String>,
}

impl Block {
    /// The value of the first line `key: value`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The number in the line `key: value`.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// The lines of the form `key: value`.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|line| line.split_once(':')).map(|(key, value)| (key, value.trim()))
    }
}

impl Reply {
    /// An error of the server as `Err`.
    pub fn ok(self) -> Result<Reply> {
        match self {
            Reply::Error(refusal) => Err(Error::Refused(refusal)),
            other => Ok(other),
        }
    }

    /// The search results.
    pub fn results(self) -> Result<Vec<Hit>> {
        match self.ok()? {
            Reply::Results(hits, _) => Ok(hits),
            other => Err(other.unexpected("results")),
        }
    }

    /// The lines; a one-line reply (nvecd's `OK DUMP_SAVED …`) is a block without lines.
    pub fn block(self) -> Result<Block> {
        match self.ok()? {
            Reply::Block(block) => Ok(block),
            Reply::Ok(line) => Ok(Block { head: line.into_owned(), lines: Vec::new() }),
            other => Err(other.unexpected("lines")),
        }
    }

    /// The value of a bulk string.
    pub fn bulk(self) -> Result<Option<String>> {
        match self.ok()? {
            Reply::Bulk(value) => Ok(value),
            other => Err(other.unexpected("a bulk string")),
        }
    }

    /// The values of an array.
    pub fn array(self) -> Result<Vec<String>> {
        match self.ok()? {
            Reply::Array(values) => Ok(values),
            other => Err(other.unexpected("an array")),
        }
    }

    /// A plain `OK`.
    pub fn done(self) -> Result<()> {
        match self.ok()? {
            Reply::Ok(_) => Ok(()),
            other => Err(other.unexpected("one line")),
        }
    }

    fn unexpected(&self, wanted: &str) -> Error {
        Error::Protocol(format!("expected {wanted}, got {self:?}"))
    }
}

impl TryFrom<Frame<'_>> for Reply {
    type Error = Error;

    fn try_from(frame: Frame<'_>) -> Result<Reply> {
        Ok(match frame.kind {
            Kind::Ok => Reply::Ok(known(frame.head)?),
            Kind::Error => {
                Reply::Error(Refusal { message: frame.message()?.to_owned(), details: lines(&frame)? })
            }
            Kind::Results => results(&frame)?,
            Kind::Block => Reply::Block(Block { head: text(frame.head)?.to_owned(), lines: lines(&frame)? }),
            Kind::Bulk => Reply::Bulk(bulk(frame.head, frame.body)?),
            Kind::Array => array(&frame)?,
        })
    }
}

/// The acknowledgements that come in great numbers need no allocation.
fn known(head: &[u8]) -> Result<Cow<'static, str>> {
    Ok(match head {
        b"OK EVENT" => Cow::Borrowed("OK EVENT"),
        b"OK VECSET" => Cow::Borrowed("OK VECSET"),
        b"OK METASET" => Cow::Borrowed("OK METASET"),
        b"OK VECDEL" => Cow::Borrowed("OK VECDEL"),
        b"+OK" => Cow::Borrowed("+OK"),
        other => Cow::Owned(text(other)?.to_owned()),
    })
}

pub(crate) fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| Error::Protocol("the reply is not UTF-8".to_owned()))
}

fn lines(frame: &Frame<'_>) -> Result<Vec<String>> {
    frame.lines().map(|line| text(line).map(str::to_owned)).collect()
}

fn results(frame: &Frame<'_>) -> Result<Reply> {
    let (mut hits, mut debug) = (Vec::new(), Vec::new());
    for line in frame.lines() {
        let line = text(line)?;
        if hits.len() < frame.rows {
            let hit = line.rsplit_once(' ').and_then(|(id, score)| Some((id, score.parse::<f64>().ok()?)));
            let (id, score) = hit.ok_or_else(|| Error::Protocol(format!("not `<id> <score>`: {line}")))?;
            hits.push(Hit { id: id.to_owned(), score });
        } else if !line.starts_with("# DEBUG") {
            debug.push(line.to_owned());
        }
    }
    Ok(Reply::Results(hits, debug))
}

/// `head` is `$<length>`, `body` the value and its line end.
fn bulk(head: &[u8], body: &[u8]) -> Result<Option<String>> {
    if head.starts_with(b"$-") {
        return Ok(None);
    }
    let value = body.strip_suffix(b"\r\n").ok_or_else(no_line_end)?;
    Ok(Some(text(value)?.to_owned()))
}

fn array(frame: &Frame<'_>) -> Result<Reply> {
    let mut values = Vec::new();
    let mut rest = frame.body;
    while !rest.is_empty() {
        let missing = || Error::Protocol("an array ends early".to_owned());
        let end = rest.iter().position(|&b| b == b'\n').ok_or_else(missing)?;
        let (head, tail) = rest.split_at(end + 1);
        let length = crate::decode::count(head.trim_ascii_end(), b'$')?.unwrap_or(0);
        let value = tail.get(..length).ok_or_else(missing)?;
        values.push(text(value)?.to_owned());
        let end = tail.get(length..length + 2).ok_or_else(missing)?;
        if end != b"\r\n" {
            return Err(no_line_end());
        }
        rest = tail.get(length + 2..).ok_or_else(missing)?;
    }
    Ok(Reply::Array(values))
}

fn no_line_end() -> Error {
    Error::Protocol("a value is longer or shorter than its length says".to_owned())
}
