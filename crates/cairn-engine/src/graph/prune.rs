//! Pruning: which of a row's candidates become its neighbours.
//!
//! RobustPrune of Subramanya et al., "DiskANN" (NeurIPS 2019), algorithm 2: a candidate is left out when a neighbour already
//! chosen is nearer to it than the row is, by the factor alpha. First with a factor of 1, which keeps the most different
//! directions; then with alpha, which fills up with long edges.

/// A row at a squared distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Near {
    pub distance: f32,
    pub row: u32,
}

/// Buffers of a pruning.
#[derive(Debug, Default)]
pub(crate) struct Pruner {
    /// The largest ratio of a candidate's distance from the row to that from a neighbour already chosen.
    ratios: Vec<f32>,
    /// How many of those chosen a candidate was compared with.
    compared: Vec<usize>,
    /// Places of the chosen among the candidates.
    chosen: Vec<usize>,
}

impl Pruner {
    /// Chooses at most `degree` of the candidates, which come nearest first, each row once, and puts their rows into
    /// `neighbours`. `distance` gives the squared distance of two rows; successive calls have the same first row.
    pub fn prune(
        &mut self,
        candidates: &[Near],
        degree: usize,
        alpha: f32,
        neighbours: &mut Vec<u32>,
        mut distance: impl FnMut(u32, u32) -> f32,
    ) {
        self.ratios.clear();
        self.ratios.resize(candidates.len(), 0.0);
        self.compared.clear();
        self.compared.resize(candidates.len(), 0);
        self.chosen.clear();
        for factor in [1.0, alpha] {
            for (place, candidate) in candidates.iter().enumerate() {
                if self.chosen.len() >= degree {
                    break;
                }
                if self.ratios[place] <= factor
                    && self.stands(candidates, place, factor, |other| distance(candidate.row, other))
                {
                    self.chosen.push(place);
                    self.ratios[place] = f32::INFINITY;
                }
            }
        }
        neighbours.clear();
        neighbours.extend(self.chosen.iter().map(|place| candidates[*place].row));
    }

    /// Compares a candidate with the chosen ones that are nearer to the row; whether none of them stands for it.
    fn stands(
        &mut self,
        candidates: &[Near],
        place: usize,
        factor: f32,
        mut distance: impl FnMut(u32) -> f32,
    ) -> bool {
        while let Some(other) = self.chosen.get(self.compared[place]).copied() {
            self.compared[place] += 1;
            if other >= place {
                continue;
            }
            let between = distance(candidates[other].row);
            // Of rows at one place one is enough. A distance that is no number leaves the candidate out too.
            let ratio = if between > 0.0 { candidates[place].distance / between } else { f32::INFINITY };
            self.ratios[place] = self.ratios[place].max(ratio);
            if self.ratios[place] > factor {
                return false;
            }
        }
        true
    }
}
