//! `FieldIndexes`: which items have which value in a metadata field, in memory, so that a filter is answered without
//! looking at every item.
//!
//! Derived from the metadata, never written to a disk. It answers exactly as
//! [`Filter::matches`](crate::Filter::matches) does: numbers compare across integers and floats, a list has all of its
//! members' values, and what lacks a field differs from every value.

mod demand;
mod field;
mod key;
mod postings;

pub use demand::{FieldDemand, Learning};

use crate::filter::Filter;
use crate::metadata::{Metadata, Value};
use field::Field;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// The indexes on the metadata fields of a collection.
#[derive(Clone, Debug, Default)]
pub struct FieldIndexes {
    fields: BTreeMap<String, Field>,
}

/// What the indexes know of a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Matching {
    /// The items that hold every condition on an indexed field.
    pub items: RoaringBitmap,
    /// Whether that is every condition. If not, some of the items may not match: each must be checked.
    pub is_exact: bool,
}

impl FieldIndexes {
    /// Indexes on these fields, empty.
    #[must_use]
    pub fn new<S: Into<String>>(fields: impl IntoIterator<Item = S>) -> Self {
        Self { fields: fields.into_iter().map(|field| (field.into(), Field::default())).collect() }
    }

    /// Indexes on these fields of these items, each of which comes once.
    #[must_use]
    pub fn build<'a, S: Into<String>>(
        fields: impl IntoIterator<Item = S>,
        items: impl IntoIterator<Item = (u32, &'a Metadata)>,
    ) -> Self {
        let mut indexes = Self::new(fields);
        for (item, metadata) in items {
            indexes.set(item, None, Some(metadata));
        }
        indexes
    }

    /// Takes over the indexes on more fields, built apart from these (by [`build`](Self::build)) of the same items; one
    /// that is there already is replaced.
    pub fn merge(&mut self, other: FieldIndexes) {
        self.fields.extend(other.fields);
    }

    /// Drops the index on a field; says whether there was one.
    pub fn remove(&mut self, field: &str) -> bool {
        self.fields.remove(field).is_some()
    }

    /// The indexed fields, in order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = &str> {
        self.fields.keys().map(String::as_str)
    }

    /// Says whether a field is indexed.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// An item's metadata change from `old` to `new`; `None` where it has none. `old` must be what it was.
    pub fn set(&mut self, item: u32, old: Option<&Metadata>, new: Option<&Metadata>) {
        for (name, field) in &mut self.fields {
            let (old, new) = (value(old, name), value(new, name));
            if old != new {
                field.set(item, old, new);
            }
        }
    }

    /// The items that match, of those numbered below `items` (the number of all there are: what lacks a field matches
    /// `!=`, and no index knows of it). `None` when no condition is on an indexed field.
    #[must_use]
    pub fn matching(&self, filter: &Filter, items: u32) -> Option<Matching> {
        let mut is_exact = true;
        let mut wanted: Option<RoaringBitmap> = None;
        let mut refused: Option<RoaringBitmap> = None;
        for condition in &filter.conditions {
            let Some(field) = self.fields.get(&condition.key) else {
                is_exact = false;
                continue;
            };
            let (set, is_refused) = field.of(&condition.test);
            let into = if is_refused { &mut refused } else { &mut wanted };
            match into {
                None => *into = Some(set),
                Some(sets) if is_refused => *sets |= set,
                Some(sets) => *sets &= set,
            }
        }
        let mut found = match (wanted, &refused) {
            (Some(wanted), _) => wanted,
            (None, Some(_)) => all(items),
            (None, None) => return None,
        };
        if let Some(refused) = &refused {
            found -= refused;
        }
        Some(Matching { items: found, is_exact })
    }

    /// About how many of the items numbered below `items` match, without finding them: the least of what each condition
    /// on an indexed field lets through. `None` when no condition is on one.
    #[must_use]
    pub fn estimate(&self, filter: &Filter, items: u32) -> Option<u64> {
        let indexed = filter
            .conditions
            .iter()
            .filter_map(|condition| Some((self.fields.get(&condition.key)?, condition)));
        indexed.map(|(field, condition)| field.estimate(&condition.test, u64::from(items))).min()
    }

    /// About how many bytes they take. Goes through every value.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.fields.iter().map(|(name, field)| name.capacity() + field.bytes()).sum()
    }
}

fn value<'a>(metadata: Option<&'a Metadata>, field: &str) -> Option<&'a Value> {
    metadata.and_then(|metadata| metadata.0.get(field))
}

fn all(items: u32) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(..items);
    all
}
