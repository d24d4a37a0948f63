//! Blocks as JSON: lines `key: value` become members, lines of `key=value` rows of a list.

use crate::reply::{Block, BlockLine};
use serde_json::{Map, Value};

/// Keys whose value is text, whatever it looks like.
const TEXTS: [&str; 21] = [
    "alias",
    "collection",
    "database",
    "description",
    "error",
    "error_message",
    "finding",
    "id",
    "key",
    "name",
    "note",
    "path",
    "pin_note",
    "reasons",
    "snapshot",
    "state_hash",
    "timeline",
    "topic",
    "value",
    "when",
    "created_at",
];
/// Keys whose value is a list between commas.
const LISTS: [&str; 8] = [
    "aliases",
    "collections",
    "collections_affected",
    "collections_compacted",
    "deleted_ids",
    "fields",
    "indexed_fields",
    "tags",
];
/// Keys that stand last in a row, whose value goes to the end of the line.
const LAST: [&str; 3] = ["error", "poisoned", "name"];

/// The block as an object; its rows are in the member `rows`, when it can have any.
pub(crate) fn object(block: &Block, rows: Option<&str>) -> Map<String, Value> {
    let (mut members, mut list, mut notes) = (Map::new(), Vec::new(), Vec::new());
    for line in &block.lines {
        match line {
            BlockLine::Pair(key, value) => {
                members.insert((*key).to_owned(), typed(key, value));
            }
            BlockLine::Text(text) => match text.strip_prefix("note: ") {
                Some(note) => notes.push(Value::from(note)),
                None => list.push(Value::Object(row(text))),
            },
        }
    }
    if let Some(rows) = rows {
        members.insert(rows.to_owned(), Value::Array(list));
    }
    if !notes.is_empty() {
        members.insert("notes".to_owned(), Value::Array(notes));
    }
    members.entry("status").or_insert_with(|| Value::from("ok"));
    members
}

/// `kind? key=value key="quoted value" … last=rest of the line`.
fn row(line: &str) -> Map<String, Value> {
    let (mut members, mut rest) = (Map::new(), line.trim());
    let mut first = true;
    while !rest.is_empty() {
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let Some(value) = after.strip_prefix('=') else {
            members.insert("kind".to_owned(), Value::from(word.trim_end_matches(':')));
            (rest, first) = (after.trim_start(), false);
            continue;
        };
        let (value, quoted, left) =
            if LAST.contains(&word) && !first { (value.to_owned(), true, "") } else { taken(value) };
        members.insert(word.to_owned(), if quoted { Value::from(value) } else { typed(word, &value) });
        (rest, first) = (left.trim_start(), false);
    }
    members
}

/// A value, whether it was quoted, and what comes after it.
fn taken(text: &str) -> (String, bool, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        let (value, rest) = text.split_once(' ').unwrap_or((text, ""));
        return (value.to_owned(), false, rest);
    };
    let (mut value, mut chars) = (String::new(), inner.char_indices());
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, true, inner.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, true, "")
}

fn typed(key: &str, value: &str) -> Value {
    if LISTS.contains(&key) {
        let items = value.split(',').filter(|item| !item.is_empty() && *item != "-");
        return items.map(Value::from).collect();
    }
    match value {
        "none" | "-" => return Value::Null,
        _ if TEXTS.contains(&key) => return Value::from(value),
        "true" | "on" => return Value::from(true),
        "false" | "off" => return Value::from(false),
        _ => {}
    }
    if let Ok(number) = value.parse::<i64>() {
        return Value::from(number);
    }
    // `1e5` or `inf` is nothing that we write.
    let plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
    match value.parse::<f64>() {
        Ok(number) if plain => Value::from(number),
        _ => Value::from(value),
    }
}
