//! Verification of the archive: every record of every file read and checked.

use super::archived_file::ArchivedFile;
use super::catalog;
use super::segment_name::timeline_dir;
use crate::error::{Error, Result};
use crate::finding::Finding;
use crate::job::{Job, Meter};
use crate::repository::Repository;
use parking_lot::Mutex;

/// What a verification of the archive found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveReport {
    /// Timelines looked at.
    pub timelines: u64,
    /// Archived files read.
    pub files: u64,
    /// Their stored bytes.
    pub stored_bytes: u64,
    /// Their bytes once decompressed.
    pub plain_bytes: u64,
    /// LSNs missing although the archive holds later ones, and recorded as such: known, and no damage.
    pub recorded_gaps: u64,
    /// What is not as it was written, by path. Empty: everything is whole.
    pub findings: Vec<Finding>,
}

impl ArchiveReport {
    /// Whether nothing was found.
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Reads all archived files and checks every byte of them, every record, and that none is missing without a note. Damage is
/// in the report, and none of it stops the rest; an error is what kept the files from being read at all.
pub fn verify_archive(repository: &Repository, job: &Job<'_>) -> Result<ArchiveReport> {
    let mut report = ArchiveReport::default();
    let mut files: Vec<ArchivedFile> = Vec::new();
    for archived in catalog::list(repository)? {
        report.timelines += 1;
        report.findings.extend(archived.damaged);
        let dir = timeline_dir(repository.root(), archived.id);
        for gap in archived.gaps {
            if gap.recorded.is_some() {
                report.recorded_gaps += gap.span().count();
                continue;
            }
            let expected = format!("LSN {} to {}, or the note of a gap", gap.first, gap.last);
            let missing = Error::damaged(&dir, None, "missing archived log", expected, "neither");
            report.findings.push(Finding::of(missing, &dir)?);
        }
        files.extend(archived.files);
    }
    report.files = files.len() as u64;
    report.stored_bytes = files.iter().map(ArchivedFile::stored_bytes).sum();
    report.plain_bytes = files.iter().map(|file| file.trailer.plain_bytes).sum();
    let meter = Meter::new(job, report.files, report.plain_bytes);
    let findings = Mutex::new(std::mem::take(&mut report.findings));
    let check = |(): &mut (), file: ArchivedFile| {
        let verified = file.verify(repository.storage(), || job.go_on());
        // Superseded or pruned since it was listed: nothing is missing.
        let gone = || repository.storage().stat(&file.path).map(|stat| stat.is_none());
        if let Err(error) = verified
            && !gone()?
        {
            let finding = Finding::of(error, &file.path)?;
            findings.lock().push(finding);
        }
        meter.file(file.trailer.plain_bytes, 0);
        Ok(())
    };
    job.each(files, || Ok(()), check)?;
    report.findings = findings.into_inner();
    report.findings.sort_by(|a, b| (&a.path, a.offset).cmp(&(&b.path, b.offset)));
    Ok(report)
}
