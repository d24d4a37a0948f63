//! `Session`: request lines to a database, be it a closed directory or a running server's.

use crate::args_history::PlaceArgs;
use crate::disk::storage;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::warn;
use crate::wire;
use cairn_client::Block;
use cairn_engine::{Engine, Options};
use cairn_server::{Ask, Backend, BlockLine, Command, Config, Counters, EngineBackend, Reply, parse};
use std::path::Path;
use std::sync::Arc;

/// Where requests go.
pub enum Session {
    /// To the directory itself, opened with the settings it remembers.
    Directory(Box<EngineBackend>),
    /// To a server.
    Server(String),
}

impl Session {
    /// Opens the directory, or remembers the server.
    pub fn open(place: &PlaceArgs) -> Result<Session> {
        match &place.addr {
            Some(addr) => Ok(Session::Server(addr.clone())),
            None => Ok(Session::Directory(Box::new(open(&place.data)?))),
        }
    }

    /// As [`Session::open`]; a directory in which there is nothing becomes a new database.
    pub fn open_or_create(place: &PlaceArgs) -> Result<Session> {
        match &place.addr {
            Some(addr) => Ok(Session::Server(addr.clone())),
            None => Ok(Session::Directory(Box::new(backend_of(&place.data, open_or_create(&place.data)?)))),
        }
    }

    /// Asks; the reply must be a block of lines. What a line `note` says goes to stderr.
    pub fn ask(&self, line: &str) -> Result<Block> {
        let mut block = match self {
            Session::Server(addr) => wire::ask(addr, line)?,
            Session::Directory(backend) => answer(backend, line)?,
        };
        block.lines.retain(|line| match line.strip_prefix("note: ") {
            Some(note) => {
                warn(&format!("note: {note}"));
                false
            }
            None => true,
        });
        Ok(block)
    }

    /// Ends it: a directory is closed in order.
    pub fn end(self) -> Result<()> {
        match self {
            Session::Server(_) => Ok(()),
            Session::Directory(backend) => Ok(backend.close()?),
        }
    }
}

fn open(data: &Path) -> Result<EngineBackend> {
    Ok(backend_of(data, open_engine(data)?))
}

/// Opens a directory's database with the settings it remembers.
pub fn open_engine(data: &Path) -> Result<Engine> {
    let (engine, report) = Engine::open_as_stored(storage(), data, Options::default())?;
    if let Some(lost) = &report.lost {
        warn(&format!("warning: {lost}"));
    }
    Ok(engine)
}

/// As [`open_engine`]; a directory that is absent or empty becomes a new database.
pub fn open_or_create(data: &Path) -> Result<Engine> {
    let storage = storage();
    if storage.stat(data)?.is_some() && !storage.list(data)?.is_empty() {
        return open_engine(data);
    }
    warn(&format!("note: a new database in {}", data.display()));
    Ok(Engine::open(storage, data, Options::default())?.0)
}

fn backend_of(data: &Path, engine: Engine) -> EngineBackend {
    let config = Config { data_dir: data.to_owned(), ..Config::default() };
    EngineBackend::new(&config, engine, storage(), Arc::new(Counters::default())).with_any_path()
}

fn answer(backend: &EngineBackend, line: &str) -> Result<Block> {
    match backend.answer(&asked(line)?) {
        Reply::Block(block) => Ok(as_read(block)),
        Reply::Failed(failure) => Err(failure.into()),
        other => Err(Failure::new(Exit::Failed, format!("expected a block of lines, got {other:?}"))),
    }
}

/// What a line asks for; one that does not parse is wrong usage.
pub fn asked(line: &str) -> Result<Ask> {
    match parse(line, &Options::default().limits)? {
        Command::Ask(ask) => Ok(ask),
        Command::Write(_) | Command::Session(_) => {
            Err(Failure::new(Exit::Usage, format!("expected a question, got: {line}")))
        }
    }
}

/// A block as a client reads it.
pub fn as_read(block: cairn_server::Block) -> Block {
    let line = |line| match line {
        BlockLine::Pair(key, value) => format!("{key}: {value}"),
        BlockLine::Text(text) => text,
    };
    Block { head: format!("OK {}", block.head), lines: block.lines.into_iter().map(line).collect() }
}

/// A value as an option of a line takes it: in double quotes.
pub fn quoted(value: &str) -> Result<String> {
    if value.contains(['\n', '\r']) {
        return Err(Failure::new(Exit::Usage, format!("expected one line, got {value:?}")));
    }
    Ok(format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")))
}
