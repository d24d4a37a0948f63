//! The progress bar of long work: on a terminal, on stderr, so that it never mixes with results.

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
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
