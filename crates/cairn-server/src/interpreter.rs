//! The interpreter: bytes in → writes and questions → bytes out, in order, without threads or sockets.

use crate::auth::{Auth, Caller, Role};
use crate::backend::{Backend, Written};
use crate::command::{Ask, Command, Session};
use crate::config::Config;
use crate::counters::Counters;
use crate::failure::Failure;
use crate::frame::{Framer, Line};
use crate::limiter::retry_text;
use crate::live::Live;
use crate::parse::{is_verify, parse};
use crate::render::{Dialect, render, render_trace};
use crate::reply::{Done, Reply, Trace};
use crate::rights::needs;
use cairn_engine::{DEFAULT_NAME, ErrorKind, Limits, Request, Write};
use std::net::IpAddr;
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
    /// Who is asking: without a client, whoever holds the process.
    client: Option<Client>,
    caller: Caller,
    /// Results are followed by how the search went.
    debug: bool,
}

/// A client of a server.
#[derive(Debug)]
struct Client {
    live: Arc<Live>,
    peer: IpAddr,
    /// By which the caller is known.
    auth: Arc<Auth>,
    /// Of which the rules are.
    config: Arc<Config>,
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
    Ready(Reply, bool),
}

/// A request that is not a write.
#[derive(Debug)]
pub struct Question {
    /// What is asked.
    pub ask: Ask,
    /// How the search went is told, too: [`Interpreter::traced`] takes it.
    pub debug: bool,
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
            client: None,
            caller: Caller::of(Role::Admin),
            debug: false,
        }
    }

    /// Of a client at this address, who may do only what its password gives it, and only so much of it.
    pub fn with_client(self, live: Arc<Live>, peer: IpAddr) -> Self {
        let (auth, config) = (live.auth(), live.config());
        Interpreter { caller: auth.anonymous(), client: Some(Client { live, peer, auth, config }), ..self }
    }

    /// Where received bytes go.
    pub fn framer(&mut self) -> &mut Framer {
        &mut self.framer
    }

    /// Whether a request waits that was received whole.
    pub(crate) fn has_more(&self) -> bool {
        self.held.is_some() || self.framer.pending_lines(1) > 0
    }

    /// What the bytes received so far ask for next; `None` when more bytes are needed. Steps must be done in order, each
    /// before the next is taken.
    pub fn next_step(&mut self) -> Option<Step> {
        if let Some(question) = self.held.take() {
            return Some(Step::Ask(question));
        }
        self.meet();
        let mut batch = Batch::default();
        while batch.slots.0.len() < BATCH_WRITES_MAX {
            let Some(line) = self.framer.next_line() else { break };
            self.counters.commands.add(1);
            let taken = self.client.as_ref().map_or(Ok(()), Client::take);
            let (parsed, bytes) = match line {
                Line::Text(text) => (taken.and_then(|()| parse(text, &self.rules.limits)), text.as_bytes()),
                Line::NotUtf8(bytes) => (Err(Failure::input("Invalid UTF-8 in request")), bytes),
                Line::TooLong(bytes) => (Err(too_long(self.rules.line_bytes_max)), bytes),
            };
            let caller = self.caller;
            let parsed = parsed.and_then(|command| caller.may(needs(&command)).map(|()| command));
            let verify = is_verify(bytes);
            match parsed {
                Ok(Command::Write(write)) => {
                    batch.slots.0.push(Slot::Write(self.counters.wrote(&write)));
                    batch.writes.push(Request { collection: self.collection.clone(), write });
                }
                Err(failure) => batch.slots.0.push(Slot::Ready(failure.into(), verify)),
                Ok(Command::Session(asked)) => {
                    let reply = self.session(asked);
                    batch.slots.0.push(Slot::Ready(reply, false));
                }
                Ok(Command::Ask(ask)) => {
                    self.counters.asked(&ask);
                    let debug = self.debug && matches!(ask, Ask::Similar { .. } | Ask::Near { .. });
                    let question = Question { ask: self.here(ask), verify, debug };
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

    /// Who showed a password that is none any more must show another; what one request may ask for is as it is now.
    fn meet(&mut self) {
        let Some(client) = &mut self.client else { return };
        let auth = client.live.auth();
        if !Arc::ptr_eq(&auth, &client.auth) {
            self.caller = auth.anonymous();
            client.auth = auth;
        }
        let config = client.live.config();
        if !Arc::ptr_eq(&config, &client.config) {
            client.config = config;
            let Rules { limits, line_bytes_max, dialect } = client.config.rules();
            if (&limits, line_bytes_max) != (&self.rules.limits, self.rules.line_bytes_max) {
                self.rules = Arc::new(Rules { limits, line_bytes_max, dialect });
                self.framer.set_line_bytes_max(line_bytes_max);
            }
        }
    }

    /// What is about the connection alone is done at once.
    fn session(&mut self, asked: Session) -> Reply {
        match asked {
            Session::Debug(on) => {
                self.debug = on;
                Reply::Debug(on)
            }
            Session::Auth(password) => {
                let Some(client) = self.client.as_ref().filter(|client| client.auth.required()) else {
                    return Reply::Plus("no password required");
                };
                match client.auth.check(client.peer, password.reveal()) {
                    Ok(role) => {
                        self.caller = Caller::of(role);
                        Reply::Plus("")
                    }
                    Err(refused) => Reply::Failed(refused.into()),
                }
            }
        }
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
                Slot::Ready(reply, verify) => (reply, verify),
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

    /// As [`Interpreter::answered`], of a question in [`Question::debug`].
    pub fn traced(&mut self, question: &Question, reply: &Reply, trace: Option<Trace>, out: &mut Vec<u8>) {
        self.answered(question, reply, out);
        if let (true, Reply::Results(hits)) = (question.debug, reply) {
            // The client waits for these lines, whatever the backend knows.
            let (results, candidates) = (hits.len(), hits.len());
            let unknown = Trace { mode: "unknown", query_us: 0, candidates, results };
            render_trace(&trace.unwrap_or(unknown), out);
        }
    }

    /// Appends an error that no request asked for: the connection ends with it.
    pub(crate) fn refuse(&self, failure: Failure, out: &mut Vec<u8>) {
        self.render(&failure.into(), false, out);
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
                    let (reply, trace) = question.answer(backend);
                    self.traced(&question, &reply, trace, out);
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

impl Question {
    /// What a backend answers. Takes as long as [`Backend::cost`] says.
    pub fn answer(&self, backend: &dyn Backend) -> (Reply, Option<Trace>) {
        if self.debug { backend.answer_traced(&self.ask) } else { (backend.answer(&self.ask), None) }
    }
}

impl Client {
    fn take(&self) -> Result<(), Failure> {
        self.live.limiter().take(self.peer).map_err(|after| {
            Failure::busy(format!("Rate limit exceeded: try again in {}", retry_text(after)))
        })
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
