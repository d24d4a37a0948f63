//! One request to a server, whose reply is a block of lines.

use crate::connect::connect;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use cairn_client::{Block, Reply};

/// Sends a line and reads the block that answers it; a refusal is a failure with the exit code of its kind.
pub fn ask(addr: &str, line: &str) -> Result<Block> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = connect(addr).await?;
        match client.request(line).await? {
            Reply::Error(refusal) => Err(refused(&refusal.message)),
            reply => Ok(reply.block()?),
        }
    })
}

/// What the server refused, by its kind: the wire has only the message.
pub fn refused(message: &str) -> Failure {
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    const NOT_FOUND: [&str; 10] = [
        "Snapshot not found",
        "Collection not found",
        "Alias not found",
        "cannot be recovered",
        "not here; there are",
        "is not in the log",
        "nothing to verify",
        "no log segment",
        "does not exist",
        "has no partition",
    ];
    const USAGE: [&str; 16] = [
        ": expected ",
        "Collection exists",
        "is fixed when",
        "is always there and cannot be",
        "is an alias of",
        "is a collection's name",
        "hot_tier_size",
        "cannot be changed",
        "must be ",
        "needs sync_mode",
        "Invalid ",
        "is after to",
        "expected `latest`",
        "expected RFC 3339",
        "requires",
        "a topic's name is",
    ];
    const DAMAGE: [&str; 3] = ["mismatch", "is damaged", "corrupt"];
    let exit = if has(&NOT_FOUND) {
        Exit::NotFound
    } else if has(&DAMAGE) {
        Exit::Damage
    } else if has(&USAGE) {
        Exit::Usage
    } else {
        Exit::Failed
    };
    if has(&["NOAUTH", "NOPERM", "WRONGPASS"]) {
        return Failure::new(Exit::NoSpace, message)
            .next("the password comes from the environment: CAIRN_PASSWORD=… cairn …");
    }
    Failure::new(exit, message)
}
