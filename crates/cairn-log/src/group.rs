//! `Group`: what many threads append durably at once goes to the file in one write, and to the disk in one sync.

use crate::record::Entry;
use crate::{Error, Log, Result};
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::Thread;

/// Bytes of keys and values, about, that one write takes on for others.
const GROUP_BYTES: usize = 4 << 20;

/// The threads that wait to append durably.
#[derive(Debug, Default)]
pub(crate) struct Group(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// One thread appends and syncs, or was called to be the next that does.
    led: bool,
    /// Who waits, oldest first.
    members: Vec<Arc<Member>>,
}

/// A thread that waits, and what it appends.
#[derive(Debug)]
struct Member {
    entries: Vec<Owned>,
    bytes: usize,
    thread: Thread,
    call: AtomicU8,
    answer: Mutex<Option<Result<Range<u64>>>>,
}

#[derive(Debug)]
struct Owned {
    timestamp_us: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

const SLEEP: u8 = 0;
/// Its answer is there.
const ANSWERED: u8 = 1;
/// It appends now, for itself and for whom it finds waiting.
const LEAD: u8 = 2;

impl Log {
    /// Appends a batch, all or nothing, and returns its offsets once it is durable: [`Log::append`] and [`Log::commit`] in
    /// one. Threads that do so at the same time share one write and one sync. When appending several batches at once fails
    /// each is tried on its own, so that none fails for another's sake.
    pub fn append_durably(&self, batch: &[Entry<'_>]) -> Result<Range<u64>> {
        self.check_batch(batch)?;
        let mut queue = self.group.0.lock();
        if queue.led {
            let member = Member::of(batch);
            queue.members.push(Arc::clone(&member));
            drop(queue);
            if member.sleep() == ANSWERED {
                let answer = member.answer.lock().take();
                return answer.expect("an answer is there before it is called");
            }
        } else {
            queue.led = true;
            drop(queue);
        }
        self.lead(batch)
    }

    /// Appends for this thread and for all that wait; then calls the next leader, if anyone waits.
    fn lead(&self, batch: &[Entry<'_>]) -> Result<Range<u64>> {
        self.group.gather();
        let members = self.group.take();
        let mut all = batch.to_vec();
        all.extend(members.iter().flat_map(|member| member.entries.iter().map(Owned::borrow)));
        let offsets = match self.append(&all) {
            Ok(offsets) => offsets,
            Err(e) if members.is_empty() => {
                self.group.pass_on();
                return Err(e);
            }
            Err(_) => return self.one_by_one(batch, &members),
        };
        let synced = match offsets.end.checked_sub(1).filter(|_| !offsets.is_empty()) {
            Some(last) => self.commit(last),
            None => Ok(()),
        };
        // The next may begin while those of this sync are told.
        self.group.pass_on();
        let mut at = offsets.start + batch.len() as u64;
        for member in &members {
            let end = at + member.entries.len() as u64;
            member.tell(synced.clone().map(|()| at..end));
            at = end;
        }
        synced.map(|()| offsets.start..offsets.start + batch.len() as u64)
    }

    fn one_by_one(&self, batch: &[Entry<'_>], members: &[Arc<Member>]) -> Result<Range<u64>> {
        let alone = |batch: &[Entry<'_>]| {
            let offsets = self.append(batch)?;
            if !offsets.is_empty() {
                self.commit(offsets.end - 1)?;
            }
            Ok(offsets)
        };
        let own = alone(batch);
        for member in members {
            let entries: Vec<Entry<'_>> = member.entries.iter().map(Owned::borrow).collect();
            member.tell(alone(&entries));
        }
        self.group.pass_on();
        own
    }
}

impl Group {
    /// Lets those run that are about to append, and were only just told of their last: as long as more come. Whoever is alone
    /// goes on at once.
    fn gather(&self) {
        let mut seen = 0;
        loop {
            let waiting = self.0.lock().members.len();
            if waiting <= seen {
                return;
            }
            seen = waiting;
            std::thread::yield_now();
        }
    }

    /// Those whom the next write takes on.
    fn take(&self) -> Vec<Arc<Member>> {
        let mut queue = self.0.lock();
        let mut bytes = 0;
        let mut fits = |member: &Arc<Member>| {
            bytes += member.bytes;
            bytes <= GROUP_BYTES
        };
        let n = queue.members.iter().take_while(|member| fits(member)).count();
        queue.members.drain(..n).collect()
    }

    /// Has the first that waits lead from now on; with nobody, whoever comes next does.
    fn pass_on(&self) {
        let mut queue = self.0.lock();
        if queue.members.is_empty() {
            queue.led = false;
        } else {
            queue.members.remove(0).wake(LEAD);
        }
    }
}

impl Member {
    fn of(batch: &[Entry<'_>]) -> Arc<Member> {
        let entries: Vec<Owned> = batch.iter().map(Owned::of).collect();
        let bytes = entries.iter().map(Owned::bytes).sum();
        let (call, answer) = (AtomicU8::new(SLEEP), Mutex::new(None));
        Arc::new(Member { entries, bytes, thread: std::thread::current(), call, answer })
    }

    /// Sleeps until called; the call.
    fn sleep(&self) -> u8 {
        loop {
            match self.call.load(Ordering::Acquire) {
                SLEEP => std::thread::park(),
                call => return call,
            }
        }
    }

    fn tell(&self, answer: Result<Range<u64>, Error>) {
        *self.answer.lock() = Some(answer);
        self.wake(ANSWERED);
    }

    fn wake(&self, call: u8) {
        self.call.store(call, Ordering::Release);
        self.thread.unpark();
    }
}

impl Owned {
    fn of(entry: &Entry<'_>) -> Owned {
        let (key, value) = (entry.key.map(<[u8]>::to_vec), entry.value.map(<[u8]>::to_vec));
        Owned { timestamp_us: entry.timestamp_us, key, value }
    }

    fn borrow(&self) -> Entry<'_> {
        Entry { timestamp_us: self.timestamp_us, key: self.key.as_deref(), value: self.value.as_deref() }
    }

    fn bytes(&self) -> usize {
        self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len)
    }
}
