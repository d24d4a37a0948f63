//! A kept answer is given though every search thread is taken.

use crate::cache::caching;
use crate::http_client::send;
use crate::running::{engine, run};
use cairn_client::Client;
use cairn_disk::SimDisk;
use cairn_engine::Request;
use cairn_server::{Ask, Backend, Cost, Counters, EngineBackend, Reply, Server, Written};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// The search that is held up asks for so many.
const HELD_TOP_K: usize = 7;

/// A backend whose searches all take a turn, and one of whose searches lasts until it is let go.
struct Held {
    inner: EngineBackend,
    /// Told when the search that is held has its turn.
    begun: Mutex<Sender<()>>,
    let_go: Mutex<Receiver<()>>,
    ended: AtomicBool,
}

impl Backend for Held {
    fn submit(&self, writes: Vec<Request>, done: Box<dyn FnOnce(Written) + Send>) {
        self.inner.submit(writes, done);
    }

    fn write(&self, writes: Vec<Request>) -> Written {
        self.inner.write(writes)
    }

    fn answer(&self, ask: &Ask) -> Reply {
        if let Ask::Near { query, .. } = ask
            && query.top_k == HELD_TOP_K
        {
            self.begun.lock().unwrap().send(()).unwrap();
            self.let_go.lock().unwrap().recv().unwrap();
            self.ended.store(true, Ordering::SeqCst);
        }
        self.inner.answer(ask)
    }

    fn ready(&self, ask: &Ask) -> Option<Reply> {
        self.inner.ready(ask)
    }

    fn cost(&self, ask: &Ask) -> Cost {
        match ask {
            Ask::Near { .. } => Cost::Search,
            ask => self.inner.cost(ask),
        }
    }
}

#[test]
fn a_hit_takes_no_threads_turn_on_either_interface() {
    run(async {
        let mut config = caching();
        (config.search_threads, config.http.enabled, config.http.listen.port) = (1, true, 0);
        let (disk, counters) = (SimDisk::new(1), Arc::<Counters>::default());
        let inner =
            EngineBackend::new(&config, engine(&disk, &config), Arc::new(disk), Arc::clone(&counters));
        let ((begun, told), (release, let_go)) = (channel(), channel());
        let (begun, let_go) = (Mutex::new(begun), Mutex::new(let_go));
        let held = Arc::new(Held { inner, begun, let_go, ended: AtomicBool::new(false) });
        let server = Server::bind_backend(config, Arc::clone(&held) as _, counters).await.unwrap();
        let (addr, http) = (server.tcp_addr(), server.http_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async move { drop(stopped.await) }));

        let mut client = Client::connect(addr).await.unwrap();
        client.vecset("a", &[1.0, 0.0]).await.unwrap();
        let kept = client.simv(&[1.0, 0.0], 3, &cairn_client::Sim::default()).await.unwrap();
        let holding = tokio::spawn(async move {
            let mut other = Client::connect(addr).await.unwrap();
            other.simv(&[1.0, 0.0], HELD_TOP_K as u32, &cairn_client::Sim::default()).await.unwrap()
        });
        tokio::task::spawn_blocking(move || told.recv().unwrap()).await.unwrap();
        // The only turn is taken until it is let go.
        let again = client.simv(&[1.0, 0.0], 3, &cairn_client::Sim::default()).await.unwrap();
        assert_eq!(again, kept);
        let kind = [("content-type", "application/json")];
        let body = r#"{"vector":[1,0],"top_k":3}"#;
        assert_eq!(send(http, "POST", "/simv", &kind, body).await.ok()["results"][0]["id"], "a");
        assert!(!held.ended.load(Ordering::SeqCst));
        release.send(()).unwrap();
        assert_eq!(holding.await.unwrap(), kept);
        assert_eq!(client.cache_stats().await.unwrap().hits, 2);
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
    });
}
