//! `Group`: what many threads append durably at once goes to the file in one write, and to the disk in one sync.

use crate::record::Entry;
use crate::{Error, Log, Result};
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Bytes of keys and values, about, that one write takes on for others.
const GROUP_BYTES: usize = 4 << 20;
/// A leader waits no longer than this for those that appended with the last one, however slow the disk is.
const PATIENCE_MAX: Duration = Duration::from_millis(1);
/// How often a member looks for its answer, letting others run in between, before it sleeps. With many more threads than
/// cores the answer comes meanwhile, and nobody has to be woken, which would cost more than the sync; with few it is some
/// microseconds.
const LOOKS: u32 = 16;
/// Letting others run takes so long only where other programs want the processors too: each may keep one for milliseconds.
const CROWDED: Duration = Duration::from_millis(1);
/// So many times nobody lets others run, then: whoever sleeps instead is run first once it is woken.
const CROWDED_FOR: u32 = 512;

/// The threads that wait to append durably.
#[derive(Debug, Default)]
pub(crate) struct Group {
    queue: Mutex<Queue>,
    /// How many times more nobody lets others run.
    crowded: AtomicU32,
}

#[derive(Debug, Default)]
struct Queue {
    /// One thread appends and syncs, or was called to be the next that does.
    led: bool,
    /// Who waits, oldest first.
    members: Vec<Arc<Member>>,
    /// How many appended together last, the leader included.
    last: usize,
    /// How long their write and sync took.
    took: Duration,
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

/// It waits, and looks again soon.
const AWAKE: u8 = 0;
/// It waits, and must be woken.
const ASLEEP: u8 = 1;
/// Its answer is there.
const ANSWERED: u8 = 2;
/// It appends now, for itself and for whom it finds waiting.
const LEAD: u8 = 3;

impl Log {
    /// Appends a batch, all or nothing, and returns its offsets once it is durable: [`Log::append`] and [`Log::commit`] in
    /// one. Threads that do so at the same time share one write and one sync. When appending several batches at once fails
    /// each is tried on its own, so that none fails for another's sake.
    pub fn append_durably(&self, batch: &[Entry<'_>]) -> Result<Range<u64>> {
        self.check_batch(batch)?;
        let mut queue = self.group.queue.lock();
        if queue.led {
            let member = Member::of(batch);
            queue.members.push(Arc::clone(&member));
            drop(queue);
            if member.wait(&self.group) == ANSWERED {
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
        let started = Instant::now();
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
        self.group.note(members.len() + 1, started.elapsed());
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
    /// Lets those come that are about to append again, having only just been told of their last: as many as there were then,
    /// for as long as their sync took. Whoever was alone goes on at once.
    fn gather(&self) {
        let (wanted, patience) = {
            let queue = self.queue.lock();
            (queue.last.saturating_sub(1), queue.took.min(PATIENCE_MAX))
        };
        let started = Instant::now();
        while self.queue.lock().members.len() < wanted && started.elapsed() < patience {
            if !self.let_others_run() {
                return;
            }
        }
    }

    /// Lets other threads run for a moment; `false`: not now, it may take long.
    fn let_others_run(&self) -> bool {
        let crowded = self.crowded.load(Ordering::Relaxed);
        if crowded > 0 {
            // About as often: of several that count at once one may be lost.
            self.crowded.store(crowded - 1, Ordering::Relaxed);
            return false;
        }
        let started = Instant::now();
        std::thread::yield_now();
        if started.elapsed() > CROWDED {
            self.crowded.store(CROWDED_FOR, Ordering::Relaxed);
        }
        true
    }

    /// Takes note of how many appended together, and how long it took.
    fn note(&self, last: usize, took: Duration) {
        let mut queue = self.queue.lock();
        (queue.last, queue.took) = (last, took);
    }

    /// Those whom the next write takes on.
    fn take(&self) -> Vec<Arc<Member>> {
        let mut queue = self.queue.lock();
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
        let mut queue = self.queue.lock();
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
        let (call, answer) = (AtomicU8::new(AWAKE), Mutex::new(None));
        Arc::new(Member { entries, bytes, thread: std::thread::current(), call, answer })
    }

    /// Waits until called; the call.
    fn wait(&self, group: &Group) -> u8 {
        for _ in 0..LOOKS {
            match self.call.load(Ordering::Acquire) {
                AWAKE if group.let_others_run() => {}
                AWAKE => break,
                call => return call,
            }
        }
        // Unless it was called just now, which the loop sees.
        let _ = self.call.compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire);
        loop {
            match self.call.load(Ordering::Acquire) {
                ASLEEP => std::thread::park(),
                call => return call,
            }
        }
    }

    fn tell(&self, answer: Result<Range<u64>, Error>) {
        *self.answer.lock() = Some(answer);
        self.wake(ANSWERED);
    }

    fn wake(&self, call: u8) {
        if self.call.swap(call, Ordering::AcqRel) == ASLEEP {
            self.thread.unpark();
        }
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
