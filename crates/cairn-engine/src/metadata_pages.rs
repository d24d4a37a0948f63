//! Metadata of items, in pages.

use crate::codec::Decoder;
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::tree::{Page, Tree};
use std::sync::Arc;

const PER_PAGE: u32 = 64;
const NONE: u32 = u32::MAX;

/// 64 items' metadata. The metadata are shared, so copying a page copies pointers.
#[derive(Clone)]
pub(crate) struct MetadataPage(Vec<Option<Arc<Metadata>>>);

impl Default for MetadataPage {
    fn default() -> Self {
        MetadataPage(vec![None; PER_PAGE as usize])
    }
}

impl Page for MetadataPage {
    const TABLE: u16 = 4;

    fn encode(&self, out: &mut Vec<u8>) {
        for slot in &self.0 {
            let at = out.len();
            out.extend_from_slice(&NONE.to_le_bytes());
            if let Some(metadata) = slot {
                metadata.encode(out);
                let bytes = u32::try_from(out.len() - at - 4).expect("metadata are limited");
                out[at..at + 4].copy_from_slice(&bytes.to_le_bytes());
            }
        }
    }

    fn decode(payload: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(payload);
        let mut page = MetadataPage::default();
        for slot in &mut page.0 {
            let bytes = d.u32()?;
            if bytes != NONE {
                let metadata = Metadata::decode(d.take(bytes as usize)?)?;
                *slot = Some(Arc::new(metadata));
            }
        }
        d.finish()?;
        Ok(page)
    }

    fn encoded_bytes(&self) -> usize {
        // A guess for planning: encoding every item only to measure it would cost as much as writing it.
        self.0.iter().flatten().map(|m| 48 * m.0.len()).sum::<usize>() + 4 * self.0.len()
    }
}

/// The metadata of each item, by item number.
#[derive(Default, Clone)]
pub(crate) struct MetadataTable(pub Tree<MetadataPage>);

impl MetadataTable {
    pub fn get(&self, item: u32) -> Option<&Arc<Metadata>> {
        self.0.get(item / PER_PAGE)?.0[(item % PER_PAGE) as usize].as_ref()
    }

    /// Replaces the metadata; what there was.
    pub fn set(&mut self, item: u32, metadata: Arc<Metadata>) -> Option<Arc<Metadata>> {
        self.0.get_mut(item / PER_PAGE).0[(item % PER_PAGE) as usize].replace(metadata)
    }

    /// Takes the metadata away; what there was.
    pub fn remove(&mut self, item: u32) -> Option<Arc<Metadata>> {
        self.get(item)?;
        self.0.get_mut(item / PER_PAGE).0[(item % PER_PAGE) as usize].take()
    }

    /// Items with metadata, ascending.
    pub fn items(&self) -> impl Iterator<Item = (u32, &Arc<Metadata>)> {
        self.0.iter().flat_map(|(page, rows)| {
            let items = (page * PER_PAGE)..;
            rows.0.iter().zip(items).filter_map(|(slot, item)| Some((item, slot.as_ref()?)))
        })
    }

    /// The page that holds an item's row: what a filter reads outside the lock.
    pub fn page_of(&self, item: u32) -> Option<Arc<MetadataPage>> {
        self.0.arc(item / PER_PAGE).cloned()
    }

    /// Refuses pages that name items there are not.
    pub fn check(&self, items: u32) -> Result<()> {
        match self.items().last() {
            Some((item, _)) if item >= items => Err(Error::Decode("metadata: an item that does not exist")),
            _ => Ok(()),
        }
    }
}

impl MetadataPage {
    /// Items per page.
    pub const ROWS: u32 = PER_PAGE;

    /// The metadata in a row of the page.
    pub fn row(&self, row: u32) -> Option<&Metadata> {
        self.0.get(row as usize)?.as_deref()
    }
}
