//! Verifying mapped files: read to their end in the background, since they were opened by their headers.

use crate::compaction::Pace;
use crate::core::Core;
use crate::derived::DerivedKind;
use crate::error::{Error, Result};
use crate::layout::TimelineDir;
use crate::loaded::crc_mismatch;
use crate::manifest::FileRef;
use crate::vector_segment::VectorSegment;
use cairn_disk::{Access, Crc32c, Storage};
use cairn_log::TimelineId;
use std::sync::Arc;
use std::time::Duration;

/// Read at once.
const PIECE_BYTES: usize = 1 << 20;

/// A file to be read to its end, beside the sequencer.
pub(crate) struct VerifyJob {
    storage: Arc<dyn Storage>,
    dir: TimelineDir,
    timeline: TimelineId,
    segment: Arc<VectorSegment>,
    /// What of the segment it is; `None`: its vectors.
    kind: Option<DerivedKind>,
    file: FileRef,
}

impl VerifyJob {
    /// Reads the file, not the mapping, so that what is used stays in memory; so many bytes a second. An error is damage.
    pub fn run(&self, bytes_per_second: u64, pace: &Pace) -> Result<()> {
        let path = self.dir.file(&self.file.name);
        let file = self.storage.open(&path, Access::Read)?;
        let pause = Duration::from_secs_f64(PIECE_BYTES as f64 / bytes_per_second.max(1) as f64);
        let (mut crc, mut at, mut piece) = (Crc32c::new(), 0, vec![0; PIECE_BYTES]);
        while at < self.file.bytes {
            let n = (self.file.bytes - at).min(PIECE_BYTES as u64) as usize;
            file.read_exact_at(at, &mut piece[..n])?;
            crc.update(&piece[..n]);
            at += n as u64;
            pace.go_on(0)?;
            if pause > Duration::from_micros(50) {
                std::thread::sleep(pause);
            }
        }
        match crc.value() == self.file.crc32c {
            true => Ok(()),
            false => Err(crc_mismatch(&path, &self.file, crc.value())),
        }
    }
}

impl Core {
    /// A mapped file that was not read to its end yet, if any.
    pub(crate) fn begin_verify(&self) -> Option<VerifyJob> {
        let state = self.live.state.read();
        let job = |segment: &Arc<VectorSegment>, kind, file| VerifyJob {
            storage: Arc::clone(&self.storage),
            dir: self.dir.clone(),
            timeline: self.live.timeline.id,
            segment: Arc::clone(segment),
            kind,
            file,
        };
        state.iter().find_map(|(_, slot)| {
            let state = slot.collection.read();
            state.vectors.segments.iter().find_map(|segment| {
                if !segment.is_verified() {
                    return Some(job(segment, None, segment.stored()?.clone()));
                }
                let mut kinds = DerivedKind::ALL.into_iter();
                kinds.find_map(|kind| Some(job(segment, Some(kind), segment.derived().unverified(kind)?)))
            })
        })
    }

    /// Takes what a verification found: a damaged graph or code is computed anew; damaged vectors end all writing, since what
    /// is written next would rest on them. Reads go on.
    pub(crate) fn end_verify(&mut self, job: &VerifyJob, found: Result<()>) {
        if job.timeline != self.live.timeline.id {
            return;
        }
        match (found, job.kind) {
            (Ok(()), None) => job.segment.set_verified(true),
            (Ok(()), Some(kind)) => job.segment.derived().set_verified(kind),
            (Err(_), Some(kind)) => {
                let derived = job.segment.derived();
                derived.discard(kind, derived.generation(kind));
                self.note_layout();
            }
            (Err(e), None) => {
                job.segment.set_verified(true);
                self.fail(e.to_string());
            }
        }
    }

    /// Verifies one mapped file, in this thread. Whether there was any that was not; an error is what is damaged.
    pub fn verify_mapped(&mut self) -> Result<bool> {
        let Some(job) = self.begin_verify() else { return Ok(false) };
        let found = job.run(u64::MAX, &Pace::default());
        self.end_verify(&job, found.clone());
        found.map(|()| true)
    }
}

/// Whether an error says that a file is not what it should be, and not that the work was ended.
pub(crate) fn is_damage(found: &Result<()>) -> bool {
    !matches!(found, Err(Error::Closed))
}
