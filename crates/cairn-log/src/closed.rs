//! `ClosedLog`: a log that is not open here, looked at once and read as often as asked.

use crate::reader::{Part, Reader};
use crate::recovery::Plan;
use crate::{Bounds, Error, LogConfig, Result};
use cairn_disk::Storage;
use std::sync::Arc;

/// A closed log as it was when it was looked at. It changes nothing on disk, and holds no file open: what its owner removes
/// meanwhile is an error of whoever reads it then, what is appended meanwhile is not seen.
#[derive(Debug)]
pub struct ClosedLog {
    config: LogConfig,
    parts: Vec<Part>,
    bounds: Bounds,
}

impl ClosedLog {
    /// Looks at the log in `config.dir` up to its torn end, if any: what [`crate::Log::open`] would refuse is refused, what it
    /// would cut is left out. Reads only the newest segment whole.
    pub fn look(storage: &Arc<dyn Storage>, config: LogConfig) -> Result<ClosedLog> {
        if storage.stat(&config.dir)?.is_none() {
            return Err(Error::NoLog { dir: config.dir });
        }
        let plan = Plan::make(storage, &config)?;
        let sealed = plan.sealed.into_iter().filter_map(|segment| Some((segment.sealed()?, segment)));
        let newest = plan.newest.into_iter().map(|newest| (newest.end, newest.segment));
        let parts: Vec<Part> = sealed.chain(newest).map(|(end, segment)| Part { segment, end }).collect();
        let end = parts.last().map(|part| part.end);
        let bounds = Bounds {
            first_offset: parts.first().map_or(config.start, |part| part.segment.base),
            next_offset: end.map_or(config.start, |end| end.next_offset),
            last_timestamp_us: end.map(|end| end.last_timestamp_us).filter(|us| *us != i64::MIN),
            segments: parts.len(),
        };
        Ok(ClosedLog { config, parts, bounds })
    }

    /// What it holds.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Reads it from `from` on, every checksum checked again.
    pub fn read(&self, from: u64) -> Result<Reader> {
        let Bounds { first_offset: first, next_offset: next, .. } = self.bounds;
        if !(first..=next).contains(&from) {
            return Err(Error::OutOfRange { offset: from, first, next });
        }
        let parts = self.parts.iter().filter(|part| part.end.next_offset > from);
        Reader::new(&self.config, parts.cloned().collect(), from)
    }
}
