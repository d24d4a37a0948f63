//! Places: where each item's vector is.

use crate::codec::Decoder;
use crate::error::{Error, Result};
use crate::tree::{Page, Tree};

const PER_PAGE: u32 = 1_024;

/// A vector's place: a segment (or the buffer, which has the number of the segment it will become) and a row in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub segment: u32,
    pub row: u32,
}

/// 1,024 items' places.
#[derive(Clone)]
pub(crate) struct PlacePage(Vec<u64>);

impl Default for PlacePage {
    fn default() -> Self {
        PlacePage(vec![0; PER_PAGE as usize])
    }
}

impl Page for PlacePage {
    const TABLE: u16 = 3;

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.iter().for_each(|place| out.extend_from_slice(&place.to_le_bytes()));
    }

    fn decode(payload: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(payload);
        let places = (0..PER_PAGE).map(|_| d.u64()).collect::<Result<_>>()?;
        d.finish()?;
        Ok(PlacePage(places))
    }

    fn encoded_bytes(&self) -> usize {
        8 * PER_PAGE as usize
    }
}

/// The place of each item's vector, by item number.
#[derive(Default, Clone)]
pub(crate) struct Places(pub Tree<PlacePage>);

impl Places {
    pub fn get(&self, item: u32) -> Option<Place> {
        let stored = self.0.get(item / PER_PAGE)?.0[(item % PER_PAGE) as usize];
        let segment = u32::try_from(stored >> 32).ok()?.checked_sub(1)?;
        Some(Place { segment, row: (stored & u64::from(u32::MAX)) as u32 })
    }

    pub fn set(&mut self, item: u32, place: Place) {
        let stored = (u64::from(place.segment) + 1) << 32 | u64::from(place.row);
        self.0.get_mut(item / PER_PAGE).0[(item % PER_PAGE) as usize] = stored;
    }

    /// Takes an item's place away.
    pub fn clear(&mut self, item: u32) {
        self.0.get_mut(item / PER_PAGE).0[(item % PER_PAGE) as usize] = 0;
    }

    /// Items that have a place, ascending.
    pub fn items(&self) -> impl Iterator<Item = (u32, Place)> {
        self.0.iter().flat_map(|(page, _)| {
            let first = page * PER_PAGE;
            (first..first.saturating_add(PER_PAGE)).filter_map(|item| Some((item, self.get(item)?)))
        })
    }

    /// How many items have a place.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, page)| page.0.iter().filter(|&&stored| stored != 0).count() as u64).sum()
    }

    /// Refuses pages that name items there are not.
    pub fn check(&self, items: u32) -> Result<()> {
        match self.items().last() {
            Some((item, _)) if item >= items => Err(Error::Decode("places: an item that does not exist")),
            _ => Ok(()),
        }
    }
}
