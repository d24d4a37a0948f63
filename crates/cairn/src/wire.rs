//! One request to a server, whose reply is a block of lines.

use crate::connect::{auth_line, password_refused};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use cairn_client::Block;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Going back far, or replaying much, takes long.
const REPLY_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// A reply is never longer.
const REPLY_BYTES_MAX: u64 = 256 << 20;

/// Sends a line and reads the block that answers it; a refusal is a failure with the exit code of its kind.
pub fn ask(addr: &str, line: &str) -> Result<Block> {
    let stream = TcpStream::connect(addr).map_err(|e| {
        Failure::new(Exit::Failed, format!("cannot connect to {addr}: {e}"))
            .next("is a server running there? Start one: cairn serve")
    })?;
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    let mut replies = BufReader::new((&stream).take(REPLY_BYTES_MAX));
    if let Some(auth) = auth_line()? {
        (&stream).write_all(format!("{auth}\n").as_bytes())?;
        let reply = read_line(&mut replies)?;
        if let Some(message) = reply.strip_prefix("(error) ").or(reply.strip_prefix("ERROR ")) {
            return Err(refused(message));
        }
    }
    (&stream).write_all(format!("{line}\n").as_bytes())?;
    let head = read_line(&mut replies)?;
    if let Some(message) = head.strip_prefix("(error) ").or(head.strip_prefix("ERROR ")) {
        return Err(refused(message));
    }
    let mut lines = Vec::new();
    loop {
        match read_line(&mut replies)? {
            end if end == "END" => return Ok(Block { head, lines }),
            line => lines.push(line),
        }
    }
}

fn read_line(replies: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    replies.read_line(&mut line)?;
    match line.strip_suffix('\n') {
        Some(whole) => Ok(whole.trim_end_matches('\r').to_owned()),
        None => Err(Failure::new(Exit::Failed, "the server closed the connection before it had answered")
            .next("look at the server's log, then ask again")),
    }
}

/// What the server refused, by its kind: the wire has only the message.
pub fn refused(message: &str) -> Failure {
    if let Some(failure) = password_refused(message) {
        return failure;
    }
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
    Failure::new(exit, message)
}
