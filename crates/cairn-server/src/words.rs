//! The words of a request line, quotes and all.

use crate::decimal::short;

/// What is left of a request line. Words are separated by ASCII white space; in an option (`filter=…`), white space
/// inside double quotes belongs to the word, and a backslash there takes the next character as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(crate) fn new(line: &'a str) -> Self {
        Words { rest: line.trim_ascii() }
    }

    /// The rest of the line.
    pub(crate) fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next word up to white space.
    pub(crate) fn next(&mut self) -> Option<&'a str> {
        let end = self.rest.bytes().position(|b| b.is_ascii_whitespace()).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// The next word; white space inside double quotes does not end it. The quotes stay.
    pub(crate) fn next_quoted(&mut self) -> Option<&'a str> {
        let (mut quoted, mut escaped) = (false, false);
        let end = self.rest.bytes().position(|b| {
            match b {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if !quoted && b.is_ascii_whitespace() => return true,
                _ => {}
            }
            false
        });
        self.take(end.unwrap_or(self.rest.len()))
    }

    /// The next word, when it is a short decimal.
    pub(crate) fn next_short(&mut self) -> Option<f32> {
        let (value, end) = short(self.rest.as_bytes())?;
        self.take(end).map(|_| value)
    }

    fn take(&mut self, end: usize) -> Option<&'a str> {
        // `end` is before an ASCII byte or the end: a character boundary either way.
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_ascii_start();
        (!word.is_empty()).then_some(word)
    }
}

/// The text of a value that may stand in double quotes; `None` when its quotes do not close at its end.
pub(crate) fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else {
        return Some(value.to_owned());
    };
    let (mut text, mut chars) = (String::with_capacity(inner.len()), inner.chars());
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(text),
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
}
