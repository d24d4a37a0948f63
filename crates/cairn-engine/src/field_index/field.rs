//! `Field`: the index on one field, an ordered map from values to the items that have them.

use super::key::Key;
use super::postings::{Postings, union};
use crate::filter::Test;
use crate::metadata::Value;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::ops::Bound;

/// How many values an estimate looks at in either direction.
const LOOKED_AT: usize = 256;

#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    values: BTreeMap<Key, Postings>,
    /// How many (value, item) pairs there are, by kind of key.
    pairs: [u64; 3],
}

type Range = (Bound<Key>, Bound<Key>);

impl Field {
    /// An item's value changes.
    pub fn set(&mut self, item: u32, old: Option<&Value>, new: Option<&Value>) {
        for key in keys(old) {
            self.remove(item, &key);
        }
        for key in keys(new) {
            self.insert(item, key);
        }
    }

    fn insert(&mut self, item: u32, key: Key) {
        let kind = key.kind();
        let mut is_new = true;
        self.values
            .entry(key)
            .and_modify(|postings| is_new = postings.insert(item))
            .or_insert(Postings::One(item));
        self.pairs[kind] += u64::from(is_new);
    }

    fn remove(&mut self, item: u32, key: &Key) {
        let Some(postings) = self.values.get_mut(key) else { return };
        let removed = if postings.is_only(item) {
            self.values.remove(key);
            true
        } else {
            postings.remove(item)
        };
        self.pairs[key.kind()] -= u64::from(removed);
    }

    /// The items a test is about: those it wants or, where the second is true, those it refuses.
    pub fn of(&self, test: &Test) -> (RoaringBitmap, bool) {
        match test {
            Test::Equal(values) => (union(self.equal(values)), false),
            Test::Differs(values) => (union(self.equal(values)), true),
            _ => (union(self.in_range(test)), false),
        }
    }

    fn equal<'a>(&'a self, values: &'a [Value]) -> impl Iterator<Item = &'a Postings> {
        values.iter().filter_map(|value| self.values.get(&Key::of(value)?))
    }

    fn in_range<'a>(&'a self, test: &'a Test) -> impl Iterator<Item = &'a Postings> {
        let range = range(test);
        let kind = range.as_ref().map(|(kind, _)| *kind);
        let (ascending, range) = match range {
            Some((_, range)) => (matches!(range.1, Bound::Unbounded), Some(range)),
            None => (true, None),
        };
        range
            .into_iter()
            .flat_map(move |range| self.walk(range, ascending, kind))
            .map(|(_, postings)| postings)
    }

    /// The values in a range, from its bounded end on, as long as they are of the kind.
    fn walk(
        &self,
        range: Range,
        ascending: bool,
        kind: Option<usize>,
    ) -> impl Iterator<Item = (&Key, &Postings)> {
        let mut values = self.values.range(range);
        let next = move || if ascending { values.next() } else { values.next_back() };
        std::iter::from_fn(next).take_while(move |(key, _)| Some(key.kind()) == kind)
    }

    /// About how many of `items` items hold the test.
    pub fn estimate(&self, test: &Test, items: u64) -> u64 {
        let equal = |values| self.equal(values).map(Postings::len).sum::<u64>().min(items);
        match test {
            Test::Equal(values) => equal(values),
            Test::Differs(values) => items - equal(values),
            _ => self.estimate_range(test).min(items),
        }
    }

    /// Counts from the bound to the end or, when that is far, from the bound the other way; when that is far too, it
    /// takes numbers for evenly spread, and half of anything else.
    fn estimate_range(&self, test: &Test) -> u64 {
        let Some((kind, range)) = range(test) else { return 0 };
        let ascending = matches!(range.1, Bound::Unbounded);
        let Some(inside) = self.count(range.clone(), ascending, kind) else {
            let pairs = self.pairs[kind];
            let outside = match range {
                (Bound::Included(key), Bound::Unbounded) => (Bound::Unbounded, Bound::Excluded(key)),
                (Bound::Excluded(key), Bound::Unbounded) => (Bound::Unbounded, Bound::Included(key)),
                (_, Bound::Included(key)) => (Bound::Excluded(key), Bound::Unbounded),
                (_, Bound::Excluded(key)) => (Bound::Included(key), Bound::Unbounded),
                (_, Bound::Unbounded) => return pairs,
            };
            let share = || self.share(test).unwrap_or(0.5);
            return match self.count(outside, !ascending, kind) {
                Some(outside) => pairs - outside,
                None => (pairs as f64 * share()) as u64,
            };
        };
        inside
    }

    /// How many pairs a range has, unless it has too many values to look at.
    fn count(&self, range: Range, ascending: bool, kind: usize) -> Option<u64> {
        let mut values = self.walk(range, ascending, Some(kind));
        let count = values.by_ref().take(LOOKED_AT).map(|(_, postings)| postings.len()).sum();
        values.next().is_none().then_some(count)
    }

    /// Which share of the span of the numbers there are a test lets through.
    fn share(&self, test: &Test) -> Option<f64> {
        let (key, above) = bound(test)?;
        let least = self.values.iter().find_map(|(key, _)| key.number())?;
        let most = self.values.keys().rev().find_map(Key::number)?;
        let below = ((key.number()? - least) / (most - least)).clamp(0.0, 1.0);
        let share = if above { 1.0 - below } else { below };
        share.is_finite().then_some(share)
    }

    /// Bytes, about; the map's nodes are two thirds full.
    pub fn bytes(&self) -> usize {
        let entry = (size_of::<Key>() + size_of::<Postings>()) * 3 / 2;
        let heap = |(key, postings): (&Key, &Postings)| entry + key.heap_bytes() + postings.heap_bytes();
        size_of::<Self>() + self.values.iter().map(heap).sum::<usize>()
    }
}

/// The keys of a value: its own, or those of a list's members.
fn keys(value: Option<&Value>) -> impl Iterator<Item = Key> {
    let (scalar, members) = match value {
        Some(Value::List(members)) => (None, &members[..]),
        scalar => (scalar, &[][..]),
    };
    scalar.into_iter().chain(members).filter_map(Key::of)
}

/// The value a test of order compares with, and whether it wants what is above.
fn bound(test: &Test) -> Option<(Key, bool)> {
    match test {
        Test::Greater(value) | Test::GreaterOrEqual(value) => Some((Key::of(value)?, true)),
        Test::Less(value) | Test::LessOrEqual(value) => Some((Key::of(value)?, false)),
        Test::Equal(_) | Test::Differs(_) => None,
    }
}

/// The keys a test of order wants, but for those of other kinds at the open end; and the kind.
fn range(test: &Test) -> Option<(usize, Range)> {
    let (key, _) = bound(test)?;
    let kind = key.kind();
    let range = match test {
        Test::Greater(_) => (Bound::Excluded(key), Bound::Unbounded),
        Test::GreaterOrEqual(_) => (Bound::Included(key), Bound::Unbounded),
        Test::Less(_) => (Bound::Unbounded, Bound::Excluded(key)),
        _ => (Bound::Unbounded, Bound::Included(key)),
    };
    Some((kind, range))
}
