//! `cairn serve`: opens the data, listens, says so, and stops when told.

use crate::args::{ADDR, ServeArgs};
use crate::disk::storage;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::print;
use cairn_disk::{Storage, read_file};
use cairn_engine::{Engine, ErrorKind, OpenReport};
use cairn_server::{Config, Server};
use std::io::IsTerminal;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

/// Bytes of a configuration file.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Serves until SIGTERM or Ctrl-C.
pub fn run(args: &ServeArgs) -> Result<()> {
    let storage = storage();
    let (config, notices) = configuration(args, &*storage)?;
    log_to_stderr(&config);
    for notice in notices {
        tracing::warn!("{notice}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything is opened: a signal that comes early still stops it in order.
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let data = config.data_dir.clone();
        let (engine, report) = Engine::open(storage.clone(), &data, config.engine_options())?;
        log_opened(&data, &report);
        let server = Server::bind(config, engine, storage).await?;
        print(&format!("ready tcp={} http=off unix=off data={}\n", server.tcp_addr(), data.display()))?;
        let told = async {
            tokio::select! {
                _ = interrupt.recv() => tracing::info!("Ctrl-C"),
                _ = terminate.recv() => tracing::info!("SIGTERM"),
            }
        };
        Ok(server.run(told).await?)
    })
}

/// The file's configuration, else the default one, with what the command line says on top.
fn configuration(args: &ServeArgs, storage: &dyn Storage) -> Result<(Config, Vec<String>)> {
    let (mut config, notices) = match &args.config {
        None => (Config::default(), Vec::new()),
        Some(path) => read(path, storage)?,
    };
    if let Some(data) = &args.data {
        config.data_dir.clone_from(data);
    }
    if let Some(tcp) = &args.tcp {
        let bad = || Failure::new(Exit::Usage, format!("--tcp: expected HOST:PORT, as {ADDR}, got {tcp}"));
        let (host, port) = tcp.rsplit_once(':').ok_or_else(bad)?;
        config.tcp.host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        config.tcp.port = port.parse().map_err(|_| bad())?;
    }
    Ok((config, notices))
}

fn read(path: &Path, storage: &dyn Storage) -> Result<(Config, Vec<String>)> {
    let bytes = read_file(storage, path, CONFIG_BYTES_MAX)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(Exit::Usage, format!("{}: not UTF-8", path.display())))?;
    let (config, notices) = Config::parse(&text, &path.display().to_string())
        .map_err(|e| Failure::new(Exit::Usage, format!("the configuration cannot be used:\n{e}")))?;
    Ok((config, notices.iter().map(ToString::to_string).collect()))
}

fn log_to_stderr(config: &Config) {
    let level = config.logging.level.parse().unwrap_or(Level::INFO);
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    let lines = lines.with_target(false).with_ansi(colours);
    if config.logging.json {
        lines.json().init();
    } else {
        lines.init();
    }
}

fn log_opened(data: &Path, report: &OpenReport) {
    let (lsn, replayed) = (report.lsn.0, report.replayed);
    tracing::info!(data = %data.display(), timeline = %report.timeline.id, lsn, replayed, "opened");
    if report.cut_bytes > 0 {
        tracing::warn!(
            bytes = report.cut_bytes,
            "the log's torn end was cut; nothing in it was acknowledged"
        );
    }
}

impl From<cairn_server::Failure> for Failure {
    fn from(failure: cairn_server::Failure) -> Self {
        match failure.kind {
            // The address, not the data: --addr is no way out.
            ErrorKind::Locked => Failure::new(Exit::Locked, failure.to_string()).next(
                "stop whatever listens there, or choose another: --tcp 127.0.0.1:0 takes any free port",
            ),
            kind => Failure::of_kind(kind, &failure),
        }
    }
}
