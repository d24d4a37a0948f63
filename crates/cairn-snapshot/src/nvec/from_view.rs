//! What a collection's sections of a `.nvec` file hold.

use super::pairs::{self, Pair};
use super::section::{COUNTS, DEDUP, EVENTS, METADATA, ONE_SIDED, ORIGIN, PAIRS, SETTINGS, UNEVEN, VECTORS};
use super::sink::{Measure, Measured, Sink};
use crate::error::{Error, Result};
use cairn_engine::{CollectionView, Position};

/// The payloads of a collection's sections. They are made twice, to learn their sizes and to write them; a View never changes,
/// so both times are the same.
pub(crate) struct Payloads<'a> {
    view: &'a CollectionView,
    position: Position,
    one_sided: u64,
    uneven: u64,
    /// Bytes and CRC of the pairs section, which are learnt on the way.
    pairs: Measured,
}

impl<'a> Payloads<'a> {
    pub(crate) fn new(view: &'a CollectionView, position: Position) -> Result<Payloads<'a>> {
        let mut payloads = Payloads { view, position, one_sided: 0, uneven: 0, pairs: Measured::default() };
        let mut measure = Measure::default();
        let (mut one_sided, mut uneven) = (0, 0);
        payloads.pairs(&mut measure, |pair| {
            one_sided += u64::from(pair.one_sided().is_some());
            uneven += u64::from(pair.uneven().is_some());
        })?;
        (payloads.one_sided, payloads.uneven, payloads.pairs) = (one_sided, uneven, measure.finish());
        Ok(payloads)
    }

    /// The bytes of a section's payload, and their CRC.
    pub(crate) fn measure(&self, kind: u32) -> Result<Measured> {
        if kind == PAIRS {
            return Ok(self.pairs.clone());
        }
        let mut measure = Measure::default();
        self.put(kind, &mut measure)?;
        Ok(measure.finish())
    }

    /// The kinds of sections this state needs, in the order of the file.
    pub(crate) fn kinds(&self) -> Vec<u32> {
        let mut kinds = vec![EVENTS, PAIRS, VECTORS, COUNTS, METADATA, SETTINGS, DEDUP];
        if self.one_sided > 0 {
            kinds.push(ONE_SIDED);
        }
        kinds.push(ORIGIN);
        if self.uneven > 0 {
            kinds.push(UNEVEN);
        }
        kinds
    }

    /// Puts the payload of a section.
    pub(crate) fn put(&self, kind: u32, sink: &mut dyn Sink) -> Result<()> {
        match kind {
            EVENTS => self.events(sink),
            PAIRS => self.pairs(sink, |_| {}),
            VECTORS => self.vectors(sink),
            COUNTS => self.counts(sink),
            METADATA => self.metadata(sink),
            SETTINGS => self.settings(sink),
            DEDUP => self.dedup(sink),
            ONE_SIDED => self.one_sided(sink),
            ORIGIN => self.origin(sink),
            UNEVEN => self.uneven(sink),
            _ => Err(Error::Bug(format!("no section of kind {kind}"))),
        }
    }

    fn events(&self, sink: &mut dyn Sink) -> Result<()> {
        let counts = self.view.counts();
        let capacity = self.view.settings().ctx_buffer_size;
        let (mut contexts, mut events) = (0, 0);
        sink.u64(counts.contexts)?;
        for (name, ring) in self.view.contexts() {
            contexts += 1;
            events += ring.len() as u64;
            sink.text(name)?;
            sink.u32(capacity)?;
            sink.u32(ring.len() as u32)?;
            for event in ring {
                sink.text(event.id)?;
                sink.put(&i32::from(event.score).to_le_bytes())?;
                sink.put(&event.time_s.to_le_bytes())?;
                sink.put(&[event.op as u8, 0, 0, 0])?;
            }
        }
        same("contexts", counts.contexts, contexts)?;
        same("events", counts.events, events)
    }

    fn pairs(&self, sink: &mut dyn Sink, mut seen: impl FnMut(&Pair<'_>)) -> Result<()> {
        let expected = self.view.counts().pairs;
        let mut actual = 0;
        sink.u64(expected)?;
        pairs::each(self.view, |pair| {
            actual += 1;
            seen(pair);
            sink.text(pair.first)?;
            sink.text(pair.second)?;
            sink.put(&pair.score().to_le_bytes())
        })?;
        same("pairs", expected, actual)
    }

    fn vectors(&self, sink: &mut dyn Sink) -> Result<()> {
        let expected = self.view.counts().vectors;
        let mut actual = 0;
        sink.u32(self.view.dimension())?;
        sink.put(&[self.view.settings().metric.byte(), 0, 0, 0])?;
        sink.u64(expected)?;
        let mut bytes = Vec::new();
        for (id, vector) in self.view.vectors() {
            actual += 1;
            sink.text(id)?;
            bytes.clear();
            bytes.extend(vector.iter().flat_map(|x| x.to_le_bytes()));
            sink.put(&bytes)?;
        }
        same("vectors", expected, actual)
    }

    fn counts(&self, sink: &mut dyn Sink) -> Result<()> {
        let counts = self.view.counts();
        [counts.events, counts.pairs, counts.vectors, counts.contexts]
            .into_iter()
            .try_for_each(|n| sink.u64(n))
    }

    fn metadata(&self, sink: &mut dyn Sink) -> Result<()> {
        let expected = self.view.counts().metadata;
        let mut actual = 0;
        sink.u64(expected)?;
        let mut bytes = Vec::new();
        for (id, metadata) in self.view.metadata() {
            actual += 1;
            bytes.clear();
            metadata.encode(&mut bytes);
            sink.text(id)?;
            sink.u32(
                u32::try_from(bytes.len()).map_err(|_| Error::Bug(format!("metadata of {id}: too long")))?,
            )?;
            sink.put(&bytes)?;
        }
        same("metadata", expected, actual)
    }

    fn settings(&self, sink: &mut dyn Sink) -> Result<()> {
        let mut bytes = Vec::new();
        self.view.settings().encode(&mut bytes);
        sink.put(&bytes)
    }

    fn dedup(&self, sink: &mut dyn Sink) -> Result<()> {
        let counts = self.view.counts();
        sink.u64(counts.total_events)?;
        sink.u64(counts.stored_events)?;
        sink.u64(self.view.dedup().count() as u64)?;
        for row in self.view.dedup() {
            sink.put(&[row.state.byte(), row.score, 0, 0])?;
            sink.text(row.context)?;
            sink.text(row.id)?;
            sink.put(&row.time_s.to_le_bytes())?;
        }
        Ok(())
    }

    fn one_sided(&self, sink: &mut dyn Sink) -> Result<()> {
        sink.u64(self.one_sided)?;
        pairs::each(self.view, |pair| {
            let Some((owner, neighbour)) = pair.one_sided() else { return Ok(()) };
            sink.text(owner)?;
            sink.text(neighbour)
        })
    }

    fn uneven(&self, sink: &mut dyn Sink) -> Result<()> {
        sink.u64(self.uneven)?;
        pairs::each(self.view, |pair: &Pair<'_>| {
            let Some(score) = pair.uneven() else { return Ok(()) };
            sink.text(pair.first)?;
            sink.text(pair.second)?;
            sink.put(&score.to_le_bytes())
        })
    }

    fn origin(&self, sink: &mut dyn Sink) -> Result<()> {
        let position = self.position;
        sink.put(&position.database.0)?;
        sink.put(&position.timeline.0)?;
        sink.u64(position.lsn.0)?;
        sink.put(&position.time_us.to_le_bytes())
    }
}

/// A View's counts and what it lists are the same thing, kept twice.
fn same(what: &str, expected: u64, actual: u64) -> Result<()> {
    if expected == actual {
        return Ok(());
    }
    Err(Error::Bug(format!("{what}: the View counts {expected} and lists {actual}")))
}
