//! The shape of a reply, told from its request's first words.

/// How the bytes of a reply end. Whether a reply is one line or many depends on the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// One line.
    Line,
    /// `OK RESULTS <n>` and n lines; an error is one line.
    Results,
    /// Lines up to `END`; an error is one line.
    Block,
    /// Lines up to `END` in the documented dialect, one line in nvecd's (`OK DUMP_SAVED <path>`); an error is one line.
    Dump,
    /// As [`Shape::Dump`], but an error in the documented dialect has lines up to `END` as well.
    Verify,
    /// A bulk string (`$<length>`); an error is one line.
    Bulk,
    /// An array (`*<n>`) of bulk strings; an error is one line.
    Array,
    /// `DEBUG ON`: one line, and when it is not an error, results are followed by `# DEBUG <n>` and n lines from then on.
    DebugOn,
    /// `DEBUG OFF`: one line, and no debug lines from then on.
    DebugOff,
}

/// Commands whose replies are all blocks.
const BLOCKS: [&str; 8] = ["INFO", "CHECK", "CONFIG", "WAL", "TIMELINE", "TOPIC", "COLLECTION", "STORAGE"];

impl Shape {
    /// The shape of the reply to `request`; `None` for an empty line, which is not answered.
    pub fn of(request: &[u8]) -> Option<Shape> {
        let request = request.strip_suffix(b"\r").unwrap_or(request);
        if request.is_empty() {
            return None;
        }
        let mut words = request.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        // Writes first: they come in the greatest numbers.
        if is(first, "VECSET") || is(first, "EVENT") || is(first, "METASET") || is(first, "VECDEL") {
            return Some(Shape::Line);
        }
        if is(first, "SIM") || is(first, "SIMV") {
            return Some(Shape::Results);
        }
        let second = words.next().unwrap_or_default();
        Some(if BLOCKS.iter().any(|name| is(first, name)) {
            Shape::Block
        } else if is(first, "DUMP") {
            dump(second)
        } else if is(first, "SNAPSHOT") {
            if is(second, "VERIFY") { Shape::Verify } else { Shape::Block }
        } else if is(first, "CACHE") && is(second, "STATS") {
            Shape::Block
        } else if is(first, "GET") {
            Shape::Bulk
        } else if is(first, "SHOW") {
            Shape::Array
        } else if is(first, "DEBUG") && is(second, "ON") {
            Shape::DebugOn
        } else if is(first, "DEBUG") && is(second, "OFF") {
            Shape::DebugOff
        } else {
            Shape::Line
        })
    }
}

fn dump(second: &[u8]) -> Shape {
    if is(second, "VERIFY") {
        Shape::Verify
    } else if is(second, "SAVE") || is(second, "LOAD") {
        Shape::Dump
    } else {
        Shape::Block
    }
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}
