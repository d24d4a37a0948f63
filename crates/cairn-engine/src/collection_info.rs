//! `CollectionInfo`: what a collection is, and how much is in it.

use crate::collection::Counts;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::spec::CollectionSpec;
use crate::state::{Slot, State};

/// What a collection is, and how much is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionInfo {
    /// Its name.
    pub name: String,
    /// What else it is called, in order.
    pub aliases: Vec<String>,
    /// What applying depends on.
    pub settings: Settings,
    /// How it is stored, indexed and bounded.
    pub spec: CollectionSpec,
    /// How much there is.
    pub counts: Counts,
    /// Elements of its vectors; 0: the first one will say.
    pub dimension: u32,
    /// Bytes of its living vectors, 4 an element.
    pub vector_bytes: u64,
}

impl Engine {
    /// All collections; `default` is the first, the others in the order in which they were made.
    pub fn collections(&self) -> Vec<CollectionInfo> {
        let live = self.live();
        let state = live.state.read();
        state.iter().map(|(number, slot)| info(&state, number, slot)).collect()
    }

    /// The collection that a name or an alias means.
    pub fn collection_info(&self, name: &str) -> Result<CollectionInfo> {
        let live = self.live();
        let state = live.state.read();
        let (number, slot) = state.named(name)?;
        Ok(info(&state, number, slot))
    }

    /// Moves columns of vectors to where their collections want them now, instead of in the background.
    pub fn settle_columns(&self) -> Result<()> {
        while self.inner.maintenance.move_columns_once()? {
            if self.stats().status.poisoned.is_some() {
                return Err(Error::Closed);
            }
        }
        Ok(())
    }
}

fn info(state: &State, number: u32, slot: &Slot) -> CollectionInfo {
    let meaning = state.aliases().iter().filter(|(_, meant)| **meant == number);
    let collection = slot.collection.read();
    CollectionInfo {
        name: slot.name.clone(),
        aliases: meaning.map(|(alias, _)| alias.clone()).collect(),
        settings: collection.settings.clone(),
        spec: collection.spec.clone(),
        counts: collection.counts,
        dimension: collection.vectors.dimension,
        vector_bytes: 4 * u64::from(collection.vectors.dimension) * collection.counts.vectors,
    }
}
