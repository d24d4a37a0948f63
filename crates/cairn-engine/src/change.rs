//! `CollectionChange`: what a caller asks of the collections themselves, before the sequencer decides.

use crate::error::{Error, Result};
use crate::mutation::{Change, DEFAULT_COLLECTION, Mutation};
use crate::settings::{Limits, Settings};
use crate::spec::CollectionSpec;
use crate::state::{State, check_name};

/// A requested change of which collections there are, and how they are kept.
#[derive(Debug, Clone, PartialEq)]
pub enum CollectionChange {
    /// A new, empty collection.
    Create {
        /// Its name: 1 to 128 of `A-Z a-z 0-9 . _ -`.
        name: String,
        /// What applying depends on: metric, dimension, rings.
        settings: Box<Settings>,
        /// How it is stored, indexed and bounded.
        spec: Box<CollectionSpec>,
    },
    /// Takes a collection away with all that is in it, and every alias of it. `default` stays.
    Drop {
        /// Its name; an alias is refused, so that nobody drops what he did not name.
        name: String,
    },
    /// Gives a collection another name. Aliases go on meaning it.
    Rename {
        /// Its name.
        from: String,
        /// The new one.
        to: String,
    },
    /// Makes an alias mean a collection: a new alias, or one that meant another.
    AliasSet {
        /// The alias.
        alias: String,
        /// The collection's name.
        collection: String,
    },
    /// Takes an alias away.
    AliasDrop {
        /// The alias.
        alias: String,
    },
    /// Changes how a collection is stored, indexed and bounded.
    Configure {
        /// Its name, or an alias.
        name: String,
        /// All of it.
        spec: Box<CollectionSpec>,
    },
}

impl CollectionChange {
    /// The mutation, or why it cannot be.
    pub(crate) fn decide(&self, state: &State, limits: &Limits) -> Result<Mutation> {
        match self {
            CollectionChange::Create { name, settings, spec } => {
                free(state, name)?;
                if state.len() >= limits.collections {
                    let message =
                        format!("{} collections, at most {} are allowed", state.len(), limits.collections);
                    return Err(Error::Quota(message));
                }
                settings.validate(limits.dimension)?;
                spec.validate()?;
                let change = Change::Create {
                    name: name.clone(),
                    settings: (**settings).clone(),
                    spec: (**spec).clone(),
                };
                Ok(change.of(state.next_number()))
            }
            CollectionChange::Drop { name } => Ok(Change::Drop.of(own(state, name, "dropped")?)),
            CollectionChange::Rename { from, to } => {
                let number = own(state, from, "renamed")?;
                free(state, to)?;
                Ok(Change::Rename { name: to.clone() }.of(number))
            }
            CollectionChange::AliasSet { alias, collection } => {
                check_name(alias)?;
                let (number, _) = state.named(collection)?;
                if state.iter().any(|(_, slot)| slot.name == *alias) {
                    return Err(Error::Input(format!(
                        "{alias} is a collection's name, and cannot be an alias"
                    )));
                }
                Ok(Change::AliasSet { alias: alias.clone() }.of(number))
            }
            CollectionChange::AliasDrop { alias } => match state.aliases().get(alias) {
                Some(number) => Ok(Change::AliasDrop { alias: alias.clone() }.of(*number)),
                None => Err(Error::NotFound(format!("Alias not found: {alias}"))),
            },
            CollectionChange::Configure { name, spec } => {
                let (number, slot) = state.named(name)?;
                spec.validate()?;
                if spec.volatile != slot.collection.read().spec.volatile {
                    let message = "volatile: expected as it was created: make a new collection".to_owned();
                    return Err(Error::Input(message));
                }
                Ok(Change::Configure((**spec).clone()).of(number))
            }
        }
    }
}

/// Refuses a name that is taken.
fn free(state: &State, name: &str) -> Result<()> {
    check_name(name)?;
    match state.find(name) {
        None => Ok(()),
        Some(_) if state.aliases().contains_key(name) => Err(Error::Input(format!(
            "Collection exists: {name} is an alias; drop it first, or choose another name"
        ))),
        Some(_) => Err(Error::Input(format!("Collection exists: {name}"))),
    }
}

/// The number of a collection named by its own name, that is not `default`.
fn own(state: &State, name: &str, what: &str) -> Result<u32> {
    let (number, slot) = state.named(name)?;
    if slot.name != name {
        let message = format!("{name} is an alias of {}: only a collection's own name is {what}", slot.name);
        return Err(Error::Input(message));
    }
    if number == DEFAULT_COLLECTION {
        return Err(Error::Input(format!("the collection {name} is always there and cannot be {what}")));
    }
    Ok(number)
}
