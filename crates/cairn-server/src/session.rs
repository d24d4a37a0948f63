//! The session: one connection, from its first byte to its last reply.

use crate::backend::{Backend, Cost, Written};
use crate::counters::Counters;
use crate::failure::Failure;
use crate::interpreter::{Interpreter, Question, Rules, Step};
use crate::live::Live;
use crate::reply::{Reply, Trace};
use cairn_engine::{ErrorKind, Request};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

/// Read at once: at first, and at most. A connection that sends much gets a larger buffer.
const READ_BYTES_MIN: usize = 4 << 10;
const READ_BYTES_MAX: usize = 256 << 10;
/// Replies are gathered up to this many bytes before they are written.
const WRITE_BYTES: usize = 64 << 10;
/// How long a connection that ends waits for what its peer has on the way.
const LINGER: Duration = Duration::from_millis(50);

/// What all sessions share.
pub(crate) struct Service {
    pub backend: Arc<dyn Backend>,
    pub live: Arc<Live>,
    pub rules: Arc<Rules>,
    pub counters: Arc<Counters>,
    /// One permit for each search that may run at once.
    pub searches: Semaphore,
    /// One permit for each request that may work on files at once.
    pub files: Semaphore,
}

/// Serves a connection until its peer leaves, is silent for too long, or `stop` turns true. Every request read is
/// answered, in order. Nothing more is read while the peer does not take its replies.
/// `peer` is who is there, or [`crate::limiter::UNIX_PEER`].
pub(crate) async fn serve<S>(
    mut stream: S,
    peer: IpAddr,
    service: Arc<Service>,
    mut stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let interpreter = Interpreter::new(Arc::clone(&service.rules), Arc::clone(&service.counters))
        .with_client(Arc::clone(&service.live), peer);
    let mut session = Session { interpreter, service, out: Vec::new(), read_bytes: READ_BYTES_MIN };
    if let Err(error) = session.converse(&mut stream, &mut stop).await {
        // The peer went away, or never read its replies: there is no one to tell.
        tracing::debug!(%error, "connection ended");
        return;
    }
    close(stream, LINGER).await;
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
}

impl Session {
    async fn converse<S>(&mut self, stream: &mut S, stop: &mut watch::Receiver<bool>) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            while let Some(step) = self.interpreter.next_step() {
                self.run(step).await;
                if self.out.len() >= WRITE_BYTES {
                    self.flush(stream).await?;
                }
            }
            self.flush(stream).await?;
            if *stop.borrow() {
                return Ok(());
            }
            tokio::select! {
                more = self.read(stream) => if !more? {
                    return Ok(());
                },
                // What was read is answered first. A server that is gone has stopped too.
                changed = stop.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
        }
    }

    /// Reads once; false at the peer's end or when it was silent for too long.
    async fn read<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<bool> {
        let idle = self.service.live.config().idle_timeout;
        let room = self.read_bytes;
        let buffer = self.interpreter.framer().space(room);
        let Ok(read) = timeout(idle, stream.read_buf(buffer)).await else {
            return Ok(false);
        };
        let n = read?;
        self.read_bytes = if n >= room {
            (room * 2).min(READ_BYTES_MAX)
        } else {
            n.next_power_of_two().max(READ_BYTES_MIN)
        };
        Ok(n > 0)
    }

    async fn flush<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> io::Result<()> {
        if !self.out.is_empty() {
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            let idle = self.service.live.config().idle_timeout;
            timeout(idle, stream.write_all(&self.out)).await.map_err(late)??;
            self.out.clear();
            if self.out.capacity() > READ_BYTES_MAX {
                self.out = Vec::new();
            }
        }
        Ok(())
    }

    async fn run(&mut self, step: Step) {
        match step {
            Step::Batch(batch) => {
                let results =
                    if batch.writes.is_empty() { Vec::new() } else { self.write(batch.writes).await };
                self.interpreter.written(batch.slots, results, &mut self.out);
            }
            Step::Ask(question) => {
                let question = Arc::new(question);
                let (reply, trace) = self.answer(&question).await;
                self.interpreter.traced(&question, &reply, trace, &mut self.out);
            }
        }
    }

    /// One submission; this task sleeps until its last write is durable.
    async fn write(&self, writes: Vec<Request>) -> Written {
        let (send, done) = oneshot::channel();
        self.service.backend.submit(writes, Box::new(move |results| drop(send.send(results))));
        // An engine that goes away without an answer gives no results: each write is answered so.
        done.await.unwrap_or_default()
    }

    async fn answer(&self, question: &Arc<Question>) -> (Reply, Option<Trace>) {
        let permits = match self.service.backend.cost(&question.ask) {
            Cost::Small => return question.answer(&*self.service.backend),
            Cost::Search => match self.service.backend.ready(&question.ask).filter(|_| !question.debug) {
                Some(reply) => return (reply, None),
                None => &self.service.searches,
            },
            Cost::Files => &self.service.files,
        };
        let Ok(_permit) = permits.acquire().await else {
            return (Failure::busy("the server is stopping").into(), None);
        };
        let (backend, question) = (Arc::clone(&self.service.backend), Arc::clone(question));
        let answer = tokio::task::spawn_blocking(move || question.answer(&*backend)).await;
        answer.unwrap_or_else(|e| {
            (Failure::new(ErrorKind::Bug, format!("internal error: {e}; please report it")).into(), None)
        })
    }
}
