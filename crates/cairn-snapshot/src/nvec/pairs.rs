//! Pairs: the co-occurrence lists of a collection, each pair once.

use crate::error::Result;
use cairn_engine::CollectionView;
use std::collections::HashMap;

/// Two items of which at least one lists the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair<'a> {
    /// The one whose id's bytes come first.
    pub first: &'a str,
    pub second: &'a str,
    /// The score `first` has for `second`; `None`: it does not list it.
    pub forward: Option<f64>,
    /// The score `second` has for `first`.
    pub backward: Option<f64>,
}

impl Pair<'_> {
    /// The score in the pairs section: the first's, or that of the only one who lists the other.
    pub(crate) fn score(&self) -> f64 {
        self.forward.or(self.backward).unwrap_or(0.0)
    }

    /// The only one who lists the other, and the other.
    pub(crate) fn one_sided(&self) -> Option<(&str, &str)> {
        match (self.forward, self.backward) {
            (Some(_), None) => Some((self.first, self.second)),
            (None, Some(_)) => Some((self.second, self.first)),
            _ => None,
        }
    }

    /// The second's score, when both list each other with different ones.
    pub(crate) fn uneven(&self) -> Option<f64> {
        self.backward.filter(|b| self.forward.is_some_and(|f| f.to_bits() != b.to_bits()))
    }
}

/// Pairs looked at in one pass: about 100 MiB of them.
const PAIRS_A_PASS: u64 = 1 << 20;

/// Which of the two lists the other, and with what score: known of a pair of which one item was met.
type Waiting<'a> = HashMap<(&'a str, &'a str), (bool, f64)>;

/// Calls `f` with every pair of a collection, always in the same order. Lists are directed, so a pair is known once both items
/// were met: pairs wait for that in memory, a share of them at a time.
pub(crate) fn each(view: &CollectionView, mut f: impl FnMut(&Pair<'_>) -> Result<()>) -> Result<()> {
    let passes = u32::try_from(view.counts().pairs / PAIRS_A_PASS + 1).unwrap_or(u32::MAX);
    for pass in 0..passes {
        let mut waiting = Waiting::new();
        for (owner, list) in view.neighbours() {
            for (neighbour, score) in list {
                let is_first = owner.as_bytes() < neighbour.as_bytes();
                let key = if is_first { (owner, neighbour) } else { (neighbour, owner) };
                if share(key, passes) != pass {
                    continue;
                }
                match waiting.remove(&key) {
                    None => drop(waiting.insert(key, (is_first, score))),
                    Some((_, other)) => {
                        let (forward, backward) = if is_first { (score, other) } else { (other, score) };
                        f(&pair(key, Some(forward), Some(backward)))?;
                    }
                }
            }
        }
        one_sided(waiting, &mut f)?;
    }
    Ok(())
}

/// The pairs whose other item never came.
fn one_sided(waiting: Waiting<'_>, f: &mut impl FnMut(&Pair<'_>) -> Result<()>) -> Result<()> {
    let mut left: Vec<_> = waiting.into_iter().collect();
    left.sort_unstable_by_key(|(key, _)| *key);
    left.into_iter().try_for_each(|(key, (is_first, score))| {
        f(&pair(key, is_first.then_some(score), (!is_first).then_some(score)))
    })
}

fn pair<'a>((first, second): (&'a str, &'a str), forward: Option<f64>, backward: Option<f64>) -> Pair<'a> {
    Pair { first, second, forward, backward }
}

/// In which pass a pair is looked at.
fn share((first, second): (&str, &str), passes: u32) -> u32 {
    if passes == 1 {
        return 0;
    }
    let mut crc = crc32fast::Hasher::new();
    crc.update(first.as_bytes());
    crc.update(&[0]);
    crc.update(second.as_bytes());
    crc.finalize() % passes
}
