//! `Key`: a value in the order of filters, where one number is one key whether it is written as an integer or a float.

use crate::filter::compare_int_float;
use crate::metadata::Value;
use std::cmp::Ordering;

/// A scalar. Keys of different kinds are ordered too, by kind, so that those of a kind stand together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Bool(bool),
    Number(Number),
    Text(Box<str>),
}

/// A number. Never NaN; a float that an i64 equals is kept as that.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl Key {
    /// The key of a scalar; `None` for what no value is equal to or in order with: lists, and NaN.
    pub fn of(value: &Value) -> Option<Key> {
        match value {
            Value::Bool(bool) => Some(Key::Bool(*bool)),
            Value::Int(int) => Some(Key::Number(Number::Int(*int))),
            Value::Float(float) if float.is_nan() => None,
            Value::Float(float) => Some(Key::Number(Number::of(*float))),
            Value::Text(text) => Some(Key::Text(text.as_str().into())),
            Value::List(_) => None,
        }
    }

    /// A number for each kind: 0, 1, 2.
    pub fn kind(&self) -> usize {
        match self {
            Key::Bool(_) => 0,
            Key::Number(_) => 1,
            Key::Text(_) => 2,
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Key::Text(text) => text.len(),
            _ => 0,
        }
    }

    /// The number, about.
    pub fn number(&self) -> Option<f64> {
        match self {
            Key::Number(Number::Int(int)) => Some(*int as f64),
            Key::Number(Number::Float(float)) => Some(*float),
            _ => None,
        }
    }
}

impl Number {
    fn of(float: f64) -> Number {
        // Saturates, so what lies beyond an i64 is not equal to what comes back.
        let int = float as i64;
        match compare_int_float(int, float) {
            Some(Ordering::Equal) => Number::Int(int),
            _ => Number::Float(float),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => a.cmp(b),
            (Number::Float(a), Number::Float(b)) => a.total_cmp(b),
            (Number::Int(a), Number::Float(b)) => compare_int_float(*a, *b).expect("never NaN"),
            (Number::Float(a), Number::Int(b)) => compare_int_float(*b, *a).expect("never NaN").reverse(),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Number {}
