//! A call: work on a thread of its own, which any async runtime can wait for.

use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

/// Work that has begun. Dropped before it gave its result, it is told to stop, and what it made is taken back.
pub(crate) struct Call<T: Send + 'static> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    cancel: AtomicBool,
    state: Mutex<State<T>>,
    undo: Undo<T>,
}

type Undo<T> = Box<dyn Fn(T) + Send + Sync>;

enum State<T> {
    Working(Option<Waker>),
    Done(Result<T>),
    /// Its result was given, or nobody waits for it any more.
    Over,
}

impl<T: Send + 'static> Call<T> {
    /// Begins `work`, which looks at the flag and ends soon once it is set. `undo` gets what was made for nobody.
    pub(crate) fn begin(
        work: impl FnOnce(&AtomicBool) -> Result<T> + Send + 'static,
        undo: impl Fn(T) + Send + Sync + 'static,
    ) -> Call<T> {
        let (cancel, state) = (AtomicBool::new(false), Mutex::new(State::Working(None)));
        let shared = Arc::new(Shared { cancel, state, undo: Box::new(undo) });
        let worker = Worker { shared: Arc::clone(&shared) };
        let run = move || {
            let result = work(&worker.shared.cancel);
            worker.shared.finish(result);
        };
        if let Err(e) = thread::Builder::new().name("snapshots".to_owned()).spawn(run) {
            *shared.state.lock() = State::Done(Err(Error::Bug(format!("cannot start a thread: {e}"))));
        }
        Call { shared }
    }
}

impl<T> Shared<T> {
    fn finish(&self, result: Result<T>) {
        let before = {
            let mut state = self.state.lock();
            match *state {
                State::Working(_) => std::mem::replace(&mut *state, State::Done(result)),
                State::Done(_) | State::Over => {
                    drop(state);
                    return result.map_or((), &self.undo);
                }
            }
        };
        if let State::Working(Some(waker)) = before {
            waker.wake();
        }
    }
}

/// Held by the thread: whoever waits hears of it also when the work panics.
struct Worker<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        if matches!(*self.shared.state.lock(), State::Working(_)) {
            self.shared.finish(Err(Error::Bug("the thread of a call ended before its work".to_owned())));
        }
    }
}

impl<T: Send + 'static> Future for Call<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut state = self.shared.state.lock();
        if let State::Working(waker) = &mut *state {
            *waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        match std::mem::replace(&mut *state, State::Over) {
            State::Done(result) => Poll::Ready(result),
            State::Working(_) | State::Over => Poll::Pending,
        }
    }
}

impl<T: Send + 'static> Drop for Call<T> {
    fn drop(&mut self) {
        self.shared.cancel.store(true, Ordering::Relaxed);
        let state = std::mem::replace(&mut *self.shared.state.lock(), State::Over);
        if let State::Done(Ok(made)) = state {
            let shared = Arc::clone(&self.shared);
            // Whoever drops a future must not wait for a disk. Without a thread, what was made stays, whole.
            let _ = thread::Builder::new().name("snapshots".to_owned()).spawn(move || (shared.undo)(made));
        }
    }
}
