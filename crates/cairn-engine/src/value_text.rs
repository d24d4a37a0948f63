//! Value text: how a metadata key and value are written in METASET and in filters.
//!
//! `key:value[,key:value…]`. A bare word is `true`, `false`, an integer, a decimal number, or else text; it ends at
//! white space, a comma or a double quote. Anything else stands in double quotes, where `\"` and `\\` are the
//! characters themselves, `\n`, `\r`, `\t` the control characters, and `\` before any other punctuation that
//! punctuation. A quoted value is always text.

use crate::error::{Error, Result};
use crate::metadata::{Metadata, Value};

/// Characters that end a bare key, beside white space: every operator of a filter, so that any key METASET takes
/// bare can be filtered by bare.
const KEY_ENDS: &[char] = &[':', '=', '!', '<', '>', ',', '"'];

/// Parses METASET's `key:value[,key:value…]`.
pub(crate) fn parse_metadata(text: &str) -> Result<Metadata> {
    let mut cursor = Cursor::new("metadata", text);
    let mut metadata = Metadata::default();
    loop {
        cursor.skip_spaces();
        let start = cursor.at;
        let key = cursor.key()?;
        if metadata.0.contains_key(&key) {
            return Err(cursor.error_at(start, &format!("the key '{key}' is there twice")));
        }
        cursor.skip_spaces();
        if !cursor.eat(':') {
            return Err(cursor.expected("':' after the key"));
        }
        cursor.skip_spaces();
        let value = cursor.value(&[])?;
        metadata.0.insert(key, value);
        if !cursor.another()? {
            break;
        }
    }
    metadata.validate()?;
    Ok(metadata)
}

/// What a bare word means: bool, integer, decimal number, or else text.
///
/// An integer beyond 64 bits is a decimal number; a number beyond f64 is text, and so are `nan` and `inf`.
pub(crate) fn typed(word: &str) -> Value {
    match word {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(int) = word.parse::<i64>() {
        return Value::Int(int);
    }
    // Rust also reads `inf` and `nan` as floats; a word without a digit is never a number here.
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    match word.parse::<f64>() {
        Ok(float) if has_digit && float.is_finite() => Value::Float(float),
        _ => Value::Text(word.to_string()),
    }
}

/// A place in a text being parsed.
pub(crate) struct Cursor<'a> {
    /// What is parsed, for messages: `metadata` or `filter`.
    what: &'static str,
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(what: &'static str, text: &'a str) -> Self {
        Self { what, text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Steps over `wanted` if it comes next.
    pub(crate) fn eat(&mut self, wanted: char) -> bool {
        self.eat_str(wanted.encode_utf8(&mut [0; 4]))
    }

    /// Steps over `wanted` if it comes next.
    pub(crate) fn eat_str(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    pub(crate) fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// After a value: steps over the comma and says true, or says false at the end.
    pub(crate) fn another(&mut self) -> Result<bool> {
        self.skip_spaces();
        if self.eat(',') {
            return Ok(true);
        }
        if self.rest().is_empty() { Ok(false) } else { Err(self.expected("',' or the end")) }
    }

    /// A key, bare or quoted; never empty.
    pub(crate) fn key(&mut self) -> Result<String> {
        let start = self.at;
        if self.peek() != Some('"') {
            return Ok(self.word(KEY_ENDS, "a key")?.to_string());
        }
        let key = self.quoted()?;
        if key.is_empty() { Err(self.error_at(start, "expected a key, found an empty one")) } else { Ok(key) }
    }

    /// A value: quoted text, or a bare word that ends at white space, a comma, a quote or one of `ends`.
    pub(crate) fn value(&mut self, ends: &[char]) -> Result<Value> {
        if self.peek() == Some('"') {
            return Ok(Value::Text(self.quoted()?));
        }
        let mut all = vec![',', '"'];
        all.extend_from_slice(ends);
        Ok(typed(self.word(&all, "a value")?))
    }

    /// A bare word up to white space or one of `ends`; never empty.
    fn word(&mut self, ends: &[char], wanted: &str) -> Result<&'a str> {
        let rest = self.rest();
        let length = rest.find(|c: char| c.is_whitespace() || ends.contains(&c)).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.expected(wanted));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    /// Text in double quotes; the cursor stands on the opening one.
    fn quoted(&mut self) -> Result<String> {
        let open = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((offset, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = open + offset + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 'r')) => out.push('\r'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, escaped)) if !escaped.is_alphanumeric() => out.push(escaped),
                    Some((_, other)) => {
                        let message =
                            format!("expected '\"', '\\', 'n', 'r' or 't' after '\\', found '{other}'");
                        return Err(self.error_at(open + offset + 1, &message));
                    }
                    None => break,
                },
                _ => out.push(c),
            }
        }
        self.at = self.text.len();
        Err(self.expected("a closing '\"'"))
    }

    /// The error that `wanted` should have come next.
    pub(crate) fn expected(&self, wanted: &str) -> Error {
        let found = self.peek().map_or_else(|| "the end".to_string(), |c| format!("'{c}'"));
        self.error_at(self.at, &format!("expected {wanted}, found {found}"))
    }

    /// An error at a byte of the text; people count characters, from 1.
    fn error_at(&self, at: usize, message: &str) -> Error {
        let position = self.text.get(..at).unwrap_or(self.text).chars().count() + 1;
        Error::Input(format!("Invalid {} at position {position}: {message}", self.what))
    }
}
