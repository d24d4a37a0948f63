//! TLS, of HTTP and of the line protocol.

use crate::http_client::{http_config, send_on};
use crate::running::{Running, engine, run};
use cairn_disk::{SimDisk, Storage};
use cairn_server::{Config, Server};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

fn put(disk: &SimDisk, path: &str, text: &str) {
    let path = Path::new(path);
    disk.create_dir_all(path.parent().unwrap()).unwrap();
    let file = disk.create(path).unwrap();
    file.append(text.as_bytes()).unwrap();
}

/// A disk with a certificate for localhost, a client that trusts it, and a configuration that uses it.
fn certified() -> (SimDisk, TlsConnector, Config) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let disk = SimDisk::new(1);
    put(&disk, "/tls/cert.pem", &cert.pem());
    put(&disk, "/tls/key.pem", &signing_key.serialize_pem());
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut config = http_config();
    (config.http.tls, config.tls.tcp) = (true, true);
    config.tls.cert_file = Some("/tls/cert.pem".into());
    config.tls.key_file = Some("/tls/key.pem".into());
    (disk, TlsConnector::from(Arc::new(client)), config)
}

async fn connect(connector: &TlsConnector, addr: std::net::SocketAddr) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, TcpStream::connect(addr).await.unwrap()).await.unwrap()
}

#[test]
fn both_listeners_speak_inside_tls_and_nothing_outside_it() {
    run(async {
        let (disk, connector, config) = certified();
        let running = Running::start_on(disk, config).await;
        let addr = running.http.unwrap();
        let stream = connect(&connector, addr).await;
        let kind = [("content-type", "application/json")];
        let body = b"{\"id\":\"a\",\"vector\":[1,0]}".to_vec();
        send_on(stream, addr, "POST", "/vecset", &kind, body).await.ok();
        let mut lines = connect(&connector, running.addr).await;
        lines.write_all(b"SIMV 1 1 0\r\n").await.unwrap();
        let mut answer = [0; 24];
        lines.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"OK RESULTS 1\r\na 1.0000\r\n");
        for addr in [addr, running.addr] {
            let mut plain = TcpStream::connect(addr).await.unwrap();
            plain.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            let _ = plain.read_to_end(&mut answer).await;
            assert!(!answer.starts_with(b"HTTP/") && !answer.starts_with(b"("), "{answer:?}");
        }
        drop(lines);
        running.stop().await;
    });
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    run(async {
        let (disk, _, config) = certified();
        put(&disk, "/tls/none.pem", "no certificate");
        let cases: [(&str, &str, &str); 3] = [
            ("/tls/none.pem", "/tls/key.pem", "tls.cert_file: /tls/none.pem: expected a certificate in PEM"),
            ("/tls/cert.pem", "/tls/none.pem", "tls.key_file: /tls/none.pem: expected a private key in PEM"),
            ("/tls/missing.pem", "/tls/key.pem", "tls.cert_file: "),
        ];
        for (cert, key, message) in cases {
            let mut config = config.clone();
            (config.tls.cert_file, config.tls.key_file) = (Some(cert.into()), Some(key.into()));
            let failed = Server::bind(config.clone(), engine(&disk, &config), Arc::new(disk.clone())).await;
            let failure = failed.unwrap_err().to_string();
            assert!(failure.starts_with(message), "{failure}");
        }
        let config = Config {
            tls: cairn_server::config::TlsConfig { cert_file: None, ..config.tls.clone() },
            ..config
        };
        let failed = Server::bind(config.clone(), engine(&disk, &config), Arc::new(disk.clone())).await;
        assert!(failed.unwrap_err().to_string().starts_with("tls.cert_file: expected a PEM file"));
    });
}
