//! Metadata in JSON, read straight into its own types.

use crate::bad_row::Fault;
use crate::fields::MetadataField;
use cairn_engine::Value;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Leaves what is wrong, and gives back an error that only ends the reading.
pub(crate) fn fail<E: de::Error>(into: &mut Option<Fault>, fault: Fault) -> E {
    *into = Some(fault);
    E::custom("a fault")
}

/// Reads a field's value and adds it to the row's metadata.
pub(crate) struct MetadataSeed<'r, 'f> {
    pub field: &'f MetadataField,
    pub into: &'r mut Option<BTreeMap<String, Value>>,
    pub fault: &'r mut Option<Fault>,
}

impl<'de> DeserializeSeed<'de> for MetadataSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        let key = self.field.key.as_deref().unwrap_or(&self.field.name);
        let objects = if self.field.key.is_none() { Objects::Merge(self.into) } else { Objects::Refuse };
        let value = d.deserialize_any(ValueVisitor {
            path: Path(key, None),
            objects,
            fault: self.fault,
            lists: true,
        })?;
        if let Some(value) = value
            && self.into.get_or_insert_default().insert(key.to_owned(), value).is_some()
        {
            let fault = Fault::plain(format!("metadata.{key}"), "the key once", "it twice");
            return Err(fail(self.fault, fault));
        }
        Ok(())
    }
}

/// Where a value stands, for messages.
#[derive(Clone, Copy)]
struct Path<'a>(&'a str, Option<usize>);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            None => write!(f, "metadata.{}", self.0),
            Some(n) => write!(f, "metadata.{}[{n}]", self.0),
        }
    }
}

/// What becomes of an object.
enum Objects<'r> {
    /// Its keys are added here.
    Merge(&'r mut Option<BTreeMap<String, Value>>),
    /// It is a fault.
    Refuse,
}

/// Reads a value; `None` when it was an object whose keys were added, or the `null` of a whole field.
struct ValueVisitor<'r, 'k> {
    path: Path<'k>,
    objects: Objects<'r>,
    fault: &'r mut Option<Fault>,
    lists: bool,
}

impl<'de> DeserializeSeed<'de> for ValueVisitor<'_, '_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Option<Value>, D::Error> {
        d.deserialize_any(self)
    }
}

impl ValueVisitor<'_, '_> {
    fn refuse<E: de::Error>(self, got: &str) -> E {
        let expected =
            if self.lists { "a bool, number, string or a list of these" } else { "a bool, number or string" };
        let fault = Fault::plain(self.path.to_string(), expected, got);
        fail(self.fault, fault)
    }
}

impl<'de> Visitor<'de> for ValueVisitor<'_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Option<Value>, E> {
        Ok(Some(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Option<Value>, E> {
        Ok(Some(Value::Int(value)))
    }

    /// An integer beyond 64 bits becomes a float, as in METASET.
    fn visit_u64<E>(self, value: u64) -> Result<Option<Value>, E> {
        Ok(Some(i64::try_from(value).map_or(Value::Float(value as f64), Value::Int)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Option<Value>, E> {
        if value.is_finite() {
            Ok(Some(Value::Float(value)))
        } else {
            Err(self.refuse("a number out of range"))
        }
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<Value>, E> {
        Ok(Some(Value::Text(text.to_owned())))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Option<Value>, E> {
        // `"metadata": null` is no metadata; a null within it is nothing that can be kept.
        if matches!(self.objects, Objects::Merge(_)) { Ok(None) } else { Err(self.refuse("null")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<Value>, A::Error> {
        if !self.lists {
            return Err(self.refuse("a list in a list"));
        }
        let mut members = Vec::new();
        loop {
            let path = Path(self.path.0, Some(members.len()));
            let seed = ValueVisitor { path, objects: Objects::Refuse, fault: &mut *self.fault, lists: false };
            match seq.next_element_seed(seed)? {
                Some(Some(value)) => members.push(value),
                Some(None) => {}
                None => return Ok(Some(Value::List(members))),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Value>, A::Error> {
        let Objects::Merge(into) = self.objects else {
            let fault =
                Fault::plain(self.path.to_string(), "a bool, number, string or a list of these", "an object");
            return Err(fail(self.fault, fault));
        };
        let into = into.get_or_insert_default();
        while let Some(key) = map.next_key::<String>()? {
            let path = Path(&key, None);
            let seed = ValueVisitor { path, objects: Objects::Refuse, fault: &mut *self.fault, lists: true };
            let value = map.next_value_seed(seed)?;
            if into.contains_key(&key) {
                let fault = Fault::plain(path.to_string(), "the key once", "it twice");
                return Err(fail(self.fault, fault));
            }
            if let Some(value) = value {
                into.insert(key, value);
            }
        }
        Ok(None)
    }
}
