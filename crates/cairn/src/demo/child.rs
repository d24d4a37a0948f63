//! The demo's server: this very program, as a process of its own that can be killed.

use crate::exit::Exit;
use crate::failure::{Failure, Result};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Opening what the demo holds takes a moment, not this long.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// Of the server's log, this much is kept to be shown when it does not start.
const LOG_BYTES_MAX: u64 = 64 << 10;

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Server {
    /// Starts it on a data directory and waits until it listens.
    pub async fn start(config: &Path, data: &Path) -> Result<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .args(["-c".as_ref(), config.as_os_str(), "--data".as_ref(), data.as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is the demo's to answer: the server goes with it.
            .process_group(0)
            .spawn()?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // From here on the process ends with this value, whatever happens.
        let mut server = Server { child, addr: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let log = in_thread(move || stderr.map(head_of).unwrap_or_default());
        let ready = in_thread(move || stdout.map(first_line).unwrap_or_default());
        let line = timeout(READY_TIMEOUT, ready).await.ok().and_then(|line| line.ok()).unwrap_or_default();
        match line.split(' ').find_map(|word| word.strip_prefix("tcp=")).and_then(|addr| addr.parse().ok()) {
            Some(addr) => {
                server.addr = addr;
                Ok(server)
            }
            None => {
                server.kill();
                let log = log.await.unwrap_or_default();
                Err(Failure::new(
                    Exit::Failed,
                    format!("the demo's server did not start:\n{}", log.trim_end()),
                ))
            }
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no handler runs, nothing is flushed.
    pub fn kill(&mut self) {
        // It fails only when the process has ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The result of blocking work; the thread ends when the process's pipe does.
fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
    let (done, result) = oneshot::channel();
    std::thread::spawn(move || _ = done.send(work()));
    result
}

fn first_line(from: impl Read) -> String {
    let mut line = String::new();
    // A line cut short has no address in it, and is reported as that.
    _ = BufReader::new(from).read_line(&mut line);
    line.trim_end().to_owned()
}

/// The beginning of a log; the rest is read too, so that the server never waits for a reader.
fn head_of(mut from: impl Read) -> String {
    let mut head = Vec::new();
    _ = from.by_ref().take(LOG_BYTES_MAX).read_to_end(&mut head);
    _ = std::io::copy(&mut from, &mut std::io::sink());
    String::from_utf8_lossy(&head).into_owned()
}
