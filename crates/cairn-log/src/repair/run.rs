//! `Repaired`: doing what a plan says, so that a crash at any moment loses nothing and the next repair finishes.

use super::plan::{READABLE_DIR, RepairPlan, Rewrite, Run};
use crate::compacted::{COMPACTED_HEADER_BYTES, Compacted};
use crate::index::remove_if_there;
use crate::recovery::Plan;
use crate::segment::{LOG_EXTENSION, SegmentHeader};
use crate::{Error, Result};
use cairn_disk::{Access, File, Storage};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The offsets that the log holds. It goes on at their end.
    pub keeps: Range<u64>,
    /// The offsets that it no longer holds.
    pub lost: Range<u64>,
    /// The directory of what was set aside; `None` when nothing was damaged.
    pub aside: Option<PathBuf>,
    /// The files in it: damaged segments as they were, all after the log's end, and below `readable/` one segment for each row
    /// of whole records that stood after damage in the same file.
    pub files: Vec<PathBuf>,
}

impl RepairPlan {
    /// Does it, durably; afterwards [`crate::Log::open`] opens the log. Refuses when the log is no longer as it was planned for.
    ///
    /// After an error or a crash every byte is in the log's directory or in [`RepairPlan::aside`], and planning and running again
    /// finishes: into a directory of its own. While it runs nobody else may have the log.
    pub fn run(&self, storage: &Arc<dyn Storage>) -> Result<Repaired> {
        if *self != super::planner::plan(storage, &self.config)? {
            return Err(Error::PlanOutdated { dir: self.config.dir.clone() });
        }
        let (keeps, lost) = (self.keeps.clone(), self.lost.clone());
        if !self.is_needed() {
            return Ok(Repaired { keeps, lost, aside: None, files: Vec::new() });
        }
        let disk = &**storage;
        disk.create_dir_all(&self.aside)?;
        disk.sync_dir(&self.config.dir)?;
        let mut files = self.save_runs(disk)?;
        files.extend(self.save_rewritten(disk)?);
        // What is cut ends before a hole from now on: no damage can be taken for a torn end.
        for rewrite in &self.rewrites {
            self.rewrite(disk, rewrite)?;
        }
        // Newest first: until the last one the hole is seen, and the log does not open.
        for path in &self.moves {
            files.push(self.set_aside(disk, path)?);
        }
        Plan::make(storage, &self.config)?;
        files.sort_unstable();
        Ok(Repaired { keeps, lost, aside: Some(self.aside.clone()), files })
    }

    /// Copies records that stand after damage into segments of their own.
    fn save_runs(&self, disk: &dyn Storage) -> Result<Vec<PathBuf>> {
        if self.runs.is_empty() {
            return Ok(Vec::new());
        }
        let dir = self.aside.join(READABLE_DIR);
        disk.create_dir_all(&dir)?;
        let mut files = Vec::new();
        for (i, run) in self.runs.iter().enumerate() {
            // Damaged copies of the same offsets may stand in several files.
            let again = self.runs.iter().take(i).filter(|r| r.first_offset == run.first_offset).count();
            let dir = if again == 0 { dir.clone() } else { dir.join(format!("again-{again}")) };
            disk.create_dir_all(&dir)?;
            let path = dir.join(format!("{:020}.{LOG_EXTENSION}", run.first_offset));
            self.save_run(disk, run, &path)?;
            disk.sync_dir(&dir)?;
            disk.sync_dir(&self.aside.join(READABLE_DIR))?;
            files.push(path);
        }
        disk.sync_dir(&self.aside)?;
        Ok(files)
    }

    fn save_run(&self, disk: &dyn Storage, run: &Run, path: &Path) -> Result<()> {
        let file = disk.create(path)?;
        let bytes = run.position..run.end.bytes;
        let has_holes = run.end.next_offset - run.first_offset != run.records;
        let compacted = has_holes.then_some(Compacted {
            end_offset: run.end.next_offset,
            last_timestamp_us: run.end.last_timestamp_us,
            file_bytes: COMPACTED_HEADER_BYTES as u64 + bytes.end - bytes.start,
            records: run.records,
        });
        self.begin(&*file, run.first_offset, compacted)?;
        copy(&*disk.open(&run.source, Access::Read)?, &bytes, &*file)?;
        Ok(file.sync()?)
    }

    /// Copies the segments that are rewritten, as they are.
    fn save_rewritten(&self, disk: &dyn Storage) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for path in self.rewrites.iter().map(|r| self.log_path(r.base)) {
            if disk.stat(&path)?.is_some() {
                let copy = self.in_aside(&path);
                disk.reflink(&path, &copy)?;
                disk.open(&copy, Access::Write)?.sync()?;
                files.push(copy);
            }
        }
        disk.sync_dir(&self.aside)?;
        Ok(files)
    }

    /// Puts a segment of the good records in the damaged one's place.
    fn rewrite(&self, disk: &dyn Storage, rewrite: &Rewrite) -> Result<()> {
        let path = self.log_path(rewrite.base);
        let temporary = path.with_extension(format!("{LOG_EXTENSION}.tmp"));
        remove_if_there(disk, &temporary)?;
        let file = disk.create(&temporary)?;
        self.begin(&*file, rewrite.base, rewrite.compacted)?;
        if !rewrite.records.is_empty() {
            copy(&*disk.open(&path, Access::Read)?, &rewrite.records, &*file)?;
        }
        file.sync()?;
        disk.rename(&temporary, &path)?;
        Ok(disk.sync_dir(&self.config.dir)?)
    }

    /// Moves a file aside; what it holds is durable first.
    fn set_aside(&self, disk: &dyn Storage, path: &Path) -> Result<PathBuf> {
        let to = self.in_aside(path);
        disk.open(path, Access::Write)?.sync()?;
        disk.rename(path, &to)?;
        disk.sync_dir(&self.aside)?;
        disk.sync_dir(&self.config.dir)?;
        Ok(to)
    }

    /// Writes the header of a segment.
    fn begin(&self, file: &dyn File, base: u64, compacted: Option<Compacted>) -> Result<()> {
        let header = SegmentHeader { id: self.config.id, timeline: self.config.timeline, base, compacted };
        match compacted {
            Some(compacted) => file.append(&compacted.to_bytes(&header.to_bytes()))?,
            None => file.append(&header.to_bytes())?,
        }
        Ok(())
    }

    fn in_aside(&self, path: &Path) -> PathBuf {
        self.aside.join(path.file_name().unwrap_or_default())
    }
}

/// Appends a part of a file to another.
fn copy(from: &dyn File, bytes: &Range<u64>, to: &dyn File) -> Result<(), cairn_disk::Error> {
    let mut at = bytes.start;
    let mut buffer = vec![0; usize::try_from(bytes.end - at).unwrap_or(usize::MAX).min(COPY_BYTES)];
    while at < bytes.end {
        let n = usize::try_from(bytes.end - at).unwrap_or(usize::MAX).min(buffer.len());
        from.read_exact_at(at, &mut buffer[..n])?;
        to.append(&buffer[..n])?;
        at += n as u64;
    }
    Ok(())
}
