//! The progress of long work, on stderr, so that it never mixes with results: a bar on a terminal, or lines of JSON.

use crate::output::{grouped, human_bytes, warn};
use cairn_snapshot::Progress;
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Show {
    /// A bar on a terminal, nothing elsewhere.
    Bar,
    /// A line of JSON on stderr, four a second at most.
    Json,
    /// Not at all.
    None,
}

static SHOW: OnceLock<Show> = OnceLock::new();

/// Decides it for the process, once.
pub fn show(how: Show) {
    let _ = SHOW.set(how);
}

fn shown() -> Show {
    SHOW.get().copied().unwrap_or(Show::Bar)
}

/// Between two lines.
const LINES_EVERY: Duration = Duration::from_millis(250);

/// Follows a job: a bar, or lines for programs.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    what: &'static str,
    began: Instant,
    /// When the last line was written.
    told: Mutex<Option<Instant>>,
}

impl Bar {
    /// A bar for work called `what`.
    pub fn new(what: &'static str) -> Self {
        let target = match shown() {
            Show::Bar => ProgressDrawTarget::stderr(),
            Show::Json | Show::None => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let template =
            "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} eta {eta}";
        // A template that does not parse leaves indicatif's own.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Bar { bar, what, began: Instant::now(), told: Mutex::new(None) }
    }

    /// Shows how far it is. From any thread.
    pub fn show(&self, progress: Progress) {
        self.bar.set_length(progress.bytes_total);
        self.bar.set_position(progress.bytes_done);
        let last = progress.files_done == progress.files_total;
        self.tell(last, || {
            let rate = self.rate(progress.bytes_done);
            let left = progress.bytes_total.saturating_sub(progress.bytes_done) as f64;
            json!({
                "operation": self.what,
                "files_done": progress.files_done,
                "files_total": progress.files_total,
                "bytes_done": progress.bytes_done,
                "bytes_total": progress.bytes_total,
                "bytes_written": progress.bytes_written,
                "percent": progress.percent(),
                "bytes_per_second": rate as u64,
                "eta_seconds": if rate >= 1.0 { (left / rate).ceil() as u64 } else { 0 },
            })
        });
    }

    /// Shows how far an import is. Of a stream nobody knows how long it is.
    pub fn show_rows(&self, progress: cairn_transfer::Progress) {
        self.bar.set_length(progress.bytes_total.unwrap_or(progress.bytes));
        self.bar.set_position(progress.bytes);
        self.bar.set_message(format!("{} rows", grouped(progress.counts.read)));
        self.tell(false, || {
            json!({
                "operation": self.what,
                "rows": progress.counts.read,
                "bytes_done": progress.bytes,
                "bytes_total": progress.bytes_total,
                "bytes_per_second": self.rate(progress.bytes) as u64,
            })
        });
    }

    /// Shows how many rows of about how many are written.
    pub fn show_export(&self, rows: u64, about: u64) {
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} rows eta {eta}") {
            self.bar.set_style(style);
        }
        self.bar.set_length(about);
        self.bar.set_position(rows);
        self.tell(false, || json!({ "operation": self.what, "rows": rows, "rows_total": about }));
    }

    fn rate(&self, done: u64) -> f64 {
        done as f64 / self.began.elapsed().as_secs_f64().max(1e-6)
    }

    /// Writes a line, unless one was written a moment ago.
    fn tell(&self, last: bool, line: impl FnOnce() -> Value) {
        if shown() != Show::Json {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if last || told.is_none_or(|at| at.elapsed() >= LINES_EVERY) {
            *told = Some(Instant::now());
            warn(&line().to_string());
        }
    }
}

/// A line that turns while something works, with how many bytes there are. Where stderr is no terminal, nothing is drawn.
#[derive(Debug)]
pub struct Watched {
    bar: ProgressBar,
    what: &'static str,
}

impl Watched {
    /// For work called `what`.
    pub fn new(what: &'static str) -> Self {
        let target = match shown() {
            Show::Bar => ProgressDrawTarget::stderr(),
            Show::Json | Show::None => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_message(what);
        bar.tick();
        Watched { bar, what }
    }

    /// Shows how many bytes there are.
    pub fn bytes(&self, bytes: u64) {
        self.bar.set_message(format!("{}, {} now", self.what, human_bytes(bytes)));
        self.bar.tick();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
