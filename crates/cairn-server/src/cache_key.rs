//! The key of a search: all that its answer depends on, beside the state.

use cairn_engine::{Engine, Filter, Hits, Near, Result, SearchOptions, Similar, Using, Version};

/// A search, of a collection (`None`: `default`).
pub(crate) enum Search<'a> {
    Similar(Option<&'a str>, &'a Similar),
    Near(Option<&'a str>, &'a Near),
}

impl Search<'_> {
    pub fn run(&self, engine: &Engine) -> Result<Hits> {
        match self {
            Search::Similar(collection, query) => engine.similar_in(*collection, query),
            Search::Near(collection, query) => engine.similar_to_vector_in(*collection, query),
        }
    }

    /// The version of what it reads.
    pub fn version(&self, engine: &Engine) -> Result<Version> {
        match self {
            Search::Similar(collection, query) => engine.version_of_similar(*collection, query),
            Search::Near(collection, query) => engine.version_of_near(*collection, query),
        }
    }

    /// The same bytes for the same search, and for no other. Every field of a search is named here: one that is new does not build
    /// until it is.
    pub fn key(&self) -> Box<[u8]> {
        let mut key = Vec::with_capacity(64);
        match self {
            Search::Similar(collection, query) => {
                let Similar { id, top_k, using, filter, min_score, adaptive, how } = query;
                let using = match using {
                    Using::Events => 0,
                    Using::Vectors => 1,
                    Using::Fusion => 2,
                };
                let adaptive = adaptive.map_or(2, u8::from);
                key.extend_from_slice(&[b'S', using, adaptive]);
                put_text(&mut key, id);
                put_common(&mut key, *collection, *top_k, filter.as_ref(), *min_score, how);
            }
            Search::Near(collection, query) => {
                let Near { vector, top_k, filter, min_score, how } = query;
                key.reserve(4 * vector.len());
                key.push(b'V');
                put_number(&mut key, vector.len());
                vector.iter().for_each(|x| key.extend_from_slice(&x.to_bits().to_le_bytes()));
                put_common(&mut key, *collection, *top_k, filter.as_ref(), *min_score, how);
            }
        }
        key.into_boxed_slice()
    }
}

fn put_common(
    key: &mut Vec<u8>,
    collection: Option<&str>,
    top_k: usize,
    filter: Option<&Filter>,
    min_score: Option<f64>,
    how: &SearchOptions,
) {
    let SearchOptions { ef, exact, offset } = how;
    // `default` by its name is the same collection.
    put_text(key, collection.unwrap_or(cairn_engine::DEFAULT_NAME));
    put_number(key, top_k);
    put_option(key, min_score.map(|score| score.to_bits().to_le_bytes()));
    put_option(key, ef.map(usize::to_le_bytes));
    key.push(u8::from(*exact));
    put_number(key, *offset);
    if let Some(filter) = filter {
        filter.identify(key);
    }
}

fn put_option<const N: usize>(key: &mut Vec<u8>, bytes: Option<[u8; N]>) {
    key.push(u8::from(bytes.is_some()));
    key.extend_from_slice(bytes.as_ref().map_or(&[], |bytes| bytes));
}

fn put_number(key: &mut Vec<u8>, number: usize) {
    key.extend_from_slice(&number.to_le_bytes());
}

fn put_text(key: &mut Vec<u8>, text: &str) {
    put_number(key, text.len());
    key.extend_from_slice(text.as_bytes());
}
