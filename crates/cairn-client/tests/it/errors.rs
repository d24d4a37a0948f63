//! What errors tell the caller to do.

use crate::fake::{Act, connections, run, scripted};
use cairn_client::{Client, Error, ErrorKind, Options, Refusal};
use std::time::Duration;

#[test]
fn refusals_say_what_can_be_done() {
    for (message, kind) in [
        ("NOAUTH Authentication required", ErrorKind::Auth),
        ("WRONGPASS Invalid password", ErrorKind::Auth),
        ("NOPERM This needs the role admin, and the token's role is read", ErrorKind::Auth),
        ("Address 10.0.0.7 is not allowed (network.allow_cidrs)", ErrorKind::Auth),
        ("LOADING a dump", ErrorKind::Retry),
        ("Cannot save snapshot: read-only mode", ErrorKind::Retry),
        ("DUMP SAVE /x is in progress (42 %): try again later", ErrorKind::Retry),
        ("Too many connections: the maximum is 1000", ErrorKind::SlowDown),
        ("Rate limit exceeded", ErrorKind::SlowDown),
        ("the write's fate is unknown: the server is stopping", ErrorKind::Unknown),
        ("Query vector not found: LOADING", ErrorKind::NotFound),
        ("Collection not found: x (there are: default)", ErrorKind::NotFound),
        ("Snapshot not found: x", ErrorKind::NotFound),
        ("topic `t` does not exist: there are none", ErrorKind::NotFound),
        ("Unknown variable: foo.bar", ErrorKind::NotFound),
        ("Collection exists: books", ErrorKind::Exists),
        ("topic `t` exists already", ErrorKind::Exists),
        ("Quota exceeded: max_vectors is 1000, and so many are there", ErrorKind::Limit),
        ("top_k 1001 exceeds maximum allowed: 1000", ErrorKind::Limit),
        ("Request exceeds maximum allowed length: 16777216 bytes", ErrorKind::Limit),
        ("CRC mismatch: file may be corrupted", ErrorKind::Damaged),
        ("Snapshot daily is damaged: 1 finding", ErrorKind::Damaged),
        ("writes are refused since an earlier failure: EIO; restart to recover", ErrorKind::Unavailable),
        ("READONLY a state of the past", ErrorKind::Unavailable),
        ("Permission denied: /x", ErrorKind::Unavailable),
        ("Unknown command: FOO", ErrorKind::Input),
        ("Vector dimension mismatch: expected 3, got 2", ErrorKind::Input),
        ("Score must be in range [0, 100], got 101", ErrorKind::Input),
    ] {
        let refusal = Refusal { message: message.to_owned(), details: Vec::new() };
        assert_eq!(refusal.kind(), kind, "{message}");
        assert_eq!(Error::Refused(refusal).kind(), kind, "{message}");
    }
}

#[test]
fn a_write_without_an_answer_has_an_unknown_fate() {
    run(async {
        let (addr, _server) = connections(vec![vec![Act::Close]]).await;
        let mut client = Client::connect(addr).await.unwrap();
        let error = client.vecset("a", &[1.0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown);
        assert!(error.to_string().contains("VECSET a 1"), "{error}");
        assert!(
            matches!(error, Error::FateUnknown { source, .. } if matches!(*source, Error::Closed { .. } | Error::Io { .. }))
        );
    });
}

#[test]
fn a_write_that_is_not_answered_in_time_has_an_unknown_fate() {
    run(async {
        let (addr, _server) = connections(vec![vec![Act::Hang]]).await;
        let options = Options { request_timeout: Duration::from_millis(20), ..Options::default() };
        let mut client = Client::connect_with(addr, &options).await.unwrap();
        let error = client.vecset("a", &[1.0]).await.unwrap_err();
        assert!(
            matches!(error, Error::FateUnknown { source, .. } if matches!(*source, Error::Timeout { .. }))
        );
    });
}

#[test]
fn a_password_is_in_no_error_and_no_debug_output() {
    run(async {
        let (addr, _server) = connections(vec![vec![Act::Close]]).await;
        let mut client = Client::connect(addr).await.unwrap();
        let error = client.auth("hunter2").await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        let error = client.auth("hunter2\n").await.unwrap_err();
        assert!(matches!(error, Error::Input(_)) && !format!("{error} {error:?}").contains("hunter2"));
        let options = Options { password: Some("hunter2".into()), ..Options::default() };
        assert!(!format!("{options:?}").contains("hunter2"));
    });
}

#[test]
fn a_refused_password_is_an_error_of_connecting() {
    run(async {
        let (addr, server) = scripted(vec![b"(error) NOAUTH invalid password\r\n"]).await;
        let options = Options { password: Some("wrong".into()), ..Options::default() };
        let error = Client::connect_with(addr, &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert_eq!(server.await.unwrap(), ["AUTH wrong"]);
    });
}

#[test]
fn a_server_that_accepts_and_says_nothing_ends_connecting_in_time() {
    run(async {
        let (addr, _server) = connections(vec![vec![Act::Hang]]).await;
        let options = Options {
            password: Some("x".into()),
            connect_timeout: Duration::from_millis(20),
            ..Options::default()
        };
        let error = Client::connect_with(addr, &options).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { what: "connection", .. }), "{error}");
    });
}
