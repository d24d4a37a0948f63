//! The cell of a table: a value, a text, a vector.

use crate::bad_row::Fault;
use crate::number::DIMENSION_MAX;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use cairn_engine::Value;

/// Whether a column's cells can be one scalar.
pub(super) fn is_scalar(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_scalar(values),
        DataType::Boolean | DataType::Null => true,
        other => other.is_integer() || is_float(other) || is_text(other),
    }
}

pub(super) fn is_float(kind: &DataType) -> bool {
    matches!(kind, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

pub(super) fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// What a list's members are; `None`: it is no list.
pub(super) fn member(kind: &DataType) -> Option<&DataType> {
    match kind {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Some(field.data_type())
        }
        _ => None,
    }
}

/// The members of a list.
fn members(array: &dyn Array, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
        _ => None,
    }
}

/// A value; `None`: null, or of a type that is none of ours.
pub(super) fn value(array: &dyn Array, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    if let Some(members) = members(array, row) {
        let values = (0..members.len()).filter_map(|n| scalar(&*members, n));
        return Some(Value::List(values.collect()));
    }
    scalar(array, row)
}

fn scalar(array: &dyn Array, row: usize) -> Option<Value> {
    if array.is_null(row) {
        return None;
    }
    let float = match array.data_type() {
        DataType::Boolean => return Some(Value::Bool(array.as_boolean().value(row))),
        DataType::Float16 => f64::from(array.as_primitive::<Float16Type>().value(row).to_f32()),
        DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let key = usize::try_from(integer(dictionary.keys(), row)?).ok()?;
            return if key < dictionary.values().len() { scalar(dictionary.values(), key) } else { None };
        }
        _ => {
            if let Some(text) = text(array, row) {
                return Some(Value::Text(text.to_owned()));
            }
            let int = integer(array, row)?;
            return Some(i64::try_from(int).map_or(Value::Float(int as f64), Value::Int));
        }
    };
    Some(Value::Float(float))
}

/// A text that stands in the column itself.
fn text(array: &dyn Array, row: usize) -> Option<&str> {
    match array.data_type() {
        DataType::Utf8 => Some(array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(array.as_string_view().value(row)),
        _ => None,
    }
}

fn integer(array: &dyn Array, row: usize) -> Option<i128> {
    Some(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        _ => return None,
    })
}

/// A text, or an integer as text.
pub(super) fn name(field: &str, array: &dyn Array, row: usize) -> Result<String, Fault> {
    match scalar(array, row) {
        Some(Value::Text(text)) => Ok(text),
        Some(Value::Int(int)) => Ok(int.to_string()),
        _ => Err(Fault::plain(field, "a string or an integer", "null")),
    }
}

/// A vector; `None`: null.
pub(super) fn vector(field: &str, array: &dyn Array, row: usize) -> Result<Option<Vec<f32>>, Fault> {
    if array.is_null(row) {
        return Ok(None);
    }
    let Some(members) = members(array, row) else { return Ok(None) };
    if members.len() > DIMENSION_MAX {
        let expected = format!("at most {DIMENSION_MAX} elements");
        return Err(Fault::plain(field, expected, members.len().to_string()));
    }
    if let Some(n) = (0..members.len()).find(|n| members.is_null(*n)) {
        return Err(Fault::plain(format!("{field}[{n}]"), "a finite f32 number", "null"));
    }
    let vector: Vec<f32> = match members.data_type() {
        DataType::Float32 => members.as_primitive::<Float32Type>().values().to_vec(),
        DataType::Float64 => {
            members.as_primitive::<Float64Type>().values().iter().map(|x| *x as f32).collect()
        }
        _ => members.as_primitive::<Float16Type>().values().iter().map(|x| x.to_f32()).collect(),
    };
    crate::npy::check_finite(&vector)?;
    Ok(Some(vector))
}
