//! `LoadedPages`: the pages of one file, decoded, to be put into a collection's tables.

use crate::collection::Collection;
use crate::error::{Error, Result};
use crate::page_file::{self, StoredPage};
use crate::tree::{Page, Tree};
use std::path::Path;

/// Roots are sized by the highest page: a limit on what a damaged number can ask for.
const PAGES_MAX: u32 = 1 << 28;

/// What a file of pages holds.
pub(crate) struct LoadedPages {
    /// The number of the collection.
    pub owner: u32,
    /// In the file's order.
    pub pages: Vec<LoadedPage>,
}

/// One page.
pub(crate) struct LoadedPage {
    pub table: u16,
    pub number: u32,
    /// The file says that it is gone.
    pub gone: bool,
    /// Puts it where it belongs.
    pub put: Put,
}

type Put = Box<dyn FnOnce(&mut Collection) + Send>;

impl LoadedPages {
    /// Checks and decodes a whole file.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<LoadedPages> {
        let (owner, stored) = page_file::decode(path, bytes)?;
        let load = |page: &StoredPage<'_>| -> Result<LoadedPage> {
            let put = put_of(page)?;
            Ok(LoadedPage { table: page.table, number: page.number, gone: page.payload.is_none(), put })
        };
        let pages = stored.iter().map(load).collect::<Result<_>>().map_err(|e| e.in_file(path))?;
        Ok(LoadedPages { owner, pages })
    }
}

fn put_of(page: &StoredPage<'_>) -> Result<Put> {
    match page.table {
        1 => put_in(page, |c| &mut c.items.tree),
        2 => put_in(page, |c| &mut c.contexts.tree),
        3 => put_in(page, |c| &mut c.places.0),
        4 => put_in(page, |c| &mut c.metadata.0),
        5 => put_in(page, |c| &mut c.rings.0),
        6 => put_in(page, |c| &mut c.neighbours.view.items),
        7 => put_in(page, |c| &mut c.neighbours.view.chunks),
        8 => put_in(page, |c| &mut c.dedup.view.tree),
        9 => put_in(page, |c| &mut c.vectors.dead.0),
        10 => put_in(page, |c| &mut c.vectors.buffer.tree),
        _ => Err(Error::Decode("page file: a page of an unknown table")),
    }
}

fn put_in<P: Page>(
    page: &StoredPage<'_>,
    tree: impl FnOnce(&mut Collection) -> &mut Tree<P> + Send + 'static,
) -> Result<Put> {
    let number = page.number;
    if number >= PAGES_MAX {
        return Err(Error::Decode("page file: a page number out of range"));
    }
    let decoded = page.payload.map(P::decode).transpose()?;
    Ok(Box::new(move |collection| match decoded {
        Some(decoded) => tree(collection).put(number, decoded),
        None => tree(collection).remove(number),
    }))
}
