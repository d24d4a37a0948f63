//! The log: where lines go, and how many of them there are.

use crate::failure::Result;
use cairn_disk::LinesFile;
use cairn_server::config::Logging;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// The log of this process, to be changed while it runs.
#[derive(Clone)]
pub struct Log {
    level: reload::Handle<LevelFilter, Registry>,
    file: Option<Arc<LinesFile>>,
}

impl Log {
    /// Sets it up, once in a process: lines go to the file that is configured, else to stderr.
    pub fn start(config: &Logging) -> Result<Log> {
        let file = config.file.as_deref().map(LinesFile::open).transpose()?.map(Arc::new);
        let (filter, level) = reload::Layer::new(level_of(config));
        let colours = file.is_none() && io::stderr().is_terminal();
        let lines = tracing_subscriber::fmt::layer().with_target(false).with_ansi(colours);
        let lines = lines.with_writer(Lines(file.clone()));
        let lines = if config.json { lines.json().boxed() } else { lines.boxed() };
        tracing_subscriber::registry().with(filter).with(lines).init();
        Ok(Log { level, file })
    }

    /// Takes over a changed level.
    pub fn set_level(&self, config: &Logging) {
        if let Err(error) = self.level.modify(|level| *level = level_of(config)) {
            tracing::error!(%error, "cannot change the level of the log");
        }
    }

    /// Opens the log's file anew, when it has one: whoever rotates logs has moved it away.
    pub fn reopen(&self) {
        let Some(file) = &self.file else { return };
        if let Err(error) = file.reopen() {
            tracing::error!(%error, "cannot open the log file anew; going on with the old one");
        }
    }
}

/// The configuration has checked the name.
fn level_of(config: &Logging) -> LevelFilter {
    config.level.parse().unwrap_or(LevelFilter::INFO)
}

/// Where lines go.
struct Lines(Option<Arc<LinesFile>>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> LineWriter<'a> {
        LineWriter(self.0.as_deref())
    }
}

struct LineWriter<'a>(Option<&'a LinesFile>);

impl Write for LineWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0 {
            Some(file) => file.append(bytes).map(|()| bytes.len()),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
