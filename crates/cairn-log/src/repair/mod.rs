//! Repair: a log that is damaged is made one that opens again, with everything else kept aside.
//!
//! What follows damage cannot be replayed without what was lost there, so the log ends where the damage begins. Nothing is
//! deleted: damaged files and all after them go to a directory of their own below the log's.

mod pieces;
mod plan;
mod planner;
mod run;

pub use plan::{DamagedPlace, RepairPlan};
pub use run::Repaired;
