//! The interpreter: bytes in → writes and questions → bytes out, in order, without threads or sockets.

use crate::backend::{Backend, Written};
use crate::command::{Ask, Command};
use crate::counters::Counters;
use crate::failure::Failure;
use crate::frame::{Framer, Line};
use crate::parse::{is_verify, parse};
use crate::render::{Dialect, render};
use crate::reply::{Done, Reply};
use cairn_engine::{DEFAULT_NAME, ErrorKind, Limits, Request, Write};
use std::sync::Arc;

/// Writes submitted at once, at most.
const BATCH_WRITES_MAX: usize = 4096;

/// The rules of a connection.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What one request may ask for.
    pub limits: Limits,
    /// The longest request line in bytes.
    pub line_bytes_max: usize,
    /// How replies are written.
    pub dialect: Dialect,
}

impl Default for Rules {
    /// Lines of 16 MiB, the documented dialect.
    fn default() -> Self {
        Rules { limits: Limits::default(), line_bytes_max: 16 << 20, dialect: Dialect::default() }
    }
}

/// One connection's side of the conversation.
#[derive(Debug)]
pub struct Interpreter {
    framer: Framer,
    rules: Arc<Rules>,
    counters: Arc<Counters>,
    /// The collection that requests mean; `None`: `default`.
    collection: Option<Arc<str>>,
    /// Read behind a batch that must be done first.
    held: Option<Question>,
}

/// What is to be done next.
#[derive(Debug)]
pub enum Step {
    /// Writes, one submission: [`Interpreter::written`] takes the results.
    Batch(Batch),
    /// A question: [`Interpreter::answered`] takes the reply.
    Ask(Question),
}

/// Consecutive writes, and the replies that are ready between them (requests that were refused at once).
#[derive(Debug, Default)]
pub struct Batch {
    /// What is to be written.
    pub writes: Vec<Request>,
    /// The replies of this batch, in order.
    pub slots: Slots,
}

/// The replies of a batch, the ready ones and those that wait for a result.
#[derive(Debug, Default)]
pub struct Slots(Vec<Slot>);

#[derive(Debug)]
enum Slot {
    Write(Done),
    Failed(Failure, bool),
}

/// A request that is not a write.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub ask: Ask,
    verify: bool,
}

impl Interpreter {
    /// A new connection's.
    pub fn new(rules: Arc<Rules>, counters: Arc<Counters>) -> Self {
        Interpreter {
            framer: Framer::new(rules.line_bytes_max),
            rules,
            counters,
            collection: None,
            held: None,
        }
    }

    /// Where received bytes go.
    pub fn framer(&mut self) -> &mut Framer {
        &mut self.framer
    }

    /// What the bytes received so far ask for next; `None` when more bytes are needed. Steps must be done in order, each
    /// before the next is taken.
    pub fn next_step(&mut self) -> Option<Step> {
        if let Some(question) = self.held.take() {
            return Some(Step::Ask(question));
        }
        let mut batch = Batch::default();
        while batch.slots.0.len() < BATCH_WRITES_MAX {
            let Some(line) = self.framer.next_line() else { break };
            self.counters.commands.add(1);
            let (parsed, bytes) = match line {
                Line::Text(text) => (parse(text, &self.rules.limits), text.as_bytes()),
                Line::NotUtf8(bytes) => (Err(Failure::input("Invalid UTF-8 in request")), bytes),
                Line::TooLong(bytes) => (Err(too_long(self.rules.line_bytes_max)), bytes),
            };
            match parsed {
                Ok(Command::Write(write)) => {
                    batch.slots.0.push(Slot::Write(self.counters.wrote(&write)));
                    batch.writes.push(Request { collection: self.collection.clone(), write });
                }
                Err(failure) => batch.slots.0.push(Slot::Failed(failure, is_verify(bytes))),
                Ok(Command::Ask(ask)) => {
                    self.counters.asked(&ask);
                    let verify = is_verify(bytes);
                    let question = Question { ask: self.here(ask), verify };
                    if batch.slots.0.is_empty() {
                        return Some(Step::Ask(question));
                    }
                    self.held = Some(question);
                    break;
                }
            }
        }
        (!batch.slots.0.is_empty()).then_some(Step::Batch(batch))
    }

    /// A question about the collection that the connection uses.
    fn here(&self, ask: Ask) -> Ask {
        let collection = self.collection.clone();
        match ask {
            Ask::Similar { query, .. } => Ask::Similar { collection, query },
            Ask::Near { query, .. } => Ask::Near { collection, query },
            other => other,
        }
    }

    /// Appends the replies of a batch whose writes had these results.
    pub fn written(&self, slots: Slots, results: Written, out: &mut Vec<u8>) {
        let mut results = results.into_iter();
        for slot in slots.0 {
            let (reply, verify) = match slot {
                Slot::Failed(failure, verify) => (Reply::Failed(failure), verify),
                Slot::Write(done) => match results.next() {
                    Some(Ok(_)) => (Reply::Done(done), false),
                    Some(Err(error)) => (Reply::Failed(error.into()), false),
                    None => (Reply::Failed(lost()), false),
                },
            };
            self.render(&reply, verify, out);
        }
    }

    /// Appends the reply to a question.
    pub fn answered(&mut self, question: &Question, reply: &Reply, out: &mut Vec<u8>) {
        if let Reply::Using(name) = reply {
            self.collection = (name != DEFAULT_NAME).then(|| Arc::from(name.as_str()));
        }
        self.render(reply, question.verify, out);
    }

    fn render(&self, reply: &Reply, verify: bool, out: &mut Vec<u8>) {
        if matches!(reply, Reply::Failed(_)) {
            self.counters.failed.add(1);
        }
        render(reply, self.rules.dialect, verify, out);
    }

    /// Takes bytes received and does all they ask for: what a connection does, on the caller's thread.
    pub fn handle(&mut self, input: &[u8], backend: &dyn Backend, out: &mut Vec<u8>) {
        self.framer.feed(input);
        while let Some(step) = self.next_step() {
            match step {
                Step::Ask(question) => {
                    let reply = backend.answer(&question.ask);
                    self.answered(&question, &reply, out);
                }
                Step::Batch(batch) => {
                    let empty = batch.writes.is_empty();
                    let results = if empty { Vec::new() } else { backend.write(batch.writes) };
                    self.written(batch.slots, results, out);
                }
            }
        }
    }
}

/// A write whose result never came: the engine went away with it.
pub(crate) fn lost() -> Failure {
    Failure::new(ErrorKind::Busy, "the write's fate is unknown: the server is stopping")
}

fn too_long(line_bytes_max: usize) -> Failure {
    Failure::input(format!("Request exceeds maximum allowed length: {line_bytes_max} bytes"))
}

impl Counters {
    /// Counts a write; which reply it has.
    pub(crate) fn wrote(&self, write: &Write) -> Done {
        let (counter, done) = match write {
            Write::VectorSet { .. } => (&self.vecsets, Done::VecSet),
            Write::MetadataSet { .. } => (&self.metasets, Done::MetaSet),
            Write::VectorDelete { .. } => (&self.vecdels, Done::VecDel),
            // The parser makes no other writes.
            _ => (&self.events, Done::Event),
        };
        counter.add(1);
        done
    }

    /// Counts a search.
    pub(crate) fn asked(&self, ask: &Ask) {
        if matches!(ask, Ask::Similar { .. } | Ask::Near { .. }) {
            self.sims.add(1);
        }
    }
}
