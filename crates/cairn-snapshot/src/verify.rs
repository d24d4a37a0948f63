//! Verification: every byte of a snapshot, or of a whole repository, read and hashed.

use crate::archive::verify_archive;
use crate::catalog::{self, Listed};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::job::{Job, Meter};
use crate::layout;
use crate::part::{Part, PartId};
use crate::repository::Repository;
use crate::snapshot::Snapshot;
use crate::snapshot_id::SnapshotId;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// The snapshots looked at, damaged ones by the names of their directories.
    pub snapshots: Vec<String>,
    /// Parts looked at.
    pub parts: u64,
    /// Parts of which every byte was read.
    pub parts_read: u64,
    /// Stored bytes of the parts and files that were read.
    pub stored_bytes: u64,
    /// Plain bytes of the parts and files that were read.
    pub plain_bytes: u64,
    /// Files of the log archive read: only when all of a repository was verified.
    pub archived_files: u64,
    /// What is not as it was written, by path. Empty: everything is whole.
    pub findings: Vec<Finding>,
    /// The snapshots that each damaged file belongs to: none of them can be restored whole.
    pub affected: BTreeMap<PathBuf, BTreeSet<String>>,
}

impl VerifyReport {
    /// Whether nothing was found.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}

/// How much is read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Depth {
    /// Manifests and checksum files, and of each part that it is there and as long as it should be.
    Sizes,
    /// As well, every byte of parts that make up this share of all bytes, from 0 to 1: another one for each seed.
    Share {
        /// Of all stored bytes.
        share: f64,
        /// Which parts come first.
        seed: u64,
    },
    /// Every byte.
    #[default]
    Every,
}

/// Verifies the snapshot of an id or a name: `cairn-repository.json`, `metadata.json`, `checksum.sha256`, and of each part
/// the length and SHA-256 of its stored bytes and of its plain bytes. Damage is in the report, and none of it stops the
/// rest; an error is what kept the files from being read at all.
pub fn verify(repository: &Repository, id_or_name: &str, job: &Job<'_>) -> Result<VerifyReport> {
    verify_with(repository, id_or_name, Depth::Every, job)
}

/// As [`verify`], to a depth.
pub fn verify_with(
    repository: &Repository,
    id_or_name: &str,
    depth: Depth,
    job: &Job<'_>,
) -> Result<VerifyReport> {
    let id = catalog::resolve(repository, id_or_name)?;
    let mut check = Check::default();
    check.repository(repository)?;
    check.snapshot(repository, &id)?;
    // Others name its parts as well: whoever reads of damage wants to know which.
    for listed in catalog::list(repository)? {
        if let Some(snapshot) = listed.whole().filter(|snapshot| snapshot.id != id) {
            check.note(snapshot);
        }
    }
    check.parts(repository, depth, job)
}

/// Verifies a whole repository: all its snapshots, of which parts they share are read once, and the log archive, as
/// [`verify_archive`] does. Progress is told of the one, then of the other.
pub fn verify_all(repository: &Repository, job: &Job<'_>) -> Result<VerifyReport> {
    verify_all_with(repository, Depth::Every, job)
}

/// As [`verify_all`], to a depth; the log archive is read when every byte is.
pub fn verify_all_with(repository: &Repository, depth: Depth, job: &Job<'_>) -> Result<VerifyReport> {
    let mut check = Check::default();
    check.repository(repository)?;
    for listed in catalog::list(repository)? {
        match listed {
            Listed::Whole(snapshot) => check.add(&snapshot),
            Listed::Damaged { id, error } => check.damaged(repository, id, error)?,
        }
    }
    let mut report = check.parts(repository, depth, job)?;
    if depth == Depth::Every {
        let archive = verify_archive(repository, job)?;
        report.archived_files = archive.files;
        report.stored_bytes += archive.stored_bytes;
        report.plain_bytes += archive.plain_bytes;
        report.findings.extend(archive.findings);
        report.findings.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
    }
    Ok(report)
}

#[derive(Default)]
struct Check {
    snapshots: Vec<String>,
    /// By path and stored digest: should two snapshots disagree about a part, both are told.
    parts: BTreeMap<(String, [u8; 32]), Part>,
    findings: Vec<Finding>,
    /// By the part's path below the repository: the snapshots that name it.
    named_by: BTreeMap<String, BTreeSet<String>>,
    affected: BTreeMap<PathBuf, BTreeSet<String>>,
}

impl Check {
    fn repository(&mut self, repository: &Repository) -> Result<()> {
        if let Err(error) = repository.check() {
            self.findings.push(Finding::of(error, &repository.root().join(layout::REPOSITORY_FILE))?);
        }
        Ok(())
    }

    fn snapshot(&mut self, repository: &Repository, id: &SnapshotId) -> Result<()> {
        match catalog::read(repository, id) {
            Ok(snapshot) => self.add(&snapshot),
            Err(error) => self.damaged(repository, id.to_string(), error)?,
        }
        Ok(())
    }

    fn add(&mut self, snapshot: &Snapshot) {
        self.snapshots.push(snapshot.id.to_string());
        for part in snapshot.parts() {
            self.parts.insert((part.stored(), part.stored_sha256.0), *part);
        }
        self.note(snapshot);
    }

    /// Remembers which parts a snapshot names.
    fn note(&mut self, snapshot: &Snapshot) {
        for part in snapshot.parts() {
            self.named_by.entry(part.stored()).or_default().insert(snapshot.id.to_string());
        }
    }

    fn damaged(&mut self, repository: &Repository, id: String, error: Error) -> Result<()> {
        let dir = repository.root().join(layout::SNAPSHOTS).join(&id);
        // A missing file is named by the error of the disk.
        let path = match &error {
            Error::Disk(cairn_disk::Error::Io { path, .. }) => path.clone(),
            _ => dir,
        };
        let finding = Finding::of(error, &path)?;
        self.affected.entry(finding.path.clone()).or_default().insert(id.clone());
        self.findings.push(finding);
        self.snapshots.push(id);
        Ok(())
    }

    fn parts(mut self, repository: &Repository, depth: Depth, job: &Job<'_>) -> Result<VerifyReport> {
        let parts: Vec<Part> = std::mem::take(&mut self.parts).into_values().collect();
        let chosen = chosen(&parts, depth);
        let read = || parts.iter().filter(|part| chosen.contains(&part.id));
        let plain_bytes = read().map(|part| part.bytes).sum();
        let mut report = VerifyReport {
            snapshots: std::mem::take(&mut self.snapshots),
            parts: parts.len() as u64,
            parts_read: read().count() as u64,
            stored_bytes: read().map(|part| part.stored_bytes).sum(),
            plain_bytes,
            archived_files: 0,
            findings: Vec::new(),
            affected: BTreeMap::new(),
        };
        let (root, storage) = (repository.root(), repository.storage());
        let findings = Mutex::new(std::mem::take(&mut self.findings));
        let meter = Meter::new(job, report.parts, plain_bytes);
        let check = |(): &mut (), part: Part| {
            let whole = chosen.contains(&part.id);
            let checked = match whole {
                true => part.read(storage, root, job.cancel, &mut |_| Ok(())),
                false => part.check_size(storage, root),
            };
            if let Err(error) = checked {
                let finding = Finding::of(error, &root.join(part.stored()))?;
                findings.lock().push(finding);
            }
            meter.file(if whole { part.bytes } else { 0 }, 0);
            Ok(())
        };
        job.each(parts.clone(), || Ok(()), check)?;
        report.findings = findings.into_inner();
        report.findings.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
        report.affected = self.affected;
        for finding in &report.findings {
            let below = finding.path.strip_prefix(root).ok().and_then(|path| path.to_str());
            if let Some(ids) = below.and_then(|path| self.named_by.get(path)) {
                report.affected.entry(finding.path.clone()).or_default().extend(ids.iter().cloned());
            }
        }
        Ok(report)
    }
}

/// The parts of which every byte is read.
fn chosen(parts: &[Part], depth: Depth) -> BTreeSet<PartId> {
    let (share, seed) = match depth {
        Depth::Sizes => return BTreeSet::new(),
        Depth::Every => return parts.iter().map(|part| part.id).collect(),
        Depth::Share { share, seed } => (share, seed),
    };
    let order = |part: &Part| Digest::of(&[&seed.to_le_bytes()[..], &part.id.0.0].concat()).0;
    let mut shuffled: Vec<&Part> = parts.iter().collect();
    shuffled.sort_by_key(|part| order(part));
    let all: u64 = parts.iter().map(|part| part.stored_bytes).sum();
    let mut left = (all as f64 * share).ceil();
    let mut chosen = BTreeSet::new();
    for part in shuffled {
        if left <= 0.0 {
            break;
        }
        left -= part.stored_bytes as f64;
        chosen.insert(part.id);
    }
    chosen
}
