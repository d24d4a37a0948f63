//! The keys of the configuration: every name a file may use, and what each sets.

use super::Config;
use super::keys_engine::ENGINE_KEYS;
use super::keys_http::HTTP_KEYS;
use super::keys_server::SERVER_KEYS;
use super::keys_wal::WAL_KEYS;
use super::value::{Kind, Value};
use super::wal_keys::WalKeys;

/// A key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Its dotted name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it has when a file says nothing, for people.
    pub default: &'static str,
    /// What it does, for people.
    pub about: &'static str,
    pub(crate) effect: Effect,
}

impl Key {
    /// Why it has no effect, of a key that is accepted only so that nvecd's files load.
    pub fn inert(&self) -> Option<&'static str> {
        match self.effect {
            Effect::Now(_) | Effect::Wal(_) => None,
            Effect::None(why) => Some(why),
        }
    }
}

/// Whether a key does anything.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    /// It sets something.
    Now(fn(&mut Config, Value)),
    /// It is a part of the write-ahead log's settings, which are put together at the file's end.
    Wal(fn(&mut WalKeys, Value)),
    /// It is accepted, so that nvecd's files load, and this is why it has no effect.
    None(&'static str),
}

pub(crate) const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
    set: fn(&mut Config, Value),
) -> Key {
    Key { name, kind, default, about, effect: Effect::Now(set) }
}

pub(crate) const fn wal(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
    set: fn(&mut WalKeys, Value),
) -> Key {
    Key { name, kind, default, about, effect: Effect::Wal(set) }
}

pub(crate) const fn inert(name: &'static str, kind: Kind, default: &'static str, why: &'static str) -> Key {
    Key { name, kind, default, about: why, effect: Effect::None(why) }
}

/// All keys, by section.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    ENGINE_KEYS.iter().chain(WAL_KEYS).chain(SERVER_KEYS).chain(HTTP_KEYS)
}

/// The key of this name.
pub(crate) fn key_named(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name == name)
}

pub(crate) const U32: Kind = Kind::Int(0, u32::MAX as u64);
pub(crate) const U64: Kind = Kind::Int(0, i64::MAX as u64);
pub(crate) const NOT_NEGATIVE: Kind = Kind::Float(0.0, f64::MAX);
