//! `Pieces`: what of a damaged log can be read, row by row of whole records.

use super::RepairPlan;
use crate::listing::Listing;
use crate::record::Record;
use crate::scan::{Place, RecordScan, Stop};
use crate::segment::LogSegment;
use crate::{Result, index::Samples};
use cairn_disk::{Access, File, Storage};
use std::sync::Arc;

/// Whole records in a row, in one file.
struct Piece {
    file: Arc<dyn File>,
    first: Place,
    /// The offset after the last one's.
    next: u64,
    end: u64,
}

impl RepairPlan {
    /// The records from `from` on, as far as they follow each other without one missing: also what stands after damage, and
    /// before a repair. Every checksum is checked. None when `from` itself cannot be read.
    pub fn records_from(
        &self,
        storage: &Arc<dyn Storage>,
        from: u64,
    ) -> Result<impl Iterator<Item = Result<Record>> + use<>> {
        let mut pieces = self.pieces(storage)?;
        let mut next = from;
        let mut wanted = Vec::new();
        // Of several that hold the offset, the one that goes furthest.
        while let Some(at) =
            (0..pieces.len()).filter(|&i| pieces[i].holds(next)).max_by_key(|&i| pieces[i].next)
        {
            let piece = pieces.swap_remove(at);
            let start = std::mem::replace(&mut next, piece.next);
            wanted.push((start, piece));
        }
        Ok(wanted.into_iter().flat_map(|(start, piece)| piece.read(start)))
    }

    /// The offset after the last record that [`RepairPlan::records_from`] brings; `from` when it brings none.
    pub fn reaches_from(&self, storage: &Arc<dyn Storage>, from: u64) -> Result<u64> {
        let pieces = self.pieces(storage)?;
        let mut next = from;
        while let Some(further) =
            pieces.iter().filter(|piece| piece.holds(next)).map(|piece| piece.next).max()
        {
            next = further;
        }
        Ok(next)
    }

    fn pieces(&self, storage: &Arc<dyn Storage>) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        for base in Listing::read(&**storage, self.dir())?.bases {
            let segment = LogSegment::new(storage, self.dir(), base, Samples::default());
            let file: Arc<dyn File> = storage.open(&segment.log_path(), Access::Read)?.into();
            let end = file.bytes()?;
            pieces.extend(Piece::scan(&file, segment.first(), end)?);
            for run in self.runs.iter().filter(|run| run.source == segment.log_path()) {
                let first =
                    Place { position: run.position, offset: run.first_offset, last_timestamp_us: i64::MIN };
                pieces.extend(Piece::scan(&file, first, run.end.bytes)?);
            }
        }
        Ok(pieces)
    }
}

impl Piece {
    /// The good records from a place on; `None` when there is none.
    fn scan(file: &Arc<dyn File>, first: Place, end: u64) -> Result<Option<Piece>> {
        let mut scan = RecordScan::new(Arc::clone(file), first, end);
        loop {
            match scan.step() {
                Ok(true) => {}
                Ok(false) | Err(Stop::Flaw(_)) => break,
                Err(Stop::Disk(e)) => return Err(e.into()),
            }
        }
        let (next, end) = (scan.place().offset, scan.place().position);
        Ok((next > first.offset).then(|| Piece { file: Arc::clone(file), first, next, end }))
    }

    fn holds(&self, offset: u64) -> bool {
        (self.first.offset..self.next).contains(&offset)
    }

    fn read(self, from: u64) -> impl Iterator<Item = Result<Record>> {
        let mut scan = RecordScan::new(self.file, self.first, self.end);
        std::iter::from_fn(move || match scan.step() {
            Ok(true) => Some(Ok(scan.current().to_record())),
            Ok(false) => None,
            Err(stop) => Some(Err(stop.into_error(scan.file(), scan.place().position).into())),
        })
        .skip_while(move |record| record.as_ref().is_ok_and(|record| record.offset < from))
    }
}
