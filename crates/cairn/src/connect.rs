//! Connecting to a server, and what its errors mean for the command line.

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use cairn_client::{Client, Error, ErrorKind, Options, Secret};
use std::time::Duration;

/// A snapshot, a verify or a restore of much data takes long.
const REPLY_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// The environment's password: an argument would be seen by everybody on the machine.
const PASSWORD: &str = "CAIRN_PASSWORD";

/// A connection to `HOST:PORT` or `unix:PATH`, whose replies may take as long as they need. What `CAIRN_PASSWORD` has is said first.
pub async fn connect(addr: &str) -> Result<Client> {
    let password = std::env::var(PASSWORD).ok().filter(|text| !text.is_empty()).map(Secret::from);
    let options = Options { password, request_timeout: REPLY_TIMEOUT, ..Options::default() };
    Ok(Client::connect_with(addr, &options).await?)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Failure::new(Exit::Failed, error.to_string());
        if error.kind() == ErrorKind::Auth {
            return Failure { exit: Exit::NoSpace, ..failure }
                .next("the password comes from the environment: CAIRN_PASSWORD=… cairn …");
        }
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
