//! The importer: from a reader of rows to a receiver of writes, in batches.

use crate::bad_row::{BadRow, Fault, RowPlace};
use crate::error::{Error, Result};
use crate::report::{Counts, End, Progress, Report};
use crate::rows::{Next, Place, RowReader};
use crate::state::{Identity, StateFile};
use cairn_disk::ErrorKind;
use cairn_engine::{Engine, Write};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Batches that wait between the reader and the receiver. One more is being read, and one being written.
const BATCHES_WAITING: usize = 2;

/// What happens at a bad row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The import ends.
    #[default]
    Stop,
    /// It is reported and left out.
    Skip,
}

impl OnError {
    /// `stop` or `skip`.
    ///
    /// # Errors
    /// `Input` for anything else.
    pub fn from_name(name: &str) -> Result<OnError> {
        match name {
            "stop" => Ok(OnError::Stop),
            "skip" => Ok(OnError::Skip),
            other => {
                let got = crate::bad_row::shown(other);
                Err(Error::Input(format!("on error: expected skip or stop, got {got}")))
            }
        }
    }
}

/// Why a receiver did not take a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The row is at fault; others may be taken.
    Row(String),
    /// The receiver is: nothing more can be written.
    All {
        /// What the caller can do.
        kind: ErrorKind,
        /// What happened.
        message: String,
    },
}

impl From<cairn_engine::Error> for Refused {
    fn from(e: cairn_engine::Error) -> Refused {
        match (&e, e.kind()) {
            (cairn_engine::Error::Input(_) | cairn_engine::Error::NotFound(_), _) => {
                Refused::Row(e.to_string())
            }
            (_, kind) => Refused::All { kind, message: e.to_string() },
        }
    }
}

/// A receiver that writes into an open engine: what it acknowledges is as durable as the log's mode makes it.
pub fn engine_sink(engine: &Engine) -> impl FnMut(Vec<Write>) -> Vec<Result<(), Refused>> {
    |writes| engine.write(writes).into_iter().map(|answer| answer.map(drop).map_err(Refused::from)).collect()
}

/// How rows are imported. Fill in what differs from the default, then [`Importer::run`].
pub struct Importer<'a> {
    /// Rows of a batch, at most: the receiver gets all writes of a batch at once.
    pub batch_rows: usize,
    /// Bytes of a batch, about; a longer row is a batch of its own.
    pub batch_bytes: usize,
    /// What happens at a bad row.
    pub on_error: OnError,
    /// How many bad rows the report keeps.
    pub bad_rows_kept: usize,
    /// Gets every bad row, as JSON Lines ([`BadRow::to_json`]).
    pub bad_rows_to: Option<&'a mut dyn io::Write>,
    /// Called after each batch.
    pub progress: &'a dyn Fn(Progress),
    /// Set it, and the import ends after the batch that is being written.
    pub cancel: &'a AtomicBool,
    /// Where the state is kept; `None`: an interrupted import begins again.
    pub state: Option<StateFile<'a>>,
    /// After how many rows, at most and about, the state is noted; 1: after each batch. Noting waits twice for the disk.
    pub note_rows: u64,
}

impl std::fmt::Debug for Importer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Importer")
            .field("batch_rows", &self.batch_rows)
            .field("on_error", &self.on_error)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Default for Importer<'_> {
    fn default() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Importer {
            batch_rows: 4_096,
            batch_bytes: 4 << 20,
            on_error: OnError::Stop,
            bad_rows_kept: 100,
            bad_rows_to: None,
            progress: &|_| {},
            cancel: &NEVER,
            state: None,
            note_rows: 32_768,
        }
    }
}

/// Rows read, on their way to the receiver.
struct Batch {
    writes: Vec<Write>,
    /// Each row and how many writes it has.
    rows: Vec<(RowPlace, u32)>,
    bad: Vec<BadRow>,
    /// After the last row of it.
    place: Place,
    bytes_read: u64,
    end: Option<ReaderEnd>,
}

/// Why a reader stopped.
enum ReaderEnd {
    Done,
    BadRow(RowPlace),
    Failed(Error),
}

impl Importer<'_> {
    /// Imports all rows of `reader`. `sink` gets the writes of a batch and answers each, in order; `Ok` means that the write is
    /// as durable as it will be. It runs on the caller's thread; the reader on one beside it.
    ///
    /// With a state file, the import goes on where an earlier one of the same file stopped. What was acknowledged is noted
    /// in it every [`note_rows`](Self::note_rows) rows, and however the import ends. So only after a crash of the process or
    /// the machine are rows sent twice: at most `note_rows` and one batch, those that came after the last note. With
    /// `note_rows: 1` it is one batch: the one that was being written, or was acknowledged and not yet noted. Vectors
    /// and metadata sent twice change nothing; an event sent twice counts twice, unless the deduplication of events still
    /// knows it. No row is ever left out. The receiver's acknowledgement has to be as durable as the state: the note of an
    /// engine whose log is not synced may outlive the rows.
    ///
    /// # Errors
    /// Only what keeps it from beginning: a damaged state file, or one of something else. Later failures are the report's
    /// [`End::Failed`].
    pub fn run(
        mut self,
        reader: &mut dyn RowReader,
        mut sink: impl FnMut(Vec<Write>) -> Vec<Result<(), Refused>>,
    ) -> Result<Report> {
        let mut report =
            Report { counts: Counts::default(), bad_rows: Vec::new(), resumed_at: 0, end: End::Done };
        let mut identity = None;
        if let Some(state) = &self.state {
            identity = Some(state.identity(reader));
            if let Some((place, counts)) = state.load(reader)? {
                (report.counts, report.resumed_at) = (counts, place.rows);
            }
        }
        let bytes_total = reader.input().bytes_total();
        let limits = (self.batch_rows.max(1), self.batch_bytes, self.on_error);
        let (send, batches) = sync_channel(BATCHES_WAITING);
        let end = std::thread::scope(|scope| {
            let reading = std::thread::Builder::new()
                .name("import".to_owned())
                .spawn_scoped(scope, move || read(reader, limits, &send));
            match reading {
                Ok(_) => self.write(batches, &mut sink, &mut report, identity.as_ref(), bytes_total),
                Err(e) => End::Failed(Error::Bug(format!("cannot start a thread: {e}"))),
            }
        });
        report.end = end;
        if report.end.is_done()
            && let Some(Err(e)) = self.state.as_ref().map(StateFile::remove)
        {
            report.end = End::Failed(e);
        }
        Ok(report)
    }

    fn write(
        &mut self,
        batches: Receiver<Batch>,
        sink: &mut dyn FnMut(Vec<Write>) -> Vec<Result<(), Refused>>,
        report: &mut Report,
        identity: Option<&Identity>,
        bytes_total: Option<u64>,
    ) -> End {
        // Rows noted; what was acknowledged by now.
        let mut done: Option<(u64, Place, Counts)> = None;
        // The receiver is dropped on the way out: a reader that still reads then finds nobody, and ends.
        let end = loop {
            let Ok(batch) = batches.recv() else {
                break End::Failed(Error::Bug("the thread that reads ended before its rows".to_owned()));
            };
            if self.cancel.load(Ordering::Relaxed) {
                break End::Cancelled;
            }
            let Batch { writes, rows, bad, place, bytes_read, end } = batch;
            let refused_at = match self.write_batch(writes, rows, bad, sink, report) {
                Ok(refused) => refused,
                Err(e) => break End::Failed(e),
            };
            let mut counts = report.counts;
            if let Some(ReaderEnd::BadRow(_)) = end {
                // The import goes on at this row, and meets it again.
                (counts.read, counts.skipped) = (counts.read - 1, counts.skipped - 1);
            }
            let noted = done.map_or(report.resumed_at, |(noted, ..)| noted);
            done = Some((noted, place, counts));
            if place.rows.saturating_sub(noted) >= self.note_rows {
                if let Err(e) = self.note(identity, &place, &counts) {
                    break End::Failed(e);
                }
                done = Some((place.rows, place, counts));
            }
            (self.progress)(Progress { bytes: bytes_read, bytes_total, counts: report.counts });
            match (refused_at, end) {
                (Some(place), _) if self.on_error == OnError::Stop => break End::BadRow(place),
                (_, None) => {}
                (_, Some(ReaderEnd::Done)) => return End::Done,
                (_, Some(ReaderEnd::BadRow(place))) => break End::BadRow(place),
                (_, Some(ReaderEnd::Failed(e))) => break End::Failed(e),
            }
        };
        match done.map_or(Ok(()), |(_, place, counts)| self.note(identity, &place, &counts)) {
            Ok(()) => end,
            // Why it ended comes first.
            Err(_) if matches!(end, End::Failed(_)) => end,
            Err(e) => End::Failed(e),
        }
    }

    fn note(&self, identity: Option<&Identity>, place: &Place, counts: &Counts) -> Result<()> {
        match (&self.state, identity) {
            (Some(state), Some(identity)) => state.save(identity, place, counts),
            _ => Ok(()),
        }
    }

    /// Sends a batch and takes down what became of it; gives back the first row that was refused.
    fn write_batch(
        &mut self,
        writes: Vec<Write>,
        rows: Vec<(RowPlace, u32)>,
        bad: Vec<BadRow>,
        sink: &mut dyn FnMut(Vec<Write>) -> Vec<Result<(), Refused>>,
        report: &mut Report,
    ) -> Result<Option<RowPlace>> {
        let kinds: Vec<&'static str> = writes.iter().map(kind).collect();
        let answers = if writes.is_empty() { Vec::new() } else { sink(writes) };
        if answers.len() != kinds.len() {
            let (sent, got) = (kinds.len(), answers.len());
            return Err(Error::Bug(format!("the receiver answered {got} writes of {sent}")));
        }
        let mut answers: VecDeque<_> = kinds.into_iter().zip(answers).collect();
        let mut refused = Vec::new();
        let mut counts = report.counts;
        for (place, n) in rows {
            let mut fault = None;
            for (kind, answer) in answers.drain(..n as usize) {
                match answer {
                    Ok(()) => {}
                    Err(Refused::Row(message)) => {
                        fault.get_or_insert_with(|| Fault::refused(kind, message));
                    }
                    Err(Refused::All { kind, message }) => return Err(Error::Sink { kind, message }),
                }
            }
            counts.read += 1;
            match fault {
                None => counts.written += 1,
                Some(fault) => refused.push(BadRow { place, fault }),
            }
        }
        counts.read += bad.len() as u64;
        counts.skipped += (bad.len() + refused.len()) as u64;
        report.counts = counts;
        let first = refused.first().map(|row| row.place);
        let mut all = bad;
        all.append(&mut refused);
        all.sort_by_key(|row| row.place);
        for row in all {
            if let Some(out) = &mut self.bad_rows_to {
                writeln!(out, "{}", row.to_json()).map_err(Error::write)?;
            }
            if report.bad_rows.len() < self.bad_rows_kept {
                report.bad_rows.push(row);
            }
        }
        Ok(first)
    }
}

/// What a write sets, as a fault names it.
fn kind(write: &Write) -> &'static str {
    match write {
        Write::VectorSet { .. } => "vector",
        Write::MetadataSet { .. } => "metadata",
        Write::VectorDelete { .. } => "delete",
        Write::Event { .. } => "event",
        Write::Decay { .. } => "decay",
    }
}

/// Bytes of a write in memory, about.
fn bytes(write: &Write) -> usize {
    64 + match write {
        Write::VectorSet { id, vector } => id.len() + 4 * vector.len(),
        Write::MetadataSet { id, metadata } => id.len() + metadata.encoded_len(),
        Write::VectorDelete { id } => id.len(),
        Write::Event { context, id, .. } => context.len() + id.len(),
        Write::Decay { .. } => 0,
    }
}

/// Reads batches until the end, or until nobody takes them.
fn read(
    reader: &mut dyn RowReader,
    (batch_rows, batch_bytes, on_error): (usize, usize, OnError),
    send: &SyncSender<Batch>,
) {
    loop {
        let batch = read_batch(reader, batch_rows, batch_bytes, on_error);
        let last = batch.end.is_some();
        if send.send(batch).is_err() || last {
            return;
        }
    }
}

fn read_batch(reader: &mut dyn RowReader, batch_rows: usize, batch_bytes: usize, on_error: OnError) -> Batch {
    let (mut writes, mut rows, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    let (mut size, mut end) = (0, None);
    let mut place = reader.place();
    while rows.len() + bad.len() < batch_rows && size < batch_bytes {
        let before = writes.len();
        match reader.next(&mut writes) {
            Ok(Next::Row(row)) => {
                size += writes[before..].iter().map(bytes).sum::<usize>();
                rows.push((row, (writes.len() - before) as u32));
            }
            Ok(Next::Bad(row)) => {
                writes.truncate(before);
                size += 64;
                let stop = (on_error == OnError::Stop).then_some(ReaderEnd::BadRow(row.place));
                bad.push(row);
                if stop.is_some() {
                    end = stop;
                    break;
                }
            }
            Ok(Next::End) => {
                end = Some(ReaderEnd::Done);
                break;
            }
            Err(e) => {
                writes.truncate(before);
                end = Some(ReaderEnd::Failed(e));
                break;
            }
        }
        // Whoever stops at a row, bad or not to be read, begins again before it: this is behind the last one that was taken.
        place = reader.place();
    }
    Batch { writes, rows, bad, place, bytes_read: reader.input().raw_bytes(), end }
}
