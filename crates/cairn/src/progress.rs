//! The progress bar of long work: on a terminal, on stderr, so that it never mixes with results.

use crate::output::{grouped, human_bytes};
use cairn_snapshot::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that follows a job. Where stderr is no terminal, nothing is drawn.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar for work called `what`.
    pub fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template =
            "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} eta {eta}";
        // A template that does not parse leaves indicatif's own.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        Bar(bar)
    }

    /// Shows how far it is. From any thread.
    pub fn show(&self, progress: Progress) {
        self.0.set_length(progress.bytes_total);
        self.0.set_position(progress.bytes_done);
    }

    /// Shows how far an import is. Of a stream nobody knows how long it is.
    pub fn show_rows(&self, progress: cairn_transfer::Progress) {
        self.0.set_length(progress.bytes_total.unwrap_or(progress.bytes));
        self.0.set_position(progress.bytes);
        self.0.set_message(format!("{} rows", grouped(progress.counts.read)));
    }

    /// Shows how many rows of about how many are written.
    pub fn show_export(&self, rows: u64, about: u64) {
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} rows eta {eta}") {
            self.0.set_style(style);
        }
        self.0.set_length(about);
        self.0.set_position(rows);
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
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
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
        self.0.finish_and_clear();
    }
}
