//! The demo's one writer: it sends writes in order, pipelined, and counts what is acknowledged.

use super::writes::Writes;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use cairn_client::{Client, Receiver, Sender};
use std::cell::Cell;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Writes on their way at most: enough to keep the server busy, few enough that an acknowledgement means "just now".
const IN_FLIGHT_MAX: u64 = 4096;

/// A connection that writes.
#[derive(Debug)]
pub struct Writer {
    sender: Sender,
    receiver: Receiver,
}

/// How a run of writes went.
#[derive(Debug, Clone, Copy)]
pub struct Wrote {
    /// How many, all of them acknowledged.
    pub writes: usize,
    /// How long it took.
    pub took: Duration,
    /// The longest time between two acknowledgements.
    pub pause_max: Duration,
}

impl Writer {
    /// Connects.
    pub async fn connect(addr: SocketAddr) -> Result<Writer> {
        let (sender, receiver) = Client::connect(addr).await?.split();
        Ok(Writer { sender, receiver })
    }

    /// Sends the writes at these places and waits for every acknowledgement. `acknowledged` counts them as they come.
    pub async fn write(
        &mut self,
        writes: Writes<'_>,
        places: Range<usize>,
        acknowledged: &Cell<usize>,
    ) -> Result<Wrote> {
        let started = Instant::now();
        let count = places.len();
        let more = tokio::sync::Notify::new();
        let (sender, receiver) = (&mut self.sender, &mut self.receiver);
        let send = async {
            for place in places {
                sender.send_with(|request| writes.at(place).put(request)).await?;
                while sender.unanswered() >= IN_FLIGHT_MAX {
                    sender.flush().await?;
                    more.notified().await;
                }
            }
            Ok::<_, Failure>(sender.flush().await?)
        };
        let receive = async {
            let (mut last, mut pause_max) = (started, Duration::ZERO);
            for _ in 0..count {
                let reply = receiver.recv().await?;
                if !reply.is_ok() {
                    let message = reply.message().unwrap_or("a reply that is not text").to_owned();
                    return Err(Failure::new(Exit::Failed, format!("the server refused a write: {message}")));
                }
                let now = Instant::now();
                pause_max = pause_max.max(now - last);
                last = now;
                acknowledged.set(acknowledged.get() + 1);
                more.notify_one();
            }
            Ok(pause_max)
        };
        let ((), pause_max) = tokio::try_join!(send, receive)?;
        Ok(Wrote { writes: count, took: started.elapsed(), pause_max })
    }
}
