//! Deciding: from a requested write to a mutation, against the state and what the same batch already decided.

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::mutation::{Change, Mutation};
use crate::settings::Limits;
use crate::state::State;
use crate::write::{Request, Write};
use parking_lot::RawRwLock;
use parking_lot::lock_api::ArcRwLockReadGuard;
use std::collections::{HashMap, HashSet};

/// Decides one batch, for whatever collections it is.
pub(crate) struct Deciders<'a> {
    state: &'a State,
    limits: &'a Limits,
    now_us: i64,
    by_number: Vec<(u32, Decider<'a>)>,
}

impl<'a> Deciders<'a> {
    pub fn new(state: &'a State, limits: &'a Limits, now_us: i64) -> Deciders<'a> {
        Deciders { state, limits, now_us, by_number: Vec::new() }
    }

    /// The mutation of a write, or why it is refused.
    pub fn decide(&mut self, request: Request) -> Result<Mutation> {
        let number = match &request.collection {
            None => crate::mutation::DEFAULT_COLLECTION,
            Some(name) => self.state.named(name)?.0,
        };
        let change = self.of(number)?.decide(request.write)?;
        Ok(change.of(number))
    }

    fn of(&mut self, number: u32) -> Result<&mut Decider<'a>> {
        let at = match self.by_number.iter().position(|(known, _)| *known == number) {
            Some(at) => at,
            None => {
                let slot = self.state.get(number).ok_or(Error::Decode("a collection that is not there"))?;
                let decider = Decider::new(slot.collection.read_arc(), self.limits, self.now_us);
                self.by_number.push((number, decider));
                self.by_number.len() - 1
            }
        };
        Ok(&mut self.by_number[at].1)
    }
}

/// Decides what a batch asks of one collection. Everything a later write of the batch may depend on is remembered here.
struct Decider<'a> {
    state: ArcRwLockReadGuard<RawRwLock, Collection>,
    limits: &'a Limits,
    now_s: i64,
    dimension: u32,
    /// Ids that get or lose a vector in this batch: whether they have one now.
    vectors: HashMap<String, bool>,
    /// How many vectors there are now.
    count: u64,
    new_contexts: HashSet<String>,
}

impl<'a> Decider<'a> {
    fn new(state: ArcRwLockReadGuard<RawRwLock, Collection>, limits: &'a Limits, now_us: i64) -> Decider<'a> {
        Decider {
            limits,
            now_s: now_us.div_euclid(1_000_000),
            dimension: state.vectors.dimension,
            vectors: HashMap::new(),
            count: state.counts.vectors,
            new_contexts: HashSet::new(),
            state,
        }
    }

    fn decide(&mut self, write: Write) -> Result<Change> {
        match write {
            Write::VectorSet { id, vector } => self.vector_set(id, vector),
            Write::VectorDelete { id } => self.vector_delete(id),
            Write::MetadataSet { id, metadata } => {
                self.name("Id", &id)?;
                if !self.has_vector(&id) {
                    return Err(Error::NotFound(format!("Vector not found for metadata: {id}")));
                }
                metadata.validate()?;
                let bytes = metadata.encoded_len();
                if bytes > self.limits.metadata_bytes {
                    return Err(over("Metadata", bytes, self.limits.metadata_bytes));
                }
                Ok(Change::MetadataSet { id, metadata })
            }
            Write::Event { context, id, op, score, time_s } => {
                self.name("Context", &context)?;
                self.name("Id", &id)?;
                if score > 100 {
                    return Err(Error::Input(format!("Score must be in range [0, 100], got {score}")));
                }
                self.room_for_context(&context)?;
                Ok(Change::Event { context, id, op, score, time_s: time_s.unwrap_or(self.now_s) })
            }
            Write::Decay { factor } if factor > 0.0 && factor <= 1.0 => Ok(Change::Decay { factor }),
            Write::Decay { factor } => {
                Err(Error::Input(format!("Decay factor: expected more than 0 and at most 1, got {factor}")))
            }
        }
    }

    fn vector_set(&mut self, id: String, vector: Vec<f32>) -> Result<Change> {
        self.name("Id", &id)?;
        check_vector(&vector, self.limits.dimension)?;
        if self.dimension == 0 {
            self.dimension = vector.len() as u32;
        }
        if self.dimension as usize != vector.len() {
            let message =
                format!("Vector dimension mismatch: expected {}, got {}", self.dimension, vector.len());
            return Err(Error::Input(message));
        }
        if !self.has_vector(&id) {
            self.room_for_vector()?;
            self.count += 1;
            self.vectors.insert(id.clone(), true);
        }
        Ok(Change::VectorSet { id, vector })
    }

    fn vector_delete(&mut self, id: String) -> Result<Change> {
        self.name("Id", &id)?;
        if !self.has_vector(&id) {
            return Err(Error::NotFound(format!("Vector not found: {id}")));
        }
        self.count -= 1;
        self.vectors.insert(id.clone(), false);
        Ok(Change::VectorDelete { id })
    }

    /// Refuses one more vector than the collection may hold.
    fn room_for_vector(&self) -> Result<()> {
        let spec = &self.state.spec;
        if spec.max_vectors > 0 && self.count >= spec.max_vectors {
            return Err(Error::Quota(format!("max_vectors is {}, and so many are there", spec.max_vectors)));
        }
        let bytes = 4 * u64::from(self.dimension);
        if spec.max_bytes > 0 && (self.count + 1) * bytes > spec.max_bytes {
            let message = format!("max_bytes is {}, and {} are there", spec.max_bytes, self.count * bytes);
            return Err(Error::Quota(message));
        }
        Ok(())
    }

    fn name(&self, what: &str, name: &str) -> Result<()> {
        if name.is_empty() {
            return Err(Error::Input(format!("{what} must not be empty")));
        }
        let max = self.limits.id_bytes.min(usize::from(u16::MAX));
        if name.len() > max { Err(over(what, name.len(), max)) } else { Ok(()) }
    }

    fn has_vector(&self, id: &str) -> bool {
        if let Some(has) = self.vectors.get(id) {
            return *has;
        }
        self.state.items.find(id).is_some_and(|item| self.state.places.get(item).is_some())
    }

    fn room_for_context(&mut self, context: &str) -> Result<()> {
        let max = self.state.settings.max_contexts;
        if max == 0 || self.state.contexts.find(context).is_some() || self.new_contexts.contains(context) {
            return Ok(());
        }
        if self.state.contexts.count() as usize + self.new_contexts.len() >= max as usize {
            return Err(Error::Input(format!("Context limit reached: events.max_contexts is {max}")));
        }
        self.new_contexts.insert(context.to_owned());
        Ok(())
    }
}

/// Refuses an empty or too long vector, and one with NaN or an infinity.
pub(crate) fn check_vector(vector: &[f32], dimension_max: u32) -> Result<()> {
    if vector.is_empty() {
        return Err(Error::Input("Vector must have at least one element".to_owned()));
    }
    if vector.len() > dimension_max as usize {
        let message = format!("Vector dimension {} exceeds maximum allowed: {dimension_max}", vector.len());
        return Err(Error::Input(message));
    }
    match vector.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(Error::Input(format!("Invalid float: {}", x.to_string().to_lowercase()))),
        None => Ok(()),
    }
}

fn over(what: &str, bytes: usize, max: usize) -> Error {
    Error::Input(format!("{what} is {bytes} bytes, exceeds maximum allowed: {max}"))
}
