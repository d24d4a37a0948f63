//! One simulated file: its live bytes, its durable bytes, and the writes between them.

use super::content::Content;
use super::rng::Rng;
use std::sync::Arc;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// A file without its names.
#[derive(Debug, Clone, Default)]
pub(super) struct Inode {
    pub(super) live: Content,
    durable: Content,
    /// What happened since the durable bytes, oldest first.
    pending: Vec<Pending>,
}

#[derive(Debug, Clone)]
struct Pending {
    change: Change,
    /// A sync failed with it: it stays live, and no later sync makes it last.
    lost: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Write {
        offset: u64,
        bytes: Arc<[u8]>,
    },
    /// Into an empty file.
    CopyOf(Content),
    Truncate(u64),
}

impl Change {
    fn apply(&self, to: &mut Content) {
        match self {
            Change::Write { offset, bytes } => to.write(*offset, bytes),
            Change::CopyOf(content) => *to = content.clone(),
            Change::Truncate(bytes) => to.truncate(*bytes),
        }
    }

    /// The bytes it wrote: from, to.
    fn span(&self) -> (u64, u64) {
        match self {
            Change::Write { offset, bytes } => (*offset, *offset + bytes.len() as u64),
            Change::CopyOf(content) => (0, content.bytes()),
            Change::Truncate(_) => (0, 0),
        }
    }
}

impl Inode {
    /// A file at rest: these bytes are durable.
    pub(super) fn at_rest(content: Content) -> Self {
        Self { live: content.clone(), durable: content, pending: Vec::new() }
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) fn durable(&self) -> &Content {
        &self.durable
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.change(Change::Write { offset, bytes: bytes.into() });
    }

    pub(super) fn copy_of(&mut self, content: Content) {
        self.change(Change::CopyOf(content));
    }

    pub(super) fn truncate(&mut self, bytes: u64) {
        self.change(Change::Truncate(bytes));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(Pending { change, lost: false });
    }

    pub(super) fn sync(&mut self) {
        if self.pending.iter().any(|p| p.lost) {
            for pending in self.pending.extract_if(.., |p| !p.lost) {
                pending.change.apply(&mut self.durable);
            }
            // The length is written with any sync, so lost bytes show as zeros.
            self.durable.truncate(self.live.bytes());
            self.durable.extend_to(self.live.bytes());
        } else {
            self.durable = self.live.clone();
            self.pending.clear();
        }
    }

    /// As Linux does: the pages are marked clean though they never reached the disk.
    pub(super) fn fail_sync(&mut self) {
        self.pending.iter_mut().for_each(|p| p.lost = true);
    }

    /// Damages live and durable bytes alike.
    pub(super) fn damage(&mut self, damage: impl Fn(&mut Content)) {
        damage(&mut self.live);
        damage(&mut self.durable);
    }

    /// What a crash leaves when unsynced writes survive by chance.
    pub(super) fn torn(&self, rng: &mut Rng) -> Content {
        match rng.up_to(4) {
            0 => self.durable.clone(),
            1 => self.live.clone(),
            2 => self.torn_prefix(rng),
            _ => self.torn_sectors(rng),
        }
    }

    /// The first writes are there; the last of them whole or in part.
    fn torn_prefix(&self, rng: &mut Rng) -> Content {
        let mut content = self.durable.clone();
        if self.pending.is_empty() {
            return content;
        }
        let last = rng.index(self.pending.len());
        for pending in &self.pending[..last] {
            pending.change.apply(&mut content);
        }
        match &self.pending[last].change {
            change if rng.eighths(4) => change.apply(&mut content),
            Change::Write { offset, bytes } => {
                content.write(*offset, &bytes[..rng.index(bytes.len() + 1)]);
            }
            Change::CopyOf(whole) => {
                content = whole.clone();
                content.truncate(rng.up_to(whole.bytes()));
            }
            Change::Truncate(to) => content.truncate(*to),
        }
        content
    }

    /// Of the sectors written, some are new and some as they were (or zeros, where nothing was); the length is the old,
    /// the new, or one between.
    fn torn_sectors(&self, rng: &mut Rng) -> Content {
        let (old, new) = (self.durable.bytes(), self.live.bytes());
        let mut content = self.durable.clone();
        // Where a cut reached, blocks may have been given back: then what was there does not show again.
        let cut = self.pending.iter().filter_map(|p| match p.change {
            Change::Truncate(to) => Some(to),
            _ => None,
        });
        if let Some(cut) = cut.min().filter(|_| rng.eighths(4)) {
            content.truncate(cut);
        }
        content.extend_to(new);
        let odds = [1, 4, 7][rng.index(3)];
        let mut sector_bytes = [0; SECTOR_BYTES as usize];
        for pending in &self.pending {
            let (from, to) = pending.change.span();
            let mut at = from - from % SECTOR_BYTES;
            while at < to.min(new) {
                if rng.eighths(odds) {
                    let n = self.live.read(at, &mut sector_bytes);
                    content.write(at, &sector_bytes[..n]);
                }
                at += SECTOR_BYTES;
            }
        }
        let (short, long) = (old.min(new), old.max(new));
        let length = match rng.up_to(3) {
            0 => old,
            1 => short + rng.up_to(long - short),
            _ => new,
        };
        content.truncate(length);
        content.extend_to(length);
        content
    }
}
