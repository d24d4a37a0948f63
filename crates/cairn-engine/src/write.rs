//! Writes: what a caller asks for, before the sequencer decides.

use crate::event::EventOp;
use crate::metadata::Metadata;

/// A requested change of the default collection.
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
