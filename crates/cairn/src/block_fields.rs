//! Fields from a reply's lines `key: value`.

use crate::output::{Field, bytes_field, count_field, field};
use cairn_client::Block;
use serde_json::Value;

/// Keys whose value is text, whatever it looks like.
const TEXTS: [&str; 12] = [
    "path",
    "name",
    "description",
    "base",
    "retention",
    "tombstone_retention",
    "flush_interval",
    "reason",
    "topic",
    "snapshot",
    "collection",
    "hot_tier_size",
];
/// Keys whose value is a list with commas; `-` is none.
const LISTS: [&str; 9] = [
    "collections_affected",
    "deleted_ids",
    "aliases",
    "fields",
    "indexed_fields",
    "collections_compacted",
    "collections",
    "collections_restored",
    "tags",
];

/// All lines `key: value`.
pub fn fields(block: &Block) -> Vec<Field> {
    block.pairs().map(|(key, value)| typed(key, value)).collect()
}

/// Those of the keys named, in the order named.
pub fn only(block: &Block, keys: &[&str]) -> Vec<Field> {
    keys.iter().filter_map(|key| Some(typed(key, block.get(key)?))).collect()
}

/// What is counted is a number, what is stored is bytes, `true` and `false` are themselves, `none` is nothing.
pub fn typed(key: &str, value: &str) -> Field {
    let name = key.to_owned();
    if LISTS.contains(&key) {
        let items = value.split(',').filter(|item| !item.is_empty() && *item != "-");
        return field(name, items.map(Value::from).collect::<Vec<_>>());
    }
    if TEXTS.contains(&key) {
        return field(name, value);
    }
    match (value, value.parse::<u64>()) {
        ("none", _) => field(name, None::<String>),
        ("true", _) => field(name, true),
        ("false", _) => field(name, false),
        (_, Ok(bytes)) if key.ends_with("_bytes") => bytes_field(name, bytes),
        (_, Ok(count)) => count_field(name, count),
        _ if key.ends_with("_percent") => {
            value.parse::<f64>().map_or_else(|_| field(key.to_owned(), value), |n| field(key.to_owned(), n))
        }
        _ => match value.parse::<i64>() {
            Ok(number) => field(name, number),
            Err(_) => field(name, value),
        },
    }
}

/// The words `key=value` of a line; the value of a key in `last` is all that follows it.
pub fn words<'a>(line: &'a str, last: &[&str]) -> Vec<(&'a str, &'a str)> {
    let (mut words, mut rest) = (Vec::new(), line);
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) =
            if last.contains(&key) { (after, "") } else { after.split_once(' ').unwrap_or((after, "")) };
        words.push((key, value));
        rest = next;
    }
    words
}
