//! One JSON object as a row: an item or an event.

use crate::bad_row::Fault;
use crate::fields::{EVENT_FIELDS, Fields};
use crate::json_metadata::{MetadataSeed, fail};
use crate::number;
use cairn_engine::{Metadata, Value, Write};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// What was found in an object, the texts still as they stand in it.
#[derive(Default)]
struct Parts<'a> {
    id: Option<&'a str>,
    vector: Option<&'a str>,
    metadata: Option<BTreeMap<String, Value>>,
    /// As [`EVENT_FIELDS`].
    event: [Option<&'a str>; 4],
}

/// Reads the object on a line and adds its writes. `dimension` is that of the vectors before, a hint.
pub(crate) fn read(
    line: &[u8],
    fields: &Fields,
    dimension: &mut usize,
    writes: &mut Vec<Write>,
) -> Result<(), Fault> {
    let mut fault = None;
    let mut at = None;
    let mut de = serde_json::Deserializer::from_slice(line);
    let seed = RowSeed { fields, fault: &mut fault, at: &mut at };
    let parts = seed.deserialize(&mut de).and_then(|parts| de.end().map(|()| parts));
    let parts = match (parts, fault) {
        (Ok(parts), None) => parts,
        (_, Some(fault)) => return Err(fault),
        (Err(e), None) if std::str::from_utf8(line).is_err() => {
            return Err(Fault::plain(at.unwrap_or("line"), "UTF-8", not_utf8(line, &e)));
        }
        (Err(e), None) => return Err(Fault::plain(at.unwrap_or("line"), "a JSON object", reason(&e))),
    };
    if parts.event.iter().any(Option::is_some) {
        writes.push(event(parts, fields)?);
        return Ok(());
    }
    item(parts, fields, dimension, writes)
}

/// The id of the object on a line; other keys are passed over.
pub(crate) fn read_id(line: &[u8], fields: &Fields) -> Result<String, Fault> {
    let mut de = serde_json::Deserializer::from_slice(line);
    let raw = de.deserialize_map(IdVisitor(fields)).and_then(|raw| de.end().map(|()| raw));
    let raw = raw.map_err(|e| Fault::plain("line", "a JSON object", reason(&e)))?;
    name(&fields.id, raw).map(Cow::into_owned)
}

struct IdVisitor<'f>(&'f Fields);

impl<'de> Visitor<'de> for IdVisitor<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<&'de str>, A::Error> {
        let mut id = None;
        while let Some(key) = map.next_key_seed(KeySeed(self.0))? {
            if matches!(key, Key::Id) {
                id = Some(map.next_value::<&RawValue>()?.get());
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(id)
    }
}

/// What serde_json says, the line number left out: it only knows one line.
fn reason(e: &serde_json::Error) -> String {
    let text = e.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    format!("{text} (column {})", e.column())
}

fn not_utf8(line: &[u8], e: &serde_json::Error) -> String {
    match std::str::from_utf8(line) {
        Err(bad) => format!("a byte that is none (column {})", bad.valid_up_to() + 1),
        Ok(_) => reason(e),
    }
}

fn item(
    parts: Parts<'_>,
    fields: &Fields,
    dimension: &mut usize,
    writes: &mut Vec<Write>,
) -> Result<(), Fault> {
    let id = name(&fields.id, parts.id)?.into_owned();
    let vector = match parts.vector {
        None => None,
        Some(text) if text.starts_with('[') => {
            let mut vector = Vec::with_capacity((*dimension).min(text.len() / 2 + 1));
            number::floats(&fields.vector, text, &mut vector)?;
            *dimension = vector.len();
            Some(vector)
        }
        Some(text) => return Err(Fault::new(&*fields.vector, "a list of numbers", text)),
    };
    let metadata = parts.metadata.map(Metadata);
    if let Some(metadata) = &metadata {
        metadata.validate().map_err(|e| Fault::refused("metadata", e.to_string()))?;
    }
    match (vector, metadata) {
        (None, None) => return Err(Fault::plain("row", "a vector or metadata", "neither")),
        (Some(vector), None) => writes.push(Write::VectorSet { id, vector }),
        (None, Some(metadata)) => writes.push(Write::MetadataSet { id, metadata }),
        (Some(vector), Some(metadata)) => {
            writes.push(Write::VectorSet { id: id.clone(), vector });
            writes.push(Write::MetadataSet { id, metadata });
        }
    }
    Ok(())
}

fn event(parts: Parts<'_>, fields: &Fields) -> Result<Write, Fault> {
    if parts.vector.is_some() {
        return Err(Fault::plain(&*fields.vector, "no such key in an event", "one"));
    }
    if parts.metadata.is_some() {
        return Err(Fault::plain("metadata", "no such key in an event", "one"));
    }
    let [context, kind, score, time] = parts.event;
    let context = name("ctx", context)?.into_owned();
    let id = name(&fields.id, parts.id)?.into_owned();
    let op = number::operation("type", &name("type", kind)?)?;
    let score = match (score, op) {
        (Some(word), _) => number::score(word)?,
        (None, cairn_engine::EventOp::Del) => 0,
        (None, _) => return Err(Fault::plain("score", "an integer from 0 to 100", "none")),
    };
    let time_s = time.map(number::time).transpose()?;
    Ok(Write::Event { context, id, op, score, time_s })
}

/// The text of a string, or an integer as text.
fn name<'a>(field: &str, raw: Option<&'a str>) -> Result<Cow<'a, str>, Fault> {
    let Some(raw) = raw else { return Err(Fault::plain(field, "a string", "none")) };
    if let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        if !inner.contains('\\') {
            return Ok(Cow::Borrowed(inner));
        }
        return serde_json::from_str::<String>(raw)
            .map(Cow::Owned)
            .map_err(|e| Fault::plain(field, "a string", reason(&e)));
    }
    if raw.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Ok(Cow::Borrowed(raw));
    }
    Err(Fault::new(field, "a string or an integer", raw))
}

/// Which key it is.
enum Key<'f> {
    Id,
    Vector,
    Metadata(&'f crate::MetadataField),
    Event(usize),
    Ignored,
    Unknown(String),
}

struct KeySeed<'f>(&'f Fields);

impl<'de, 'f> DeserializeSeed<'de> for KeySeed<'f> {
    type Value = Key<'f>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Key<'f>, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'f> Visitor<'_> for KeySeed<'f> {
    type Value = Key<'f>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Key<'f>, E> {
        if key == self.0.id {
            return Ok(Key::Id);
        }
        if key == self.0.vector {
            return Ok(Key::Vector);
        }
        if let Some(field) = self.0.metadata.iter().find(|field| field.name == key) {
            return Ok(Key::Metadata(field));
        }
        if let Some(n) = EVENT_FIELDS.iter().position(|name| *name == key) {
            return Ok(Key::Event(n));
        }
        let ignored = self.0.ignored.iter().any(|name| name == key);
        Ok(if ignored { Key::Ignored } else { Key::Unknown(key.to_owned()) })
    }
}

/// Reads the object; what is wrong with it is left in `fault`, and in `at` the field that was read last.
struct RowSeed<'r, 'f> {
    fields: &'f Fields,
    fault: &'r mut Option<Fault>,
    at: &'r mut Option<&'f str>,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_, '_> {
    type Value = Parts<'de>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Parts<'de>, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_, '_> {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts<'de>, A::Error> {
        let mut parts = Parts::default();
        let fields = self.fields;
        while let Some(key) = map.next_key_seed(KeySeed(fields))? {
            let (name, slot) = match key {
                Key::Id => (fields.id.as_str(), &mut parts.id),
                Key::Vector => (fields.vector.as_str(), &mut parts.vector),
                Key::Event(n) => (EVENT_FIELDS[n], &mut parts.event[n]),
                Key::Metadata(field) => {
                    *self.at = Some(&field.name);
                    let into = &mut parts.metadata;
                    map.next_value_seed(MetadataSeed { field, into, fault: self.fault })?;
                    *self.at = None;
                    continue;
                }
                Key::Ignored => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Key::Unknown(key) => {
                    let expected = known(fields);
                    return Err(fail(self.fault, Fault::new("key", expected, &key)));
                }
            };
            *self.at = Some(name);
            let raw = map.next_value::<&RawValue>()?.get();
            if slot.is_some() {
                return Err(fail(self.fault, Fault::plain(name, "the key once", "it twice")));
            }
            *slot = (raw != "null").then_some(raw);
            *self.at = None;
        }
        Ok(parts)
    }
}

fn known(fields: &Fields) -> String {
    let metadata = fields.metadata.iter().map(|field| field.name.as_str());
    let all = [fields.id.as_str(), &fields.vector].into_iter().chain(metadata).chain(EVENT_FIELDS);
    format!("one of {}", all.collect::<Vec<_>>().join(", "))
}
