//! `Heat`: how a hybrid collection's hot rows do, all segments together, and which searches are counted row by row.

use parking_lot::Mutex;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// One search in so many counts the rows it reads.
const SAMPLED: u32 = 4;

/// Counters of one collection. They are in memory only: after a restart all begins anew.
#[derive(Default)]
pub(crate) struct Heat {
    hits: AtomicU64,
    misses: AtomicU64,
    promotions: AtomicU64,
    demotions: AtomicU64,
    /// Rows counted so far.
    counted: AtomicU64,
    round: Mutex<Round>,
}

/// What the last round of promotions saw.
#[derive(Default, Clone, PartialEq, Eq)]
pub(crate) struct Round {
    /// Rows counted by then.
    pub counted: u64,
    /// Rows counted when counts were last halved.
    pub halved_at: u64,
    pub budget: u64,
    /// The segments, and how many of each one's rows are dead.
    pub segments: Vec<(u32, u32)>,
}

/// What came of it so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HeatTotals {
    pub hits: u64,
    pub misses: u64,
    pub promotions: u64,
    pub demotions: u64,
}

thread_local! {
    /// Where a thread is in its sequence of searches that count and that do not.
    static TURN: Cell<u32> = const { Cell::new(0) };
}

impl Heat {
    /// Whether what is read next is counted. Multiples of the golden ratio: whatever the rhythm of searches and segments,
    /// each is counted as often as the others.
    pub fn counts_now() -> bool {
        const GOLDEN: u32 = 0x9E37_79B9;
        TURN.with(|turn| {
            turn.set(turn.get().wrapping_add(GOLDEN));
            turn.get() < u32::MAX / SAMPLED
        })
    }

    /// Notes rows that were read from memory, rows that were not, and how many of both were counted.
    pub fn read(&self, hits: u64, misses: u64, counted: u64) {
        let add = |to: &AtomicU64, n: u64| {
            if n > 0 {
                to.fetch_add(n, Ordering::Relaxed);
            }
        };
        add(&self.hits, hits);
        add(&self.misses, misses);
        add(&self.counted, counted);
    }

    /// Notes rows that came in and that went out.
    pub fn moved(&self, promotions: u64, demotions: u64) {
        self.promotions.fetch_add(promotions, Ordering::Relaxed);
        self.demotions.fetch_add(demotions, Ordering::Relaxed);
    }

    /// Rows counted so far.
    pub fn counted(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }

    /// What the last round saw.
    pub fn round(&self) -> Round {
        self.round.lock().clone()
    }

    /// Notes what a round saw.
    pub fn set_round(&self, round: Round) {
        *self.round.lock() = round;
    }

    pub fn totals(&self) -> HeatTotals {
        HeatTotals {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            promotions: self.promotions.load(Ordering::Relaxed),
            demotions: self.demotions.load(Ordering::Relaxed),
        }
    }
}
