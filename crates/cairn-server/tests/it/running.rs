//! A server to talk to: a real engine on a simulated disk, a real socket.

use cairn_client::{Block, Client, Reply};
use cairn_disk::{SimDisk, Storage};
use cairn_engine::{Engine, ManualClock, Options};
use cairn_server::{Config, Counters, EngineBackend, Failure, Live, Server};
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// 2025-01-18 12:00:00 UTC.
pub const NOW_US: i64 = 1_737_201_600_000_000;

pub fn config() -> Config {
    let mut config = Config { data_dir: PathBuf::from("/db"), ..Config::default() };
    config.tcp.port = 0;
    config.snapshot.dir = PathBuf::from("/snapshots");
    config
}

pub fn engine(disk: &SimDisk, config: &Config) -> Engine {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let clock = Arc::new(ManualClock::new(NOW_US));
    let options = Options { clock, ..config.engine_options() };
    Engine::open(storage, &config.data_dir, options).unwrap().0
}

/// An engine on a fresh disk, without sockets.
pub fn backend(counters: Arc<Counters>) -> EngineBackend {
    let (disk, config) = (SimDisk::new(1), config());
    EngineBackend::new(&config, engine(&disk, &config), Arc::new(disk), counters)
}

/// A server that runs until it is stopped.
pub struct Running {
    pub addr: SocketAddr,
    pub http: Option<SocketAddr>,
    pub disk: SimDisk,
    pub live: Arc<Live>,
    stop: oneshot::Sender<()>,
    done: JoinHandle<Result<(), Failure>>,
}

impl Running {
    pub async fn start() -> Running {
        Running::start_with(config()).await
    }

    pub async fn start_with(config: Config) -> Running {
        Running::start_on(SimDisk::new(1), config).await
    }

    pub async fn start_on(disk: SimDisk, config: Config) -> Running {
        let engine = engine(&disk, &config);
        Running::start_engine(engine, disk, config).await
    }

    pub async fn start_engine(engine: Engine, disk: SimDisk, config: Config) -> Running {
        let server = Server::bind(config, engine, Arc::new(disk.clone())).await.unwrap();
        let (addr, http, live) = (server.tcp_addr(), server.http_addr(), server.live());
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        Running { addr, http, disk, live, stop, done }
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.addr).await.unwrap()
    }

    pub async fn stop(self) -> SimDisk {
        self.stop.send(()).unwrap();
        self.done.await.unwrap().unwrap();
        self.disk
    }

    /// The stop has been asked for; what comes is the end.
    pub fn stopping(self) -> JoinHandle<Result<(), Failure>> {
        self.stop.send(()).unwrap();
        self.done
    }
}

/// Runs a test on a runtime of two threads.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(test)
}

pub fn head(reply: Result<Block, cairn_client::Error>) -> String {
    reply.unwrap().head
}

/// The message of a refused request.
pub async fn refused(client: &mut Client, line: &str) -> String {
    match client.request(line).await.unwrap() {
        Reply::Error(refusal) => refusal.to_string(),
        other => panic!("{line}: {other:?}"),
    }
}

/// A few items, events and metadata.
pub async fn fill(client: &mut Client) {
    for i in 0..20u8 {
        let (id, x) = (format!("item{i}"), f32::from(i));
        client.vecset(&id, &[x, 1.0, 20.0 - x]).await.unwrap();
        client.metaset(&id, &format!("section:s{},n:{i}", i % 3)).await.unwrap();
        client.event(&format!("c{}", i % 4), cairn_client::Op::Add, &id, i, Some(1000)).await.unwrap();
    }
}

pub async fn state_hash(client: &mut Client) -> String {
    client.check().await.unwrap().get("state_hash").unwrap().to_owned()
}

pub fn exists(disk: &SimDisk, path: &str) -> bool {
    disk.stat(Path::new(path)).unwrap().is_some()
}
