//! Fusion: one ranking from a search by vectors and a search by events.

use crate::settings::FusionSettings;
use crate::top_k::Scored;

/// Lists whose scores span less than this are clamped to 0–1 rather than stretched to it.
const RANGE_MIN: f64 = 1e-4;

/// For k results, how many candidates each side gives: this many times k.
pub const CANDIDATES_PER_RESULT: usize = 3;

/// The weights of the two sides; their sum is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Weight of the vectors.
    pub vectors: f64,
    /// Weight of the events.
    pub events: f64,
}

/// The weights for a query: fixed, or, when `adaptive`, by how many neighbours the asked item has: alpha falls
/// linearly from `adaptive_max_alpha` to `adaptive_min_alpha` until the item is mature.
///
/// Fixed weights whose sum is not positive count as equal.
#[must_use]
pub fn weights(settings: &FusionSettings, adaptive: bool, neighbours: usize) -> Weights {
    let vectors = if adaptive {
        let mature = settings.adaptive_maturity_threshold;
        let neighbours = u32::try_from(neighbours).unwrap_or(u32::MAX);
        let maturity = if neighbours < mature { f64::from(neighbours) / f64::from(mature) } else { 1.0 };
        settings.adaptive_max_alpha - maturity * (settings.adaptive_max_alpha - settings.adaptive_min_alpha)
    } else {
        let sum = settings.alpha + settings.beta;
        if sum > 0.0 { settings.alpha / sum } else { 0.5 }
    };
    Weights { vectors, events: 1.0 - vectors }
}

/// Fuses the best candidates of both sides (each [`CANDIDATES_PER_RESULT`] × k, an item at most once a side), in no
/// particular order.
///
/// Each list is normalised on its own; an item missing from one counts 0 there. When one list is empty, the other has
/// all the weight.
#[must_use]
pub fn fuse(vectors: &[Scored], events: &[Scored], weights: Weights) -> Vec<Scored> {
    let weights = match (vectors.is_empty(), events.is_empty()) {
        (false, true) => Weights { vectors: 1.0, events: 0.0 },
        (true, false) => Weights { vectors: 0.0, events: 1.0 },
        _ => weights,
    };
    let mut fused = normalised(vectors, weights.vectors);
    fused.extend(normalised(events, weights.events));
    fused.sort_unstable_by_key(|scored| scored.item);
    fused.dedup_by(|later, first| {
        let same = later.item == first.item;
        if same {
            first.score += later.score;
        }
        same
    });
    fused
}

/// The list with its scores brought to 0–1 and multiplied by `weight`.
fn normalised(list: &[Scored], weight: f64) -> Vec<Scored> {
    let scores = || list.iter().map(|scored| scored.score);
    let min = scores().fold(f64::INFINITY, f64::min);
    let range = scores().fold(f64::NEG_INFINITY, f64::max) - min;
    let spread = list.len() > 1 && range >= RANGE_MIN;
    let unit = |score: f64| if spread { (score - min) / range } else { score.clamp(0.0, 1.0) };
    list.iter().map(|scored| Scored { item: scored.item, score: weight * unit(scored.score) }).collect()
}
