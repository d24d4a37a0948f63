//! Where things are in a data directory (docs/format.md, "Data directory").

use crate::derived::DerivedKind;
use crate::error::{Error, Result};
use cairn_log::{Lsn, TimelineId};
use std::path::{Path, PathBuf};

/// Digits of the numbers in file names.
const DIGITS: usize = 20;

/// A data directory's paths.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(pub PathBuf);

impl DataDir {
    pub fn lock(&self) -> PathBuf {
        self.0.join("LOCK")
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("DATABASE")
    }

    pub fn current(&self) -> PathBuf {
        self.0.join("CURRENT")
    }

    pub fn wal_settings(&self) -> PathBuf {
        self.0.join("WAL")
    }

    pub fn topics(&self) -> PathBuf {
        self.0.join("topics")
    }

    pub fn timelines(&self) -> PathBuf {
        self.0.join("timelines")
    }

    pub fn timeline(&self, id: TimelineId) -> TimelineDir {
        TimelineDir(self.timelines().join(id.to_string()))
    }
}

/// One timeline's directory.
#[derive(Debug, Clone)]
pub(crate) struct TimelineDir(pub PathBuf);

impl TimelineDir {
    pub fn info(&self) -> PathBuf {
        self.0.join("TIMELINE")
    }

    pub fn began(&self) -> PathBuf {
        self.0.join("BEGAN")
    }

    pub fn ended(&self) -> PathBuf {
        self.0.join("ENDED")
    }

    /// Says that all of its log is in the archive.
    pub fn archived(&self) -> PathBuf {
        self.0.join("ARCHIVED")
    }

    pub fn wal(&self) -> PathBuf {
        self.0.join("wal")
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    pub fn checkpoint(&self, lsn: Lsn) -> PathBuf {
        self.checkpoints().join(checkpoint_name(lsn))
    }

    /// The directories of the files that images name.
    pub fn image_dirs(&self) -> [PathBuf; 2] {
        [self.0.join("segments"), self.0.join("pages")]
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(Path::new(name))
    }
}

pub(crate) fn checkpoint_name(lsn: Lsn) -> String {
    format!("{:020}.ckpt", lsn.0)
}

/// The file of a collection's vector segment. Its number holds both: the collection's in the upper half.
pub(crate) fn segment_name((collection, number): (u32, u32)) -> String {
    format!("segments/{:020}.vec", u64::from(collection) << 32 | u64::from(number))
}

pub(crate) fn pages_name(number: u64) -> String {
    format!("pages/{number:020}.pages")
}

/// The file of something derived from a vector segment; what was computed anew has the number of times in its name.
pub(crate) fn derived_name((collection, number): (u32, u32), kind: DerivedKind, generation: u32) -> String {
    let both = u64::from(collection) << 32 | u64::from(number);
    match generation {
        0 => format!("segments/{both:020}{}", kind.extension()),
        _ => format!("segments/{both:020}-{generation}{}", kind.extension()),
    }
}

/// What a derived file is of: the segment, its kind, its generation.
pub(crate) fn derived_of(name: &str) -> Option<((u32, u32), DerivedKind, u32)> {
    let kind = DerivedKind::ALL.into_iter().find(|kind| name.ends_with(kind.extension()))?;
    let stem = name.strip_suffix(kind.extension())?;
    let (digits, generation) = match stem.split_once('-') {
        None => (stem, 0),
        Some((digits, generation)) => (digits, generation.parse().ok()?),
    };
    let both = number_of(digits, "segments/", "")?;
    let id = ((both >> 32) as u32, both as u32);
    // Only the spelling that is written.
    (derived_name(id, kind, generation) == name).then_some((id, kind, generation))
}

fn number_of(name: &str, before: &str, after: &str) -> Option<u64> {
    let digits = name.strip_prefix(before)?.strip_suffix(after)?;
    let plain = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// The collection and the segment's number in `segments/….vec`.
pub(crate) fn segment_number(name: &str) -> Option<(u32, u32)> {
    let both = number_of(name, "segments/", ".vec")?;
    Some(((both >> 32) as u32, both as u32))
}

/// The number in `pages/….pages`.
pub(crate) fn pages_number(name: &str) -> Option<u64> {
    number_of(name, "pages/", ".pages")
}

/// The LSN in a checkpoint's file name.
pub(crate) fn checkpoint_lsn(name: &str) -> Option<Lsn> {
    number_of(name, "", ".ckpt").map(Lsn)
}

/// The names that files of an image may have, for messages.
pub const IMAGE_NAMES: &str = "segments/<20 digits>.vec, .graph or .codes (the last two also <20 digits>-<number>), or pages/<20 digits>.pages";

/// Whether a file of an image may have this name: an image is never written anywhere else.
pub fn is_image_name(name: &str) -> bool {
    segment_number(name).is_some() || pages_number(name).is_some() || derived_of(name).is_some()
}

/// Refuses a name that is not one of an image's files: manifests come from outside.
pub(crate) fn check_image_name(name: &str) -> Result<()> {
    if is_image_name(name) {
        return Ok(());
    }
    Err(Error::Input(format!("file name: expected {IMAGE_NAMES}, got {name:?}")))
}
