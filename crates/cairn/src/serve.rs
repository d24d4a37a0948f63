//! `cairn serve`: opens the data, listens, says so, and stops when told.

use crate::args::{ADDR, HTTP_ADDR, ServeArgs};
use crate::disk::{now_us, storage};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::logging::Log;
use crate::output::print;
use crate::reload::Reload;
use cairn_disk::{Storage, read_file};
use cairn_engine::{Engine, ErrorKind, OpenReport, ReplayProgress};
use cairn_server::config::Listen;
use cairn_server::{Config, Server};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::signal::unix::{SignalKind, signal};

/// Bytes of a configuration file.
const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Between two lines about a long replay.
const PROGRESS_US: i64 = 1_000_000;

/// What opening gives: an engine, and how it was recovered.
type Opened = (Engine, Option<OpenReport>);

/// Serves until SIGTERM or Ctrl-C.
pub fn run(args: &ServeArgs) -> Result<()> {
    let storage = storage();
    let (config, notices) = configuration(args, &*storage)?;
    let log = Log::start(&config.logging)?;
    for notice in notices {
        tracing::warn!("{notice}");
    }
    let data = config.data_dir.clone();
    let reload = Reload { args: args.clone(), storage: Arc::clone(&storage), log };
    listen(config, storage, open, Some(reload), move |server| {
        let unix = server.unix_path().map_or("off".into(), |path| path.to_string_lossy());
        let http = server.http_addr().map_or_else(|| "off".to_owned(), |addr| addr.to_string());
        format!("ready tcp={} http={http} unix={unix} data={}\n", server.tcp_addr(), data.display())
    })
}

fn open(config: &Config, storage: Arc<dyn Storage>) -> Result<Opened> {
    let mut options = config.engine_options();
    if let Some(dir) = options.wal.as_mut().and_then(|wal| wal.dir.as_mut()) {
        // It is remembered, and found again from wherever the next process is started.
        *dir = std::path::absolute(&*dir)?;
    }
    options.progress = Some(Arc::new(log_progress()));
    let (engine, report) = Engine::open(storage, &config.data_dir, options)?;
    log_opened(&config.data_dir, &report);
    Ok((engine, Some(report)))
}

/// Opens, serves, and stops in order at SIGTERM or Ctrl-C; with a `reload`, SIGHUP does that. `ready` is printed once it
/// listens.
pub fn listen(
    config: Config,
    storage: Arc<dyn Storage>,
    open: impl FnOnce(&Config, Arc<dyn Storage>) -> Result<Opened>,
    reload: Option<Reload>,
    ready: impl FnOnce(&Server) -> String,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything is opened: a signal that comes early still stops it in order.
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let hangup = reload.map(|reload| Ok::<_, std::io::Error>((reload, signal(SignalKind::hangup())?)));
        let hangup = hangup.transpose()?;
        let (engine, report) = open(&config, Arc::clone(&storage))?;
        let server = Server::bind_opened(config, engine, report, storage).await?;
        log_listening(&server);
        let live = server.live();
        if let Some((reload, hangup)) = hangup {
            let log = reload.log.clone();
            live.on_log_change(move |config| log.set_level(&config.logging));
            tokio::spawn(reload.at_each(hangup, live));
        }
        print(&ready(&server))?;
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
pub fn configuration(args: &ServeArgs, storage: &dyn Storage) -> Result<(Config, Vec<String>)> {
    let (mut config, notices) = match &args.config {
        None => (Config::default(), Vec::new()),
        Some(path) => read(path, storage)?,
    };
    config.source.clone_from(&args.config);
    if let Some(data) = &args.data {
        config.data_dir.clone_from(data);
    }
    if let Some(tcp) = &args.tcp {
        config.tcp = tcp_of(tcp)?;
    }
    if let Some(http) = &args.http {
        config.http.listen = listen_of("--http", HTTP_ADDR, http)?;
        config.http.enabled = true;
    }
    Ok((config, notices))
}

/// Reads `--tcp HOST:PORT`.
pub fn tcp_of(tcp: &str) -> Result<Listen> {
    listen_of("--tcp", ADDR, tcp)
}

fn listen_of(option: &str, example: &str, given: &str) -> Result<Listen> {
    let message = || format!("{option}: expected HOST:PORT, as {example}, got {given}");
    let bad = || Failure::new(Exit::Usage, message());
    let (host, port) = given.rsplit_once(':').ok_or_else(bad)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Listen { host, port: port.parse().map_err(|_| bad())? })
}

fn read(path: &Path, storage: &dyn Storage) -> Result<(Config, Vec<String>)> {
    let bytes = read_file(storage, path, CONFIG_BYTES_MAX)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::new(Exit::Usage, format!("{}: not UTF-8", path.display())))?;
    let (config, notices) = Config::parse(&text, &path.display().to_string())
        .map_err(|e| Failure::new(Exit::Usage, format!("the configuration cannot be used:\n{e}")))?;
    Ok((config, notices.iter().map(ToString::to_string).collect()))
}

/// Says who can reach the server, and what of that is not safe.
fn log_listening(server: &Server) {
    let unix = server.unix_path().map(|path| path.display().to_string());
    let config = server.live().config();
    let allowed: Vec<String> = config.allow.iter().map(ToString::to_string).collect();
    let password = config.security.has_password();
    tracing::info!(tcp = %server.tcp_addr(), unix, allowed = allowed.join(", "), password, "listening");
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
}

fn log_opened(data: &Path, report: &OpenReport) {
    let (lsn, replayed) = (report.lsn.0, report.replayed);
    let seconds = report.replay_time.as_secs_f64();
    let records_per_second = cairn_server::records_per_second(report);
    tracing::info!(
        data = %data.display(), timeline = %report.timeline.id, lsn, replayed, seconds, records_per_second, "opened"
    );
    if report.cut_bytes > 0 {
        tracing::warn!(
            bytes = report.cut_bytes,
            "the log's torn end was cut; nothing in it was acknowledged as durable"
        );
    }
    for what in &report.discarded {
        tracing::warn!("{what}: computed anew");
    }
    if let Some(lost) = &report.lost {
        tracing::warn!(after_lsn = lost.after.0, "{lost}");
    }
}

/// Logs how far a replay is, once a second at most.
fn log_progress() -> impl Fn(ReplayProgress) + Send + Sync {
    let started_us = now_us();
    let last_us = AtomicI64::new(started_us);
    move |progress| {
        let now_us = now_us();
        if now_us - last_us.load(Ordering::Relaxed) >= PROGRESS_US {
            last_us.store(now_us, Ordering::Relaxed);
            let seconds = (now_us - started_us) as f64 / 1e6;
            tracing::info!(records = progress.records, total = progress.total, seconds, "replaying the log");
        }
    }
}

impl From<cairn_server::Failure> for Failure {
    fn from(failure: cairn_server::Failure) -> Self {
        match failure.kind {
            ErrorKind::Locked if failure.message.starts_with("api.unix_socket.path") => {
                Failure::new(Exit::Locked, failure.to_string())
                    .next("stop the server that listens there, or choose another path")
            }
            // The address, not the data: --addr is no way out.
            ErrorKind::Locked => Failure::new(Exit::Locked, failure.to_string()).next(
                "stop whatever listens there, or choose another: --tcp 127.0.0.1:0 takes any free port",
            ),
            kind => Failure::of_kind(kind, &failure),
        }
    }
}
