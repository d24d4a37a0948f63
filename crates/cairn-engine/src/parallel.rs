//! `in_parallel`: the same work on several things, on all cores.

use parking_lot::Mutex;
use std::thread::Builder;

/// Does `work` on each of `jobs`; results in the order of the jobs. With `worth`, other threads help: it has to be more work
/// than beginning a thread. Not for work on files, so that a simulated disk sees one order of operations however many cores
/// there are.
pub(crate) fn in_parallel<T: Send, R: Send>(
    jobs: Vec<T>,
    worth: bool,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if worth { cores.min(jobs.len()) } else { 1 };
    let done: Vec<Mutex<Option<R>>> = jobs.iter().map(|_| Mutex::new(None)).collect();
    let left = Mutex::new(jobs.into_iter().zip(&done));
    let next = || left.lock().next();
    let help = || {
        while let Some((job, place)) = next() {
            *place.lock() = Some(work(job));
        }
    };
    std::thread::scope(|scope| {
        // A thread that cannot be begun does not help; this one does all that is left.
        (1..threads).for_each(|_| drop(Builder::new().spawn_scoped(scope, help)));
        help();
    });
    done.into_iter().filter_map(Mutex::into_inner).collect()
}
