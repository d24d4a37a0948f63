//! `HotJob`: decides which rows of a hybrid collection are hot, and brings them in and out, beside the sequencer.

use crate::core::Core;
use crate::dead::Dead;
use crate::derived::DerivedKind;
use crate::heat::{Heat, Round};
use crate::hot_rows::{Held, row_bytes, table_bytes};
use crate::spec::StorageMode;
use crate::vector_segment::VectorSegment;
use crate::vectors::Segments;
use std::sync::Arc;

/// Bytes of rows brought in by one round: it ends soon, and the next sees what has changed.
const ROUND_BYTES: u64 = 16 << 20;
/// Counts are halved when so many rows were counted for each that there is room for.
const HALVED_AFTER: u64 = 8;
/// Counts are not halved before so many rows were counted, however little room there is.
const HALVED_AFTER_MIN: u64 = 4_096;
/// A round is due when one row was counted for so many that there is room for,
const ROUNDS_A_ROOM: u64 = 64;
/// and one for so many that there are: a round looks at all of them.
const ROWS_A_COUNT: u64 = 1_024;
/// Ranks of rows: two for each count, and a hot row's is three higher than another's of the same count, so that a row comes in
/// only when it is wanted clearly more than one that goes.
const RANKS: usize = 2 * 255 + 2;

/// A round of one collection.
pub(crate) struct HotJob {
    segments: Segments,
    dead: Dead,
    heat: Arc<Heat>,
    /// Bytes for rows and what is kept of them; 0: the collection is not hybrid, or graphs and codes take all.
    budget: u64,
}

impl Core {
    /// Rounds that are due, one for each hybrid collection, and for each that was one: [`HotJob::run`] may run beside further
    /// steps.
    pub(crate) fn begin_hot(&self) -> Vec<HotJob> {
        let live = self.live();
        let state = live.state.read();
        let job = |slot: &crate::state::Slot| {
            let state = slot.collection.read();
            let vectors = &state.vectors;
            let was = || vectors.segments.iter().any(|segment| segment.hot().held().is_some());
            let budget = match state.spec.storage {
                StorageMode::Hybrid => {
                    let derived = vectors.segments.iter().map(|segment| memory_bytes(segment)).sum::<u64>();
                    state.spec.hot_bytes.saturating_sub(derived)
                }
                StorageMode::Memory | StorageMode::Mmap => 0,
            };
            (state.spec.storage == StorageMode::Hybrid || was()).then(|| HotJob {
                segments: Arc::clone(&vectors.segments),
                dead: vectors.dead.clone(),
                heat: Arc::clone(&vectors.heat),
                budget,
            })
        };
        state.iter().filter_map(|(_, slot)| job(slot)).collect()
    }

    /// Brings rows in and out until each hybrid collection has those that were wanted most, in this thread. Whether any moved.
    pub fn settle_hot_rows(&mut self) -> bool {
        let mut moved = false;
        while self.begin_hot().iter().filter(|job| job.run()).count() > 0 {
            moved = true;
        }
        moved
    }
}

/// Bytes of a segment's graph and codes that are in memory: they come first.
fn memory_bytes(segment: &VectorSegment) -> u64 {
    DerivedKind::ALL.into_iter().map(|kind| segment.derived().memory_bytes(kind)).sum()
}

/// A segment whose rows may be hot, and what is held of it.
type Tiered<'a> = (&'a VectorSegment, Arc<Held>);

impl HotJob {
    /// Lets rows go that are wanted less than others, then brings others in, as many as a round may. Whether any moved.
    pub fn run(&self) -> bool {
        let Some(room) = self.room() else { return self.switch_off() };
        let before = self.heat.round();
        let mut now = Round {
            counted: self.heat.counted(),
            halved_at: before.halved_at,
            budget: self.budget,
            segments: self.mapped().map(|s| (s.number, self.dead.count(s.number))).collect(),
        };
        let rows: u64 = self.mapped().map(|segment| u64::from(segment.rows())).sum();
        let due = (room / ROUNDS_A_ROOM).max(rows / ROWS_A_COUNT).max(1);
        let same = Round { counted: before.counted, ..now.clone() } == before;
        if same && now.counted - before.counted < due {
            return false;
        }
        let mut tiered = Vec::new();
        for segment in self.mapped() {
            if segment.hot().held().is_none() {
                segment.hot().switch_on(segment.rows(), |_| 0);
            }
            tiered.extend(segment.hot().held().map(|held| (segment, held)));
        }
        if now.counted - now.halved_at >= (HALVED_AFTER * room).max(HALVED_AFTER_MIN) {
            tiered.iter().for_each(|(_, held)| held.halve());
            now.halved_at = now.counted;
        }
        let moved = self.bring(&tiered, room);
        if !moved {
            // Else the next round goes on where this one ends.
            self.heat.set_round(now);
        } else {
            self.heat.set_round(Round { segments: Vec::new(), ..now });
        }
        moved
    }

    fn mapped(&self) -> impl Iterator<Item = &VectorSegment> {
        self.segments.iter().map(|segment| &**segment).filter(|segment| segment.mapping().is_some())
    }

    /// How many rows there is room for; `None`: not even for counting.
    fn room(&self) -> Option<u64> {
        let tables: u64 = self.mapped().map(|segment| table_bytes(segment.rows())).sum();
        let dimension = self.segments.first().map_or(0, |segment| segment.dimension());
        Some(self.budget.checked_sub(tables)? / row_bytes(dimension)).filter(|rows| *rows > 0)
    }

    fn switch_off(&self) -> bool {
        let demoted = self.segments.iter().map(|segment| segment.hot().switch_off()).sum();
        self.heat.moved(0, demoted);
        demoted > 0
    }

    /// The ranks of a segment's rows, in order; 0: never hot.
    fn ranks<'a>(&'a self, (segment, held): &'a Tiered<'_>) -> impl Iterator<Item = (u32, usize)> {
        let dead = self.dead.words(segment.number);
        let is_dead = |row: u32| dead.get(row as usize / 64).is_some_and(|word| word >> (row % 64) & 1 == 1);
        (0..segment.rows()).map(move |row| {
            let wanted = 2 * usize::from(held.count(row));
            let rank = if held.is_hot(row) { wanted + 2 } else { wanted.saturating_sub(1) };
            (row, if rank > 0 && is_dead(row) { 0 } else { rank })
        })
    }

    /// Brings in the rows of the highest ranks that there is room for. Whether any moved.
    fn bring(&self, tiered: &[Tiered<'_>], room: u64) -> bool {
        let (least, mut ties) = self.least_rank(tiered, room);
        let mut wanted = Vec::with_capacity(tiered.len());
        let mut demoted = 0;
        // Searches go on counting, so that ranks may have risen since: the room is what counts.
        let mut room = room;
        // First out, then in: there are never more than there is room for.
        for one in tiered {
            let (segment, held) = one;
            let (mut stay, mut come) = (Vec::new(), Vec::new());
            for (row, rank) in self.ranks(one) {
                let tie = rank == least && ties > 0;
                if rank == 0 || room == 0 || (rank <= least && !tie) {
                    continue;
                }
                ties -= u64::from(tie);
                room -= 1;
                match held.get(row) {
                    Some(elements) => stay.push((row, Arc::clone(elements))),
                    None => come.push(row),
                }
            }
            let gone = held.len() - stay.len();
            if gone > 0 && segment.hot().replace(held, stay.clone()) {
                demoted += gone as u64;
            }
            wanted.push((stay, come));
        }
        let mut left = (ROUND_BYTES / row_bytes(tiered.first().map_or(0, |(s, _)| s.dimension()))).max(1);
        let mut promoted = 0;
        for ((segment, held), (mut stay, mut come)) in tiered.iter().zip(wanted) {
            come.truncate(left as usize);
            if come.is_empty() {
                continue;
            }
            let brought = come.len() as u64;
            left -= brought;
            stay.extend(come.into_iter().map(|row| (row, copy(segment, row))));
            stay.sort_unstable_by_key(|(row, _)| *row);
            if segment.hot().replace(held, stay) {
                promoted += brought;
            }
        }
        self.heat.moved(promoted, demoted);
        promoted + demoted > 0
    }

    /// The least rank that is hot, and how many of that rank are.
    fn least_rank(&self, tiered: &[Tiered<'_>], room: u64) -> (usize, u64) {
        let mut of_rank = [0u64; RANKS + 1];
        for one in tiered {
            self.ranks(one).for_each(|(_, rank)| of_rank[rank] += 1);
        }
        let mut left = room;
        for rank in (1..=RANKS).rev() {
            if of_rank[rank] >= left {
                return (rank, left);
            }
            left -= of_rank[rank];
        }
        (0, 0)
    }
}

/// A row as it is held: its elements, then the inverse norm.
fn copy(segment: &VectorSegment, row: u32) -> Arc<[f32]> {
    let norm = segment.inverse_norms()[row as usize];
    segment.vector(row).iter().copied().chain([norm]).collect()
}
