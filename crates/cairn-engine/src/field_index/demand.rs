//! `FieldDemand`: which fields filters ask for, and so which are worth an index.

use crate::filter::Filter;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// When a field is worth an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learning {
    /// After so many searches whose filter has a condition on it.
    pub searches: u32,
    /// In a collection of more items than these: fewer are looked through as fast.
    pub items: u32,
    /// How many fields are learned at most; 0: none. Declared ones don't count.
    pub fields: usize,
}

impl Default for Learning {
    fn default() -> Self {
        Self { searches: 16, items: 4_096, fields: 8 }
    }
}

/// Fields counted for each that may be learned: filters may name any number, and memory is bounded.
const COUNTED_PER_FIELD: usize = 16;

/// Counts what filters ask for. Searches share it.
#[derive(Debug, Default)]
pub struct FieldDemand {
    learning: Learning,
    counts: Mutex<BTreeMap<String, u32>>,
}

impl FieldDemand {
    /// Nothing was asked for yet.
    #[must_use]
    pub fn new(learning: Learning) -> Self {
        Self { learning, counts: Mutex::default() }
    }

    /// A search with this filter over so many items. Gives the fields that are now due: asked for often enough, and
    /// neither indexed (as `is_indexed` says) nor more than may be learned beside the `learned` there are. A field is due
    /// again whenever it is asked for, until it is indexed.
    pub fn note(
        &self,
        filter: &Filter,
        items: u32,
        learned: usize,
        is_indexed: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut due: Vec<String> = Vec::new();
        let room = self.learning.fields.saturating_sub(learned);
        if items <= self.learning.items || room == 0 {
            return due;
        }
        let mut counts = self.counts.lock();
        let mut seen: Vec<&str> = Vec::new();
        for condition in &filter.conditions {
            let key = condition.key.as_str();
            if seen.contains(&key) || is_indexed(key) {
                continue;
            }
            seen.push(key);
            let count = self.count(&mut counts, key);
            if count >= self.learning.searches && due.len() < room {
                due.push(key.to_owned());
            }
        }
        due
    }

    /// A field was indexed, or cannot be: it is counted from the start again.
    pub fn forget(&self, field: &str) {
        self.counts.lock().remove(field);
    }

    fn count(&self, counts: &mut BTreeMap<String, u32>, key: &str) -> u32 {
        if !counts.contains_key(key) {
            if counts.len() >= self.learning.fields.saturating_mul(COUNTED_PER_FIELD) {
                // Room for a new one: all counts are halved, and what was asked for once is forgotten.
                counts.retain(|_, count| {
                    *count /= 2;
                    *count > 0
                });
            }
            if counts.len() >= self.learning.fields.saturating_mul(COUNTED_PER_FIELD) {
                return 0;
            }
            counts.insert(key.to_owned(), 0);
        }
        let Some(count) = counts.get_mut(key) else { return 0 };
        *count = count.saturating_add(1);
        *count
    }
}
