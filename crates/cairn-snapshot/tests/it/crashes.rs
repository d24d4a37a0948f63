//! The disks that a crash at each operation would leave.

use cairn_disk::{Fate, SimDisk};
use std::fmt;
use std::sync::{Arc, Mutex};

/// A disk after a crash.
pub struct Crash {
    pub disk: SimDisk,
    pub what: String,
}

impl fmt::Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// All of them.
pub struct Forks {
    pub operations: u64,
    pub images: Vec<Crash>,
}

/// Runs `work` once, and forks the disk before each of its operations and after the last: with everything unsynced lost,
/// all of it kept, and `torn` times a part of it.
pub fn crashes(disk: &SimDisk, torn: u64, work: impl FnOnce()) -> Forks {
    let images = Arc::new(Mutex::new(Vec::new()));
    let fork = move |op: u64, disk: &SimDisk, images: &Mutex<Vec<Crash>>| {
        let torn = (0..torn).map(|seed| Fate::Torn(op * 1_000 + seed));
        for fate in [Fate::Dropped, Fate::Kept].into_iter().chain(torn) {
            let what = format!("crash at operation {op}, {fate:?}");
            images.lock().expect("no panic in it").push(Crash { disk: disk.image(fate), what });
        }
    };
    let from = disk.ops();
    let seen = Arc::clone(&images);
    disk.on_op(Box::new(move |op, disk| fork(op, disk, &seen)));
    work();
    disk.on_op(Box::new(|_, _| {}));
    fork(disk.ops(), disk, &images);
    let images = std::mem::take(&mut *images.lock().expect("no panic in it"));
    Forks { operations: disk.ops() - from, images }
}
