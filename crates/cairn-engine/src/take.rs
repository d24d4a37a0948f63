//! `Take`: collections of a restored state, put into the live one.

use crate::draft::TimelineDraft;
use crate::engine::{Engine, LoadReport};
use crate::error::{Error, Result};
use crate::mutation::DEFAULT_COLLECTION;
use crate::roll::Roll;
use crate::state::check_name;
use crate::view::{CollectionView, View};
use std::collections::BTreeSet;

/// Which collection of another state becomes which of the live one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// Its name, or an alias of it, there.
    pub from: String,
    /// Its name here.
    pub to: String,
    /// Replaces the one of that name; otherwise there must be none.
    pub overwrite: bool,
}

impl Engine {
    /// Puts collections of image files, with everything in them, into the live state, all of them or none, as one new timeline:
    /// `fill` puts the files into a draft and returns the manifest, then a roll is applied to them. All other collections stay as
    /// they are.
    ///
    /// Meanwhile writes are answered [`Error::Loading`] and reads come from the old state, which is kept beside the new
    /// one, and is not its parent: no record leads from the one to the other. On any failure nothing has changed. Graphs and codes
    /// of the collections are computed anew, in the background.
    pub fn take<E: From<Error>>(
        &self,
        reason: &str,
        takes: &[Take],
        fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
        roll: Option<Roll<'_, E>>,
    ) -> Result<LoadReport, E> {
        check(takes)?;
        self.load_built(reason, || {
            let draft = self.inner.shared.database.draft()?;
            let taken = fill(&draft).and_then(|manifest| draft.apply(&manifest, roll));
            let combined = taken.and_then(|taken| {
                let view = takes.iter().try_fold(self.view()?, |live, take| combine(live, &taken, take))?;
                let fill = |draft: &TimelineDraft| {
                    draft.set_apart();
                    Ok::<_, E>(draft.put_image(view.into_image())?)
                };
                self.draft_timeline(reason, fill, None)
            });
            // Mapped files of it stay readable until nobody maps them.
            let abandoned = draft.abandon();
            let timeline = combined?;
            abandoned?;
            Ok(timeline)
        })
    }
}

/// Refuses names that no collection may have, and two collections of one name.
fn check(takes: &[Take]) -> Result<()> {
    let mut names = BTreeSet::new();
    for take in takes {
        check_name(&take.to)?;
        if !names.insert(take.to.as_str()) {
            return Err(Error::Input(format!("collection {}: named twice", take.to)));
        }
    }
    if takes.is_empty() {
        Err(Error::Input("expected at least one collection, got none".to_owned()))
    } else {
        Ok(())
    }
}

/// The live state with a collection of another one.
fn combine(mut live: View, other: &View, take: &Take) -> Result<View> {
    let Some(found) = other.collection(&take.from) else {
        return Err(Error::NotFound(format!("Collection not found in what is restored: {}", take.from)));
    };
    let number = match live.collection(&take.to) {
        Some(there) if !take.overwrite => {
            let name = there.name();
            let message = format!("Collection exists: {name} (overwrite it, or choose another name)");
            return Err(Error::Input(message));
        }
        Some(there) => there.number,
        None => live.state.next_number,
    };
    let mut collection: CollectionView = found.clone();
    let name = live.collection(&take.to).map_or(take.to.as_str(), |there| there.name());
    (collection.number, collection.name) = (number, name.to_owned());
    if number == DEFAULT_COLLECTION && collection.spec.volatile {
        return Err(Error::Input("the default collection cannot be volatile".to_owned()));
    }
    let collections = &mut live.state.collections;
    match collections.binary_search_by_key(&number, |c| c.number) {
        Ok(at) => collections[at] = collection,
        Err(at) => {
            collections.insert(at, collection);
            live.state.next_number = number + 1;
        }
    }
    Ok(live)
}
