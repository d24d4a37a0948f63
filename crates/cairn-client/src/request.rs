//! The request line: typed values → the bytes of a command.

use crate::{Error, Result};
use std::fmt::Display;
use std::io::Write;

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Something happened: counted again after the dedup window.
    Add,
    /// A state: the same value again is ignored.
    Set,
    /// The state is gone.
    Del,
}

/// Which scores a search by id uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Using {
    /// Co-occurrence.
    Events,
    /// Vector similarity.
    Vectors,
    /// Both.
    Fusion,
}

/// The options of a search; the default is the server's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sim {
    /// Which scores (search by id only).
    pub using: Option<Using>,
    /// A condition on metadata, as `section:net,size>100`.
    pub filter: Option<String>,
    /// Results below this score are left out.
    pub min_score: Option<f64>,
    /// Whether fusion weighs events by how many there are (search by id only).
    pub adaptive: Option<bool>,
    /// Candidates that a search along the graph looks at: more find more of the nearest, slower.
    pub ef: Option<u32>,
    /// Whether every vector is looked at, whatever index there is.
    pub exact: Option<bool>,
    /// How many of the best results are passed over: the results before this page.
    pub offset: Option<u32>,
}

/// Writes request lines into a buffer. Each method appends one whole line, or nothing when it fails.
#[derive(Debug)]
pub struct Request<'a>(&'a mut Vec<u8>);

impl<'a> Request<'a> {
    /// Appends to `buffer`.
    pub fn new(buffer: &'a mut Vec<u8>) -> Self {
        Request(buffer)
    }

    /// A line as it is, without its end. It must hold something and no line end.
    pub fn line(&mut self, line: &str) -> Result<()> {
        if line.trim_end_matches('\r').is_empty() || line.contains('\n') {
            return Err(Error::Input("a request is one line that is not empty".to_owned()));
        }
        self.0.extend_from_slice(line.as_bytes());
        self.0.push(b'\n');
        Ok(())
    }

    /// Lines as they are, their ends included.
    pub(crate) fn bytes(&mut self, lines: &[u8]) {
        self.0.extend_from_slice(lines);
    }

    /// `EVENT <context> ADD|SET|DEL <id> [<score>] [timestamp=<seconds>]`; DEL takes no score.
    pub fn event(&mut self, context: &str, op: Op, id: &str, score: u8, time_s: Option<i64>) -> Result<()> {
        let (context, id) = (word("context", context)?, word("id", id)?);
        let out = &mut *self.0;
        push(out, &["EVENT ", context]);
        match op {
            Op::Add => push(out, &[" ADD ", id]),
            Op::Set => push(out, &[" SET ", id]),
            Op::Del => push(out, &[" DEL ", id]),
        }
        if op != Op::Del {
            show(out, " ", score);
        }
        if let Some(seconds) = time_s {
            show(out, " timestamp=", seconds);
        }
        out.push(b'\n');
        Ok(())
    }

    /// `VECSET <id> <f1> … <fN>`. Every number is written so that it reads back the same.
    pub fn vecset(&mut self, id: &str, vector: &[f32]) -> Result<()> {
        let id = word("id", id)?;
        push(self.0, &["VECSET ", id]);
        self.floats(vector);
        Ok(())
    }

    /// `METASET <id> <metadata>`, the metadata as `key:value[,key:value…]`.
    pub fn metaset(&mut self, id: &str, metadata: &str) -> Result<()> {
        let id = word("id", id)?;
        let metadata = rest("metadata", metadata)?;
        push(self.0, &["METASET ", id, " ", metadata, "\n"]);
        Ok(())
    }

    /// `VECDEL <id>`.
    pub fn vecdel(&mut self, id: &str) -> Result<()> {
        let id = word("id", id)?;
        push(self.0, &["VECDEL ", id, "\n"]);
        Ok(())
    }

    /// `USE <collection>`: what the requests after it mean.
    pub fn use_collection(&mut self, name: &str) -> Result<()> {
        let name = word("collection", name)?;
        push(self.0, &["USE ", name, "\n"]);
        Ok(())
    }

    /// `SIM <id> <k> …`.
    pub fn sim(&mut self, id: &str, top_k: u32, options: &Sim) -> Result<()> {
        let id = word("id", id)?;
        let filter = options.filter.as_deref().map(|filter| rest("filter", filter)).transpose()?;
        let out = &mut *self.0;
        push(out, &["SIM ", id]);
        show(out, " ", top_k);
        match options.using {
            None => {}
            Some(Using::Events) => push(out, &[" using=events"]),
            Some(Using::Vectors) => push(out, &[" using=vectors"]),
            Some(Using::Fusion) => push(out, &[" using=fusion"]),
        }
        conditions(out, filter, options);
        if let Some(adaptive) = options.adaptive {
            push(out, &[if adaptive { " adaptive=on" } else { " adaptive=off" }]);
        }
        out.push(b'\n');
        Ok(())
    }

    /// `SIMV <k> … <f1> … <fN>`; of `options`, not those of searches by id.
    pub fn simv(&mut self, vector: &[f32], top_k: u32, options: &Sim) -> Result<()> {
        let filter = options.filter.as_deref().map(|filter| rest("filter", filter)).transpose()?;
        show(self.0, "SIMV ", top_k);
        conditions(self.0, filter, options);
        self.floats(vector);
        Ok(())
    }

    fn floats(&mut self, vector: &[f32]) {
        for number in vector {
            show(self.0, " ", number);
        }
        self.0.push(b'\n');
    }
}

fn conditions(out: &mut Vec<u8>, filter: Option<&str>, options: &Sim) {
    if let Some(filter) = filter {
        push(out, &[" filter=", filter]);
    }
    if let Some(score) = options.min_score {
        show(out, " min_score=", score);
    }
    if let Some(ef) = options.ef {
        show(out, " ef=", ef);
    }
    if let Some(exact) = options.exact {
        push(out, &[if exact { " exact=on" } else { " exact=off" }]);
    }
    if let Some(offset) = options.offset {
        show(out, " offset=", offset);
    }
}

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

fn show(out: &mut Vec<u8>, before: &str, value: impl Display) {
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{before}{value}");
}

/// A value that stands between two spaces.
pub(crate) fn word<'v>(what: &str, value: &'v str) -> Result<&'v str> {
    if value.is_empty() || value.bytes().any(|b| b.is_ascii_whitespace()) {
        return Err(Error::Input(format!("the {what} is empty or has white space: {value:?}")));
    }
    Ok(value)
}

/// A value that may hold spaces.
pub(crate) fn rest<'v>(what: &str, value: &'v str) -> Result<&'v str> {
    if value.is_empty() || value.contains(['\n', '\r']) {
        return Err(Error::Input(format!("the {what} is empty or has a line end: {value:?}")));
    }
    Ok(value)
}
