//! The server: the listener, its connections, and how it stops.

use crate::archiver::Archiver;
use crate::backend::Backend;
use crate::config::{Config, Listen};
use crate::connections::{Connections, Place};
use crate::counters::Counters;
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::http;
use crate::limiter::UNIX_PEER;
use crate::live::Live;
use crate::render::render;
use crate::session::{Service, close, serve};
use crate::tls::Tls;
use crate::unix::{self, Unix};
use cairn_disk::Storage;
use cairn_engine::{Engine, ErrorKind, OpenReport};
use socket2::SockRef;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Refused connections that are still being told so, at most; more are closed without a word.
const REFUSING_MAX: usize = 64;
/// How long a refused connection may take to read why: its first request may be on the way.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);
/// Replies that the system holds of a connection until its peer takes them: left to itself it holds megabytes, and nothing
/// more is done for a peer only once that is full.
const SEND_BYTES: usize = 128 << 10;
/// How long accepting pauses when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    addr: SocketAddr,
    unix: Option<Unix>,
    service: Arc<Service>,
    http: Option<http::Listener>,
    tls: Option<Tls>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Server {
    /// Listens for an engine, whose data and snapshots are on `storage`. Nothing is served until [`Server::run`].
    pub async fn bind(config: Config, engine: Engine, storage: Arc<dyn Storage>) -> Result<Server, Failure> {
        Server::bind_opened(config, engine, None, storage).await
    }

    /// As [`Server::bind`]; INFO tells of the recovery that opened the engine.
    pub async fn bind_opened(
        mut config: Config,
        engine: Engine,
        opened: Option<OpenReport>,
        storage: Arc<dyn Storage>,
    ) -> Result<Server, Failure> {
        config.security.read_files(storage.as_ref())?;
        let live = Arc::new(Live::new(config.clone())?);
        // A dump that a killed server did not finish; nobody saves before this server does. One that only answers leaves
        // everything as it is: the directory may be another server's.
        let dir = &config.snapshot.dir;
        if !engine.stats().status.read_only
            && storage.stat(dir).map_err(cairn_snapshot::Error::from)?.is_some()
        {
            let removed = cairn_snapshot::nvec::remove_unfinished(storage.as_ref(), dir)?;
            tracing::info!(removed, dir = %dir.display(), "looked for unfinished dumps");
        }
        if !engine.stats().status.read_only {
            config.default_spec.apply_to_default(&engine)?;
        }
        let tls = Tls::load(&config, storage.as_ref())?;
        let counters = Arc::new(Counters::default());
        let archived = config.archive.enabled && !engine.stats().status.read_only;
        let shipped = (engine.clone(), Arc::clone(&storage));
        let mut backend = EngineBackend::new(&config, engine, storage, Arc::clone(&counters)).with_live(live);
        if archived {
            let (engine, storage) = shipped;
            if !backend.has_snapshot() {
                tracing::warn!(
                    "the archive begins at a snapshot, and there is none yet: SNAPSHOT CREATE takes one"
                );
            }
            let (repository, interval) = (config.snapshot.repository_dir(), config.archive.interval);
            let archiver = Archiver::start(repository, interval, engine, storage);
            let failed =
                |e: std::io::Error| Failure::new(ErrorKind::Busy, format!("cannot start the archiver: {e}"));
            backend = backend.with_archiver(archiver.map_err(failed)?);
        }
        if let Some(report) = opened {
            backend = backend.opened_with(report);
        }
        backend.resume_topics();
        let backend = Arc::new(backend);
        let server = Server::bind_with(config, Arc::clone(&backend) as _, counters, tls).await?;
        if !backend.read_only {
            backend.start_schedules()?;
        }
        Ok(server)
    }

    /// Listens for any backend.
    pub async fn bind_backend(
        config: Config,
        backend: Arc<dyn Backend>,
        counters: Arc<Counters>,
    ) -> Result<Server, Failure> {
        Server::bind_with(config, backend, counters, None).await
    }

    async fn bind_with(
        config: Config,
        backend: Arc<dyn Backend>,
        counters: Arc<Counters>,
        tls: Option<Tls>,
    ) -> Result<Server, Failure> {
        if tls.is_none() && (config.tls.tcp || (config.http.enabled && config.http.tls)) {
            return Err(Failure::input("TLS needs a server that reads files: Server::bind"));
        }
        let (listener, addr) = bind(&config.tcp).await?;
        let unix = config.unix.path.is_some().then(|| Unix::listen(&config.unix)).transpose()?;
        let service = Service::new(&config, backend, counters)?;
        let service = Arc::new(service);
        let http = match config.http.enabled {
            true => Some(http::Listener::bind(&config, Arc::clone(&service), tls.clone()).await?),
            false => None,
        };
        let tls = tls.filter(|_| config.tls.tcp);
        Ok(Server { listener, addr, unix, service, http, tls })
    }

    /// Where HTTP listens; `None`: it is off.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(http::Listener::addr)
    }

    /// Where it listens: with port 0 in the configuration, the port it got.
    pub fn tcp_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where its Unix socket is, when it has one. The file goes when the server stops.
    pub fn unix_path(&self) -> Option<&Path> {
        self.unix.as_ref().map(Unix::path)
    }

    /// The configuration it goes by, which can be changed while it runs.
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.service.live)
    }

    /// Serves until `shutdown` is done, then stops: no connection more, every request read is answered (for as long as
    /// `stop_timeout` allows), and the backend is closed: an engine takes a checkpoint. Acknowledged writes are durable
    /// however it ends.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
        let Server { listener, unix, service, http, tls, .. } = self;
        let (stop, stopping) = watch::channel(false);
        let mut beside = JoinSet::new();
        if let Some(http) = http {
            beside.spawn(http.run(stopping.clone()));
        }
        let mut acceptor = Acceptor {
            tls,
            service: Arc::clone(&service),
            open: Arc::default(),
            refusing: Arc::new(Semaphore::new(REFUSING_MAX)),
            sessions: JoinSet::new(),
            stopping,
        };
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => acceptor.accepted(accepted).await,
                accepted = unix::accept(unix.as_ref()) => acceptor.accepted_unix(accepted).await,
                Some(ended) = acceptor.sessions.join_next() => ended_well(ended),
            }
        }
        drop((listener, unix));
        let _ = stop.send(true);
        let mut sessions = acceptor.sessions;
        tracing::info!(connections = sessions.len(), "stopping");
        let all = async {
            while let Some(ended) = sessions.join_next().await {
                ended_well(ended);
            }
            while let Some(ended) = beside.join_next().await {
                ended_well(ended);
            }
        };
        if timeout(service.live.config().stop_timeout, all).await.is_err() {
            tracing::warn!("requests still run: ending them");
            service.backend.cancel();
            sessions.shutdown().await;
            beside.shutdown().await;
        }
        let backend = Arc::clone(&service.backend);
        let closed = tokio::task::spawn_blocking(move || backend.close()).await;
        closed.unwrap_or_else(|e| {
            Err(Failure::new(ErrorKind::Bug, format!("internal error: {e}; please report it")))
        })
    }
}

/// Listens at an address of the configuration; the one it got, too.
pub(crate) async fn bind(listen: &Listen) -> Result<(TcpListener, SocketAddr), Failure> {
    let (host, port) = (listen.host.as_str(), listen.port);
    let failed = |e: std::io::Error| {
        let kind = match e.kind() {
            std::io::ErrorKind::AddrInUse => ErrorKind::Locked,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Permission,
            _ => ErrorKind::Io,
        };
        Failure::new(kind, format!("cannot listen on {host}:{port}: {e}"))
    };
    let listener = TcpListener::bind((host, port)).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    Ok((listener, addr))
}

/// Sets what both protocols want of an accepted connection.
pub(crate) fn prepare(stream: &TcpStream) {
    // Replies are written whole: waiting to fill a packet only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    if let Err(error) = SockRef::from(stream).set_send_buffer_size(SEND_BYTES) {
        tracing::debug!(%error, "cannot set SO_SNDBUF");
    }
}

/// A session that panicked is a bug of ours that only its peer would notice.
pub(crate) fn ended_well(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked; please report it");
    }
}

/// A connection, of whichever kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

struct Acceptor {
    tls: Option<Tls>,
    service: Arc<Service>,
    open: Arc<Connections>,
    refusing: Arc<Semaphore>,
    sessions: JoinSet<()>,
    stopping: watch::Receiver<bool>,
}

impl Acceptor {
    async fn accepted(&mut self, accepted: std::io::Result<(TcpStream, SocketAddr)>) {
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: closing connections will help, trying at once will not.
                tracing::warn!(%error, "cannot accept a connection");
                return tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        };
        self.service.counters.connections.add(1);
        let config = self.service.live.config();
        if !config.allow.iter().any(|range| range.contains(peer.ip())) {
            let message = format!("Address {} is not allowed (network.allow_cidrs)", peer.ip());
            return self.refuse(stream, Failure::new(ErrorKind::Permission, message));
        }
        let place = match self.open.take(peer.ip().to_canonical(), &config) {
            Ok(place) => place,
            Err(failure) => return self.refuse(stream, failure),
        };
        prepare(&stream);
        let Some(tls) = self.tls.clone() else {
            return self.serve(stream, peer.ip(), place);
        };
        // The connection's place is taken while it shakes hands: so many do at once, at most.
        let (service, stopping) = (Arc::clone(&self.service), self.stopping.clone());
        self.sessions.spawn(async move {
            let active = Active::new(Arc::clone(&service));
            if let Some(stream) = tls.accept(stream).await {
                serve(stream, peer.ip(), service, stopping).await;
            }
            drop((active, place));
        });
    }

    /// Whom the socket's permissions let in may connect; they are one client.
    async fn accepted_unix(&mut self, accepted: std::io::Result<UnixStream>) {
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of the Unix socket");
                return tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        };
        self.service.counters.connections.add(1);
        match self.open.take(UNIX_PEER, &self.service.live.config()) {
            Ok(place) => self.serve(stream, UNIX_PEER, place),
            Err(failure) => self.refuse(stream, failure),
        }
    }

    fn serve(&mut self, stream: impl Stream, peer: IpAddr, place: Place) {
        let (service, stopping) = (Arc::clone(&self.service), self.stopping.clone());
        self.sessions.spawn(async move {
            let active = Active::new(Arc::clone(&service));
            serve(stream, peer, service, stopping).await;
            drop((active, place));
        });
    }

    /// Says why, and closes.
    fn refuse(&mut self, mut stream: impl Stream, failure: Failure) {
        let Ok(permit) = Arc::clone(&self.refusing).try_acquire_owned() else { return };
        let mut line = Vec::new();
        render(&failure.into(), self.service.rules.dialect, false, &mut line);
        self.sessions.spawn(async move {
            if stream.write_all(&line).await.is_ok() {
                close(stream, REFUSAL_LINGER).await;
            }
            drop(permit);
        });
    }
}

/// Counts a connection as active while it lives, also when its task is aborted.
pub(crate) struct Active(Arc<Service>);

impl Active {
    pub fn new(service: Arc<Service>) -> Self {
        service.counters.active_connections.add(1);
        Active(service)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.counters.active_connections.down();
    }
}
