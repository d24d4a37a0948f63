//! Verification: every byte of a snapshot, or of a whole repository, read and hashed.

use crate::archive::verify_archive;
use crate::catalog::{self, Listed};
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::job::{Job, Meter};
use crate::layout;
use crate::part::Part;
use crate::repository::Repository;
use crate::snapshot::Snapshot;
use crate::snapshot_id::SnapshotId;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// The snapshots looked at, damaged ones by the names of their directories.
    pub snapshots: Vec<String>,
    /// Parts read.
    pub parts: u64,
    /// Stored bytes of those parts and files.
    pub stored_bytes: u64,
    /// Plain bytes of those parts and files.
    pub plain_bytes: u64,
    /// Files of the log archive read: only when all of a repository was verified.
    pub archived_files: u64,
    /// What is not as it was written, by path. Empty: everything is whole.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether nothing was found.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Verifies the snapshot of an id or a name: `cairn-repository.json`, `metadata.json`, `checksum.sha256`, and of each part
/// the length and SHA-256 of its stored bytes and of its plain bytes. Damage is in the report, and none of it stops the
/// rest; an error is what kept the files from being read at all.
pub fn verify(repository: &Repository, id_or_name: &str, job: &Job<'_>) -> Result<VerifyReport> {
    let id = catalog::resolve(repository, id_or_name)?;
    let mut check = Check::default();
    check.repository(repository)?;
    check.snapshot(repository, &id)?;
    check.parts(repository, job)
}

/// Verifies a whole repository: all its snapshots, of which parts they share are read once, and the log archive, as
/// [`verify_archive`] does. Progress is told of the one, then of the other.
pub fn verify_all(repository: &Repository, job: &Job<'_>) -> Result<VerifyReport> {
    let mut check = Check::default();
    check.repository(repository)?;
    for listed in catalog::list(repository)? {
        match listed {
            Listed::Whole(snapshot) => check.add(&snapshot),
            Listed::Damaged { id, error } => check.damaged(repository, id, error)?,
        }
    }
    let mut report = check.parts(repository, job)?;
    let archive = verify_archive(repository, job)?;
    report.archived_files = archive.files;
    report.stored_bytes += archive.stored_bytes;
    report.plain_bytes += archive.plain_bytes;
    report.findings.extend(archive.findings);
    report.findings.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
    Ok(report)
}

#[derive(Default)]
struct Check {
    snapshots: Vec<String>,
    /// By path and stored digest: should two snapshots disagree about a part, both are told.
    parts: BTreeMap<(String, [u8; 32]), Part>,
    findings: Vec<Finding>,
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
    }

    fn damaged(&mut self, repository: &Repository, id: String, error: Error) -> Result<()> {
        let dir = repository.root().join(layout::SNAPSHOTS).join(&id);
        // A missing file is named by the error of the disk.
        let path = match &error {
            Error::Disk(cairn_disk::Error::Io { path, .. }) => path.clone(),
            _ => dir,
        };
        self.findings.push(Finding::of(error, &path)?);
        self.snapshots.push(id);
        Ok(())
    }

    fn parts(self, repository: &Repository, job: &Job<'_>) -> Result<VerifyReport> {
        let parts: Vec<Part> = self.parts.into_values().collect();
        let plain_bytes = parts.iter().map(|part| part.bytes).sum();
        let mut report = VerifyReport {
            snapshots: self.snapshots,
            parts: parts.len() as u64,
            stored_bytes: parts.iter().map(|part| part.stored_bytes).sum(),
            plain_bytes,
            archived_files: 0,
            findings: Vec::new(),
        };
        let (root, storage) = (repository.root(), repository.storage());
        let findings = Mutex::new(self.findings);
        let meter = Meter::new(job, report.parts, plain_bytes);
        let check = |(): &mut (), part: Part| {
            if let Err(error) = part.read(storage, root, job.cancel, &mut |_| Ok(())) {
                let finding = Finding::of(error, &root.join(part.stored()))?;
                findings.lock().push(finding);
            }
            meter.file(part.bytes, 0);
            Ok(())
        };
        job.each(parts, || Ok(()), check)?;
        report.findings = findings.into_inner();
        report.findings.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
        Ok(report)
    }
}
