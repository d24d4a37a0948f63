//! The two halves of a connection: one sends requests, one receives replies.

use crate::decode::Parts;
use crate::stream::{ReadHalf, Stream, WriteHalf};
use crate::{Decoder, Error, Frame, Reply, Request, Result, Shape};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Requests are gathered up to this many bytes before they are written.
const WRITE_BYTES: usize = 64 << 10;
/// Read at once.
const READ_BYTES: usize = 64 << 10;

/// The shapes of the replies still to come, in order; runs of equal ones are counted.
#[derive(Debug, Clone, Default)]
struct Expected(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    runs: VecDeque<(Shape, u64)>,
    waiting: u64,
}

impl Expected {
    fn with<T>(&self, run: impl FnOnce(&mut Queue) -> T) -> T {
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, shape: Shape) {
        self.with(|queue| {
            queue.waiting += 1;
            match queue.runs.back_mut() {
                Some((last, n)) if *last == shape => *n += 1,
                _ => queue.runs.push_back((shape, 1)),
            }
        });
    }

    fn first(&self) -> Option<Shape> {
        self.with(|queue| queue.runs.front().map(|(shape, _)| *shape))
    }

    fn pop(&self) {
        self.with(|queue| {
            queue.waiting = queue.waiting.saturating_sub(1);
            if let Some((_, n)) = queue.runs.front_mut() {
                *n -= 1;
                if *n == 0 {
                    queue.runs.pop_front();
                }
            }
        });
    }

    fn waiting(&self) -> u64 {
        self.with(|queue| queue.waiting)
    }
}

/// Makes the two halves of a connected stream.
pub(crate) fn halves(stream: Stream, reply_bytes_max: usize) -> (Sender, Receiver) {
    let (read, write) = stream.into_split();
    let expected = Expected::default();
    let sender = Sender { write, buffer: Vec::new(), written: 0, expected: expected.clone() };
    (sender, Receiver { read, decoder: Decoder::new(reply_bytes_max), expected })
}

/// The half that sends. Requests are buffered: [`Sender::flush`] after the last one.
#[derive(Debug)]
pub struct Sender {
    write: WriteHalf,
    buffer: Vec<u8>,
    written: usize,
    expected: Expected,
}

impl Sender {
    /// Sends a line, given without its end. It may stay in the buffer until [`Sender::flush`].
    pub async fn send(&mut self, line: &str) -> Result<()> {
        self.send_with(|request| request.line(line)).await
    }

    /// Sends what `write` writes: a request built in place, without a copy.
    pub async fn send_with(&mut self, write: impl FnOnce(&mut Request<'_>) -> Result<()>) -> Result<()> {
        self.gather(write)?;
        if self.buffer.len() < WRITE_BYTES { Ok(()) } else { self.flush().await }
    }

    /// Buffers a whole line, its end included.
    pub(crate) async fn send_bytes(&mut self, line: &[u8]) -> Result<()> {
        self.send_with(|request| {
            request.bytes(line);
            Ok(())
        })
        .await
    }

    fn gather(&mut self, write: impl FnOnce(&mut Request<'_>) -> Result<()>) -> Result<()> {
        let before = self.buffer.len();
        write(&mut Request::new(&mut self.buffer)).inspect_err(|_| self.buffer.truncate(before))?;
        let written = self.buffer.get(before..).unwrap_or_default();
        for line in written.split_inclusive(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            Shape::of(line).into_iter().for_each(|shape| self.expected.push(shape));
        }
        Ok(())
    }

    /// Writes what is buffered. When cancelled, call it again: nothing is sent twice.
    pub async fn flush(&mut self) -> Result<()> {
        while let Some(rest) = self.buffer.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.write.write(rest).await.map_err(Error::write)? {
                0 => return Err(Error::write(std::io::ErrorKind::WriteZero.into())),
                n => self.written += n,
            }
        }
        self.buffer.clear();
        self.written = 0;
        Ok(())
    }

    /// Whether the last request's end is still in the buffer: a server does not do half a line.
    pub(crate) fn holds_the_last(&self) -> bool {
        self.written < self.buffer.len()
    }

    /// Requests sent (or buffered) whose replies have not been received.
    pub fn unanswered(&self) -> u64 {
        self.expected.waiting()
    }

    /// Tells the server that no more requests come; it answers what it has.
    pub async fn finish(mut self) -> Result<()> {
        self.flush().await?;
        self.write.shutdown().await.map_err(Error::write)
    }
}

/// The half that receives.
#[derive(Debug)]
pub struct Receiver {
    read: ReadHalf,
    decoder: Decoder,
    expected: Expected,
}

impl Receiver {
    /// The next reply, borrowed from the receive buffer: nothing is allocated. Waits also when no request has been
    /// sent yet. When cancelled, nothing is lost.
    pub async fn recv(&mut self) -> Result<Frame<'_>> {
        let parts = self.parts().await?;
        Ok(self.decoder.frame(&parts))
    }

    /// The next reply, with its own text.
    pub async fn recv_reply(&mut self) -> Result<Reply> {
        Reply::try_from(self.recv().await?)
    }

    /// Requests sent whose replies have not been received.
    pub fn unanswered(&self) -> u64 {
        self.expected.waiting()
    }

    /// Whether the server has closed the connection, as far as that is known without waiting. What it said before stays
    /// to be received.
    pub(crate) fn is_closed(&mut self) -> bool {
        if !self.decoder.pending().is_empty() {
            return false;
        }
        match self.read.try_read(self.decoder.space(READ_BYTES)) {
            Ok(bytes) => bytes == 0,
            Err(e) => e.kind() != std::io::ErrorKind::WouldBlock,
        }
    }

    async fn parts(&mut self) -> Result<Parts> {
        loop {
            if !self.decoder.pending().is_empty() {
                // A server may speak unasked once: to say why it closes the connection.
                let shape = self.expected.first().unwrap_or(Shape::Line);
                if let Some(parts) = self.decoder.poll(shape)? {
                    self.expected.pop();
                    return Ok(parts);
                }
            }
            if self.read.read(self.decoder.space(READ_BYTES)).await.map_err(Error::read)? == 0 {
                return Err(Error::Closed { unanswered: self.expected.waiting() });
            }
        }
    }
}
