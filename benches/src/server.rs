//! The server under load: the `cairn` of the same build, in a directory of its own.

use crate::Result;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server; killed and its files removed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: String,
    /// Where it listens for HTTP, if it does.
    pub http: Option<String>,
    /// Its data, snapshots and configuration.
    pub dir: tempfile::TempDir,
}

/// The `cairn` beside this program.
pub fn cairn() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("cairn");
    if path.exists() {
        return Ok(path);
    }
    Err(format!("{} is missing: run `cargo build --release` first", path.display()).into())
}

/// How a server is set up; by default with no password, no limit, no TLS.
#[derive(Default)]
pub struct Setup<'a> {
    /// More of the section `api`, without its braces.
    pub api: &'a str,
    /// The admin's password.
    pub password: Option<&'a str>,
    /// Requests are counted, and none is refused.
    pub limited: bool,
    /// The line protocol is inside TLS, with this certificate and key, PEM.
    pub certificate: Option<(&'a str, &'a str)>,
}

impl Server {
    /// Starts one with an empty database, syncing every batch, no timers.
    pub fn start() -> Result<Server> {
        Server::start_with("api: {}")
    }

    /// The same, with more of the section `api`, in braces.
    pub fn start_with(api: &str) -> Result<Server> {
        let inner =
            api.strip_prefix("api: {").and_then(|rest| rest.strip_suffix('}')).ok_or("expected api: {…}")?;
        let setup = Setup { api: inner, ..Setup::default() };
        Server::start_as(&setup)
    }

    /// The same, set up so.
    pub fn start_as(setup: &Setup<'_>) -> Result<Server> {
        let dir = tempfile::tempdir()?;
        let config = dir.path().join("config.yaml");
        let snapshots = dir.path().join("snapshots");
        let mut api = "tcp: {bind: 127.0.0.1, port: 0".to_owned();
        if setup.certificate.is_some() {
            api += ", tls: true";
        }
        api += "}";
        if setup.limited {
            api += ", rate_limiting: {enable: true, capacity: 1000000000, refill_rate: 1000000000}";
        }
        if !setup.api.is_empty() {
            api = format!("{api}, {}", setup.api);
        }
        let mut text = format!(
            "events:\n  decay_interval_sec: 0\napi: {{{api}}}\nsnapshot:\n  dir: {}\n",
            snapshots.display()
        );
        if let Some(password) = setup.password {
            text += &format!("security:\n  requirepass: {password}\n");
        }
        if let Some((certificate, key)) = setup.certificate {
            let (cert_file, key_file) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
            std::fs::write(&cert_file, certificate)?;
            std::fs::write(&key_file, key)?;
            text +=
                &format!("tls:\n  cert_file: {}\n  key_file: {}\n", cert_file.display(), key_file.display());
        }
        std::fs::write(&config, text)?;
        let (child, addr, http) = spawn(&config, &dir.path().join("data"))?;
        Ok(Server { child, addr, http, dir })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

fn spawn(config: &Path, data: &Path) -> Result<(Child, String, Option<String>)> {
    let mut child = Command::new(cairn()?)
        .args(["serve".as_ref(), "-c".as_ref(), config.as_os_str(), "--data".as_ref(), data.as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    let word = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)).map(str::to_owned);
    match word("tcp=") {
        Some(addr) => Ok((child, addr, word("http=").filter(|http| http != "off"))),
        None => {
            child.kill()?;
            Err(format!("the server said {line:?} instead of where it listens").into())
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It fails only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
