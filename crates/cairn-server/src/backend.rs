//! The backend: what the protocol asks of whatever holds the data.

use crate::command::Ask;
use crate::failure::Failure;
use crate::live::Live;
use crate::reply::{JobStatuses, Reply, Trace};
use cairn_engine::{Item, Lsn, Request};
use std::sync::Arc;

/// The results of a batch of writes, one each, in order.
pub type Written = Vec<cairn_engine::Result<Lsn>>;

/// How much work a request is, and so where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Well under a millisecond: on the thread that serves connections.
    Small,
    /// A search that takes milliseconds: on a thread of its own, a few at once.
    Search,
    /// Reads or writes files: on a thread of its own.
    Files,
}

/// Takes writes and answers requests. The server's only way to the data.
pub trait Backend: Send + Sync {
    /// Takes writes, in order, without blocking. `done` is called once all of them are durable or refused.
    fn submit(&self, writes: Vec<Request>, done: Box<dyn FnOnce(Written) + Send>);

    /// As [`Backend::submit`], and waits.
    fn write(&self, writes: Vec<Request>) -> Written;

    /// Answers a request. Takes as long as [`Backend::cost`] says.
    fn answer(&self, ask: &Ask) -> Reply;

    /// The answer of a request, when it is known without work: on any thread, in microseconds.
    fn ready(&self, _ask: &Ask) -> Option<Reply> {
        None
    }

    /// As [`Backend::answer`], and how a search went.
    fn answer_traced(&self, ask: &Ask) -> (Reply, Option<Trace>) {
        (self.answer(ask), None)
    }

    /// The configuration that its answers go by; `None`: it has none of its own.
    fn live(&self) -> Option<Arc<Live>> {
        None
    }

    /// How much work a request is.
    fn cost(&self, ask: &Ask) -> Cost;

    /// How long operations go, in microseconds; `None`: there are none here.
    fn jobs(&self) -> Option<JobStatuses> {
        None
    }

    /// What is stored of an item of a collection; `None`: of `default`. A backend without items to look at refuses.
    fn item(&self, _collection: Option<&str>, id: &str) -> Result<Item, Failure> {
        Err(Failure::input(format!("Items cannot be read here: {}", crate::failure::shown(id))))
    }

    /// Ends long work that is under way; its requests are answered with an error.
    fn cancel(&self) {}

    /// Makes everything durable and lets go of it. Nothing is asked afterwards.
    fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}
