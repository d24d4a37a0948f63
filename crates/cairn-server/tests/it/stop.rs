//! Stopping, and what is there afterwards.

use crate::double::Double;
use crate::running::{Running, config, fill, run, state_hash};
use cairn_engine::Request;
use cairn_server::{Ask, Backend, Config, Cost, Counters, Failure, Reply, Server, Written};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

#[test]
fn acknowledged_writes_are_there_after_a_restart() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let before = state_hash(&mut client).await;
        let disk = server.stop().await;
        let server = Running::start_on(disk, config()).await;
        assert_eq!(state_hash(&mut server.client().await).await, before);
        server.stop().await;
    });
}

#[test]
fn idle_connections_are_closed_and_new_ones_refused() {
    run(async {
        let server = Running::start().await;
        let addr = server.addr;
        let mut idle = TcpStream::connect(addr).await.unwrap();
        idle.write_all(b"INFO\r\n").await.unwrap();
        let mut first = [0; 2];
        idle.read_exact(&mut first).await.unwrap();
        let done = server.stopping();
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"END\r\n"));
        drop(idle);
        done.await.unwrap().unwrap();
        assert!(TcpStream::connect(addr).await.is_err());
    });
}

type Done = Box<dyn FnOnce(Written) + Send>;

/// A backend whose writes are done when the test says so.
#[derive(Default)]
struct Slow {
    inner: Double,
    waiting: Mutex<Vec<(Vec<Request>, Done)>>,
    submitted: tokio::sync::Notify,
    cancelled: AtomicBool,
    closed: AtomicBool,
}

impl Backend for Slow {
    fn submit(&self, writes: Vec<Request>, done: Done) {
        self.waiting.lock().unwrap().push((writes, done));
        self.submitted.notify_one();
    }

    fn write(&self, writes: Vec<Request>) -> Written {
        self.inner.write(writes)
    }

    fn answer(&self, ask: &Ask) -> Reply {
        self.inner.answer(ask)
    }

    fn cost(&self, ask: &Ask) -> Cost {
        self.inner.cost(ask)
    }

    fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
    }

    fn close(&self) -> Result<(), Failure> {
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}

async fn start(backend: Arc<Slow>, config: Config) -> (Server, oneshot::Sender<()>, oneshot::Receiver<()>) {
    let (stop, stopped) = oneshot::channel();
    let server = Server::bind_backend(config, backend, Arc::new(Counters::default())).await.unwrap();
    (server, stop, stopped)
}

#[test]
fn what_is_in_flight_is_answered_before_the_end() {
    run(async {
        let slow = Arc::new(Slow::default());
        let (server, stop, stopped) = start(Arc::clone(&slow), config()).await;
        let addr = server.tcp_addr();
        let running = tokio::spawn(server.run(async move { drop(stopped.await) }));
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"VECSET a 1\nVECSET b 1\nSIMV 1 1\nCHECK\n").await.unwrap();
        slow.submitted.notified().await;
        stop.send(()).unwrap();
        let (writes, done) = slow.waiting.lock().unwrap().pop().unwrap();
        done(slow.inner.write(writes));
        let mut got = String::new();
        stream.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "OK VECSET\r\nOK VECSET\r\nOK RESULTS 0\r\nOK ASKED\r\nk: v\r\nEND\r\n");
        running.await.unwrap().unwrap();
        assert!(slow.closed.load(Ordering::SeqCst) && !slow.cancelled.load(Ordering::SeqCst));
    });
}

#[test]
fn what_never_ends_is_ended_after_the_stop_timeout() {
    run(async {
        let slow = Arc::new(Slow::default());
        let impatient = Config { stop_timeout: std::time::Duration::from_millis(20), ..config() };
        let (server, stop, stopped) = start(Arc::clone(&slow), impatient).await;
        let addr = server.tcp_addr();
        let running = tokio::spawn(server.run(async move { drop(stopped.await) }));
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"VECSET a 1\n").await.unwrap();
        slow.submitted.notified().await;
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
        assert!(slow.closed.load(Ordering::SeqCst) && slow.cancelled.load(Ordering::SeqCst));
    });
}

#[test]
fn an_engine_that_goes_away_leaves_no_write_unanswered() {
    run(async {
        let slow = Arc::new(Slow::default());
        let (server, stop, stopped) = start(Arc::clone(&slow), config()).await;
        let addr = server.tcp_addr();
        let running = tokio::spawn(server.run(async move { drop(stopped.await) }));
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"VECSET a 1\nFOO\n").await.unwrap();
        slow.submitted.notified().await;
        drop(slow.waiting.lock().unwrap().pop());
        stop.send(()).unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).await.unwrap();
        assert_eq!(
            got,
            "(error) the write's fate is unknown: the server is stopping\r\n(error) Unknown command: FOO\r\n"
        );
        running.await.unwrap().unwrap();
    });
}
