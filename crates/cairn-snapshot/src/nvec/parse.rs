//! What the sections of a checked `.nvec` file say, entry by entry.

use super::file::NvecFile;
use super::header::saturated;
use super::pairs::Pair;
use super::parse_collections;
use super::section::{
    self, COLLECTIONS, COUNTS, DEDUP, EVENTS, METADATA, ONE_SIDED, ORIGIN, PAIRS, SETTINGS, Section, UNEVEN,
    VECTORS,
};
use super::source::Source;
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use cairn_engine::{
    CollectionSpec, DatabaseId, EventOp, Lsn, Metadata, Metric, Position, Remembered, Settings, TimelineId,
};

/// An origin's LSN is at most this, so that what is logged after it has numbers.
const LSN_MAX: u64 = i64::MAX as u64;

/// Takes the entries. What it refuses is told as damage at the entry's place.
pub(crate) trait Visitor {
    fn context(&mut self, _name: &str, _ring_capacity: u32) -> Result<(), String> {
        Ok(())
    }
    fn event(&mut self, _context: &str, _event: &Event<'_>) -> Result<(), String> {
        Ok(())
    }
    fn pair(&mut self, _pair: &Pair<'_>) -> Result<(), String> {
        Ok(())
    }
    /// The dimension in force; 0: none yet.
    fn dimension(&mut self, _dimension: u32) -> Result<(), String> {
        Ok(())
    }
    fn vector(&mut self, _id: &str, _vector: &[f32]) -> Result<(), String> {
        Ok(())
    }
    fn metadata(&mut self, _id: &str, _metadata: Metadata) -> Result<(), String> {
        Ok(())
    }
    fn totals(&mut self, _total_events: u64, _stored_events: u64) {}
    fn dedup(
        &mut self,
        _state: Remembered,
        _score: u8,
        _context: &str,
        _id: &str,
        _time_s: i64,
    ) -> Result<(), String> {
        Ok(())
    }
    /// The collection that was told of held so much: `default` at first.
    fn counted(&mut self, _counts: &FileCounts) {}
    /// What comes is of another collection.
    fn collection(&mut self, _name: &str, _settings: Settings, _spec: CollectionSpec) -> Result<(), String> {
        Ok(())
    }
    fn alias(&mut self, _alias: &str, _collection: &str) {}
}

/// Looks at everything and keeps nothing.
pub(crate) struct Discard;

impl Visitor for Discard {}

/// An event of a ring.
pub(crate) struct Event<'a> {
    pub id: &'a str,
    pub op: EventOp,
    pub score: u8,
    pub time_s: i64,
}

/// How much a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileCounts {
    pub events: u64,
    pub pairs: u64,
    pub vectors: u64,
    pub contexts: u64,
}

/// The counts of the header, or the true ones behind it.
pub(crate) fn counts(nvec: &NvecFile<'_>, sections: &[Section], job: &Job<'_>) -> Result<FileCounts> {
    let header = &nvec.header;
    let Some(section) = section::find(sections, COUNTS) else {
        let events =
            section::find(sections, EVENTS).ok_or_else(|| Error::Bug("no events section".to_owned()))?;
        let contexts = nvec.source(*events, job, None).count(CONTEXT_BYTES_MIN)?;
        let [events, pairs, vectors] = [header.events, header.pairs, header.vectors].map(u64::from);
        return Ok(FileCounts { events, pairs, vectors, contexts });
    };
    let mut source = nvec.source(*section, job, None);
    let counts = true_counts(&mut source)?;
    let FileCounts { events, pairs, vectors, .. } = counts;
    let in_header = [header.events, header.pairs, header.vectors];
    let true_ones = [saturated(events), saturated(pairs), saturated(vectors)];
    if in_header != true_ones {
        return Err(source.bad(
            "counts",
            format!("those of the header, {in_header:?}"),
            format!("{true_ones:?}"),
        ));
    }
    source.finish()?;
    Ok(counts)
}

/// The payload of a counts section.
pub(crate) fn true_counts(source: &mut Source<'_>) -> Result<FileCounts> {
    let [events, pairs, vectors, contexts] = [source.u64()?, source.u64()?, source.u64()?, source.u64()?];
    Ok(FileCounts { events, pairs, vectors, contexts })
}

/// The settings, when the file has them.
pub(crate) fn settings(nvec: &NvecFile<'_>, sections: &[Section], job: &Job<'_>) -> Result<Option<Settings>> {
    let Some(section) = section::find(sections, SETTINGS) else { return Ok(None) };
    let mut source = nvec.source(*section, job, None);
    let bytes = usize::try_from(source.left()).unwrap_or(usize::MAX);
    let decoded = Settings::decode(source.take(bytes)?);
    let settings = decoded.map_err(|e| source.bad("settings", "settings of docs/format.md", e))?;
    source.finish()?;
    Ok(Some(settings))
}

/// The metric of the vectors section.
pub(crate) fn metric(nvec: &NvecFile<'_>, sections: &[Section], job: &Job<'_>) -> Result<Metric> {
    let vectors =
        section::find(sections, VECTORS).ok_or_else(|| Error::Bug("no vectors section".to_owned()))?;
    Ok(vectors_head(&mut nvec.source(*vectors, job, None))?.1)
}

/// Where the state stood, when the file says so.
pub(crate) fn origin(nvec: &NvecFile<'_>, sections: &[Section], job: &Job<'_>) -> Result<Option<Position>> {
    let Some(section) = section::find(sections, ORIGIN) else { return Ok(None) };
    let mut source = nvec.source(*section, job, None);
    let (mut database, mut timeline) = ([0; 16], [0; 16]);
    database.copy_from_slice(source.take(16)?);
    timeline.copy_from_slice(source.take(16)?);
    let (lsn, time_us) = (source.u64()?, source.i64()?);
    if lsn > LSN_MAX {
        return Err(source.bad("lsn", format!("at most {LSN_MAX}"), lsn));
    }
    source.finish()?;
    Ok(Some(Position {
        database: DatabaseId(database),
        timeline: TimelineId(timeline),
        lsn: Lsn(lsn),
        time_us,
    }))
}

/// Least bytes of a context: a name of one byte, capacity, number of events.
const CONTEXT_BYTES_MIN: u64 = 5 + 8;
/// Least bytes of an event.
const EVENT_BYTES_MIN: u64 = 5 + 4 + 8 + 4;

/// Calls the visitor with every entry of the sections this build knows, and checks the counts.
pub(crate) fn content(
    nvec: &NvecFile<'_>,
    all: &[Section],
    job: &Job<'_>,
    meter: &Meter<'_>,
    visitor: &mut dyn Visitor,
) -> Result<()> {
    let counts = counts(nvec, all, job)?;
    sections(nvec, all, &counts, job, meter, visitor)?;
    visitor.counted(&counts);
    settings(nvec, all, job)?;
    origin(nvec, all, job)?;
    if let Some(section) = section::find(all, COLLECTIONS) {
        parse_collections::collections(nvec, *section, job, meter, visitor)?;
    }
    parse_collections::default_spec(nvec, all, job)?;
    meter.file(0, 0);
    Ok(())
}

/// Calls the visitor with every entry of one collection's sections.
pub(crate) fn sections(
    nvec: &NvecFile<'_>,
    sections: &[Section],
    counts: &FileCounts,
    job: &Job<'_>,
    meter: &Meter<'_>,
    visitor: &mut dyn Visitor,
) -> Result<()> {
    let open = |kind| section::find(sections, kind).map(|section| nvec.source(*section, job, Some(meter)));
    let missing = || Error::Bug("one of the three sections is missing".to_owned());
    events(open(EVENTS).ok_or_else(missing)?, counts, visitor)?;
    pairs(open(PAIRS).ok_or_else(missing)?, [open(ONE_SIDED), open(UNEVEN)], counts, visitor)?;
    vectors(open(VECTORS).ok_or_else(missing)?, counts, visitor)?;
    open(METADATA).map_or(Ok(()), |source| metadata(source, visitor))?;
    open(DEDUP).map_or(Ok(()), |source| dedup(source, visitor))
}

fn same(source: &Source<'_>, what: &str, expected: u64, actual: u64) -> Result<()> {
    if expected == actual { Ok(()) } else { Err(source.bad(what, expected, actual)) }
}

fn refused(source: &Source<'_>, what: &str) -> impl FnOnce(String) -> Error {
    let error = |why| source.bad(what, "what a state can hold", why);
    move |why| error(why)
}

/// Reads the events section.
pub(crate) fn events(mut source: Source<'_>, counts: &FileCounts, visitor: &mut dyn Visitor) -> Result<()> {
    let contexts = source.count(CONTEXT_BYTES_MIN)?;
    same(&source, "number of contexts", counts.contexts, contexts)?;
    let (mut name, mut id, mut total) = (String::new(), String::new(), 0);
    for _ in 0..contexts {
        source.text(&mut name)?;
        let (capacity, events) = (source.u32()?, source.u32()?);
        let most = u64::from(capacity).min(source.left() / EVENT_BYTES_MIN);
        if u64::from(events) > most {
            return Err(source.bad("events of a context", format!("at most {most}"), events));
        }
        visitor.context(&name, capacity).map_err(refused(&source, "context"))?;
        for _ in 0..events {
            let event = event(&mut source, &mut id)?;
            visitor.event(&name, &event).map_err(refused(&source, "event"))?;
        }
        total += u64::from(events);
    }
    same(&source, "number of events", counts.events, total)?;
    source.finish()
}

fn event<'a>(source: &mut Source<'_>, id: &'a mut String) -> Result<Event<'a>> {
    source.text(id)?;
    let (score, time_s, op) = (source.i32()?, source.i64()?, source.u8()?);
    source.zeros::<3>()?;
    let op = EventOp::from_byte(op).ok_or_else(|| source.bad("operation", "1 ADD, 2 SET or 3 DEL", op))?;
    match u8::try_from(score) {
        Ok(score @ 0..=100) => Ok(Event { id, op, score, time_s }),
        _ => Err(source.bad("score", "0 to 100", score)),
    }
}

fn pairs(
    mut source: Source<'_>,
    [one_sided, uneven]: [Option<Source<'_>>; 2],
    counts: &FileCounts,
    visitor: &mut dyn Visitor,
) -> Result<()> {
    let n = source.count(5 + 5 + 8)?;
    same(&source, "number of pairs", counts.pairs, n)?;
    let mut one_sided = Notes::open(one_sided, false)?;
    let mut uneven = Notes::open(uneven, true)?;
    let (mut first, mut second) = (String::new(), String::new());
    for _ in 0..n {
        source.text(&mut first)?;
        source.text(&mut second)?;
        let score = source.score()?;
        if first.as_bytes() >= second.as_bytes() {
            let actual = format!("{first:.80?}, {second:.80?}");
            return Err(source.bad("pair", "two ids, ascending", actual));
        }
        let mut pair = Pair { first: &first, second: &second, forward: Some(score), backward: Some(score) };
        if one_sided.take(&second, &first)? {
            pair.forward = None;
        } else if one_sided.take(&first, &second)? {
            pair.backward = None;
        } else if uneven.is_next(&first, &second) {
            pair.backward = Some(uneven.score);
            uneven.advance()?;
        }
        visitor.pair(&pair).map_err(refused(&source, "pair"))?;
    }
    one_sided.finish()?;
    uneven.finish()?;
    source.finish()
}

/// Notes on pairs, in the order of the pairs section: read beside it, one ahead.
struct Notes<'a> {
    source: Option<Source<'a>>,
    with_score: bool,
    left: u64,
    /// The next note, when `pending`.
    pending: bool,
    a: String,
    b: String,
    score: f64,
}

impl<'a> Notes<'a> {
    fn open(source: Option<Source<'a>>, with_score: bool) -> Result<Notes<'a>> {
        let mut notes = Notes {
            source,
            with_score,
            left: 0,
            pending: false,
            a: String::new(),
            b: String::new(),
            score: 0.0,
        };
        if let Some(source) = &mut notes.source {
            notes.left = source.count(if with_score { 5 + 5 + 8 } else { 5 + 5 })?;
        }
        notes.advance()?;
        Ok(notes)
    }

    fn advance(&mut self) -> Result<()> {
        self.pending = self.left > 0;
        if let (true, Some(source)) = (self.pending, &mut self.source) {
            self.left -= 1;
            source.text(&mut self.a)?;
            source.text(&mut self.b)?;
            if self.with_score {
                self.score = source.score()?;
            }
        }
        Ok(())
    }

    fn is_next(&self, a: &str, b: &str) -> bool {
        self.pending && self.a == a && self.b == b
    }

    /// Whether the next note is this one; then it is done with.
    fn take(&mut self, a: &str, b: &str) -> Result<bool> {
        let is_next = self.is_next(a, b);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn finish(self) -> Result<()> {
        match self.source {
            Some(source) if self.pending => {
                let actual = format!("{:.80?}, {:.80?}", self.a, self.b);
                Err(source.bad("note on a pair", "pairs of the pairs section, in its order", actual))
            }
            Some(source) => source.finish(),
            None => Ok(()),
        }
    }
}

fn vectors_head(source: &mut Source<'_>) -> Result<(u32, Metric)> {
    let (dimension, metric) = (source.u32()?, source.u8()?);
    source.zeros::<3>()?;
    let metric =
        Metric::from_byte(metric).ok_or_else(|| source.bad("metric", "0 cosine, 1 dot or 2 l2", metric))?;
    Ok((dimension, metric))
}

fn vectors(mut source: Source<'_>, counts: &FileCounts, visitor: &mut dyn Visitor) -> Result<()> {
    let (dimension, _) = vectors_head(&mut source)?;
    let n = source.count(5 + u64::from(dimension) * 4)?;
    same(&source, "number of vectors", counts.vectors, n)?;
    visitor.dimension(dimension).map_err(refused(&source, "dimension"))?;
    let (mut id, mut vector) = (String::new(), Vec::new());
    for _ in 0..n {
        source.text(&mut id)?;
        source.f32s(dimension as usize, &mut vector)?;
        visitor.vector(&id, &vector).map_err(refused(&source, "vector"))?;
    }
    source.finish()
}

fn metadata(mut source: Source<'_>, visitor: &mut dyn Visitor) -> Result<()> {
    let n = source.count(5 + 4)?;
    let mut id = String::new();
    for _ in 0..n {
        source.text(&mut id)?;
        let bytes = source.u32()? as usize;
        let decoded = Metadata::decode(source.take(bytes)?);
        let metadata = decoded.map_err(|e| source.bad("metadata", "metadata of docs/format.md", e))?;
        visitor.metadata(&id, metadata).map_err(refused(&source, "metadata"))?;
    }
    source.finish()
}

fn dedup(mut source: Source<'_>, visitor: &mut dyn Visitor) -> Result<()> {
    let (total_events, stored_events) = (source.u64()?, source.u64()?);
    visitor.totals(total_events, stored_events);
    let n = source.count(4 + 5 + 5 + 8)?;
    let (mut context, mut id) = (String::new(), String::new());
    for _ in 0..n {
        let (state, score) = (source.u8()?, source.u8()?);
        source.zeros::<2>()?;
        let state = Remembered::from_byte(state)
            .ok_or_else(|| source.bad("dedup state", "1 add, 2 set or 3 deleted", state))?;
        source.text(&mut context)?;
        source.text(&mut id)?;
        let time_s = source.i64()?;
        visitor.dedup(state, score, &context, &id, time_s).map_err(refused(&source, "dedup entry"))?;
    }
    source.finish()
}
