//! What a running server takes over at SIGHUP, its log file, and its Unix socket.

use crate::run::{Server, cairn, code, stderr};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn hang_up(server: &Server) {
    let pid = server.pid().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
}

/// Waits until the log file says so.
fn logged(path: &Path, what: &str) -> String {
    let started = Instant::now();
    loop {
        let log = fs::read_to_string(path).unwrap_or_default();
        if log.contains(what) {
            return log;
        }
        assert!(started.elapsed() < PATIENCE, "{what} is not in: {log}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_hangup_takes_over_what_may_change_and_names_what_may_not() {
    let dir = tempfile::tempdir().unwrap();
    let (config, log, pass) =
        (dir.path().join("cairn.yaml"), dir.path().join("cairn.log"), dir.path().join("pass"));
    let write = |rest: &str| {
        let (log, pass) = (log.display(), pass.display());
        let text = format!("logging: {{file: {log}}}\nsecurity: {{requirepass_file: {pass}}}\n{rest}");
        fs::write(&config, text).unwrap();
    };
    fs::write(&pass, "first\n").unwrap();
    write("");
    let args = ["-c", config.to_str().unwrap()];
    let server = Server::start_with(&dir.path().join("data"), &args, &[]);
    assert_eq!(server.send("AUTH first\nVECSET a 1\n"), "+OK\r\nOK VECSET\r\n");

    fs::write(&pass, "second\n").unwrap();
    write("similarity: {fusion_alpha: 0.5}\nevents: {ctx_buffer_size: 9}\n");
    hang_up(&server);
    let said = logged(&log, "only a restart takes it over");
    assert!(said.contains("similarity.fusion_alpha") && said.contains("events.ctx_buffer_size"), "{said}");
    let got = server.send("AUTH first\nAUTH second\nGET similarity.fusion_alpha\n");
    assert_eq!(got, "(error) WRONGPASS Invalid password\r\n+OK\r\n$3\r\n0.5\r\n");

    write("evnts: {}\n");
    hang_up(&server);
    let said = logged(&log, "the configuration stays as it was");
    assert!(said.contains("unknown key evnts"), "{said}");
    assert_eq!(server.send("AUTH second\n"), "+OK\r\n");
    assert_eq!(server.stop("TERM").0, Some(0));
}

#[test]
fn a_log_file_that_was_moved_away_is_made_anew_and_its_level_can_be_set() {
    let dir = tempfile::tempdir().unwrap();
    let (config, log, moved) =
        (dir.path().join("cairn.yaml"), dir.path().join("cairn.log"), dir.path().join("cairn.log.1"));
    fs::write(&config, format!("logging: {{file: {}, level: warn}}\n", log.display())).unwrap();
    let args = ["-c", config.to_str().unwrap()];
    let server = Server::start_with(&dir.path().join("data"), &args, &[]);
    assert_eq!(fs::read_to_string(&log).unwrap(), "");
    assert_eq!(server.send("SET logging.level info\n"), "+OK\r\n");
    logged(&log, "a variable was set");
    fs::rename(&log, &moved).unwrap();
    hang_up(&server);
    // The file says warn: the level that was set is gone with the reload.
    let started = Instant::now();
    while !log.exists() {
        assert!(started.elapsed() < PATIENCE, "the log file is not made anew");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (code, stderr) = server.stop("TERM");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_unix_socket_is_in_the_ready_line_and_outlives_a_kill_only_as_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (config, socket) = (dir.path().join("cairn.yaml"), dir.path().join("s"));
    fs::write(&config, format!("api: {{unix_socket: {{path: {}}}}}\n", socket.display())).unwrap();
    let (args, data) = (["-c", config.to_str().unwrap()], dir.path().join("data"));
    let server = Server::start_with(&data, &args, &[]);
    assert!(server.ready.contains(&format!(" unix={} ", socket.display())), "{}", server.ready);
    server.kill();
    assert!(socket.exists());
    let server = Server::start_with(&data, &args, &[]);
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"VECSET a 1\n").unwrap();
    let mut reply = [0; 11];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"OK VECSET\r\n");
    assert_eq!(server.stop("TERM").0, Some(0));
    assert!(!socket.exists());
}

#[test]
fn the_command_line_shows_the_password_of_its_environment() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("cairn.yaml");
    fs::write(&config, "security: {requirepass: a secret}\n").unwrap();
    let server = Server::start_with(&dir.path().join("data"), &["-c", config.to_str().unwrap()], &[]);
    let addr = server.addr.to_string();
    let sync = |password: Option<&str>| {
        let mut command = cairn(&["wal", "verify", "--addr", &addr]);
        command.env_remove("CAIRN_PASSWORD").envs(password.map(|password| ("CAIRN_PASSWORD", password)));
        command.output().unwrap()
    };
    let refused = stderr(&sync(None));
    assert!(
        refused.contains("NOAUTH Authentication required") && refused.contains("CAIRN_PASSWORD"),
        "{refused}"
    );
    let wrong = sync(Some("guess"));
    assert_eq!(code(&wrong), 6);
    assert!(stderr(&wrong).contains("WRONGPASS"), "{}", stderr(&wrong));
    let right = sync(Some("a secret"));
    assert_eq!(code(&right), 0, "{}", stderr(&right));
}

#[test]
fn a_server_starts_with_the_whole_file_of_an_nvecd_installation() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("nvecd.yaml");
    let text = include_str!("../../../cairn-server/tests/it/nvecd.yaml");
    fs::write(&config, text.replace("/var/lib/nvecd", dir.path().to_str().unwrap())).unwrap();
    let args = ["-c", config.to_str().unwrap()];
    let server = Server::start_with(&dir.path().join("data"), &args, &[]);
    // Its rate limit, its size of a ring, its default file.
    let got = server.send("EVENT c ADD a 9\nDUMP SAVE\nGET events.ctx_buffer_size\n");
    assert!(got.starts_with("OK EVENT\r\nOK Snapshot saved: ") && got.ends_with("$3\r\n100\r\n"), "{got}");
    assert!(dir.path().join("snapshots/nvecd.snapshot").exists());
    let many = server.send(&"INFO\n".repeat(60));
    assert!(many.contains("Rate limit exceeded"), "{many}");
}

#[test]
fn it_says_where_it_listens_and_what_is_not_safe() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (_, log) = Server::start(&data).stop("TERM");
    let listening = log.lines().find(|line| line.contains("listening")).unwrap();
    assert!(listening.contains("tcp=127.0.0.1:") && listening.contains("password=false"), "{listening}");
    assert!(!log.contains("WARN"), "{log}");
    let config = dir.path().join("cairn.yaml");
    fs::write(&config, "network: {allow_cidrs: [0.0.0.0/0]}\n").unwrap();
    let args = ["-c", config.to_str().unwrap()];
    let (_, log) = Server::start_with(&data, &args, &[]).stop("TERM");
    assert!(log.contains("WARN") && log.contains("every address"), "{log}");
}
