//! Connecting to a server, and what its errors mean for the command line.

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use cairn_client::{Client, Error};
use std::time::Duration;

/// A snapshot, a verify or a restore of much data takes long.
const REPLY_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// A connection whose replies may take as long as they need.
pub async fn connect(addr: &str) -> Result<Client> {
    let mut client = Client::connect(addr).await?;
    client.set_request_timeout(REPLY_TIMEOUT);
    Ok(client)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Failure::new(Exit::Failed, error.to_string());
        match &error {
            Error::Connect { .. } => failure.next("is a server running there? Start one: cairn serve"),
            Error::Timeout { .. } | Error::Closed { .. } | Error::Io { .. } => failure
                .next("what was acknowledged is safe; look at the server's log, then send the rest again"),
            Error::FateUnknown { .. } => failure
                .next("look whether it was done before you send it again; what was acknowledged is safe"),
            _ => failure,
        }
    }
}
