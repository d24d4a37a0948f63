//! The client: one connection at a time, requests answered in order.

use crate::halves::halves;
use crate::options::Reconnect;
use crate::session::Session;
use crate::stream::Stream;
use crate::{Effect, Endpoint, Error, Options, Receiver, Reply, Request, Result, Sender};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Words of a request that an error shows.
const WORDS_SHOWN: usize = 3;

/// A connection to a server, made anew when it is lost, if [`Options::reconnect`] says so. The typed requests are in
/// this type's other methods: `event`, `vecset`, `sim`, ….
///
/// A request that changes something and is left without an answer gives [`Error::FateUnknown`], and is never
/// sent twice unless [`Reconnect::repeat_writes`] allows it. A request whose future is dropped may have been done, too; its connection is not used
/// again.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    options: Options,
    session: Session,
    sender: Sender,
    receiver: Receiver,
    lost: bool,
}

/// Why a request has no reply.
struct Failed {
    error: Error,
    /// Whether the server may have it.
    sent: bool,
}

impl Client {
    /// Connects with the default [`Options`].
    pub async fn connect(endpoint: impl Into<Endpoint>) -> Result<Client> {
        Client::connect_with(endpoint, &Options::default()).await
    }

    /// Connects, and says the password and the collection of the options, if any.
    pub async fn connect_with(endpoint: impl Into<Endpoint>, options: &Options) -> Result<Client> {
        let (endpoint, session) = (endpoint.into(), Session::new(options));
        let mut attempt = 0;
        let (sender, receiver) = loop {
            let error = match open(&endpoint, options, &session).await {
                Ok(halves) => break halves,
                Err(error) => error,
            };
            let failed = Failed { error, sent: false };
            let Some(delay) = failed.again(options.reconnect.as_ref(), Effect::Reads, attempt) else {
                return Err(failed.error);
            };
            sleep(delay).await;
            attempt += 1;
        };
        let options = options.clone();
        Ok(Client { endpoint, options, session, sender, receiver, lost: false })
    }

    /// How long a reply may take from now on.
    pub fn set_request_timeout(&mut self, timeout: Duration) {
        self.options.request_timeout = timeout;
    }

    /// Sends a line (without its end) and waits for its reply. A refusal of the server is a reply, not an `Err`:
    /// [`Reply::ok`] makes it one.
    pub async fn request(&mut self, line: &str) -> Result<Reply> {
        self.request_with(|request| request.line(line)).await
    }

    /// As [`Client::request`], with a request built in place: one line.
    pub async fn request_with(
        &mut self,
        write: impl FnOnce(&mut Request<'_>) -> Result<()>,
    ) -> Result<Reply> {
        let mut line = Vec::new();
        write(&mut Request::new(&mut line))?;
        if line.iter().filter(|b| **b == b'\n').count() != 1 {
            return Err(Error::Input("a request is one line; send several by pipeline".to_owned()));
        }
        let effect = Effect::of(&line);
        let mut attempt = 0;
        loop {
            let failed = match self.once(&line).await {
                Ok(reply) => {
                    self.session.note(&line, &reply);
                    return Ok(reply);
                }
                Err(failed) => failed,
            };
            match failed.again(self.options.reconnect.as_ref(), effect, attempt) {
                Some(delay) => sleep(delay).await,
                None => return Err(failed.told(effect, || first_words(&line))),
            }
            attempt += 1;
        }
    }

    async fn once(&mut self, line: &[u8]) -> Result<Reply, Failed> {
        let unsent = |error| Failed { error, sent: false };
        self.ready().await.map_err(unsent)?;
        // Until the reply is here, so that a dropped future leaves the connection marked.
        self.lost = true;
        let after = self.options.request_timeout;
        let (sender, receiver) = (&mut self.sender, &mut self.receiver);
        let exchange = async {
            let sending = async {
                sender.send_bytes(line).await?;
                sender.flush().await
            };
            let sent = sending.await;
            // A server that closes says why before: that is still to be read when writing fails.
            receiver.recv_reply().await.map_err(|error| sent.err().unwrap_or(error))
        };
        let late = |_| Error::Timeout { what: "reply", after };
        let reply = timeout(after, exchange).await.map_err(late).and_then(|reply| reply);
        let sent = !self.sender.holds_the_last();
        let reply = reply.map_err(|error| Failed { error, sent })?;
        self.lost = false;
        Ok(reply)
    }

    /// Sends all lines and gives their replies, in order. Requests go out while replies come in, so any number is
    /// fine. Each reply has the request timeout.
    pub async fn pipeline<L: AsRef<str>>(&mut self, lines: &[L]) -> Result<Vec<Reply>> {
        let mut replies = Vec::with_capacity(lines.len());
        self.pipeline_into(lines, &mut replies).await?;
        Ok(replies)
    }

    /// As [`Client::pipeline`], but the replies go into `replies`, where those that came before a failure stay: what was
    /// acknowledged is known. After a lost connection it goes on behind them, when all that is left may be repeated.
    pub async fn pipeline_into<L: AsRef<str>>(
        &mut self,
        lines: &[L],
        replies: &mut Vec<Reply>,
    ) -> Result<()> {
        if let Some(bad) =
            lines.iter().find(|line| Request::new(&mut Vec::new()).line(line.as_ref()).is_err())
        {
            return Err(Error::Input(format!("a request is one line that is not empty: {:?}", bad.as_ref())));
        }
        let before = replies.len();
        let mut attempt = 0;
        while replies.len() - before < lines.len() {
            let done = replies.len() - before;
            let left = lines.get(done..).unwrap_or_default();
            let failed = match self.many(left, replies).await {
                Ok(()) => break,
                Err(failed) => failed,
            };
            let answered = replies.len() - before;
            attempt = if answered > done { 0 } else { attempt };
            let left = lines.get(answered..).unwrap_or_default();
            let effect = left.iter().map(|line| Effect::of(line.as_ref().as_bytes())).max();
            let effect = effect.unwrap_or(Effect::Reads);
            match failed.again(self.options.reconnect.as_ref(), effect, attempt) {
                Some(delay) => sleep(delay).await,
                None => {
                    let which = || format!("what follows the first {answered} of {} requests", lines.len());
                    return Err(failed.told(effect, which));
                }
            }
            attempt += 1;
        }
        Ok(())
    }

    async fn many<L: AsRef<str>>(&mut self, lines: &[L], replies: &mut Vec<Reply>) -> Result<(), Failed> {
        self.ready().await.map_err(|error| Failed { error, sent: false })?;
        self.lost = true;
        let after = self.options.request_timeout;
        let (sender, receiver, session) = (&mut self.sender, &mut self.receiver, &mut self.session);
        let send = async {
            for line in lines {
                sender.send(line.as_ref()).await?;
            }
            sender.flush().await
        };
        let receive = async {
            for line in lines {
                let late = |_| Error::Timeout { what: "reply", after };
                let reply = timeout(after, receiver.recv_reply()).await.map_err(late)??;
                session.note(line.as_ref().as_bytes(), &reply);
                replies.push(reply);
            }
            Ok(())
        };
        tokio::pin!(send, receive);
        let received = tokio::select! {
            received = &mut receive => received,
            // When writing fails, what the server said until then is still read.
            sent = &mut send => receive.await.map_err(|error| sent.err().unwrap_or(error)),
        };
        received.map_err(|error| Failed { error, sent: true })?;
        self.lost = false;
        Ok(())
    }

    /// The two halves, to send and receive in two tasks. They do not reconnect.
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }

    /// Makes sure of a connection, by a new one when the last is known to be lost and reconnecting is wanted.
    async fn ready(&mut self) -> Result<()> {
        if self.options.reconnect.is_none() {
            return if self.lost { Err(Error::Broken) } else { Ok(()) };
        }
        if !self.lost {
            // Servers close idle connections. This lets the runtime see what happened to the socket meanwhile.
            tokio::task::yield_now().await;
            self.lost = self.receiver.is_closed();
        }
        if self.lost {
            (self.sender, self.receiver) = open(&self.endpoint, &self.options, &self.session).await?;
            self.lost = false;
        }
        Ok(())
    }
}

/// A new connection, brought to where the session was.
async fn open(endpoint: &Endpoint, options: &Options, session: &Session) -> Result<(Sender, Receiver)> {
    let lines = session.lines()?;
    let open = async {
        let (mut sender, mut receiver) = halves(Stream::connect(endpoint).await?, options.reply_bytes_max);
        for line in &lines {
            sender.send(line).await?;
            sender.flush().await?;
            receiver.recv_reply().await?.ok()?;
        }
        Ok((sender, receiver))
    };
    let after = options.connect_timeout;
    timeout(after, open).await.map_err(|_| Error::Timeout { what: "connection", after })?
}

/// The request as an error shows it: never the password of AUTH.
fn first_words(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let words: Vec<&str> = text.split_whitespace().take(WORDS_SHOWN).collect();
    match words.as_slice() {
        [first, ..] if first.eq_ignore_ascii_case("AUTH") => (*first).to_owned(),
        words => words.join(" "),
    }
}

impl Failed {
    /// How long to wait before the next attempt; `None` when there is none.
    fn again(&self, reconnect: Option<&Reconnect>, effect: Effect, attempt: u32) -> Option<Duration> {
        let reconnect = reconnect.filter(|reconnect| attempt < reconnect.attempts)?;
        let harmless = match effect {
            Effect::Reads => true,
            Effect::Writes => reconnect.repeat_writes,
            Effect::Once => false,
        };
        let may = self.error.is_lost() && (harmless || !self.sent);
        may.then(|| reconnect.delay_now(attempt))
    }

    /// The error, which says when the fate of what was asked is unknown.
    fn told(self, effect: Effect, request: impl FnOnce() -> String) -> Error {
        if self.sent && effect != Effect::Reads {
            return Error::FateUnknown { request: request(), source: Box::new(self.error) };
        }
        self.error
    }
}
