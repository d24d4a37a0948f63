//! Writes: what a caller asks for, before the sequencer decides.

use crate::event::EventOp;
use crate::metadata::Metadata;
use std::sync::Arc;

/// A requested change of what is in a collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Sets an item's vector, keeping its metadata. The first vector fixes the dimension.
    VectorSet {
        /// The item.
        id: String,
        /// Finite numbers.
        vector: Vec<f32>,
    },
    /// Replaces all metadata of an item that has a vector.
    MetadataSet {
        /// The item.
        id: String,
        /// All of its metadata.
        metadata: Metadata,
    },
    /// Takes an item's vector and metadata away. Its events and what they imply stay.
    VectorDelete {
        /// The item.
        id: String,
    },
    /// Records what a context did with an item.
    Event {
        /// The context.
        context: String,
        /// The item.
        id: String,
        /// What happened.
        op: EventOp,
        /// 0 to 100; ignored for a DEL.
        score: u8,
        /// Event time, seconds since the Unix epoch; `None`: now.
        time_s: Option<i64>,
    },
    /// Multiplies every co-occurrence score.
    Decay {
        /// More than 0 and at most 1.
        factor: f64,
    },
}

/// A write and the collection it is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The collection's name, or an alias of it; `None`: `default`.
    pub collection: Option<Arc<str>>,
    /// What is to change.
    pub write: Write,
}

impl From<Write> for Request {
    fn from(write: Write) -> Request {
        Request { collection: None, write }
    }
}
