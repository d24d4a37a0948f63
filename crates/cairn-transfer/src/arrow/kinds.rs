//! The kind of a metadata key: what type its column gets.

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
};
use arrow_array::{Array, ArrayRef};
use cairn_engine::{CollectionView, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type of a value, or of a list's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int,
    Float,
    Text,
    /// Of several types: every value as JSON.
    Json,
}

/// What all values of a key have in common.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kind {
    scalar: Option<Scalar>,
    /// Whether some values are lists, and whether some are not.
    lists: bool,
    scalars: bool,
}

impl Kind {
    fn add(&mut self, value: &Value) {
        match value {
            Value::List(members) => {
                self.lists = true;
                members.iter().for_each(|member| self.add_scalar(member));
            }
            scalar => {
                self.scalars = true;
                self.add_scalar(scalar);
            }
        }
    }

    fn add_scalar(&mut self, value: &Value) {
        let new = match value {
            Value::Bool(_) => Scalar::Bool,
            Value::Int(_) => Scalar::Int,
            Value::Float(_) => Scalar::Float,
            Value::Text(_) => Scalar::Text,
            Value::List(_) => Scalar::Json,
        };
        self.scalar = Some(match (self.scalar, new) {
            (None, new) => new,
            (Some(old), new) if old == new => new,
            (Some(Scalar::Int | Scalar::Float), Scalar::Int | Scalar::Float) => Scalar::Float,
            _ => Scalar::Json,
        });
    }

    /// An empty column of this kind.
    pub fn column(self) -> Column {
        if self.lists && self.scalars {
            return Column::Text(StringBuilder::new(), true);
        }
        let json = self.scalar == Some(Scalar::Json);
        match (self.lists, self.scalar) {
            (false, Some(Scalar::Bool)) => Column::Bool(BooleanBuilder::new()),
            (false, Some(Scalar::Int)) => Column::Int(Int64Builder::new()),
            (false, Some(Scalar::Float)) => Column::Float(Float64Builder::new()),
            (false, _) => Column::Text(StringBuilder::new(), json),
            (true, Some(Scalar::Bool)) => Column::Bools(ListBuilder::new(BooleanBuilder::new())),
            (true, Some(Scalar::Int)) => Column::Ints(ListBuilder::new(Int64Builder::new())),
            (true, Some(Scalar::Float)) => Column::Floats(ListBuilder::new(Float64Builder::new())),
            (true, _) => Column::Texts(ListBuilder::new(StringBuilder::new()), json),
        }
    }
}

/// The kinds of all metadata keys of a collection: one look at all of it.
pub(super) fn of(view: &CollectionView) -> BTreeMap<String, Kind> {
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    for (_, metadata) in view.metadata() {
        for (key, value) in &metadata.0 {
            match kinds.get_mut(key) {
                Some(kind) => kind.add(value),
                None => kinds.entry(key.clone()).or_default().add(value),
            }
        }
    }
    kinds
}

/// A column that is being filled.
pub(super) enum Column {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    /// Text; or every value as JSON.
    Text(StringBuilder, bool),
    Bools(ListBuilder<BooleanBuilder>),
    Ints(ListBuilder<Int64Builder>),
    Floats(ListBuilder<Float64Builder>),
    Texts(ListBuilder<StringBuilder>, bool),
}

fn bool_of(value: &Value) -> Option<bool> {
    if let Value::Bool(value) = value { Some(*value) } else { None }
}

fn int_of(value: &Value) -> Option<i64> {
    if let Value::Int(int) = value { Some(*int) } else { None }
}

fn float_of(value: &Value) -> Option<f64> {
    match value {
        Value::Float(float) => Some(*float),
        Value::Int(int) => Some(*int as f64),
        _ => None,
    }
}

fn text_of(value: &Value, json: bool) -> Option<String> {
    match value {
        Value::Text(text) if !json => Some(text.clone()),
        other => {
            let mut bytes = Vec::new();
            crate::jsonl_writer::put_value(&mut bytes, other).ok()?;
            String::from_utf8(bytes).ok()
        }
    }
}

/// Appends a list, or null.
fn list<B: ArrayBuilder>(
    builder: &mut ListBuilder<B>,
    value: Option<&Value>,
    mut put: impl FnMut(&mut B, &Value),
) {
    if let Some(Value::List(members)) = value {
        members.iter().for_each(|member| put(builder.values(), member));
        builder.append(true);
    } else {
        builder.append(false);
    }
}

impl Column {
    /// Appends a value, or null.
    pub fn put(&mut self, value: Option<&Value>) {
        match self {
            Column::Bool(builder) => builder.append_option(value.and_then(bool_of)),
            Column::Int(builder) => builder.append_option(value.and_then(int_of)),
            Column::Float(builder) => builder.append_option(value.and_then(float_of)),
            Column::Text(builder, json) => builder.append_option(value.and_then(|v| text_of(v, *json))),
            Column::Bools(builder) => list(builder, value, |b, v| b.append_option(bool_of(v))),
            Column::Ints(builder) => list(builder, value, |b, v| b.append_option(int_of(v))),
            Column::Floats(builder) => list(builder, value, |b, v| b.append_option(float_of(v))),
            Column::Texts(builder, json) => list(builder, value, |b, v| b.append_option(text_of(v, *json))),
        }
    }

    /// The values so far, and an empty column.
    pub fn finish(&mut self) -> ArrayRef {
        match self {
            Column::Bool(builder) => shared(builder.finish()),
            Column::Int(builder) => shared(builder.finish()),
            Column::Float(builder) => shared(builder.finish()),
            Column::Text(builder, _) => shared(builder.finish()),
            Column::Bools(builder) => shared(builder.finish()),
            Column::Ints(builder) => shared(builder.finish()),
            Column::Floats(builder) => shared(builder.finish()),
            Column::Texts(builder, _) => shared(builder.finish()),
        }
    }
}

fn shared(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}
