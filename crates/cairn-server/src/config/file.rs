//! The configuration file: YAML → a [`Config`], or everything that is wrong with it.

use super::Config;
use super::keys::{Effect, Key, keys};
use super::nearest::nearest;
use super::shown::written;
use super::value::{Kind, Node, Value, shown, value};
use super::wal_keys::WalKeys;
use super::{schedules, security};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// A key that is accepted and has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The key.
    pub key: &'static str,
    /// Where, as `file:line`.
    pub place: String,
    /// Why it has no effect.
    pub why: &'static str,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} has no effect: {}", self.place, self.key, self.why)
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// All that is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, as `file:line`.
    pub place: String,
    /// What.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Problem { place, message }) in self.problems.iter().enumerate() {
            write!(f, "{}{place}: {message}", if i == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

pub(crate) fn parse(text: &str, file: &str) -> Result<(Config, Vec<Notice>), ConfigError> {
    let root: Spanned<Node> = serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map_or_else(|| file.to_owned(), |at| place(file, at));
        ConfigError { problems: vec![Problem { place, message: reason(&error) }] }
    })?;
    let mut reader = Reader {
        file,
        text,
        config: Config::default(),
        wal: None,
        notices: Vec::new(),
        problems: Vec::new(),
    };
    reader.section("", &root);
    reader.put_wal_together();
    reader.check_passwords(&root);
    if reader.problems.is_empty() {
        Ok((reader.config, reader.notices))
    } else {
        Err(ConfigError { problems: reader.problems })
    }
}

fn place(file: &str, at: Location) -> String {
    format!("{file}:{}", at.line())
}

/// The parser's message, one line, without the place and the excerpt that it adds.
fn reason(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let placed = line.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    let what = placed.map_or(line, |(_, what)| what);
    format!("not valid YAML: {}", what.split(", set DuplicateKeyPolicy").next().unwrap_or(what))
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    config: Config,
    /// What was said of the log, and where each key stands.
    wal: Option<(WalKeys, Vec<(&'static str, Location)>)>,
    notices: Vec<Notice>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, at: Location, message: String) {
        self.problems.push(Problem { place: place(self.file, at), message });
    }

    fn section(&mut self, prefix: &str, node: &Spanned<Node>) {
        match &node.value {
            // An empty section, or an empty file.
            Node::Null => {}
            Node::Map(entries) => entries.iter().for_each(|(key, value)| self.entry(prefix, key, value)),
            _ => {
                let name = if prefix.is_empty() { "the file" } else { prefix };
                let got = shown(node, self.text);
                self.problem(node.referenced, format!("{name}: expected a section of keys, got {got}"));
            }
        }
    }

    fn entry(&mut self, prefix: &str, name: &Spanned<String>, node: &Spanned<Node>) {
        let dot = if prefix.is_empty() { "" } else { "." };
        let path = format!("{prefix}{dot}{}", name.value);
        let below = format!("{path}.");
        if let Some(key) = keys().find(|key| key.name == path) {
            self.key(key, name.referenced, node);
        } else if keys().any(|key| key.name.starts_with(&below)) {
            self.section(&path, node);
        } else {
            let hint = nearest(&path, names()).map(|known| format!("; did you mean {known}?"));
            self.problem(name.referenced, format!("unknown key {path}{}", hint.unwrap_or_default()));
        }
    }

    fn key(&mut self, key: &'static Key, at: Location, node: &Spanned<Node>) {
        if let Node::Null = node.value {
            return;
        }
        match key.kind {
            Kind::Schedules => {
                return self.list(key, at, schedules::read(node, self.text).map(Value::Schedules));
            }
            Kind::Tokens => return self.list(key, at, security::read(node, self.text).map(Value::Tokens)),
            _ => {}
        }
        let Some(value) = value(node, key.kind, self.text) else {
            let secret = key.kind == Kind::Secret;
            let got = if secret { "a list or a section".to_owned() } else { shown(node, self.text) };
            return self.problem(at, format!("{}: expected {}, got {got}", key.name, key.kind));
        };
        self.config.written.insert(key.name, written(key, node, self.text));
        self.take(key, at, value);
    }

    fn list(&mut self, key: &'static Key, at: Location, read: Result<Value, Vec<(Location, String)>>) {
        match read {
            Ok(list) => self.take(key, at, list),
            Err(problems) => problems.into_iter().for_each(|(at, message)| self.problem(at, message)),
        }
    }

    fn take(&mut self, key: &'static Key, at: Location, value: Value) {
        match key.effect {
            Effect::Now(set) => set(&mut self.config, value),
            Effect::Wal(set) => {
                let (keys, places) = self.wal.get_or_insert_default();
                set(keys, value);
                places.push((key.name, at));
            }
            Effect::None(why) => {
                self.notices.push(Notice { key: key.name, place: place(self.file, at), why });
            }
        }
    }

    /// Of two passwords only one can be meant.
    fn check_passwords(&mut self, root: &Spanned<Node>) {
        let security = &self.config.security;
        if security.requirepass.is_some() && security.requirepass_file.is_some() {
            let message = "security.requirepass_file contradicts security.requirepass: expected one of them";
            self.problem(root.referenced, message.to_owned());
        }
    }

    /// Without a word about the log, the data directory's own settings stay.
    fn put_wal_together(&mut self) {
        let Some((keys, places)) = self.wal.take() else { return };
        match keys.settings() {
            Ok(settings) => self.config.wal = Some(settings),
            Err((key, message)) => {
                let at =
                    places.iter().find(|(name, _)| *name == key).map_or(Location::UNKNOWN, |(_, at)| *at);
                self.problem(at, message);
            }
        }
    }
}

/// Every key and every section: a wrong section is named too.
fn names() -> impl Iterator<Item = &'static str> {
    let sections = keys().filter_map(|key| key.name.rsplit_once('.')).map(|(section, _)| section);
    keys().map(|key| key.name).chain(sections)
}
