//! Options: what a JSON object names, given to those who take options as words of a line.

use crate::failure::Failure;
use serde::Serialize;
use serde_json::Value;

/// Gives every option that is there to `take`, as the line protocol would write it.
pub(crate) fn each<T: Serialize>(
    options: &T,
    mut take: impl FnMut(&str, &str) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let Ok(Value::Object(object)) = serde_json::to_value(options) else { return Ok(()) };
    for (name, value) in object {
        let Some(text) = text(&value) else { continue };
        if !take(&name, &text)? {
            return Err(Failure::input(format!("Unknown option: {name}")));
        }
    }
    Ok(())
}

/// A value as a line has it; `None`: it is left out.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Bool(flag) => Some(if *flag { "on" } else { "off" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => Some(list.iter().filter_map(text).collect::<Vec<_>>().join(",")),
    }
}
