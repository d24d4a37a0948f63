//! `Mutation`: what a log record says happened. Applying one is a pure function of the state and the mutation.

use crate::codec::{Decoder, put_text};
use crate::error::{Error, Result};
use crate::event::EventOp;
use crate::metadata::Metadata;
use crate::settings::Settings;
use crate::spec::CollectionSpec;

/// The collection that EVENT, VECSET and SIM without a name mean.
pub(crate) const DEFAULT_COLLECTION: u32 = 0;

/// One change of the state, with every decision in it (docs/format.md, "Mutations").
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mutation {
    /// The collection's number.
    pub collection: u32,
    pub change: Change,
}

/// What changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
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
    /// The collection begins to be, empty. Its number was never another's.
    Create {
        name: String,
        settings: Settings,
        spec: CollectionSpec,
    },
    /// The collection and everything in it is gone, and every alias of it.
    Drop,
    Rename {
        name: String,
    },
    /// The alias means this collection, whatever it meant before.
    AliasSet {
        alias: String,
    },
    AliasDrop {
        alias: String,
    },
    Configure(CollectionSpec),
    /// An item's vector and metadata are gone; events and what they imply stay.
    VectorDelete {
        id: String,
    },
}

impl Mutation {
    /// Appends the encoding that goes to the log: vectors are left out unless they are to be in it.
    pub fn encode_for_log(&self, include_vectors: bool, out: &mut Vec<u8>) {
        match &self.change {
            Change::VectorSet { id, vector } if !include_vectors => {
                let change = Change::VectorElided { id: id.clone(), dimension: vector.len() as u32 };
                Mutation { collection: self.collection, change }.encode(out);
            }
            _ => self.encode(out),
        }
    }

    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.change.kind());
        out.extend_from_slice(&self.collection.to_le_bytes());
        self.change.encode(out);
    }

    /// The inverse of [`Mutation::encode`], of exactly its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Mutation> {
        let mut d = Decoder::new(bytes);
        let (kind, collection) = (d.u8()?, d.u32()?);
        let change = Change::decode(kind, &mut d)?;
        d.finish()?;
        Ok(Mutation { collection, change })
    }
}

impl Change {
    /// Whether it changes what is in a collection, and not the collections themselves.
    pub fn is_of_content(&self) -> bool {
        !matches!(
            self,
            Change::Create { .. }
                | Change::Drop
                | Change::Rename { .. }
                | Change::AliasSet { .. }
                | Change::AliasDrop { .. }
        )
    }

    /// Whether it can be applied beside others under the collection's lock, all of them logged or none.
    pub fn is_of_run(&self) -> bool {
        self.is_of_content() && !matches!(self, Change::Configure(_))
    }

    /// The mutation of a collection.
    pub fn of(self, collection: u32) -> Mutation {
        Mutation { collection, change: self }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Change::VectorSet { id, vector } => {
                put_text(out, id);
                out.extend_from_slice(&(vector.len() as u32).to_le_bytes());
                vector.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
            }
            Change::MetadataSet { id, metadata } => {
                put_text(out, id);
                metadata.encode(out);
            }
            Change::Event { context, id, op, score, time_s } => {
                put_text(out, context);
                put_text(out, id);
                out.extend_from_slice(&[*op as u8, *score]);
                out.extend_from_slice(&time_s.to_le_bytes());
            }
            Change::Decay { factor } => out.extend_from_slice(&factor.to_le_bytes()),
            Change::Prune { first, count } => {
                out.extend_from_slice(&first.to_le_bytes());
                out.extend_from_slice(&count.to_le_bytes());
            }
            Change::Settings(settings) => settings.encode(out),
            Change::VectorElided { id, dimension } => {
                put_text(out, id);
                out.extend_from_slice(&dimension.to_le_bytes());
            }
            Change::Create { name, settings, spec } => {
                put_text(out, name);
                settings.encode(out);
                spec.encode(out);
            }
            Change::Drop => {}
            Change::Rename { name } => put_text(out, name),
            Change::AliasSet { alias } | Change::AliasDrop { alias } => put_text(out, alias),
            Change::Configure(spec) => spec.encode(out),
            Change::VectorDelete { id } => put_text(out, id),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Change::VectorSet { .. } => 1,
            Change::MetadataSet { .. } => 2,
            Change::Event { .. } => 3,
            Change::Decay { .. } => 4,
            Change::Prune { .. } => 5,
            Change::Settings(_) => 6,
            Change::VectorElided { .. } => 7,
            Change::Create { .. } => 8,
            Change::Drop => 9,
            Change::Rename { .. } => 10,
            Change::AliasSet { .. } => 11,
            Change::AliasDrop { .. } => 12,
            Change::Configure(_) => 13,
            Change::VectorDelete { .. } => 14,
        }
    }

    fn decode(kind: u8, d: &mut Decoder<'_>) -> Result<Change> {
        Ok(match kind {
            1 => {
                let id = d.text()?.to_owned();
                let dimension = d.u32()? as usize;
                Change::VectorSet { id, vector: d.f32s(dimension)? }
            }
            2 => {
                let id = d.text()?.to_owned();
                Change::MetadataSet { id, metadata: Metadata::decode(d.take(d.left())?)? }
            }
            3 => {
                let (context, id) = (d.text()?.to_owned(), d.text()?.to_owned());
                let op = EventOp::from_byte(d.u8()?).ok_or(Error::Decode("unknown event operation"))?;
                Change::Event { context, id, op, score: d.u8()?, time_s: d.i64()? }
            }
            4 => Change::Decay { factor: d.f64()? },
            5 => Change::Prune { first: d.u32()?, count: d.u32()? },
            6 => Change::Settings(Settings::decode(d.take(d.left())?)?),
            7 => Change::VectorElided { id: d.text()?.to_owned(), dimension: d.u32()? },
            8 => Change::Create {
                name: d.text()?.to_owned(),
                settings: Settings::decode(d.take(Settings::BYTES)?)?,
                spec: CollectionSpec::decode(d)?,
            },
            9 => Change::Drop,
            10 => Change::Rename { name: d.text()?.to_owned() },
            11 => Change::AliasSet { alias: d.text()?.to_owned() },
            12 => Change::AliasDrop { alias: d.text()?.to_owned() },
            13 => Change::Configure(CollectionSpec::decode(d)?),
            14 => Change::VectorDelete { id: d.text()?.to_owned() },
            _ => return Err(Error::Decode("unknown mutation: written by a newer version?")),
        })
    }
}
