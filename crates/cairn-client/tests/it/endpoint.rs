//! Where a client connects to.

use crate::fake::{run, split};
use cairn_client::{Client, Endpoint, ErrorKind};
use tokio::io::AsyncWriteExt;

#[test]
fn text_is_an_address_or_the_path_of_a_unix_socket() {
    for (endpoint, shown) in [
        (Endpoint::from("127.0.0.1:11017"), "127.0.0.1:11017"),
        (Endpoint::from("unix:/run/cairn.sock"), "unix:/run/cairn.sock"),
        (Endpoint::from(("localhost", 11017)), "localhost:11017"),
        (Endpoint::from(("::1", 11017)), "[::1]:11017"),
        (Endpoint::from(std::path::Path::new("/a b")), "unix:/a b"),
    ] {
        assert_eq!(endpoint.to_string(), shown);
    }
}

#[test]
fn a_unix_socket_is_a_server_like_any_other() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cairn.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut out) = stream.into_split();
            let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(read));
            let line = lines.next_line().await.unwrap().unwrap();
            out.write_all(b"OK VECSET\r\n").await.unwrap();
            line
        });
        let mut client = Client::connect(format!("unix:{}", path.display())).await.unwrap();
        client.vecset("a", &[1.0]).await.unwrap();
        assert_eq!(server.await.unwrap(), "VECSET a 1");
    });
}

#[test]
fn a_unix_socket_that_is_not_there_is_named() {
    run(async {
        let error = Client::connect("unix:/nowhere/cairn.sock").await.unwrap_err();
        assert!(error.to_string().contains("unix:/nowhere/cairn.sock"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Retry);
    });
}

#[test]
fn an_address_that_is_none_is_a_mistake_in_the_input() {
    run(async {
        let error = Client::connect_with("no port", &crate::fake::patient()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    });
}

#[test]
fn a_name_is_resolved() {
    run(async {
        let listener = tokio::net::TcpListener::bind("localhost:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut lines, mut out) = split(stream);
            lines.next_line().await.unwrap();
            out.write_all(b"OK INFO\r\nEND\r\n").await.unwrap();
        });
        Client::connect(("localhost", port)).await.unwrap().info().await.unwrap();
    });
}
