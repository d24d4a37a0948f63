//! The sinks of an import: an engine in the process, or a server, pipelined.

use crate::connect::connect;
use crate::failure::{Failure, Result};
use crate::wire::refused;
use cairn_client::{Error, Receiver, Sender};
use cairn_engine::{Engine, ErrorKind, Request, Write};
use cairn_transfer::{Refused, write_line};
use std::sync::Arc;
use tokio::runtime::Runtime;

type Answers = Vec<Result<(), Refused>>;

/// Where rows go.
pub enum Sink {
    /// Into a directory's engine, and its collection (`None`: default).
    Engine(Engine, Option<Arc<str>>),
    /// To a server.
    Server(Box<ServerSink>),
}

/// A connection that uses the collection.
pub struct ServerSink {
    runtime: Runtime,
    sender: Sender,
    receiver: Receiver,
    /// The lines of a batch, and where each ends.
    lines: Vec<u8>,
    /// Why nothing more can be sent.
    broken: Option<Refused>,
}

/// How what a server says of a single row begins, or what it holds; all else is the server's own trouble, and ends the import.
const OF_A_ROW: [&str; 14] = [
    "Vector dimension",
    "Vector must have",
    "Vector not found",
    "Invalid ",
    "Failed to parse",
    "Score must be",
    "Timestamp must be",
    "Context limit reached",
    "exceeds maximum allowed",
    "must not be empty",
    "Metadata",
    "metadata",
    "EVENT ",
    "METASET ",
];

impl Sink {
    /// Connects to a server, and uses a collection of it.
    pub fn connect(addr: &str, collection: Option<&str>) -> Result<Sink> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = runtime.block_on(async {
            let mut client = connect(addr).await?;
            if let Some(name) = collection {
                client.use_collection(name).await.map_err(|error| match error.refusal() {
                    Some(refusal) => refused(&refusal.message),
                    None => Failure::from(error),
                })?;
            }
            Ok::<_, Failure>(client)
        })?;
        let (sender, receiver) = client.split();
        Ok(Sink::Server(Box::new(ServerSink { runtime, sender, receiver, lines: Vec::new(), broken: None })))
    }

    /// Writes a batch; an answer for each, in order.
    pub fn write(&mut self, writes: Vec<Write>) -> Answers {
        match self {
            Sink::Engine(engine, collection) => {
                let request = |write| Request { collection: collection.clone(), write };
                let answers = engine.write_requests(writes.into_iter().map(request).collect());
                answers.into_iter().map(|answer| answer.map(drop).map_err(Refused::from)).collect()
            }
            Sink::Server(server) => server.write(&writes),
        }
    }

    /// Ends it: a directory is closed in order.
    pub fn end(self) -> Result<()> {
        match self {
            Sink::Engine(engine, _) => Ok(engine.close()?),
            Sink::Server(_) => Ok(()),
        }
    }
}

impl ServerSink {
    /// Sends what can be sent while replies come in.
    fn write(&mut self, writes: &[Write]) -> Answers {
        if let Some(broken) = &self.broken {
            return vec![Err(broken.clone()); writes.len()];
        }
        self.lines.clear();
        // What no line can carry is refused here; the others are answered by the server, in order.
        let unsendable: Vec<Option<Refused>> = writes
            .iter()
            .map(|write| write_line(write, &mut self.lines).err().map(|e| Refused::Row(e.to_string())))
            .collect();
        let expected = unsendable.iter().filter(|refused| refused.is_none()).count();
        let mut replies = Vec::with_capacity(expected);
        if let Err(error) = self.exchange(expected, &mut replies) {
            self.broken = Some(Refused::All { kind: ErrorKind::Io, message: error.to_string() });
        }
        let mut replies = replies.into_iter();
        let lost =
            || self.broken.clone().unwrap_or(Refused::All { kind: ErrorKind::Io, message: String::new() });
        unsendable
            .into_iter()
            .map(|refused| match refused {
                Some(refused) => Err(refused),
                None => replies.next().unwrap_or_else(|| Err(lost())),
            })
            .collect()
    }

    fn exchange(&mut self, expected: usize, replies: &mut Answers) -> Result<(), Error> {
        let (sender, receiver, lines) = (&mut self.sender, &mut self.receiver, &self.lines);
        self.runtime.block_on(async {
            let send = async {
                for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                    let line = std::str::from_utf8(line).map_err(|e| Error::Input(e.to_string()))?;
                    sender.send(line).await?;
                }
                sender.flush().await
            };
            let receive = async {
                while replies.len() < expected {
                    let frame = receiver.recv().await?;
                    replies.push(if frame.is_ok() { Ok(()) } else { Err(why(frame.message()?)) });
                }
                Ok(())
            };
            tokio::try_join!(send, receive).map(drop)
        })
    }
}

/// Whose fault a refusal is. One that is not known to be the row's ends the import: no row is passed over for it.
fn why(message: &str) -> Refused {
    if OF_A_ROW.iter().any(|words| message.contains(words)) {
        return Refused::Row(message.to_owned());
    }
    let kind = if message.starts_with("Quota exceeded") || message.contains("No space left") {
        ErrorKind::NoSpace
    } else if message.starts_with("LOADING") {
        ErrorKind::Busy
    } else {
        ErrorKind::Io
    };
    Refused::All { kind, message: message.to_owned() }
}
