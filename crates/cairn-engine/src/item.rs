//! The item: one id's vector and metadata, read from the live state.

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::metadata::Metadata;

/// What is stored of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its vector as it was set; `None`: only events know the item.
    pub vector: Option<Vec<f32>>,
    /// Its metadata; empty when it has none.
    pub metadata: Metadata,
}

impl Engine {
    /// What is stored of an item of a collection, by the collection's name or an alias; `None`: `default`. It sees every
    /// write that was acknowledged before.
    ///
    /// # Errors
    /// `NotFound`: no such collection, or no such item.
    pub fn item_in(&self, collection: Option<&str>, id: &str) -> Result<Item> {
        let collection = self.live().collection(collection)?;
        let (place, vectors, metadata) = {
            let state = collection.read();
            let unknown = || Error::NotFound(format!("Item not found: {id}"));
            let item = state.known(id).ok_or_else(unknown)?;
            let metadata = state.metadata.get(item).map(|m| Metadata::clone(m)).unwrap_or_default();
            (state.places.get(item), state.vectors.clone(), metadata)
        };
        // A disk may have to be waited for: no lock is held.
        vectors.want(place.into_iter());
        Ok(Item { vector: place.map(|place| vectors.read(place, <[f32]>::to_vec)), metadata })
    }
}
