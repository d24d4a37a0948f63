//! Rendering: a [`Reply`] → bytes. The only place that knows the dialects.

use crate::failure::Failure;
use crate::reply::{Block, BlockLine, Done, Dumped, JobStatus, Reply, Section, Trace};
use cairn_engine::Hit;
use std::fmt::{Arguments, Display};
use std::io::Write;

/// The version that nvecd's own server reports.
const NVECD_VERSION: &str = "0.1.0";

/// How replies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// As nvecd's documents say.
    #[default]
    Documented,
    /// As nvecd's server does.
    Nvecd,
}

impl Dialect {
    /// The dialect of `api.tcp.dialect`.
    pub fn from_name(name: &str) -> Option<Dialect> {
        match name {
            "documented" => Some(Dialect::Documented),
            "nvecd" => Some(Dialect::Nvecd),
            _ => None,
        }
    }

    /// The inverse of [`Dialect::from_name`].
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Documented => "documented",
            Dialect::Nvecd => "nvecd",
        }
    }
}

/// Appends a reply. `verify`: the request was a VERIFY, whose errors have lines in the documented dialect.
pub fn render(reply: &Reply, dialect: Dialect, verify: bool, out: &mut Vec<u8>) {
    let mut out = Out { bytes: out, dialect };
    match reply {
        Reply::Done(Done::Event) => out.bytes.extend_from_slice(b"OK EVENT\r\n"),
        Reply::Done(Done::VecSet) => out.bytes.extend_from_slice(b"OK VECSET\r\n"),
        Reply::Done(Done::MetaSet) => out.bytes.extend_from_slice(b"OK METASET\r\n"),
        Reply::Done(Done::VecDel) => out.bytes.extend_from_slice(b"OK VECDEL\r\n"),
        Reply::Word(word) => out.line(format_args!("OK {word}")),
        Reply::Using(name) => out.line(format_args!("OK USE {name}")),
        Reply::Results(hits) => out.results(hits),
        Reply::Info(sections) => out.info(sections),
        Reply::Block(block) => out.block(block),
        Reply::Dump(dumped) => match dialect {
            Dialect::Documented => out.dumped(dumped),
            Dialect::Nvecd => out.dumped_nvecd(dumped),
        },
        Reply::Plus("") => out.line(format_args!("+OK")),
        Reply::Plus(word) => out.line(format_args!("+OK ({word})")),
        Reply::Debug(on) => out.line(format_args!("OK DEBUG_{}", if *on { "ON" } else { "OFF" })),
        Reply::Lines(lines) => out.plus_lines(lines),
        Reply::Bulk(value) => out.bulk(value),
        Reply::Array(values) => {
            out.line(format_args!("*{}", values.len()));
            values.iter().for_each(|value| out.bulk(value));
        }
        Reply::Failed(failure) => out.failed(failure, verify),
    }
}

/// Appends what follows results while DEBUG is on.
pub(crate) fn render_trace(trace: &Trace, out: &mut Vec<u8>) {
    let mut out = Out { bytes: out, dialect: Dialect::default() };
    out.line(format_args!("# DEBUG 4"));
    out.pair("mode", trace.mode);
    out.pair("query_time_us", trace.query_us);
    out.pair("candidates", trace.candidates);
    out.pair("results", trace.results);
}

struct Out<'a> {
    bytes: &'a mut Vec<u8>,
    dialect: Dialect,
}

impl Out<'_> {
    /// A line. What would end it early (a message may quote a path or an id with a line end in it) becomes `?`.
    fn line(&mut self, text: Arguments<'_>) {
        let begin = self.bytes.len();
        // Writing into a Vec cannot fail.
        let _ = self.bytes.write_fmt(text);
        self.end_line(begin);
    }

    fn end_line(&mut self, begin: usize) {
        let line = self.bytes.get_mut(begin..).unwrap_or_default();
        line.iter_mut().filter(|b| matches!(b, b'\r' | b'\n')).for_each(|b| *b = b'?');
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn pair(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key}: {value}"));
    }

    fn end(&mut self) {
        self.bytes.extend_from_slice(b"END\r\n");
    }

    fn results(&mut self, hits: &[Hit]) {
        self.line(format_args!("OK RESULTS {}", hits.len()));
        for hit in hits {
            // Adding 0 turns −0 into 0; what rounds to −0.0000 stays as it is.
            self.line(format_args!("{} {:.4}", hit.id, hit.score + 0.0));
        }
    }

    fn info(&mut self, sections: &[Section]) {
        self.line(format_args!("OK INFO"));
        for section in sections {
            self.line(format_args!(""));
            self.line(format_args!("# {}", section.name));
            for (key, value) in &section.lines {
                let nvecd = self.dialect == Dialect::Nvecd && *key == "version";
                self.pair(key, if nvecd { NVECD_VERSION } else { value });
            }
        }
        self.end();
    }

    fn block(&mut self, block: &Block) {
        self.line(format_args!("OK {}", block.head));
        for line in &block.lines {
            match line {
                BlockLine::Pair(key, value) => self.pair(key, value),
                // `END` alone is what ends a block.
                BlockLine::Text(text) if text == "END" => self.line(format_args!(" END")),
                BlockLine::Text(text) => self.line(format_args!("{text}")),
            }
        }
        self.end();
    }

    fn plus_lines(&mut self, lines: &[String]) {
        self.line(format_args!("+OK"));
        for line in lines {
            // As in a block.
            self.line(format_args!("{}{line}", if line == "END" { " " } else { "" }));
        }
        self.end();
    }

    fn bulk(&mut self, value: &str) {
        // By its length, so that it may hold anything.
        self.line(format_args!("${}", value.len()));
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn failed(&mut self, failure: &Failure, verify: bool) {
        let mark = match self.dialect {
            Dialect::Documented => "(error)",
            Dialect::Nvecd => "ERROR",
        };
        if verify && self.dialect == Dialect::Documented {
            self.line(format_args!("{mark} {}", failure.message));
            failure.details.iter().for_each(|(key, value)| self.pair(key, value));
            self.end();
        } else {
            self.line(format_args!("{mark} {failure}"));
        }
    }

    /// As nvecd-snapshot.en.md prints them, and `END`.
    fn dumped(&mut self, dumped: &Dumped) {
        match dumped {
            Dumped::Saved { path, stores, bytes, collections } => {
                self.line(format_args!("OK Snapshot saved: {path}"));
                self.stores(stores);
                self.line(format_args!("size: {bytes} bytes"));
                self.collections(*collections);
            }
            Dumped::Loaded { stores, replaced, collections, replaced_collections, .. } => {
                self.line(format_args!(
                    "OK Snapshot loaded: {} events, {} vectors",
                    stores.events, stores.vectors
                ));
                self.stores(stores);
                self.line(format_args!("replaced: {} events, {} vectors", replaced.events, replaced.vectors));
                self.collections(*collections);
                if !replaced_collections.is_empty() {
                    self.pair("replaced_collections", replaced_collections.join(","));
                }
            }
            Dumped::Verified { crc32, .. } => {
                self.line(format_args!("OK Snapshot is valid (CRC32: 0x{crc32:08x})"));
                self.pair("status", "valid");
                self.pair("crc", "verified");
                self.pair("size", "verified");
            }
            Dumped::Info { header, .. } => {
                self.line(format_args!("OK INFO"));
                self.pair("version", header.version);
                self.pair("event_store_count", header.events);
                self.pair("vector_store_count", header.vectors);
                self.pair("co_occurrence_count", header.pairs);
                self.pair("file_size", header.file_bytes);
                self.pair("created_at", utc(header.created_ms));
                self.collections(header.collections);
            }
            Dumped::Status(status) => {
                self.line(format_args!("OK STATUS"));
                self.status(status);
            }
        }
        self.end();
    }

    fn dumped_nvecd(&mut self, dumped: &Dumped) {
        match dumped {
            Dumped::Saved { path, .. } => self.line(format_args!("OK DUMP_SAVED {path}")),
            Dumped::Loaded { path, .. } => self.line(format_args!("OK DUMP_LOADED {path}")),
            Dumped::Verified { path, .. } => self.line(format_args!("OK DUMP_VERIFIED {path}")),
            Dumped::Info { path, header } => {
                self.line(format_args!("OK DUMP_INFO {path}"));
                self.pair("version", header.version);
                // The three stores, as nvecd counts them.
                self.pair("stores", 3);
                self.pair("flags", header.flags);
                self.pair("file_size", header.file_bytes);
                self.pair("timestamp", header.created_ms.div_euclid(1000));
                self.pair("event_store_count", header.events);
                self.pair("vector_store_count", header.vectors);
                self.pair("co_occurrence_count", header.pairs);
                self.end();
            }
            Dumped::Status(status) => {
                self.line(format_args!("OK DUMP_STATUS"));
                self.status(status);
                self.end();
            }
        }
    }

    /// How many collections, where there are more than nvecd knows.
    fn collections(&mut self, count: u64) {
        if count > 1 {
            self.pair("collections", count);
        }
    }

    fn stores(&mut self, stores: &crate::reply::Stores) {
        self.pair("event_store_contexts", stores.contexts);
        self.pair("vector_store_vectors", stores.vectors);
        self.pair("co_occurrence_pairs", stores.pairs);
    }

    fn status(&mut self, status: &JobStatus) {
        self.pair("status", status.state.name());
        self.pair("operation", status.operation);
        self.pair("filepath", &status.target);
        self.pair("start_time", status.start_s);
        self.pair("end_time", status.end_s);
        self.pair("percent", status.percent);
        self.pair("bytes_written", status.bytes_written);
        self.pair("error_message", &status.error);
        self.pair("bytes_done", status.bytes_done);
        self.pair("bytes_total", status.bytes_total);
        self.pair("bytes_per_second", status.bytes_per_second);
        self.pair("eta_seconds", status.eta_s);
    }
}

/// `2025-01-18T12:00:00`, as nvecd's documents write it: UTC without a mark.
fn utc(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        // Only a damaged or foreign file has a time past the year 9999.
        Err(_) => format!("{ms} ms"),
    }
}
