//! The client: one connection, requests answered in order.

use crate::halves::halves;
use crate::{Error, Receiver, Reply, Request, Result, Sender};
use std::time::Duration;
use tokio::net::{TcpStream, ToSocketAddrs, lookup_host};
use tokio::time::timeout;

/// How a client waits and what it accepts.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long one reply may take. A snapshot of much data takes long: see [`Client::set_request_timeout`].
    pub request_timeout: Duration,
    /// A reply of more bytes than this is an error.
    pub reply_bytes_max: usize,
}

impl Default for Options {
    /// 5 s, 60 s, 256 MiB.
    fn default() -> Self {
        Options {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            reply_bytes_max: 256 << 20,
        }
    }
}

/// A connection to a server. The typed requests are in this type's other methods: `event`, `vecset`, `sim`, ….
#[derive(Debug)]
pub struct Client {
    sender: Sender,
    receiver: Receiver,
    request_timeout: Duration,
    broken: bool,
}

impl Client {
    /// Connects with the default [`Options`].
    pub async fn connect(addr: impl ToSocketAddrs + std::fmt::Debug) -> Result<Client> {
        Client::connect_with(addr, &Options::default()).await
    }

    /// Connects.
    pub async fn connect_with(
        addr: impl ToSocketAddrs + std::fmt::Debug,
        options: &Options,
    ) -> Result<Client> {
        let failed = |source| Error::Connect { addr: format!("{addr:?}"), source };
        let connect = async {
            let resolved: Vec<_> = lookup_host(&addr).await?.collect();
            TcpStream::connect(resolved.as_slice()).await
        };
        let late = |_| Error::Timeout { what: "connection", after: options.connect_timeout };
        let stream = timeout(options.connect_timeout, connect).await.map_err(late)?.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (sender, receiver) = halves(stream, options.reply_bytes_max);
        Ok(Client { sender, receiver, request_timeout: options.request_timeout, broken: false })
    }

    /// How long a reply may take from now on.
    pub fn set_request_timeout(&mut self, timeout: Duration) {
        self.request_timeout = timeout;
    }

    /// Sends a line (without its end) and waits for its reply. A refusal of the server is a reply, not an `Err`:
    /// [`Reply::ok`] makes it one.
    pub async fn request(&mut self, line: &str) -> Result<Reply> {
        self.request_with(|request| request.line(line)).await
    }

    /// As [`Client::request`], with a request built in place.
    pub async fn request_with(
        &mut self,
        write: impl FnOnce(&mut Request<'_>) -> Result<()>,
    ) -> Result<Reply> {
        self.usable()?;
        self.sender.send_with(write).await.inspect_err(|e| self.broken = breaks(e))?;
        // Broken until the reply is here, so that a dropped future leaves the connection marked.
        self.broken = true;
        let (sender, receiver) = (&mut self.sender, &mut self.receiver);
        let exchange = async {
            sender.flush().await?;
            receiver.recv_reply().await
        };
        let late = |_| Error::Timeout { what: "reply", after: self.request_timeout };
        let reply = timeout(self.request_timeout, exchange).await.map_err(late)?;
        self.broken = reply.as_ref().is_err_and(breaks);
        reply
    }

    /// Sends all lines and gives their replies, in order. Requests go out while replies come in, so any number is
    /// fine. Each reply has the request timeout.
    pub async fn pipeline<L: AsRef<str>>(&mut self, lines: &[L]) -> Result<Vec<Reply>> {
        self.usable()?;
        if let Some(bad) =
            lines.iter().find(|line| Request::new(&mut Vec::new()).line(line.as_ref()).is_err())
        {
            return Err(Error::Input(format!("a request is one line that is not empty: {:?}", bad.as_ref())));
        }
        self.broken = true;
        let (sender, receiver, after) = (&mut self.sender, &mut self.receiver, self.request_timeout);
        let send = async {
            for line in lines {
                sender.send(line.as_ref()).await?;
            }
            sender.flush().await
        };
        let receive = async {
            let mut replies = Vec::with_capacity(lines.len());
            while replies.len() < lines.len() {
                let late = |_| Error::Timeout { what: "reply", after };
                replies.push(timeout(after, receiver.recv_reply()).await.map_err(late)??);
            }
            Ok(replies)
        };
        let ((), replies) = tokio::try_join!(send, receive)?;
        self.broken = false;
        Ok(replies)
    }

    /// The two halves, to send and receive in two tasks.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    fn usable(&self) -> Result<()> {
        if self.broken { Err(Error::Broken) } else { Ok(()) }
    }
}

/// Whether requests and replies may be out of step after this error.
fn breaks(error: &Error) -> bool {
    !matches!(error, Error::Input(_) | Error::Refused(_))
}
