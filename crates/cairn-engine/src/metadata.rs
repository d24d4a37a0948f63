//! Metadata: the typed keys and values of an item.

use crate::codec::{Decoder, put_text};
use crate::error::{Error, Result};
use crate::value_text;
use std::collections::BTreeMap;

const FALSE: u8 = 0;
const TRUE: u8 = 1;
const INT: u8 = 2;
const FLOAT: u8 = 3;
const TEXT: u8 = 4;
const LIST: u8 = 5;

/// One value. Equality is that of the encoding: floats are equal when their bits are, and an integer never equals a
/// float (filters compare numerically instead).
#[derive(Clone, Debug)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// Text.
    Text(String),
    /// Scalars of any mix; a list holds no lists. A filter matches a list when it matches any member.
    List(Vec<Value>),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

/// The metadata of one item, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(pub BTreeMap<String, Value>);

impl Metadata {
    /// Parses METASET's `key:value[,key:value…]`.
    ///
    /// # Errors
    /// `Input`, naming the position and what was expected there.
    pub fn parse(text: &str) -> Result<Self> {
        value_text::parse_metadata(text)
    }

    /// Says whether this metadata can be stored: keys of 1 to 65,535 bytes, at most 65,535 keys and members of a list,
    /// finite floats, lists of scalars only. What `parse`, `from_json` and `decode` return is always valid.
    ///
    /// # Errors
    /// `Input`, naming the key.
    pub fn validate(&self) -> Result<()> {
        if u16::try_from(self.0.len()).is_err() {
            return Err(Error::Input(format!(
                "Metadata has {} keys, at most {} are allowed",
                self.0.len(),
                u16::MAX
            )));
        }
        for (key, value) in &self.0 {
            if key.is_empty() || u16::try_from(key.len()).is_err() {
                let length = key.len();
                return Err(Error::Input(format!(
                    "Metadata key of {length} bytes, must be 1 to {}",
                    u16::MAX
                )));
            }
            if let Some(why) = value.fault() {
                return Err(Error::Input(format!("Invalid metadata value of '{key}': {why}")));
            }
        }
        Ok(())
    }

    /// How many bytes [`encode`](Self::encode) appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        2 + self.0.iter().map(|(key, value)| 2 + key.len() + value.encoded_len()).sum::<usize>()
    }

    /// Appends the encoding (docs/format.md, *metadata*); the same metadata always has the same bytes.
    ///
    /// # Panics
    /// When the metadata is not what [`validate`](Self::validate) accepts and a length does not fit its field.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u16(out, self.0.len());
        for (key, value) in &self.0 {
            put_text(out, key);
            value.encode(out);
        }
    }

    /// Decodes exactly what [`encode`](Self::encode) writes; `bytes` must end with the metadata.
    ///
    /// # Errors
    /// `Decode` for anything else: keys out of order or twice, bad UTF-8, floats that are not finite, bytes left over.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(bytes);
        let keys = d.u16()?;
        let mut map: BTreeMap<String, Value> = BTreeMap::new();
        for _ in 0..keys {
            let key = d.text()?;
            if key.is_empty() {
                return Err(Error::Decode("metadata: an empty key"));
            }
            if map.last_key_value().is_some_and(|(last, _)| last.as_str() >= key) {
                return Err(Error::Decode("metadata: keys are not in ascending order"));
            }
            let tag = d.u8()?;
            let value = if tag == LIST { list(&mut d)? } else { scalar(tag, &mut d)? };
            map.insert(key.to_owned(), value);
        }
        d.finish()?;
        Ok(Self(map))
    }

    /// The metadata as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.0.iter().map(|(key, value)| (key.clone(), value.to_json())).collect()
    }

    /// Takes a JSON object of scalars and lists of scalars. An integer beyond 64 bits becomes a float, as in METASET.
    ///
    /// # Errors
    /// `Input`, naming the key, for `null`, objects and lists within values.
    pub fn from_json(json: serde_json::Value) -> Result<Self> {
        let serde_json::Value::Object(object) = json else {
            return Err(Error::Input("Metadata must be a JSON object".to_string()));
        };
        let mut map = BTreeMap::new();
        for (key, json) in object {
            let value = match json {
                serde_json::Value::Array(members) => members
                    .into_iter()
                    .map(|member| scalar_from_json(&key, member))
                    .collect::<Result<_>>()
                    .map(Value::List),
                scalar => scalar_from_json(&key, scalar),
            }?;
            map.insert(key, value);
        }
        let metadata = Self(map);
        metadata.validate()?;
        Ok(metadata)
    }
}

fn scalar_from_json(key: &str, json: serde_json::Value) -> Result<Value> {
    let found = match json {
        serde_json::Value::Bool(value) => return Ok(Value::Bool(value)),
        serde_json::Value::String(text) => return Ok(Value::Text(text)),
        serde_json::Value::Number(number) => {
            if let Some(int) = number.as_i64() {
                return Ok(Value::Int(int));
            }
            match number.as_f64() {
                Some(float) if float.is_finite() => return Ok(Value::Float(float)),
                _ => "a number out of range",
            }
        }
        serde_json::Value::Null => "null",
        serde_json::Value::Array(_) => "a list in a list",
        serde_json::Value::Object(_) => "an object",
    };
    Err(Error::Input(format!(
        "Invalid metadata value of '{key}': expected a bool, number, string or a list of these, found {found}"
    )))
}

impl Value {
    /// Why this value cannot be stored.
    fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Float(float) if !float.is_finite() => Some("a float must be finite"),
            Self::Text(text) if u32::try_from(text.len()).is_err() => Some("text is limited to 4 GiB"),
            Self::List(members) if u16::try_from(members.len()).is_err() => {
                Some("a list is limited to 65535 members")
            }
            Self::List(members) => members.iter().find_map(|member| match member {
                Self::List(_) => Some("a list cannot hold a list"),
                scalar => scalar.fault(),
            }),
            _ => None,
        }
    }

    fn encoded_len(&self) -> usize {
        1 + match self {
            Self::Bool(_) => 0,
            Self::Int(_) | Self::Float(_) => 8,
            Self::Text(text) => 4 + text.len(),
            Self::List(members) => 2 + members.iter().map(Self::encoded_len).sum::<usize>(),
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Bool(false) => out.push(FALSE),
            Self::Bool(true) => out.push(TRUE),
            Self::Int(int) => {
                out.push(INT);
                out.extend_from_slice(&int.to_le_bytes());
            }
            Self::Float(float) => {
                out.push(FLOAT);
                out.extend_from_slice(&float.to_bits().to_le_bytes());
            }
            Self::Text(text) => {
                out.push(TEXT);
                let length = u32::try_from(text.len()).expect("validated: text under 4 GiB");
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            Self::List(members) => {
                out.push(LIST);
                put_u16(out, members.len());
                for member in members {
                    member.encode(out);
                }
            }
        }
    }

    fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Int(int) => (*int).into(),
            Self::Float(float) => (*float).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(members) => members.iter().map(Self::to_json).collect(),
        }
    }
}

fn put_u16(out: &mut Vec<u8>, length: usize) {
    let length = u16::try_from(length).expect("validated: at most 65,535 keys and members");
    out.extend_from_slice(&length.to_le_bytes());
}

/// A value whose tag was read and that may not be a list.
fn scalar(tag: u8, d: &mut Decoder<'_>) -> Result<Value> {
    match tag {
        FALSE => Ok(Value::Bool(false)),
        TRUE => Ok(Value::Bool(true)),
        INT => d.i64().map(Value::Int),
        FLOAT => match d.f64()? {
            float if float.is_finite() => Ok(Value::Float(float)),
            _ => Err(Error::Decode("metadata: a float is not finite")),
        },
        TEXT => {
            let bytes = d.u32()?;
            let text = std::str::from_utf8(d.take(bytes as usize)?);
            text.map(|text| Value::Text(text.to_owned()))
                .map_err(|_| Error::Decode("metadata: text is not UTF-8"))
        }
        LIST => Err(Error::Decode("metadata: a list in a list")),
        _ => Err(Error::Decode("metadata: unknown value tag")),
    }
}

fn list(d: &mut Decoder<'_>) -> Result<Value> {
    let length = usize::from(d.u16()?);
    // Every member takes a byte at least, so this reserves no more than a small multiple of what is there.
    let mut members = Vec::with_capacity(length.min(d.left()));
    for _ in 0..length {
        let tag = d.u8()?;
        members.push(scalar(tag, d)?);
    }
    Ok(Value::List(members))
}
