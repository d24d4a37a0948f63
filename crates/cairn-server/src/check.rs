//! CHECK: which state this is, to the bit.

use crate::reply::Block;
use cairn_engine::{Counts, View};

pub(crate) fn check(view: &View) -> Block {
    let hash: String = view.state_hash().iter().map(|byte| format!("{byte:02x}")).collect();
    let block = Block::new("CHECK")
        .pair("timeline", view.timeline())
        .pair("lsn", view.lsn())
        .pair("state_hash", hash)
        .pair("dimension", view.default_collection().dimension());
    with_counts(block, &view.counts())
}

/// The lines that say how much there is.
pub(crate) fn with_counts(block: Block, counts: &Counts) -> Block {
    block
        .pair("ids", counts.ids)
        .pair("vectors", counts.vectors)
        .pair("metadata", counts.metadata)
        .pair("contexts", counts.contexts)
        .pair("events", counts.events)
        .pair("pairs", counts.pairs)
        .pair("total_events", counts.total_events)
        .pair("stored_events", counts.stored_events)
}
