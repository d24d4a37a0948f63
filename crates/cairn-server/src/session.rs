//! The session: one connection, from its first byte to its last reply.

use crate::backend::{Backend, Cost, Written};
use crate::budget::{Budget, Held, too_many_bytes};
use crate::command::Ask;
use crate::config::Config;
use crate::counters::Counters;
use crate::failure::Failure;
use crate::interpreter::{Interpreter, Question, Rules, Step};
use crate::lane::{LANE_WRITES_MAX, Lane, Place, Turn};
use crate::live::Live;
use crate::reply::{Reply, Trace};
use cairn_engine::{ErrorKind, Request};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::timeout;

/// Read at once at most: a connection that sends much gets a larger buffer.
const READ_BYTES_MAX: usize = 256 << 10;
/// Bytes that each connection may hold, whatever the others hold.
const FAIR_BYTES: usize = 128 << 10;
/// Requests that may work on files at once: a long one must not keep others out, and threads are not free.
const FILES_AT_ONCE: usize = 8;
/// How long a connection that ends waits for what its peer has on the way.
const LINGER: Duration = Duration::from_millis(50);

/// What all sessions share.
pub(crate) struct Service {
    pub backend: Arc<dyn Backend>,
    pub live: Arc<Live>,
    pub rules: Arc<Rules>,
    pub counters: Arc<Counters>,
    pub budget: Arc<Budget>,
    /// One permit for each search that may run at once.
    pub searches: Semaphore,
    /// As many permits, for connections on the lane: no more of theirs wait before a single search.
    pub lane_searches: Semaphore,
    /// One permit for each write of connections on the lane that may wait at once: a single one waits behind no more.
    pub lane_writes: Semaphore,
    /// One permit for each request that may work on files at once.
    pub files: Semaphore,
    /// Where connections that ask for much at once are served.
    pub lane: Lane,
}

impl Service {
    /// Of a server with this configuration; the backend's own goes first. Starts the threads of the lane.
    pub fn new(
        config: &Config,
        backend: Arc<dyn Backend>,
        counters: Arc<Counters>,
    ) -> Result<Service, Failure> {
        let searches = match config.search_threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            n => n,
        };
        let live = match backend.live() {
            Some(live) => live,
            None => Arc::new(Live::new(config.clone())?),
        };
        Ok(Service {
            backend,
            live,
            rules: Arc::new(config.rules()),
            counters,
            budget: Arc::default(),
            searches: Semaphore::new(searches),
            lane_searches: Semaphore::new(searches),
            lane_writes: Semaphore::new(LANE_WRITES_MAX as usize),
            lane: Lane::start()?,
            files: Semaphore::new(FILES_AT_ONCE),
        })
    }

    /// One submission; this task sleeps until its last write is durable.
    pub async fn write(&self, writes: Vec<Request>) -> Written {
        let (send, done) = oneshot::channel();
        self.backend.submit(writes, Box::new(move |results| drop(send.send(results))));
        // An engine that goes away without an answer gives no results: each write is answered so.
        done.await.unwrap_or_default()
    }

    /// Answers a request on the thread that its cost asks for.
    pub async fn answer(&self, ask: &Ask) -> Reply {
        let cost = self.backend.cost(ask);
        if cost == Cost::Search
            && let Some(reply) = self.backend.ready(ask)
        {
            return reply;
        }
        let ask = ask.clone();
        self.on(cost, move |backend| backend.answer(&ask)).await.unwrap_or_else(Reply::Failed)
    }

    /// Does work on the thread that its cost asks for, when it is its turn.
    pub async fn on<T: Send + 'static>(
        &self,
        cost: Cost,
        work: impl FnOnce(&dyn Backend) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let permits = match cost {
            Cost::Small => return Ok(work(&*self.backend)),
            Cost::Search => &self.searches,
            Cost::Files => &self.files,
        };
        let Ok(_permit) = permits.acquire().await else {
            return Err(Failure::busy("the server is stopping"));
        };
        let backend = Arc::clone(&self.backend);
        tokio::task::spawn_blocking(move || work(&*backend))
            .await
            .map_err(|e| Failure::new(ErrorKind::Bug, format!("internal error: {e}; please report it")))
    }
}

/// Serves a connection until its peer leaves, is silent for too long, or `stop` turns true. Every request read is
/// answered, in order. Nothing more is read while the peer does not take its replies. A connection that asks for much at
/// once goes on on the lane, and comes back when it no longer does.
/// `peer` is who is there, or [`crate::limiter::UNIX_PEER`].
pub(crate) async fn serve<S>(stream: S, peer: IpAddr, service: Arc<Service>, stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let interpreter = Interpreter::new(Arc::clone(&service.rules), Arc::clone(&service.counters))
        .with_client(Arc::clone(&service.live), peer);
    let session = Session {
        interpreter,
        out: Vec::new(),
        read_bytes: 0,
        line_since: None,
        held: Held::new(Arc::clone(&service.budget)),
        turn: Turn::new(),
        service: Arc::clone(&service),
    };
    let mut conversation = Conversation { session, stream, stop };
    loop {
        let (place, went) = (conversation.session.turn.place, conversation.go_on());
        let (back, went) = match place {
            Place::Single => went.await,
            Place::Lane => match service.lane.run(went).await {
                Some(went) => went,
                None => return,
            },
        };
        match went {
            Ok(Went::Elsewhere) => conversation = back,
            Ok(Went::End) => {
                // What it held is given back before its peer can see the end.
                drop(back.session);
                return close(back.stream, LINGER).await;
            }
            Err(error) => {
                // The peer went away, or never read its replies: there is no one to tell.
                return tracing::debug!(%error, "connection ended");
            }
        }
    }
}

/// A session and whom it is with.
struct Conversation<S> {
    session: Session,
    stream: S,
    stop: watch::Receiver<bool>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Talks until it is over, or should go on at the other place.
    async fn go_on(mut self) -> (Self, io::Result<Went>) {
        let went = self.session.converse(&mut self.stream, &mut self.stop).await;
        if matches!(went, Ok(Went::Elsewhere)) {
            self.session.turn.change();
        }
        (self, went)
    }
}

/// Closes a connection so that its peer gets what was sent: closing while bytes of its are unread would reset it. Waits
/// for the peer's end, for as long as `linger`.
pub(crate) async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, linger: Duration) {
    let drain = async {
        stream.shutdown().await?;
        let mut dropped = [0; 4096];
        while stream.read(&mut dropped).await? > 0 {}
        io::Result::Ok(())
    };
    // Its end, however it ends, is the connection's.
    let _ = timeout(linger, drain).await;
}

struct Session {
    interpreter: Interpreter,
    service: Arc<Service>,
    out: Vec<u8>,
    read_bytes: usize,
    /// When the line began that has not ended.
    line_since: Option<Instant>,
    held: Held,
    turn: Turn,
}

/// Why a session talks no more here.
enum Went {
    /// It is over.
    End,
    /// It goes on at the other place.
    Elsewhere,
}

/// What became of reading.
enum Got {
    More,
    /// The peer's end, or it was silent for too long.
    End,
    /// A line that takes too long.
    Late(Duration),
}

impl Session {
    async fn converse<S>(&mut self, stream: &mut S, stop: &mut watch::Receiver<bool>) -> io::Result<Went>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let config = self.service.live.config();
            while let Some(step) = self.interpreter.next_step() {
                self.run(step, &config).await;
                self.line_since = None;
                self.hold();
                if self.out.len() >= config.write_bytes {
                    self.flush(stream, &config).await?;
                }
                if self.turn.is_over() && self.interpreter.has_more() {
                    if self.turn.place == Place::Single {
                        return Ok(Went::Elsewhere);
                    }
                    // Others of the lane, and others of this core: threads that serve single requests, first of all.
                    std::thread::yield_now();
                    yield_now().await;
                    self.turn.begin();
                }
            }
            self.flush(stream, &config).await?;
            if *stop.borrow() {
                return Ok(Went::End);
            }
            let framer = self.interpreter.framer();
            self.line_since = framer.mid_line().then(|| self.line_since.unwrap_or_else(Instant::now));
            if self.hold() > FAIR_BYTES && self.service.budget.is_over(config.buffered_bytes_max) {
                return self.end(stream, &config, too_many_bytes(config.buffered_bytes_max)).await;
            }
            tokio::select! {
                got = self.read(stream, &config) => match got? {
                    Got::More if self.turned() => return Ok(Went::Elsewhere),
                    Got::More => {}
                    Got::End => return Ok(Went::End),
                    Got::Late(max) => {
                        let message = format!(
                            "Request not complete after {} s (performance.request_timeout_sec)",
                            max.as_secs()
                        );
                        return self.end(stream, &config, Failure::busy(message)).await;
                    }
                },
                // What was read is answered first. A server that is gone has stopped too.
                changed = stop.changed() => if changed.is_err() {
                    return Ok(Went::End);
                },
            }
        }
    }

    /// Says why, and ends the connection.
    async fn end<S>(&mut self, stream: &mut S, config: &Config, why: Failure) -> io::Result<Went>
    where
        S: AsyncWrite + Unpin,
    {
        self.interpreter.refuse(why, &mut self.out);
        self.flush(stream, config).await?;
        Ok(Went::End)
    }

    /// Whether what was read asks for the other place.
    fn turned(&mut self) -> bool {
        let framer = self.interpreter.framer();
        self.turn.read(|max| framer.pending_lines(max), framer.pending_bytes())
    }

    /// Counts what the connection holds.
    fn hold(&mut self) -> usize {
        let bytes = self.interpreter.framer().held_bytes() + self.out.capacity();
        self.held.set(bytes);
        bytes
    }

    /// Reads once.
    async fn read<S: AsyncRead + Unpin>(&mut self, stream: &mut S, config: &Config) -> io::Result<Got> {
        let room = self.read_bytes.max(config.read_bytes);
        let line_left = self.line_since.map(|since| config.request_timeout.saturating_sub(since.elapsed()));
        let wait = line_left.unwrap_or(Duration::MAX).min(config.idle_timeout);
        let buffer = self.interpreter.framer().space(room);
        let Ok(read) = timeout(wait, stream.read_buf(buffer)).await else {
            let late = line_left.is_some_and(|left| left < config.idle_timeout);
            return Ok(if late { Got::Late(config.request_timeout) } else { Got::End });
        };
        let n = read?;
        self.turn.begin();
        self.read_bytes = if n >= room { (room * 2).min(READ_BYTES_MAX) } else { n.next_power_of_two() };
        Ok(if n > 0 { Got::More } else { Got::End })
    }

    async fn flush<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, config: &Config) -> io::Result<()> {
        if !self.out.is_empty() {
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            timeout(config.idle_timeout, stream.write_all(&self.out)).await.map_err(late)??;
            self.out.clear();
            if self.out.capacity() > READ_BYTES_MAX {
                self.out = Vec::new();
            }
        }
        Ok(())
    }

    async fn run(&mut self, step: Step, config: &Config) {
        match step {
            Step::Batch(batch) => {
                let results =
                    if batch.writes.is_empty() { Vec::new() } else { self.write(batch.writes).await };
                self.interpreter.written(batch.slots, results, &mut self.out);
            }
            Step::Ask(question) => {
                let question = Arc::new(question);
                let (reply, trace) = if self.service.budget.is_over(config.buffered_bytes_max) {
                    // Its reply might be large, and those before it are not read.
                    (too_many_bytes(config.buffered_bytes_max).into(), None)
                } else {
                    self.answer(&question).await
                };
                self.interpreter.traced(&question, &reply, trace, &mut self.out);
            }
        }
    }

    async fn write(&mut self, writes: Vec<Request>) -> Written {
        let many = u32::try_from(writes.len()).map_or(LANE_WRITES_MAX, |n| n.min(LANE_WRITES_MAX));
        let lane = self.turn.place == Place::Lane;
        let permit = if lane { self.service.lane_writes.acquire_many(many).await.ok() } else { None };
        let results = self.service.write(writes).await;
        drop(permit);
        self.turn.begin();
        results
    }

    async fn answer(&mut self, question: &Arc<Question>) -> (Reply, Option<Trace>) {
        let (backend, cost) = (&self.service.backend, self.service.backend.cost(&question.ask));
        if cost == Cost::Search
            && !question.debug
            && let Some(reply) = backend.ready(&question.ask)
        {
            return (reply, None);
        }
        let question = Arc::clone(question);
        let bulk = cost == Cost::Search && self.turn.place == Place::Lane;
        // It never closes, and without a permit a search only waits among the single ones.
        let _permit = if bulk { self.service.lane_searches.acquire().await.ok() } else { None };
        let answer = self.service.on(cost, move |backend| question.answer(backend)).await;
        if cost != Cost::Small {
            self.turn.begin();
        }
        answer.unwrap_or_else(|failure| (failure.into(), None))
    }
}
