//! Connecting to a server, and what its errors mean for the command line.

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::wire::refused;
use cairn_client::{Client, Error, Reply};
use std::time::Duration;

/// A snapshot, a verify or a restore of much data takes long.
const REPLY_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// The variable with the password to show to a server: as an argument, others of this machine would see it.
const PASSWORD: &str = "CAIRN_PASSWORD";

/// A connection whose replies may take as long as they need, and which has shown the password of the environment.
pub async fn connect(addr: &str) -> Result<Client> {
    let mut client = Client::connect(addr).await?;
    if let Some(line) = auth_line()?
        && let Reply::Error(refusal) = client.request(&line).await?
    {
        return Err(refused(&refusal.message));
    }
    client.set_request_timeout(REPLY_TIMEOUT);
    Ok(client)
}

/// The AUTH line with the password of the environment, when there is one.
pub fn auth_line() -> Result<Option<String>> {
    match std::env::var(PASSWORD) {
        Ok(password) if password.contains(['\n', '\r']) => {
            Err(Failure::new(Exit::Usage, format!("{PASSWORD}: expected one line")))
        }
        Ok(password) => Ok(Some(format!("AUTH {password}"))),
        Err(_) => Ok(None),
    }
}

/// What to do about a server that wants a password, or another one.
pub fn password_refused(message: &str) -> Option<Failure> {
    let about = ["NOAUTH", "NOPERM", "WRONGPASS"].iter().any(|word| message.starts_with(word));
    about.then(|| Failure::new(Exit::NoSpace, message).next(format!("set {PASSWORD} to a password that may")))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Some(failure) = error.refusal().and_then(|refusal| password_refused(&refusal.message)) {
            return failure;
        }
        let failure = Failure::new(Exit::Failed, error.to_string());
        match &error {
            Error::Connect { .. } => failure.next("is a server running there? Start one: cairn serve"),
            Error::Timeout { .. } | Error::Closed { .. } | Error::Io { .. } => failure
                .next("what was acknowledged is safe; look at the server's log, then send the rest again"),
            _ => failure,
        }
    }
}
