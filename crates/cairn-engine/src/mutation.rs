//! `Mutation`: what a log record says happened. Applying one is a pure function of the state and the mutation.

use crate::codec::{Decoder, put_text};
use crate::error::{Error, Result};
use crate::event::EventOp;
use crate::metadata::Metadata;
use crate::settings::Settings;

/// The collection that EVENT, VECSET and SIM without a name mean.
pub(crate) const DEFAULT_COLLECTION: u32 = 0;

/// One change of the state, with every decision in it (docs/format.md, "Mutations").
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mutation {
    VectorSet {
        id: String,
        vector: Vec<f32>,
    },
    MetadataSet {
        id: String,
        metadata: Metadata,
    },
    Event {
        context: String,
        id: String,
        op: EventOp,
        score: u8,
        time_s: i64,
    },
    Decay {
        factor: f64,
    },
    Prune {
        first: u32,
        count: u32,
    },
    Settings(Settings),
    /// A VectorSet whose vector is not in the log: replayed, it names the item and fixes the dimension.
    VectorElided {
        id: String,
        dimension: u32,
    },
}

impl Mutation {
    /// Appends the encoding that goes to the log: vectors are left out unless they are to be in it.
    pub fn encode_for_log(&self, include_vectors: bool, out: &mut Vec<u8>) {
        match self {
            Mutation::VectorSet { id, vector } if !include_vectors => {
                Mutation::VectorElided { id: id.clone(), dimension: vector.len() as u32 }.encode(out);
            }
            other => other.encode(out),
        }
    }

    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.kind());
        out.extend_from_slice(&DEFAULT_COLLECTION.to_le_bytes());
        match self {
            Mutation::VectorSet { id, vector } => {
                put_text(out, id);
                out.extend_from_slice(&(vector.len() as u32).to_le_bytes());
                vector.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
            }
            Mutation::MetadataSet { id, metadata } => {
                put_text(out, id);
                metadata.encode(out);
            }
            Mutation::Event { context, id, op, score, time_s } => {
                put_text(out, context);
                put_text(out, id);
                out.extend_from_slice(&[*op as u8, *score]);
                out.extend_from_slice(&time_s.to_le_bytes());
            }
            Mutation::Decay { factor } => out.extend_from_slice(&factor.to_le_bytes()),
            Mutation::Prune { first, count } => {
                out.extend_from_slice(&first.to_le_bytes());
                out.extend_from_slice(&count.to_le_bytes());
            }
            Mutation::Settings(settings) => settings.encode(out),
            Mutation::VectorElided { id, dimension } => {
                put_text(out, id);
                out.extend_from_slice(&dimension.to_le_bytes());
            }
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Mutation::VectorSet { .. } => 1,
            Mutation::MetadataSet { .. } => 2,
            Mutation::Event { .. } => 3,
            Mutation::Decay { .. } => 4,
            Mutation::Prune { .. } => 5,
            Mutation::Settings(_) => 6,
            Mutation::VectorElided { .. } => 7,
        }
    }

    /// The inverse of [`Mutation::encode`], of exactly its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Mutation> {
        let mut d = Decoder::new(bytes);
        let kind = d.u8()?;
        if d.u32()? != DEFAULT_COLLECTION {
            return Err(Error::Decode("a mutation of a collection that does not exist"));
        }
        let mutation = match kind {
            1 => {
                let id = d.text()?.to_owned();
                let dimension = d.u32()? as usize;
                Mutation::VectorSet { id, vector: d.f32s(dimension)? }
            }
            2 => {
                let id = d.text()?.to_owned();
                Mutation::MetadataSet { id, metadata: Metadata::decode(d.take(d.left())?)? }
            }
            3 => {
                let (context, id) = (d.text()?.to_owned(), d.text()?.to_owned());
                let op = EventOp::from_byte(d.u8()?).ok_or(Error::Decode("unknown event operation"))?;
                Mutation::Event { context, id, op, score: d.u8()?, time_s: d.i64()? }
            }
            4 => Mutation::Decay { factor: d.f64()? },
            5 => Mutation::Prune { first: d.u32()?, count: d.u32()? },
            6 => Mutation::Settings(Settings::decode(d.take(d.left())?)?),
            7 => Mutation::VectorElided { id: d.text()?.to_owned(), dimension: d.u32()? },
            _ => return Err(Error::Decode("unknown mutation: written by a newer version?")),
        };
        d.finish()?;
        Ok(mutation)
    }
}
