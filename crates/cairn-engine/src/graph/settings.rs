//! `GraphSettings`: how a graph is built, and how wide it is searched.

use crate::error::{Error, Result};

/// How a graph is built. Stored in its file, so that one built otherwise is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GraphSettings {
    /// The most neighbours of a row, 4 to 256. What HNSW calls `m` is half of it: its lowest layer has 2 m.
    pub degree: u32,
    /// How many candidates a build keeps while it looks for a row's neighbours, `degree` to 4,096: HNSW's `ef_construction`.
    pub build_list: u32,
    /// How much nearer than a row its neighbour must be to another candidate for that one to be left out, as a factor on
    /// squared distances: 1 to 2. Larger gives more long edges.
    pub alpha: f32,
}

impl Default for GraphSettings {
    fn default() -> Self {
        Self { degree: 32, build_list: 100, alpha: 1.2 }
    }
}

impl GraphSettings {
    /// The settings that correspond to those of an HNSW configuration.
    #[must_use]
    pub fn from_hnsw(m: u32, ef_construction: u32) -> Self {
        let degree = m.saturating_mul(2).clamp(4, 256);
        Self { degree, build_list: ef_construction.clamp(degree, 4_096), ..Self::default() }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Input`] with the field, what it may be and what it is.
    pub fn validate(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Input(what));
        if !(4..=256).contains(&self.degree) {
            return refuse(format!("graph degree: expected 4 to 256, got {}", self.degree));
        }
        if !(self.degree..=4_096).contains(&self.build_list) {
            let (degree, list) = (self.degree, self.build_list);
            return refuse(format!("graph build list: expected {degree} (the degree) to 4096, got {list}"));
        }
        if !(1.0..=2.0).contains(&self.alpha) {
            return refuse(format!("graph alpha: expected 1 to 2, got {}", self.alpha));
        }
        Ok(())
    }
}
