//! `security.*`: the password, and tokens with a role each.

use super::nearest::nearest;
use super::value::{Node, text};
use crate::auth::{Password, Role};
use crate::failure::{Failure, shown};
use cairn_disk::{Storage, read_file};
use serde_saphyr::{Location, Spanned};
use std::path::{Path, PathBuf};

/// Bytes of a file with a password in its first line.
const PASSWORD_FILE_BYTES_MAX: u64 = 64 << 10;
/// Bytes of a token's name.
const NAME_BYTES_MAX: usize = 64;
/// Tokens there may be: each password presented is compared with all of them.
const TOKENS_MAX: usize = 1024;
const WORDS: [&str; 4] = ["name", "token", "token_file", "role"];

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityConfig {
    /// `requirepass`: the admin's password.
    pub requirepass: Option<Password>,
    /// `requirepass_file`: where it is, in the first line of a file.
    pub requirepass_file: Option<PathBuf>,
    /// `tokens`: passwords with a role each.
    pub tokens: Vec<TokenConfig>,
    /// `auth_failures_per_minute`: wrong passwords of one address that are looked at.
    pub auth_failures_per_minute: u32,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenConfig {
    /// What logs call it.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The token.
    pub token: Option<Password>,
    /// Where it is, in the first line of a file.
    pub token_file: Option<PathBuf>,
}

impl Default for SecurityConfig {
    /// No password: everybody is admin.
    fn default() -> Self {
        SecurityConfig {
            requirepass: None,
            requirepass_file: None,
            tokens: Vec::new(),
            auth_failures_per_minute: 20,
        }
    }
}

impl SecurityConfig {
    /// Whether there is any password.
    pub fn has_password(&self) -> bool {
        self.requirepass.is_some() || self.requirepass_file.is_some() || !self.tokens.is_empty()
    }

    /// Reads the passwords that stand in files. A file that cannot be read, or has nothing in its first line, is an error
    /// that names the key and the file.
    pub fn read_files(&mut self, storage: &dyn Storage) -> Result<(), Failure> {
        if let Some(path) = &self.requirepass_file {
            self.requirepass = Some(first_line(storage, path, "security.requirepass_file")?);
        }
        for token in &mut self.tokens {
            if let Some(path) = &token.token_file {
                let key = format!("security.tokens: {}: token_file", token.name);
                token.token = Some(first_line(storage, path, &key)?);
            }
        }
        Ok(())
    }

    /// Files whose passwords are not known yet.
    pub(crate) fn unread_files(&self) -> impl Iterator<Item = &Path> {
        let own = self.requirepass_file.as_deref().filter(|_| self.requirepass.is_none());
        let unread = |token: &TokenConfig| token.token.is_none();
        let tokens = self.tokens.iter().filter(move |token| unread(token));
        own.into_iter().chain(tokens.filter_map(|token| token.token_file.as_deref()))
    }
}

fn first_line(storage: &dyn Storage, path: &Path, key: &str) -> Result<Password, Failure> {
    let bytes = read_file(storage, path, PASSWORD_FILE_BYTES_MAX)
        .map_err(|e| Failure::new(e.kind(), format!("{key}: {e}")))?;
    let wrong = |got: &str| {
        Failure::input(format!("{key}: {}: expected a password in the first line, got {got}", path.display()))
    };
    let content = String::from_utf8(bytes).map_err(|_| wrong("bytes that are not UTF-8"))?;
    match content.lines().next().map(str::trim) {
        None | Some("") => Err(wrong("nothing")),
        Some(line) => Ok(Password::new(line)),
    }
}

type Problems = Vec<(Location, String)>;

/// The tokens of a file, or all that is wrong with them. No message shows a token.
pub(crate) fn read(node: &Spanned<Node>, source: &str) -> Result<Vec<TokenConfig>, Problems> {
    let Node::List(list) = &node.value else {
        return Err(vec![(node.referenced, "security.tokens: expected a list of tokens".to_owned())]);
    };
    if list.len() > TOKENS_MAX {
        let message = format!("security.tokens: expected at most {TOKENS_MAX}, got {}", list.len());
        return Err(vec![(node.referenced, message)]);
    }
    let (mut found, mut problems): (Vec<TokenConfig>, Problems) = (Vec::new(), Vec::new());
    for item in list {
        match one(item, source) {
            Ok(token) if found.iter().any(|other| other.name == token.name) => {
                problems.push((item.referenced, format!("security.tokens: two are called {}", token.name)));
            }
            Ok(token) => found.push(token),
            Err((at, message)) => problems.push((at, format!("security.tokens: {message}"))),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn one(node: &Spanned<Node>, source: &str) -> Result<TokenConfig, (Location, String)> {
    let at = node.referenced;
    let Node::Map(entries) = &node.value else {
        return Err((at, "expected name, role and token or token_file".to_owned()));
    };
    let (mut name, mut role, mut token, mut token_file) = (None, None, None, None);
    for (key, value) in entries {
        let at = key.referenced;
        let value = text(value, source).ok_or_else(|| (at, format!("{}: expected text", key.value)))?;
        match key.value.as_str() {
            "name" => name = Some(named(&value).map_err(|message| (at, message))?),
            "role" => {
                let got = format!("role: expected read, write or admin, got {}", shown(&value));
                role = Some(Role::from_name(&value).ok_or((at, got))?);
            }
            "token" if value.is_empty() => return Err((at, "token: expected text, got nothing".to_owned())),
            "token" => token = Some(Password::new(value)),
            "token_file" => token_file = Some(PathBuf::from(value)),
            other => {
                let hint = nearest(other, WORDS.into_iter()).map(|known| format!("; did you mean {known}?"));
                return Err((at, format!("unknown key {}{}", shown(other), hint.unwrap_or_default())));
            }
        }
    }
    let name = name.ok_or((at, "expected a name".to_owned()))?;
    let role = role.ok_or_else(|| (at, format!("{name}: expected a role: read, write or admin")))?;
    if token.is_some() == token_file.is_some() {
        return Err((at, format!("{name}: expected one of token and token_file")));
    }
    Ok(TokenConfig { name, role, token, token_file })
}

fn named(value: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=NAME_BYTES_MAX).contains(&value.len()) && value.chars().all(fits) {
        return Ok(value.to_owned());
    }
    let got = shown(value);
    Err(format!("name: expected 1 to {NAME_BYTES_MAX} letters, digits, -, _ or ., got \"{got}\""))
}
