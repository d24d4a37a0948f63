//! `KeptCheckpoints`: which checkpoints of a timeline stay, so that the past can be had back, and what goes with the others.

use crate::error::Result;
use crate::layout::{TimelineDir, checkpoint_lsn};
use crate::manifest::Manifest;
use crate::settings::Options;
use crate::wal_settings::WalSettings;
use cairn_disk::{Storage, read_file};
use cairn_log::{Log, Lsn};
use std::collections::HashSet;

/// The largest manifest that is read: a limit on what a damaged length can ask for.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 1 << 30;

/// One checkpoint that is on disk.
#[derive(Debug, Clone)]
pub(crate) struct KeptCheckpoint {
    pub lsn: Lsn,
    /// No record after it is earlier.
    pub time_us: i64,
    /// The image files it names.
    pub files: HashSet<String>,
}

/// A timeline's checkpoints, oldest first. The last is what an open starts from.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptCheckpoints(pub Vec<KeptCheckpoint>);

/// What is to be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    /// The past from this time on is to be reachable; `None`: only the present.
    pub since_us: Option<i64>,
    /// At most so many bytes of log; 0: any number.
    pub log_bytes: u64,
    /// At most so many checkpoints.
    pub checkpoints: usize,
}

impl Keep {
    /// What the settings ask for at a time.
    pub fn of(wal: &WalSettings, options: &Options, now_us: i64) -> Keep {
        Keep {
            since_us: (wal.retention_us > 0).then(|| now_us.saturating_sub(wal.retention_us)),
            log_bytes: wal.retention_bytes,
            checkpoints: options.checkpoints_kept.max(1),
        }
    }

    /// Nothing but the present.
    pub const PRESENT: Keep = Keep { since_us: None, log_bytes: 0, checkpoints: 1 };
}

impl KeptCheckpoints {
    /// Those on disk whose manifests can be read, up to `newest`, which was read already. One that cannot be read is of no
    /// use any more and does not keep an open from starting at a later one.
    pub fn read(storage: &dyn Storage, dir: &TimelineDir, newest: KeptCheckpoint) -> Result<KeptCheckpoints> {
        let mut kept = Vec::new();
        for lsn in listed(storage, dir)? {
            if lsn < newest.lsn
                && let Ok(older) = read_one(storage, dir, lsn)
            {
                kept.push(older);
            }
        }
        kept.push(newest);
        Ok(KeptCheckpoints(kept))
    }

    /// The LSN of the oldest: log after it is needed.
    pub fn oldest(&self) -> Option<&KeptCheckpoint> {
        self.0.first()
    }

    /// Lets those go that nothing asks for. Says whether any went.
    pub fn thin(&mut self, keep: Keep, log: Option<&Log>) -> bool {
        let before = self.0.len();
        // The first is needed only while the second is not old enough to stand in for it.
        while self.0.len() > 1 && keep.since_us.is_none_or(|since| self.0[1].time_us <= since) {
            self.0.remove(0);
        }
        if let Some(log) = log.filter(|_| keep.log_bytes > 0) {
            while self.0.len() > 1 && log_bytes_after(log, self.0[0].lsn) > keep.log_bytes {
                self.0.remove(0);
            }
        }
        while self.0.len() > keep.checkpoints.max(1) {
            let spare = (1..self.0.len() - 1).min_by_key(|&i| self.0[i + 1].lsn.0 - self.0[i - 1].lsn.0);
            // Of two, the older goes: the newest is what an open starts from.
            self.0.remove(spare.unwrap_or(0));
        }
        self.0.len() < before
    }

    /// Removes from disk what none of these names: other checkpoints first, so that none is left without its files.
    /// `spared` are names of image files that no checkpoint names yet.
    pub fn remove_others(
        &self,
        storage: &dyn Storage,
        dir: &TimelineDir,
        spared: &HashSet<String>,
    ) -> Result<()> {
        let mut removed = false;
        for entry in storage.list(&dir.checkpoints())? {
            let is_kept = checkpoint_lsn(&entry.name).is_some_and(|lsn| self.0.iter().any(|k| k.lsn == lsn));
            if !is_kept {
                storage.remove(&dir.checkpoints().join(&entry.name))?;
                removed = true;
            }
        }
        if removed {
            storage.sync_dir(&dir.checkpoints())?;
        }
        for sub in dir.image_dirs() {
            let prefix = sub.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            for entry in storage.list(&sub)? {
                let name = format!("{prefix}/{}", entry.name);
                if !spared.contains(&name) && !self.0.iter().any(|kept| kept.files.contains(&name)) {
                    storage.remove(&sub.join(&entry.name))?;
                }
            }
        }
        Ok(())
    }
}

/// The LSNs of a timeline's checkpoints, ascending.
pub(crate) fn listed(storage: &dyn Storage, dir: &TimelineDir) -> Result<Vec<Lsn>> {
    let mut lsns: Vec<Lsn> =
        storage.list(&dir.checkpoints())?.iter().filter_map(|e| checkpoint_lsn(&e.name)).collect();
    lsns.sort_unstable();
    Ok(lsns)
}

/// Reads what one checkpoint's manifest says.
pub(crate) fn read_one(storage: &dyn Storage, dir: &TimelineDir, lsn: Lsn) -> Result<KeptCheckpoint> {
    let path = dir.checkpoint(lsn);
    let manifest = Manifest::decode(&path, &read_file(storage, &path, MANIFEST_BYTES_MAX)?)?;
    let time_us = manifest.position()?.time_us;
    Ok(KeptCheckpoint { lsn, time_us, files: manifest.files.into_iter().map(|file| file.name).collect() })
}

/// Bytes of the segments that hold records after `lsn`.
fn log_bytes_after(log: &Log, lsn: Lsn) -> u64 {
    log.segments().iter().filter(|segment| segment.next_offset > lsn.0 + 1).map(|segment| segment.bytes).sum()
}
