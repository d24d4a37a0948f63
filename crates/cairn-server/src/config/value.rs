//! A value of the configuration: what a key takes, and what a file gives it.

use super::schedules::ScheduleConfig;
use super::security::TokenConfig;
use crate::cidr::Cidr;
use crate::units::{parse_duration, parse_size, show_duration, show_size};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// true or false.
    Bool,
    /// A whole number in this range.
    Int(u64, u64),
    /// A number in this range.
    Float(f64, f64),
    /// A duration with its unit, in this range of microseconds.
    Duration(u64, u64),
    /// A size in bytes or with its unit, in this range of bytes.
    Size(u64, u64),
    /// Text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of address ranges.
    Cidrs,
    /// A list of schedules.
    Schedules,
    /// Permission bits of a file, in octal.
    Mode,
    /// Text that is never shown.
    Secret,
    /// A list of tokens, which are never shown.
    Tokens,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Bool => f.write_str("true or false"),
            Kind::Int(min, u64::MAX) => write!(f, "a whole number of at least {min}"),
            Kind::Int(min, max) => write!(f, "a whole number in range [{min}, {max}]"),
            Kind::Float(f64::MIN_POSITIVE, f64::MAX) => f.write_str("a number above 0"),
            Kind::Float(f64::MIN_POSITIVE, max) => write!(f, "a number above 0, at most {max}"),
            Kind::Float(min, max) if *max == f64::MAX => write!(f, "a number of at least {min}"),
            Kind::Float(min, max) => write!(f, "a number in range [{min}, {max}]"),
            Kind::Duration(min, max) => {
                let (min, max) = (show_duration(*min), show_duration(*max));
                write!(f, "a duration with its unit in range [{min}, {max}], as 250ms, 5s or 24h")
            }
            Kind::Size(min, max) if *max >= i64::MAX as u64 => {
                write!(f, "a size of at least {}, in bytes or as 64MB", show_size(*min))
            }
            Kind::Size(min, max) => {
                let (min, max) = (show_size(*min), show_size(*max));
                write!(f, "a size in range [{min}, {max}], in bytes or as 64MB")
            }
            Kind::Text | Kind::Secret => f.write_str("text"),
            Kind::Mode => f.write_str("permission bits in octal, as 0600"),
            Kind::Tokens => f.write_str("a list of tokens, each a name, a role, and token or token_file"),
            Kind::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Kind::Texts => f.write_str("a list of texts"),
            Kind::Schedules => f.write_str("a list of schedules, each a name with every or cron"),
            Kind::Cidrs => f.write_str("a list of address ranges like 192.168.1.0/24"),
        }
    }
}

/// A value that has been checked against its key's [`Kind`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(u64),
    Float(f64),
    Text(String),
    Texts(Vec<String>),
    Cidrs(Vec<Cidr>),
    Schedules(Vec<ScheduleConfig>),
    Tokens(Vec<TokenConfig>),
}

impl Value {
    pub fn bool(self) -> bool {
        matches!(self, Value::Bool(true))
    }

    pub fn u64(self) -> u64 {
        if let Value::Int(n) = self { n } else { 0 }
    }

    /// The ranges in the table of keys fit; what does not is the largest there is.
    pub fn u32(self) -> u32 {
        u32::try_from(self.u64()).unwrap_or(u32::MAX)
    }

    pub fn usize(self) -> usize {
        usize::try_from(self.u64()).unwrap_or(usize::MAX)
    }

    pub fn u16(self) -> u16 {
        u16::try_from(self.u64()).unwrap_or(u16::MAX)
    }

    pub fn f64(self) -> f64 {
        if let Value::Float(x) = self { x } else { 0.0 }
    }

    pub fn text(self) -> String {
        if let Value::Text(text) = self { text } else { String::new() }
    }

    pub fn cidrs(self) -> Vec<Cidr> {
        if let Value::Cidrs(ranges) = self { ranges } else { Vec::new() }
    }

    pub fn schedules(self) -> Vec<ScheduleConfig> {
        if let Value::Schedules(schedules) = self { schedules } else { Vec::new() }
    }

    pub fn tokens(self) -> Vec<TokenConfig> {
        if let Value::Tokens(tokens) = self { tokens } else { Vec::new() }
    }

    pub fn texts(self) -> Vec<String> {
        if let Value::Texts(texts) = self { texts } else { Vec::new() }
    }
}

/// A YAML value as it stands in the file.
#[derive(Debug)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

/// The value that `node` gives a key of this kind; `source` is the file's text. `None`: it is of another kind.
pub(crate) fn value(node: &Spanned<Node>, kind: Kind, source: &str) -> Option<Value> {
    Some(match (kind, &node.value) {
        (Kind::Bool, Node::Bool(flag)) => Value::Bool(*flag),
        (Kind::Int(min, max), Node::Int(n)) => {
            Value::Int(u64::try_from(*n).ok().filter(|n| (min..=max).contains(n))?)
        }
        (Kind::Float(min, max), Node::Float(x)) if (min..=max).contains(x) => Value::Float(*x),
        // A whole number is a number; past 2^53 it is rounded, which no key's range notices.
        (Kind::Float(min, max), Node::Int(n)) if (min..=max).contains(&(*n as f64)) => {
            Value::Float(*n as f64)
        }
        (Kind::Duration(min, max), _) => {
            let us = parse_duration(&text(node, source)?)?;
            Value::Int(Some(us).filter(|us| (min..=max).contains(us))?)
        }
        (Kind::Size(min, max), _) => {
            let bytes = parse_size(&text(node, source)?)?;
            Value::Int(Some(bytes).filter(|bytes| (min..=max).contains(bytes))?)
        }
        (Kind::Mode, _) => {
            let bits = u64::from_str_radix(&text(node, source)?, 8).ok();
            Value::Int(bits.filter(|bits| *bits <= 0o777)?)
        }
        (Kind::Text | Kind::Secret, _) => Value::Text(text(node, source)?),
        (Kind::Choice(words), _) => {
            Value::Text(text(node, source).filter(|word| words.contains(&word.as_str()))?)
        }
        (Kind::Texts, Node::List(list)) => {
            Value::Texts(list.iter().map(|node| text(node, source)).collect::<Option<_>>()?)
        }
        (Kind::Cidrs, Node::List(list)) => {
            let range = |node| text(node, source)?.parse().ok();
            Value::Cidrs(list.iter().map(range).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Text as written: a password of digits, or a word that YAML takes for a truth value, is text all the same.
pub(crate) fn text(node: &Spanned<Node>, source: &str) -> Option<String> {
    match &node.value {
        Node::Text(text) => Some(text.clone()),
        Node::Bool(_) | Node::Int(_) | Node::Float(_) => written(node, source).map(str::to_owned),
        Node::Null | Node::List(_) | Node::Map(_) => None,
    }
}

fn written<'s>(node: &Spanned<Node>, source: &'s str) -> Option<&'s str> {
    let span = node.defined.span();
    let begin = usize::try_from(span.byte_offset()?).ok()?;
    let bytes = usize::try_from(span.byte_len()?).ok()?;
    source.get(begin..begin.checked_add(bytes)?)
}

/// How an error shows a value.
pub(crate) fn shown(node: &Spanned<Node>, source: &str) -> String {
    match &node.value {
        Node::Null => "nothing".to_owned(),
        Node::Text(text) => format!("\"{}\"", crate::failure::shown(text)),
        Node::List(list) => {
            match list.iter().map(|node| shown(node, source)).reduce(|a, b| format!("{a}, {b}")) {
                Some(items) => crate::failure::shown(&format!("[{items}]")),
                None => "an empty list".to_owned(),
            }
        }
        Node::Map(_) => "a section".to_owned(),
        Node::Bool(_) | Node::Int(_) | Node::Float(_) => {
            written(node, source).map(crate::failure::shown).unwrap_or_else(|| format!("{:?}", node.value))
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Bool(flag))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Node, E> {
        Ok(Node::Int(n.into()))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Node, E> {
        Ok(Node::Int(n.into()))
    }

    fn visit_i128<E>(self, n: i128) -> Result<Node, E> {
        Ok(Node::Int(n))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Node, E> {
        Ok(Node::Float(x))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}
