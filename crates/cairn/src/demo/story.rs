//! The story: what the demo prints for its reader.

use crate::failure::Result;
use crate::output::print;
use std::time::{Duration, Instant};

/// Numbers the steps and keeps the time.
#[derive(Debug)]
pub struct Story {
    started: Instant,
    step: u32,
}

/// A list that stands beside others.
#[derive(Debug)]
pub struct Column {
    /// What it is of.
    pub heading: String,
    /// Its lines.
    pub lines: Vec<String>,
}

impl Story {
    /// Starts the clock and prints the title.
    pub fn begin(title: &str) -> Result<Story> {
        print(&format!("{title}\n"))?;
        Ok(Story { started: Instant::now(), step: 0 })
    }

    /// The heading of the next step.
    pub fn step(&mut self, heading: &str) -> Result<()> {
        self.step += 1;
        print(&format!("\n{}. {heading}\n", self.step))
    }

    /// A line of the present step.
    pub fn say(&self, line: &str) -> Result<()> {
        print(&format!("   {line}\n"))
    }

    /// A line of the present step with what it took at its end.
    pub fn timed(&self, line: &str, took: Duration) -> Result<()> {
        print(&format!("   {line:<84} {:>6.2} s\n", took.as_secs_f64()))
    }

    /// Lists side by side, each under its heading.
    pub fn columns(&self, columns: &[Column]) -> Result<()> {
        let row = |cells: Vec<&str>| {
            let line: String = cells.iter().map(|cell| format!("{cell:<28}")).collect();
            self.say(line.trim_end())
        };
        row(columns.iter().map(|column| column.heading.as_str()).collect())?;
        for n in 0..columns.iter().map(|column| column.lines.len()).max().unwrap_or_default() {
            row(columns.iter().map(|column| column.lines.get(n).map_or("", String::as_str)).collect())?;
        }
        Ok(())
    }

    /// Since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
