//! The session: what a server must be told again on a new connection.

use crate::options::Secret;
use crate::request::word;
use crate::{Error, Options, Reply, Result};

/// The password, collection and debug mode of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Session {
    password: Option<Secret>,
    collection: Option<String>,
    debug: bool,
}

impl Session {
    pub(crate) fn new(options: &Options) -> Session {
        Session { password: options.password.clone(), collection: options.collection.clone(), debug: false }
    }

    /// The lines that bring a new connection to where the old one was.
    pub(crate) fn lines(&self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        if let Some(password) = &self.password {
            let whole = !password.reveal().is_empty() && !password.reveal().contains(['\n', '\r']);
            let why = "the password is empty or has a line end";
            whole.then_some(()).ok_or_else(|| Error::Input(why.to_owned()))?;
            lines.push(format!("AUTH {}", password.reveal()));
        }
        if let Some(name) = &self.collection {
            lines.push(format!("USE {}", word("collection", name)?));
        }
        lines.extend(self.debug.then(|| "DEBUG ON".to_owned()));
        Ok(lines)
    }

    /// Takes note of a request that was answered.
    pub(crate) fn note(&mut self, line: &[u8], reply: &Reply) {
        let (word, rest) = first_word(line);
        if matches!(reply, Reply::Error(_)) || word.len() > 5 {
            return;
        }
        let Ok(rest) = std::str::from_utf8(rest) else { return };
        if word.eq_ignore_ascii_case(b"AUTH") {
            self.password = Some(Secret::from(rest));
        } else if word.eq_ignore_ascii_case(b"USE") {
            // Where a connection begins.
            self.collection = Some(rest.to_owned()).filter(|name| name != "default");
        } else if word.eq_ignore_ascii_case(b"DEBUG") {
            self.debug = rest.eq_ignore_ascii_case("ON");
        }
    }
}

fn first_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (word, rest.trim_ascii())
}
