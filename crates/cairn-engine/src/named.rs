//! `Named`: how many events in rings name each item.

use crate::rings::Rings;

/// Counts by item number. They follow from the rings, and are not stored.
#[derive(Default)]
pub(crate) struct Named(Vec<u32>);

impl Named {
    /// Of rings that were checked.
    pub fn of(rings: &Rings) -> Named {
        let mut named = Named::default();
        for (_, ring) in rings.0.iter() {
            ring.0.iter().for_each(|event| named.add(event.item));
        }
        named
    }

    /// An event came into a ring.
    pub fn add(&mut self, item: u32) {
        let at = item as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        if let Some(count) = self.0.get_mut(at) {
            *count += 1;
        }
    }

    /// An event left a ring.
    pub fn remove(&mut self, item: u32) {
        if let Some(count) = self.0.get_mut(item as usize) {
            *count = count.saturating_sub(1);
        }
    }

    /// Whether an event in a ring names it.
    pub fn has(&self, item: u32) -> bool {
        self.0.get(item as usize).is_some_and(|count| *count > 0)
    }
}
