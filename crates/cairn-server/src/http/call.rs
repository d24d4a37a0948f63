//! The call: one request's way to the backend, through the same commands as the line protocol's.

use super::error::HttpError;
use crate::auth::{Caller, Role};
use crate::command::{Ask, Command};
use crate::config::Config;
use crate::failure::Failure;
use crate::interpreter::lost;
use crate::reply::{Block, Reply};
use crate::rights::needs;
use crate::session::Service;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use cairn_engine::{DEFAULT_NAME, ErrorKind, Request, Write};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// How often progress is looked at for a stream of events.
pub(crate) const LOOK_PAUSE: Duration = Duration::from_millis(250);
/// Bulk bodies that are read at once.
const BULKS_AT_ONCE: usize = 8;
/// Streams of events that are open at once.
const STREAMS_AT_ONCE: usize = 64;

/// What all requests share.
pub(crate) struct Gate {
    pub service: Arc<Service>,
    /// One for each bulk body that may be read at once.
    pub bulks: Semaphore,
    /// One for each stream of events that may be open.
    pub streams: Arc<Semaphore>,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

impl Gate {
    pub fn new(service: Arc<Service>, stopping: watch::Receiver<bool>) -> Self {
        let streams = Arc::new(Semaphore::new(STREAMS_AT_ONCE));
        Gate { service, bulks: Semaphore::new(BULKS_AT_ONCE), streams, stopping }
    }

    /// The configuration as it is now.
    pub fn config(&self) -> Arc<Config> {
        self.service.live.config()
    }
}

/// A request that was let in, and who makes it.
#[derive(Clone)]
pub(crate) struct Call {
    pub gate: Arc<Gate>,
    pub caller: Caller,
}

impl FromRequestParts<Arc<Gate>> for Call {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, gate: &Arc<Gate>) -> Result<Self, HttpError> {
        let caller = *parts.extensions.get::<Caller>().ok_or_else(bug)?;
        Ok(Call { gate: Arc::clone(gate), caller })
    }
}

impl Call {
    /// Asks; a failure is an error.
    pub async fn ask(&self, ask: Ask) -> Result<Reply, HttpError> {
        let counters = &self.gate.service.counters;
        counters.commands.add(1);
        let Command::Ask(ask) = self.may(Command::Ask(ask))? else { return Err(bug()) };
        counters.asked(&ask);
        match self.gate.service.answer(&ask).await {
            Reply::Failed(failure) => {
                counters.failed.add(1);
                Err(failure.into())
            }
            reply => Ok(reply),
        }
    }

    /// Asks for what is answered with a block.
    pub async fn block(&self, ask: Ask) -> Result<Block, HttpError> {
        match self.ask(ask).await? {
            Reply::Block(block) => Ok(block),
            _ => Err(bug()),
        }
    }

    /// Asks for what is answered with a block, as JSON; its rows are in the member `rows`.
    pub async fn json(&self, ask: Ask, rows: Option<&str>) -> Result<Json<Value>, HttpError> {
        let block = self.block(ask).await?;
        Ok(Json(Value::Object(super::block_json::object(&block, rows))))
    }

    /// Writes, all or as many as are taken, durable in the order given; the first refusal is the error.
    pub async fn write(&self, collection: Option<&str>, writes: Vec<Write>) -> Result<(), HttpError> {
        let counters = &self.gate.service.counters;
        let collection = here(collection);
        let mut requests = Vec::with_capacity(writes.len());
        for write in writes {
            counters.commands.add(1);
            let Command::Write(write) = self.may(Command::Write(write))? else { return Err(bug()) };
            counters.wrote(&write);
            requests.push(Request { collection: collection.clone(), write });
        }
        let sent = requests.len();
        let results = self.gate.service.write(requests).await;
        let missing = (results.len() < sent).then(|| Err(lost()));
        let results = results.into_iter().map(|result| result.map(drop).map_err(Failure::from));
        let failed = |failure: Failure| {
            counters.failed.add(1);
            HttpError::from(failure)
        };
        results.chain(missing).collect::<Result<(), Failure>>().map_err(failed)
    }

    /// Whether the caller may do this.
    fn may(&self, command: Command) -> Result<Command, HttpError> {
        self.needs(needs(&command)).map(|()| command)
    }

    /// Whether the caller has this role: 401 when they showed no password, 403 when theirs is not enough.
    pub fn needs(&self, role: Role) -> Result<(), HttpError> {
        self.caller.may(role).map_err(|failure| {
            self.gate.service.counters.failed.add(1);
            let status = if self.caller.known { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
            HttpError::new(status, failure.to_string())
        })
    }
}

/// The collection of a path; `default` is what no name means.
pub(crate) fn here(collection: Option<&str>) -> Option<Arc<str>> {
    collection.filter(|name| *name != DEFAULT_NAME).map(Arc::from)
}

/// An answer of a kind that its question does not have.
pub(crate) fn bug() -> HttpError {
    Failure::new(ErrorKind::Bug, "internal error: an answer of another kind; please report it").into()
}
