//! Deciding: from a requested write to a mutation, against the state and what the same batch already decided.

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::mutation::Mutation;
use crate::settings::Limits;
use crate::write::Write;
use std::collections::HashSet;

/// Decides one batch. Everything a later write of the batch may depend on is looked up in the mutations before it.
pub(crate) struct Decider<'a> {
    state: &'a Collection,
    limits: &'a Limits,
    now_s: i64,
    dimension: u32,
    /// Ids that get a vector in this batch, of the first `seen` mutations: filled only when METASET asks.
    new_vectors: HashSet<String>,
    seen: usize,
    new_contexts: HashSet<String>,
}

impl<'a> Decider<'a> {
    pub fn new(state: &'a Collection, limits: &'a Limits, now_us: i64) -> Decider<'a> {
        Decider {
            state,
            limits,
            now_s: now_us.div_euclid(1_000_000),
            dimension: state.vectors.dimension,
            new_vectors: HashSet::new(),
            seen: 0,
            new_contexts: HashSet::new(),
        }
    }

    /// The mutation of a write, or why it is refused; `decided` are the batch's mutations so far.
    pub fn decide(&mut self, write: Write, decided: &[Mutation]) -> Result<Mutation> {
        match write {
            Write::VectorSet { id, vector } => self.vector_set(id, vector),
            Write::MetadataSet { id, metadata } => {
                self.name("Id", &id)?;
                if !self.has_vector(&id, decided) {
                    return Err(Error::NotFound(format!("Vector not found for metadata: {id}")));
                }
                metadata.validate()?;
                let bytes = metadata.encoded_len();
                if bytes > self.limits.metadata_bytes {
                    return Err(over("Metadata", bytes, self.limits.metadata_bytes));
                }
                Ok(Mutation::MetadataSet { id, metadata })
            }
            Write::Event { context, id, op, score, time_s } => {
                self.name("Context", &context)?;
                self.name("Id", &id)?;
                if score > 100 {
                    return Err(Error::Input(format!("Score must be in range [0, 100], got {score}")));
                }
                self.room_for_context(&context)?;
                Ok(Mutation::Event { context, id, op, score, time_s: time_s.unwrap_or(self.now_s) })
            }
            Write::Decay { factor } if factor > 0.0 && factor <= 1.0 => Ok(Mutation::Decay { factor }),
            Write::Decay { factor } => {
                Err(Error::Input(format!("Decay factor: expected more than 0 and at most 1, got {factor}")))
            }
        }
    }

    fn vector_set(&mut self, id: String, vector: Vec<f32>) -> Result<Mutation> {
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
        Ok(Mutation::VectorSet { id, vector })
    }

    fn name(&self, what: &str, name: &str) -> Result<()> {
        if name.is_empty() {
            return Err(Error::Input(format!("{what} must not be empty")));
        }
        let max = self.limits.id_bytes.min(usize::from(u16::MAX));
        if name.len() > max { Err(over(what, name.len(), max)) } else { Ok(()) }
    }

    fn has_vector(&mut self, id: &str, decided: &[Mutation]) -> bool {
        if self.state.items.find(id).is_some_and(|item| self.state.places.get(item).is_some()) {
            return true;
        }
        for mutation in &decided[self.seen..] {
            if let Mutation::VectorSet { id, .. } = mutation {
                self.new_vectors.insert(id.clone());
            }
        }
        self.seen = decided.len();
        self.new_vectors.contains(id)
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
