//! Filter: the conditions a search asks of an item's metadata.
//!
//! `condition[,condition…]`, and every condition must hold. A condition is a key, an operator and a value typed as in
//! METASET: `key:value` or `key=value`, `key!=value`, `key>value`, `>=`, `<`, `<=`, and `key=in(a|b)` or
//! `key!=in(a|b)`.
//!
//! - Integers and floats compare numerically and exactly, text by bytes, `false` before `true`. Values of different
//!   kinds are neither equal nor in any order.
//! - A list matches when any of its members does; `!=` is the opposite of `=`, so it matches a list when no member
//!   equals the value.
//! - A missing key matches only `!=`, and so does an item without metadata: it differs from every value. This is what
//!   nvecd documents.

use crate::error::{Error, Result};
use crate::metadata::{Metadata, Value};
use crate::value_text::Cursor;
use std::cmp::Ordering;

/// A parsed filter. Matching allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub(crate) conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub key: String,
    pub test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Equal(Vec<Value>),
    Differs(Vec<Value>),
    Greater(Value),
    GreaterOrEqual(Value),
    Less(Value),
    LessOrEqual(Value),
}

impl Filter {
    /// How many values one filter may name, in all its conditions together.
    pub const VALUES_MAX: usize = 1024;

    /// Parses a filter.
    ///
    /// # Errors
    /// `Input`, naming the position and what was expected there.
    pub fn parse(text: &str) -> Result<Self> {
        let mut cursor = Cursor::new("filter", text);
        let mut conditions = Vec::new();
        let mut values = 0;
        loop {
            cursor.skip_spaces();
            let key = cursor.key()?;
            cursor.skip_spaces();
            let test = test(&mut cursor)?;
            values += test.values();
            if values > Self::VALUES_MAX {
                return Err(Error::Input(format!("Filter names more than {} values", Self::VALUES_MAX)));
            }
            conditions.push(Condition { key, test });
            if !cursor.another()? {
                return Ok(Self { conditions });
            }
        }
    }

    /// Says whether every condition holds. An item without metadata is matched by passing `Metadata::default()`.
    #[must_use]
    pub fn matches(&self, metadata: &Metadata) -> bool {
        self.conditions.iter().all(|condition| condition.test.holds(metadata.0.get(&condition.key)))
    }

    /// Appends bytes that are the same for equal filters, and for no others. For keys in memory: not a format.
    pub fn identify(&self, out: &mut Vec<u8>) {
        let text = |text: &str, out: &mut Vec<u8>| {
            out.extend_from_slice(&(text.len() as u64).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        };
        out.extend_from_slice(&(self.conditions.len() as u64).to_le_bytes());
        for Condition { key, test } in &self.conditions {
            text(key, out);
            let (operator, values) = test.parts();
            out.push(operator);
            out.extend_from_slice(&(values.len() as u64).to_le_bytes());
            values.iter().for_each(|value| value.encode(out));
        }
    }
}

/// An operator and its value or values.
fn test(cursor: &mut Cursor<'_>) -> Result<Test> {
    if cursor.eat_str("!=") {
        return operands(cursor).map(Test::Differs);
    }
    if cursor.eat_str(">=") {
        return operand(cursor).map(Test::GreaterOrEqual);
    }
    if cursor.eat_str("<=") {
        return operand(cursor).map(Test::LessOrEqual);
    }
    if cursor.eat('>') {
        return operand(cursor).map(Test::Greater);
    }
    if cursor.eat('<') {
        return operand(cursor).map(Test::Less);
    }
    if cursor.eat('=') || cursor.eat(':') {
        return operands(cursor).map(Test::Equal);
    }
    Err(cursor.expected("an operator (: = != > >= < <=) after the key"))
}

/// One value. A bare one does not begin with an operator: `a==b` and `a=>1` are slips, not the text `=b`.
fn operand(cursor: &mut Cursor<'_>) -> Result<Value> {
    cursor.skip_spaces();
    match cursor.peek() {
        Some('=' | '!' | '<' | '>' | ':') => Err(cursor.expected("a value")),
        _ => cursor.value(&[]),
    }
}

/// One value, or `in(a|b|…)`.
fn operands(cursor: &mut Cursor<'_>) -> Result<Vec<Value>> {
    cursor.skip_spaces();
    if !cursor.eat_str("in(") {
        return operand(cursor).map(|value| vec![value]);
    }
    let mut values = Vec::new();
    loop {
        cursor.skip_spaces();
        values.push(cursor.value(&['|', ')'])?);
        cursor.skip_spaces();
        if cursor.eat(')') {
            return Ok(values);
        }
        if !cursor.eat('|') {
            return Err(cursor.expected("'|' or ')'"));
        }
    }
}

impl Test {
    /// A number for the operator, and its values.
    fn parts(&self) -> (u8, &[Value]) {
        match self {
            Self::Equal(values) => (0, values),
            Self::Differs(values) => (1, values),
            Self::Greater(value) => (2, std::slice::from_ref(value)),
            Self::GreaterOrEqual(value) => (3, std::slice::from_ref(value)),
            Self::Less(value) => (4, std::slice::from_ref(value)),
            Self::LessOrEqual(value) => (5, std::slice::from_ref(value)),
        }
    }

    fn values(&self) -> usize {
        match self {
            Self::Equal(values) | Self::Differs(values) => values.len(),
            _ => 1,
        }
    }

    fn holds(&self, value: Option<&Value>) -> bool {
        let Some(value) = value else {
            return matches!(self, Self::Differs(_));
        };
        match self {
            Self::Equal(wanted) => equals_any(value, wanted),
            Self::Differs(refused) => !equals_any(value, refused),
            Self::Greater(bound) => any(value, |member| compare(member, bound).is_some_and(Ordering::is_gt)),
            Self::GreaterOrEqual(bound) => {
                any(value, |member| compare(member, bound).is_some_and(Ordering::is_ge))
            }
            Self::Less(bound) => any(value, |member| compare(member, bound).is_some_and(Ordering::is_lt)),
            Self::LessOrEqual(bound) => {
                any(value, |member| compare(member, bound).is_some_and(Ordering::is_le))
            }
        }
    }
}

fn equals_any(value: &Value, wanted: &[Value]) -> bool {
    any(value, |member| wanted.iter().any(|wanted| compare(member, wanted) == Some(Ordering::Equal)))
}

/// Says whether `holds` does for the value, or for any member of a list.
fn any(value: &Value, holds: impl Fn(&Value) -> bool) -> bool {
    match value {
        Value::List(members) => members.iter().any(holds),
        scalar => holds(scalar),
    }
}

/// The order of two scalars of one kind; `None` for different kinds and lists.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Float(b)) => compare_int_float(*a, *b),
        (Value::Float(a), Value::Int(b)) => compare_int_float(*b, *a).map(Ordering::reverse),
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Compares exactly: an i64 beyond 2^53 has no f64 of its own, so widening it would call unequal numbers equal.
pub(crate) fn compare_int_float(int: i64, float: f64) -> Option<Ordering> {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if float.is_nan() {
        return None;
    }
    if float >= TWO_63 {
        return Some(Ordering::Less);
    }
    if float < -TWO_63 {
        return Some(Ordering::Greater);
    }
    // In range, so the cast of the whole part is exact.
    let whole = float.trunc();
    let fraction = float - whole;
    Some(int.cmp(&(whole as i64)).then(0.0.partial_cmp(&fraction)?))
}
