//! Removed files whose space is given back bit by bit.

use crate::throttle::Waiting;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Smaller files are let go at once.
const BYTES_MIN: u64 = 256 << 10;
/// The space given back in a second while somebody waits for syncs. Where blocks are discarded when they become free, giving
/// 16 MiB back holds up a sync for 3 ms: at this rate, less than one of a hundred syncs meets it.
const BYTES_PER_SECOND: u64 = 32 << 20;
/// So much may wait for it, in so many files, each of which stays open; what is more goes at once.
const BYTES_MAX: u64 = 1 << 30;
const FILES_MAX: usize = 64;
/// With less free space than this, everything goes at once.
const FREE_MIN: u64 = 1 << 30;
/// How often it is looked whether anybody still waits for syncs.
const LOOK: Duration = Duration::from_millis(20);

/// Files that have no name any more, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Removed(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    files: VecDeque<(fs::File, u64)>,
    bytes: u64,
    /// A thread gives back what is in the queue.
    is_served: bool,
}

impl Removed {
    /// Takes a file that was removed, and closes it when its turn comes: at once when nobody waits for syncs.
    pub fn push(&self, file: fs::File, waiting: &Arc<Waiting>) {
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        let mut queue = self.0.lock();
        let is_idle = !queue.is_served && !waiting.is_waited_for(waiting.now());
        let is_full = queue.bytes + bytes > BYTES_MAX || queue.files.len() >= FILES_MAX;
        if is_idle || is_full || bytes < BYTES_MIN || is_scarce(&file) {
            drop(queue);
            return;
        }
        queue.files.push_back((file, bytes));
        queue.bytes += bytes;
        if !queue.is_served {
            let (shared, waiting) = (Arc::clone(&self.0), Arc::clone(waiting));
            let serve = move || serve(&shared, &waiting);
            queue.is_served =
                std::thread::Builder::new().name("removed files".to_owned()).spawn(serve).is_ok();
            if !queue.is_served {
                *queue = Queue::default();
            }
        }
    }
}

/// Whether there is little free space where a file was.
fn is_scarce(file: &fs::File) -> bool {
    rustix::fs::fstatvfs(file).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < FREE_MIN)
}

/// Closes one file after the other, and ends when there is none.
fn serve(queue: &Mutex<Queue>, waiting: &Waiting) {
    loop {
        let next = {
            let mut queue = queue.lock();
            let next = queue.files.pop_front();
            queue.is_served = next.is_some();
            queue.bytes -= next.as_ref().map_or(0, |(_, bytes)| *bytes);
            next
        };
        let Some((file, bytes)) = next else { return };
        let pause = Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND as f64);
        let started = Instant::now();
        while started.elapsed() < pause && waiting.is_waited_for(waiting.now()) && !is_scarce(&file) {
            std::thread::sleep(LOOK.min(pause));
        }
        drop(file);
    }
}
