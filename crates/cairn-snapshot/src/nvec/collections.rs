//! All collections of a View as the sections of a `.nvec` file: those of `default`, and one that holds the others.

use super::from_view::Payloads;
use super::section::{COLLECTIONS, ORIGIN, SETTINGS, SPEC, encode_header};
use super::sink::{Measure, Measured, Sink};
use crate::error::Result;
use crate::job::Job;
use cairn_engine::{CollectionSpec, CollectionView, View};

/// The payloads of a file's sections.
pub(crate) struct FilePayloads<'a> {
    default: Payloads<'a>,
    spec: &'a CollectionSpec,
    further: Vec<Further<'a>>,
    /// Aliases and what they mean, by alias.
    aliases: Vec<(&'a str, &'a str)>,
}

/// A collection beside `default`, its sections measured.
struct Further<'a> {
    view: &'a CollectionView,
    payloads: Payloads<'a>,
    sections: Vec<(u32, Measured)>,
}

impl<'a> Further<'a> {
    fn new(view: &'a CollectionView, whole: &View, job: &Job<'_>) -> Result<Further<'a>> {
        let payloads = Payloads::new(view, whole.position())?;
        let mut sections = Vec::new();
        // Settings stand before the sections, the origin is the file's.
        for kind in payloads.kinds().into_iter().filter(|kind| ![SETTINGS, ORIGIN].contains(kind)) {
            job.go_on()?;
            sections.push((kind, payloads.measure(kind)?));
        }
        Ok(Further { view, payloads, sections })
    }

    /// What stands before its sections.
    fn head(&self, sink: &mut (impl Sink + ?Sized)) -> Result<()> {
        let mut bytes = Vec::new();
        self.view.settings().encode(&mut bytes);
        self.view.spec().encode(&mut bytes);
        sink.text(self.view.name())?;
        sink.put(&bytes)
    }
}

impl<'a> FilePayloads<'a> {
    pub(crate) fn new(view: &'a View, job: &Job<'_>) -> Result<FilePayloads<'a>> {
        let default = view.default_collection();
        let lasting = |collection: &&CollectionView| !collection.spec().volatile;
        let further = view.collections().iter().skip(1).filter(lasting);
        let means_lasting = |name: &str| view.collection(name).is_some_and(|meant| lasting(&meant));
        Ok(FilePayloads {
            default: Payloads::new(default, view.position())?,
            spec: default.spec(),
            further: further.map(|collection| Further::new(collection, view, job)).collect::<Result<_>>()?,
            aliases: view.aliases().filter(|(_, name)| means_lasting(name)).collect(),
        })
    }

    /// The kinds of sections this state needs, in the order of the file.
    pub(crate) fn kinds(&self) -> Vec<u32> {
        let mut kinds = self.default.kinds();
        if !(self.further.is_empty() && self.aliases.is_empty()) {
            kinds.push(COLLECTIONS);
        }
        if *self.spec != CollectionSpec::default() {
            kinds.push(SPEC);
        }
        kinds
    }

    /// How many collections there are.
    pub(crate) fn count(&self) -> u64 {
        self.further.len() as u64 + 1
    }

    /// The bytes of a section's payload, and their sum.
    pub(crate) fn measure(&self, kind: u32) -> Result<Measured> {
        if kind == COLLECTIONS {
            let mut measure = Measure::default();
            self.collections(&mut measure, |measure, _, (_, measured)| {
                measure.add(measured);
                Ok(())
            })?;
            return Ok(measure.finish());
        }
        if kind == SPEC {
            let mut measure = Measure::default();
            self.put(kind, &mut measure)?;
            return Ok(measure.finish());
        }
        self.default.measure(kind)
    }

    /// Puts the payload of a section.
    pub(crate) fn put(&self, kind: u32, sink: &mut dyn Sink) -> Result<()> {
        match kind {
            COLLECTIONS => {
                self.collections(sink, |sink, further, (kind, _)| further.payloads.put(*kind, sink))
            }
            SPEC => {
                let mut bytes = Vec::new();
                self.spec.encode(&mut bytes);
                sink.put(&bytes)
            }
            kind => self.default.put(kind, sink),
        }
    }

    /// The payload of the collections section; `payload` stands for that of each section in it.
    fn collections<S: Sink + ?Sized>(
        &self,
        sink: &mut S,
        mut payload: impl FnMut(&mut S, &Further<'a>, &(u32, Measured)) -> Result<()>,
    ) -> Result<()> {
        sink.u32(self.further.len() as u32)?;
        for further in &self.further {
            further.head(sink)?;
            for section in &further.sections {
                let (kind, measured) = section;
                sink.put(&encode_header(*kind, measured.crc(), measured.bytes))?;
                payload(sink, further, section)?;
            }
            sink.u32(0)?;
        }
        sink.u32(self.aliases.len() as u32)?;
        for (alias, name) in &self.aliases {
            sink.text(alias)?;
            sink.text(name)?;
        }
        Ok(())
    }
}
