//! Lost connections: what is sent again, and what never is.

use crate::fake::{Act, connections, patient, run};
use cairn_client::{Client, Error, ErrorKind, Op, Options, Reconnect, Reply, Sim};
use std::time::Duration;

const HIT: Act = Act::Say(b"OK RESULTS 1\r\nb 0.5000\r\n");
const VECSET: Act = Act::Say(b"OK VECSET\r\n");

fn got(lines: &[(usize, String)]) -> Vec<(usize, &str)> {
    lines.iter().map(|(n, line)| (*n, line.as_str())).collect()
}

#[test]
fn a_read_is_sent_again_on_a_new_connection() {
    run(async {
        let (addr, server) = connections(vec![vec![Act::Close], vec![HIT]]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        assert_eq!(client.sim("a", 5, &Sim::default()).await.unwrap()[0].id, "b");
        assert_eq!(got(&server.await.unwrap()), [(0, "SIM a 5"), (1, "SIM a 5")]);
    });
}

#[test]
fn a_read_whose_reply_is_cut_is_sent_again() {
    run(async {
        let cut = Act::SayAndClose(b"OK RESULTS 2\r\nb 0.5000\r\nc 0.");
        let (addr, _server) = connections(vec![vec![cut], vec![HIT]]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        assert_eq!(client.sim("a", 5, &Sim::default()).await.unwrap().len(), 1);
    });
}

#[test]
fn a_write_is_never_sent_again_by_itself() {
    run(async {
        let (addr, server) = connections(vec![vec![Act::Close], vec![VECSET]]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        let error = client.vecset("a", &[1.0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown);
        // The caller looked, and decided.
        client.vecset("b", &[1.0]).await.unwrap();
        assert_eq!(got(&server.await.unwrap()), [(0, "VECSET a 1"), (1, "VECSET b 1")]);
    });
}

#[test]
fn a_write_is_sent_again_when_the_caller_allows_it() {
    run(async {
        let (addr, server) = connections(vec![vec![Act::Close], vec![VECSET]]).await;
        let reconnect = patient().reconnect.map(|r| Reconnect { repeat_writes: true, ..r });
        let options = Options { reconnect, ..patient() };
        let mut client = Client::connect_with(addr, &options).await.unwrap();
        client.vecset("a", &[1.0]).await.unwrap();
        assert_eq!(got(&server.await.unwrap()), [(0, "VECSET a 1"), (1, "VECSET a 1")]);
    });
}

#[test]
fn what_is_not_the_same_twice_is_not_sent_again_even_then() {
    run(async {
        let (addr, _server) = connections(vec![vec![Act::Close], vec![]]).await;
        let reconnect = patient().reconnect.map(|r| Reconnect { repeat_writes: true, ..r });
        let mut client = Client::connect_with(addr, &Options { reconnect, ..patient() }).await.unwrap();
        let error = client.topic_append("t", None, None, Some("x")).await.unwrap_err();
        assert!(matches!(error, Error::FateUnknown { .. }), "{error}");
    });
}

#[test]
fn a_write_on_a_connection_that_was_closed_before_goes_out_on_a_new_one() {
    run(async {
        let (addr, server) = connections(vec![vec![VECSET]]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        client.vecset("a", &[1.0]).await.unwrap();
        assert_eq!(server.await.unwrap().len(), 1);
        let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
        let next = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut lines, mut out) = crate::fake::split(stream);
            let line = lines.next_line().await.unwrap().unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut out, b"OK VECSET\r\n").await.unwrap();
            line
        });
        client.vecset("b", &[2.0]).await.unwrap();
        assert_eq!(next.await.unwrap(), "VECSET b 2");
    });
}

#[test]
fn password_collection_and_debug_are_said_again() {
    run(async {
        let ok = Act::Say(b"+OK\r\n");
        let used = Act::Say(b"OK USE books\r\n");
        let debug = Act::Say(b"OK DEBUG_ON\r\n");
        let explained = Act::Say(
            b"OK RESULTS 0\r\n# DEBUG 4\r\nmode: events\r\nquery_time_us: 7\r\ncandidates: 2\r\nresults: 0\r\n",
        );
        let (addr, server) =
            connections(vec![vec![ok, used, debug, Act::Close], vec![ok, used, debug, explained]]).await;
        let options = Options { password: Some("p w".into()), ..patient() };
        let mut client = Client::connect_with(addr, &options).await.unwrap();
        client.use_collection("books").await.unwrap();
        client.debug(true).await.unwrap();
        let (_, told) = client.sim_debug("a", 1, &Sim::default()).await.unwrap();
        assert_eq!(told.unwrap().query_time_us, 7);
        let lines = ["AUTH p w", "USE books", "DEBUG ON", "SIM a 1"];
        let want: Vec<_> = (0..2).flat_map(|n| lines.map(|line| (n, line))).collect();
        assert_eq!(got(&server.await.unwrap()), want);
    });
}

#[test]
fn what_auth_said_is_said_again_and_use_default_is_forgotten() {
    run(async {
        let ok = Act::Say(b"+OK\r\n");
        let (addr, server) = connections(vec![vec![ok, ok, ok, Act::Close], vec![ok, HIT]]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        client.auth("x").await.unwrap();
        client.use_collection("books").await.unwrap();
        client.use_collection("default").await.unwrap();
        client.sim("a", 1, &Sim::default()).await.unwrap();
        assert_eq!(got(&server.await.unwrap())[4..], [(1, "AUTH x"), (1, "SIM a 1")]);
    });
}

#[test]
fn a_collection_that_is_gone_stops_the_request_instead_of_meaning_another() {
    run(async {
        let gone = Act::Say(b"(error) Collection not found: books (there are: default)\r\n");
        let used = Act::Say(b"OK USE books\r\n");
        let (addr, server) = connections(vec![vec![used, Act::Close], vec![gone]]).await;
        let options = Options { collection: Some("books".into()), ..patient() };
        let mut client = Client::connect_with(addr, &options).await.unwrap();
        let error = client.sim("a", 1, &Sim::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert_eq!(got(&server.await.unwrap())[1..], [(0, "SIM a 1"), (1, "USE books")]);
    });
}

#[test]
fn attempts_are_bounded() {
    run(async {
        let (addr, server) = connections(vec![vec![Act::Close]; 4]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        let error = client.info().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
        assert_eq!(server.await.unwrap().len(), 4);
    });
}

#[test]
fn a_server_that_comes_back_is_found_again() {
    run(async {
        let (addr, server) = connections(vec![vec![Act::Close]]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        assert_eq!(client.info().await.unwrap_err().kind(), ErrorKind::Retry);
        server.await.unwrap();
        let listener = tokio::net::TcpListener::bind(addr).await.unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut lines, mut out) = crate::fake::split(stream);
            lines.next_line().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut out, b"OK INFO\r\nEND\r\n").await.unwrap();
        });
        client.info().await.unwrap();
    });
}

#[test]
fn a_reply_that_is_late_is_not_asked_for_again_but_the_client_goes_on() {
    run(async {
        let (addr, server) = connections(vec![vec![Act::Hang], vec![HIT]]).await;
        let options = Options { request_timeout: Duration::from_millis(30), ..patient() };
        let mut client = Client::connect_with(addr, &options).await.unwrap();
        assert!(matches!(client.info().await, Err(Error::Timeout { what: "reply", .. })));
        client.set_request_timeout(Duration::from_secs(60));
        client.sim("a", 1, &Sim::default()).await.unwrap();
        assert_eq!(got(&server.await.unwrap()), [(0, "INFO"), (1, "SIM a 1")]);
    });
}

#[test]
fn a_request_that_was_given_up_leaves_no_reply_for_the_next() {
    run(async {
        let (addr, _server) = connections(vec![vec![Act::Hang], vec![HIT]]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        let given_up = tokio::time::timeout(Duration::from_millis(20), client.info()).await;
        assert!(given_up.is_err());
        assert_eq!(client.sim("a", 1, &Sim::default()).await.unwrap()[0].id, "b");
    });
}

#[test]
fn a_pipeline_of_reads_goes_on_where_it_was() {
    run(async {
        let (addr, server) = connections(vec![vec![HIT, Act::Close], vec![HIT, HIT]]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        let replies = client.pipeline(&["SIM a 1", "SIM b 1", "SIM c 1"]).await.unwrap();
        assert_eq!(replies.len(), 3);
        assert_eq!(got(&server.await.unwrap())[2..], [(1, "SIM b 1"), (1, "SIM c 1")]);
    });
}

#[test]
fn a_pipeline_of_writes_keeps_what_was_acknowledged_and_says_what_is_unknown() {
    run(async {
        let (addr, _server) = connections(vec![vec![VECSET, Act::Close]]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        let mut replies = Vec::new();
        let lines = ["VECSET a 1", "VECSET b 1", "VECSET c 1"];
        let error = client.pipeline_into(&lines, &mut replies).await.unwrap_err();
        assert_eq!(replies, [Reply::Ok("OK VECSET".into())]);
        assert!(error.to_string().contains("what follows the first 1 of 3 requests"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Unknown);
    });
}

#[test]
fn a_collection_chosen_in_a_pipeline_is_said_again() {
    run(async {
        let used = Act::Say(b"OK USE books\r\n");
        let (addr, server) = connections(vec![vec![used, Act::Close], vec![used, HIT]]).await;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        client.pipeline(&["USE books", "SIM a 1"]).await.unwrap();
        assert_eq!(got(&server.await.unwrap())[2..], [(1, "USE books"), (1, "SIM a 1")]);
    });
}

#[test]
fn without_reconnecting_a_lost_connection_stays_lost() {
    run(async {
        let (addr, _server) = connections(vec![vec![Act::Close], vec![HIT]]).await;
        let mut client = Client::connect(addr).await.unwrap();
        assert!(client.event("c", Op::Add, "a", 1, None).await.is_err());
        assert!(matches!(client.info().await, Err(Error::Broken)));
    });
}

#[test]
fn waits_grow_up_to_their_bound_and_differ() {
    let reconnect = Reconnect {
        attempts: 9,
        delay_first: Duration::from_millis(50),
        delay_max: Duration::from_millis(300),
        repeat_writes: false,
    };
    let longest: Vec<u64> = (0..5)
        .map(|n| (0..400_000).map(|r| reconnect.delay(n, r)).max().unwrap().as_millis() as u64)
        .collect();
    assert_eq!(longest, [50, 100, 200, 300, 300]);
    assert_ne!(reconnect.delay(0, 1), reconnect.delay(0, 2));
    assert!(reconnect.delay(200, u64::MAX) <= Duration::from_millis(300));
}
