//! The demo's questions: what a reader wants to see, and the many whose answers are compared.

use super::reference::{Reference, Scored};
use super::sample::{Item, Sample};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use cairn_client::{Client, Hit, Sim, Using};
use std::collections::HashMap;

/// Answers asked for and compared.
pub const TOP_K: usize = 10;
/// Scores come with four decimals; half of the last one, and what float32 sums may be off.
const TOLERANCE: f64 = 1e-4;

/// One way to ask for items like an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By what the packages say they are.
    Vectors,
    /// By what other packages use together.
    Events,
    /// By both.
    Fusion,
    /// By vector, within the item's own section.
    Filtered,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 4] = [Way::Vectors, Way::Events, Way::Fusion, Way::Filtered];

    /// As the story says it.
    pub fn name(self) -> &'static str {
        match self {
            Way::Vectors => "by vector",
            Way::Events => "by behaviour",
            Way::Fusion => "fused",
            Way::Filtered => "by vector, filtered",
        }
    }

    fn options(self, item: &Item) -> Sim {
        let using = match self {
            Way::Vectors | Way::Filtered => Using::Vectors,
            Way::Events => Using::Events,
            Way::Fusion => Using::Fusion,
        };
        let filter = (self == Way::Filtered).then(|| format!("section:{}", section(item)));
        Sim { using: Some(using), filter, adaptive: Some(false), ..Sim::default() }
    }

    /// The server's answer.
    pub async fn ask(self, client: &mut Client, item: &Item) -> Result<Vec<Hit>> {
        Ok(client.sim(&item.id, TOP_K as u32, &self.options(item)).await?)
    }
}

/// What the answers to an item should be, each list whole and best first.
#[derive(Debug)]
pub struct Likes<'a> {
    lists: [Vec<Scored<'a>>; Way::ALL.len()],
}

impl<'a> Likes<'a> {
    /// Computes all of them.
    pub fn of(item: &Item, reference: &Reference<'a>) -> Likes<'a> {
        let (vectors, events) = (reference.by_item(item), reference.by_events(&item.id));
        let in_section = |scored: &&Scored<'_>| reference.has(scored.0, "section", section(item));
        let filtered = vectors.iter().filter(in_section).copied().collect();
        let fused = Reference::fused(&vectors, &events, TOP_K);
        Likes { lists: [vectors, events, fused, filtered] }
    }

    /// In the order of [`Way::ALL`].
    pub fn by_way(&self) -> impl Iterator<Item = (Way, &[Scored<'a>])> {
        Way::ALL.into_iter().zip(self.lists.iter().map(Vec::as_slice))
    }
}

/// The section of a package.
pub fn section(item: &Item) -> &str {
    item.metadata.get("section").and_then(|v| v.as_str()).unwrap_or_default()
}

/// Asks the server for the items nearest to each query's vector, in the order of the queries.
pub async fn nearest(client: &mut Client, queries: &[Item]) -> Result<Vec<Vec<Hit>>> {
    let mut answers = Vec::new();
    for query in queries {
        answers.push(client.simv(&query.vector, TOP_K as u32, &Sim::default()).await?);
    }
    Ok(answers)
}

/// What the shipped truth says of a query.
pub fn truth(sample: &Sample, query: usize) -> Vec<Scored<'_>> {
    sample.truth[query].iter().map(|(row, score)| (sample.items[*row].id.as_str(), *score)).collect()
}

/// Whether an answer is the top of what is expected, `expected` being best first and at least that long. Items whose
/// scores are equal within the tolerance may stand in either order.
pub fn compare(what: &str, hits: &[Hit], expected: &[Scored<'_>]) -> Result<()> {
    let wrong = |detail: String| Err(Failure::new(Exit::Failed, format!("{what}: {detail}")));
    let wanted = expected.len().min(TOP_K);
    if hits.len() != wanted {
        return wrong(format!("expected {wanted} results, got {}", hits.len()));
    }
    let own: HashMap<&str, f64> = expected.iter().copied().collect();
    for (rank, (hit, (id, score))) in hits.iter().zip(expected).enumerate() {
        let same = |a: f64, b: f64| (a - b).abs() <= TOLERANCE;
        // A list may end among equals: an item that is not on it may only stand for its last one.
        let last = expected[wanted - 1].1;
        let own = own.get(hit.id.as_str()).copied().unwrap_or(last);
        if !same(hit.score, *score) || !same(hit.score, own) {
            return wrong(format!(
                "rank {}: expected {id} {score:.4}, got {} {:.4}",
                rank + 1,
                hit.id,
                hit.score
            ));
        }
    }
    Ok(())
}
