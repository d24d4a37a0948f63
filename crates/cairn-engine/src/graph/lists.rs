//! Lists of neighbours: those of a file, and those that a build's threads change side by side.

use super::kernel::prefetch;
use super::walk::Lists;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// What stands in a list after its last neighbour.
pub(crate) const NOBODY: u32 = u32::MAX;

/// The lists of a file: `stride` numbers a row, filled up with [`NOBODY`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileLists<'a> {
    pub numbers: &'a [u32],
    pub stride: usize,
}

impl<'a> FileLists<'a> {
    #[inline]
    pub fn of(&self, row: u32) -> &'a [u32] {
        &self.numbers[row as usize * self.stride..][..self.stride]
    }
}

impl Lists for FileLists<'_> {
    #[inline]
    fn each(&self, row: u32, sink: impl FnMut(u32)) {
        self.of(row).iter().copied().take_while(|neighbour| *neighbour != NOBODY).for_each(sink);
    }

    #[inline]
    fn prefetch(&self, row: u32) {
        prefetch(self.of(row));
    }
}

/// Locks that the rows share: more than threads would ever contend for.
const LOCKS: usize = 1 << 12;

/// Lists under construction. They are read without a lock: a reader may see a list half changed, which is a list of right
/// row numbers all the same. They are changed under the row's lock.
pub(crate) struct BuildLists {
    /// A row: how many neighbours, then their numbers.
    cells: Vec<AtomicU32>,
    room: usize,
    locks: Vec<Mutex<()>>,
}

impl BuildLists {
    /// Empty lists with room for `room` neighbours each.
    pub fn new(rows: u32, room: usize) -> Self {
        let cells = (0..rows as usize * (room + 1)).map(|_| AtomicU32::new(0)).collect();
        Self { cells, room, locks: (0..LOCKS).map(|_| Mutex::new(())).collect() }
    }

    fn cells(&self, row: u32) -> (&AtomicU32, &[AtomicU32]) {
        let all = &self.cells[row as usize * (self.room + 1)..][..=self.room];
        (&all[0], &all[1..])
    }

    /// Changes a row's list, which `change` is given and may leave with at most as many neighbours as there is room for.
    pub fn change(&self, row: u32, list: &mut Vec<u32>, change: impl FnOnce(&mut Vec<u32>)) {
        let _held = self.locks[row as usize % LOCKS].lock();
        list.clear();
        self.each(row, |neighbour| list.push(neighbour));
        change(list);
        debug_assert!(list.len() <= self.room, "a list within its room");
        let (count, cells) = self.cells(row);
        for (cell, neighbour) in cells.iter().zip(list.iter()) {
            cell.store(*neighbour, Ordering::Relaxed);
        }
        count.store(list.len().min(self.room) as u32, Ordering::Release);
    }

    /// How many neighbours there is room for.
    pub fn room(&self) -> usize {
        self.room
    }
}

impl Lists for BuildLists {
    #[inline]
    fn each(&self, row: u32, mut sink: impl FnMut(u32)) {
        let (count, cells) = self.cells(row);
        let count = count.load(Ordering::Acquire) as usize;
        for cell in cells.iter().take(count) {
            sink(cell.load(Ordering::Relaxed));
        }
    }

    #[inline]
    fn prefetch(&self, row: u32) {
        prefetch(self.cells(row).1);
    }
}
