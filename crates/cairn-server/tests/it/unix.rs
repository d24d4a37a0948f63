//! The Unix socket.

use crate::running::{Running, config, engine, run};
use cairn_disk::{SimDisk, Storage};
use cairn_engine::ErrorKind;
use cairn_server::{Config, Server};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

fn at(path: &Path) -> Config {
    let mut config = config();
    config.unix.path = Some(path.to_owned());
    config
}

/// Everything that is answered to `input` until the server closes.
async fn answers(path: &Path, input: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(input).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).await.unwrap();
    got
}

#[test]
fn both_ways_lead_to_the_same_data_and_the_file_goes_at_the_stop() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cairn.sock");
        let server = Running::start_with(at(&path)).await;
        assert_eq!(
            answers(&path, b"VECSET a 1 2\nFOO\n").await,
            "OK VECSET\r\n(error) Unknown command: FOO\r\n"
        );
        assert_eq!(server.client().await.check().await.unwrap().number("vectors"), Some(1));
        server.stop().await;
        assert!(!path.exists());
    });
}

#[test]
fn a_stop_answers_what_a_unix_client_has_asked() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cairn.sock");
        let server = Running::start_with(at(&path)).await;
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(&b"VECSET a 1 2\n".repeat(5000)).await.unwrap();
        let mut first = [0; 11];
        stream.read_exact(&mut first).await.unwrap();
        let done = server.stopping();
        let mut got = String::new();
        stream.read_to_string(&mut got).await.unwrap();
        assert!(got.lines().all(|line| line == "OK VECSET") && !got.is_empty());
        drop(stream);
        done.await.unwrap().unwrap();
    });
}

#[test]
fn all_unix_clients_are_one_client_and_need_no_address() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cairn.sock");
        let mut config = Config { allow: Vec::new(), connections_per_ip_max: 1, ..at(&path) };
        config.rate.enabled = true;
        (config.rate.capacity, config.rate.refill_per_s) = (3, 1);
        let server = Running::start_with(config).await;
        let _first = UnixStream::connect(&path).await.unwrap();
        let mut refused = 0;
        for _ in 0..10 {
            refused +=
                usize::from(answers(&path, b"INFO\n").await.starts_with("(error) Rate limit exceeded: "));
        }
        assert!(refused >= 1, "ten connections have a bucket each");
        server.stop().await;
    });
}

#[test]
fn a_live_socket_is_refused_and_another_file_left_alone() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let (path, file) = (dir.path().join("cairn.sock"), dir.path().join("file"));
        cairn_disk::RealDisk::new().create(&file).unwrap().append(b"precious").unwrap();
        let server = Running::start_with(at(&path)).await;
        for (path, kind) in [(&path, ErrorKind::Locked), (&file, ErrorKind::Exists)] {
            let (disk, config) = (SimDisk::new(2), at(path));
            let failure =
                Server::bind(config.clone(), engine(&disk, &config), Arc::new(disk)).await.unwrap_err();
            assert_eq!(failure.kind, kind);
            assert!(failure.message.contains(path.to_str().unwrap()), "{failure}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        assert!(answers(&path, b"INFO\n").await.starts_with("OK INFO"));
        server.stop().await;
    });
}

#[test]
fn unix_clients_need_the_password_too() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cairn.sock");
        let mut config = at(&path);
        config.security.requirepass = Some(cairn_server::Password::new("secret"));
        let server = Running::start_with(config).await;
        let got = answers(&path, b"VECSET a 1\nAUTH secret\nVECSET a 1\n").await;
        assert_eq!(got, "(error) NOAUTH Authentication required\r\n+OK\r\nOK VECSET\r\n");
        server.stop().await;
    });
}
