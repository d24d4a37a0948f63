//! The demo's snapshot, as the server's reply describes it.

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use cairn_client::Block;

/// A snapshot that was taken.
#[derive(Debug)]
pub struct Taken {
    /// Its id.
    pub id: String,
    /// The last write in it.
    pub lsn: u64,
    /// The timeline it is of.
    pub timeline: String,
}

impl Taken {
    /// From the reply of SNAPSHOT CREATE.
    pub fn read(block: &Block) -> Result<Taken> {
        let lsn = text(block, "lsn")?;
        Ok(Taken {
            id: text(block, "id")?,
            timeline: text(block, "timeline")?,
            lsn: lsn.parse().map_err(|_| Failure::new(Exit::Failed, format!("lsn is no number: {lsn}")))?,
        })
    }
}

/// The value of a line `key: value` that must be there.
pub fn text(block: &Block, key: &str) -> Result<String> {
    let missing = || Failure::new(Exit::Failed, format!("{}: the reply has no {key}", block.head));
    block.get(key).map(str::to_owned).ok_or_else(missing)
}
