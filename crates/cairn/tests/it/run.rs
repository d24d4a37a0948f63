//! Running `cairn`: commands to their end, and servers that die with their test.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// `cairn` with these arguments, in a directory of its own choice.
pub fn cairn(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
    command.args(args).stdin(Stdio::null()).env_remove("CAIRN_DISK");
    command
}

/// Runs a command to its end.
pub fn run(args: &[&str]) -> Output {
    cairn(args).output().unwrap()
}

/// Runs a command that must succeed; its stdout.
pub fn ok(args: &[&str]) -> String {
    let output = run(args);
    assert_eq!(code(&output), 0, "cairn {args:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must succeed; its stdout as JSON.
pub fn json(args: &[&str]) -> Value {
    serde_json::from_str(&ok(args)).unwrap()
}

/// The exit code.
pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {}", output.status))
}

/// What it said on stdout.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it said on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running server. Dropped, it is killed.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its ready line.
    pub ready: String,
}

impl Server {
    /// Starts it on a data directory and a free port.
    pub fn start(data: &Path) -> Server {
        Server::start_with(data, &[], &[])
    }

    /// Starts it with more arguments and more environment.
    pub fn start_with(data: &Path, args: &[&str], env: &[(&str, &str)]) -> Server {
        let mut command = cairn(&["serve", "--tcp", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
        // Its default snapshot directory is relative.
        command.args(args).envs(env.iter().copied()).current_dir(data.parent().unwrap());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let addr =
            ready.split(' ').find_map(|word| word.strip_prefix("tcp=")).map(|addr| addr.parse().unwrap());
        let Some(addr) = addr else {
            let mut log = String::new();
            child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
            panic!("no ready line but {ready:?}; {}; {log}", child.wait().unwrap());
        };
        Server { child, addr, ready: ready.trim_end().to_owned() }
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A signal by name, as `TERM`; then its end: the exit code and what it logged.
    pub fn stop(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
        let log = read_in_thread(self.child.stderr.take().unwrap());
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "SIG{signal} does not stop it");
            std::thread::sleep(Duration::from_millis(5));
        };
        (status.code(), log.join().unwrap())
    }

    /// Sends lines on a connection of their own; everything that came back until the server closed it.
    pub fn send(&self, lines: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(lines.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut replies = String::new();
        stream.read_to_string(&mut replies).unwrap();
        replies
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn read_in_thread(mut from: ChildStderr) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut all = String::new();
        from.read_to_string(&mut all).unwrap();
        all
    })
}
