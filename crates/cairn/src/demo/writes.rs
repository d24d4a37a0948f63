//! The demo's writes: one fixed order, and each in the three forms it is needed in.

use super::reference::Reference;
use super::sample::{Event, Item, Sample};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use cairn_client::{Op, Request};
use cairn_engine::{EventOp, Metadata};
use serde_json::Value;
use std::ops::Range;

/// The time of the first event; each further one is a second later. Given, so that the state can be computed again.
const FIRST_EVENT_S: i64 = 1_767_225_600;

/// One write.
#[derive(Debug, Clone, Copy)]
pub enum Write<'a> {
    /// An item's vector.
    Vector(&'a Item),
    /// An item's metadata.
    Metadata(&'a Item),
    /// An event and its time.
    Event(&'a Event, i64),
}

/// All vectors, then all metadata, then all events.
#[derive(Debug, Clone, Copy)]
pub struct Writes<'a> {
    sample: &'a Sample,
}

impl<'a> Writes<'a> {
    /// The writes of a sample.
    pub fn new(sample: &'a Sample) -> Self {
        Writes { sample }
    }

    /// The places of the vectors.
    pub fn vectors(self) -> Range<usize> {
        0..self.sample.items.len()
    }

    /// The places of the metadata.
    pub fn metadata(self) -> Range<usize> {
        self.vectors().end..2 * self.sample.items.len()
    }

    /// The places of the events.
    pub fn events(self) -> Range<usize> {
        self.metadata().end..self.metadata().end + self.sample.events.len()
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.events().end
    }

    /// The write at a place.
    pub fn at(self, place: usize) -> Write<'a> {
        let n = self.sample.items.len();
        match place.checked_sub(2 * n) {
            Some(event) => Write::Event(&self.sample.events[event], FIRST_EVENT_S + event as i64),
            None if place < n => Write::Vector(&self.sample.items[place]),
            None => Write::Metadata(&self.sample.items[place - n]),
        }
    }
}

impl<'a> Write<'a> {
    /// As a line of the protocol.
    pub fn put(self, request: &mut Request<'_>) -> cairn_client::Result<()> {
        match self {
            Write::Vector(item) => request.vecset(&item.id, &item.vector),
            Write::Metadata(item) => request.metaset(&item.id, &metadata_line(item)),
            Write::Event(e, time_s) => request.event(&e.context, Op::Add, &e.id, e.score, Some(time_s)),
        }
    }

    /// As an embedded engine takes it.
    pub fn embedded(self) -> Result<cairn_engine::Write> {
        Ok(match self {
            Write::Vector(item) => {
                cairn_engine::Write::VectorSet { id: item.id.clone(), vector: item.vector.clone() }
            }
            Write::Metadata(item) => {
                let metadata = Metadata::from_json(Value::Object(item.metadata.clone()))
                    .map_err(|e| Failure::new(Exit::Failed, format!("metadata of {}: {e}", item.id)))?;
                cairn_engine::Write::MetadataSet { id: item.id.clone(), metadata }
            }
            Write::Event(e, time_s) => cairn_engine::Write::Event {
                context: e.context.clone(),
                id: e.id.clone(),
                op: EventOp::Add,
                score: e.score,
                time_s: Some(time_s),
            },
        })
    }

    /// Into the proof's own arithmetic.
    pub fn apply(self, reference: &mut Reference<'a>) {
        match self {
            Write::Vector(item) => reference.vector(item),
            Write::Metadata(item) => reference.metadata(item),
            Write::Event(event, _) => reference.event(event),
        }
    }
}

/// `key:value[,key:value…]`; texts are quoted, so that none is taken for a number.
fn metadata_line(item: &Item) -> String {
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!("{key}:\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        other => format!("{key}:{other}"),
    };
    item.metadata.iter().map(pair).collect::<Vec<_>>().join(",")
}
