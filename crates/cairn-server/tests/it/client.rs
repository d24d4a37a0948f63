//! The client's care, with a real server: errors by kind, restarts, topics, both dialects.

use crate::running::{Running, config, run};
use cairn_client::{Client, ErrorKind, Op, Options, Reconnect, Reply, Sim, Using};
use cairn_server::Dialect;
use std::time::Duration;

fn patient() -> Options {
    let reconnect = Reconnect {
        attempts: 20,
        delay_first: Duration::from_millis(2),
        delay_max: Duration::from_millis(100),
        repeat_writes: false,
    };
    Options { reconnect: Some(reconnect), ..Options::default() }
}

#[test]
fn refusals_of_a_server_have_their_kinds_and_the_connection_goes_on() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        client.vecset("a", &[1.0, 0.0]).await.unwrap();
        for (line, kind) in [
            ("SIM nobody 5", ErrorKind::NotFound),
            ("USE nowhere", ErrorKind::NotFound),
            ("VECDEL nobody", ErrorKind::NotFound),
            ("METASET nobody k:v", ErrorKind::NotFound),
            ("SNAPSHOT INFO never", ErrorKind::NotFound),
            ("DUMP LOAD none.nvec", ErrorKind::NotFound),
            ("DUMP VERIFY none.nvec", ErrorKind::NotFound),
            ("TOPIC READ none 0 0", ErrorKind::NotFound),
            ("COLLECTION UNALIAS none", ErrorKind::NotFound),
            ("TIMELINE RECOVER 99999", ErrorKind::NotFound),
            ("COLLECTION CREATE default", ErrorKind::Exists),
            ("SIM a 100000", ErrorKind::Limit),
            ("VECSET a 1", ErrorKind::Input),
            ("VECSET a x 1", ErrorKind::Input),
            ("EVENT c ADD a 101", ErrorKind::Input),
            ("FOO", ErrorKind::Input),
        ] {
            let Reply::Error(refusal) = client.request(line).await.unwrap() else { panic!("{line}") };
            assert_eq!(refusal.kind(), kind, "{line}: {refusal}");
        }
        client.event("c", Op::Add, "a", 1, None).await.unwrap();
        server.stop().await;
    });
}

#[test]
fn a_restarted_server_is_found_again_with_the_collection_that_was_used() {
    run(async {
        let server = Running::start().await;
        let addr = server.addr;
        let mut client = Client::connect_with(addr, &patient()).await.unwrap();
        client.collection_create("books", &[("dimension", "2")]).await.unwrap();
        client.use_collection("books").await.unwrap();
        client.vecset("a", &[1.0, 0.0]).await.unwrap();
        let disk = server.stop().await;
        let mut same = config();
        same.tcp.port = addr.port();
        let server = Running::start_on(disk, same).await;
        let hits = client.simv(&[1.0, 0.0], 1, &Sim::default()).await.unwrap();
        assert_eq!(hits[0].id, "a");
        client.vecset("b", &[0.0, 1.0]).await.unwrap();
        assert_eq!(client.collection_stats("books").await.unwrap().number("vectors"), Some(2));
        server.stop().await;
    });
}

#[test]
fn replies_that_came_before_a_stop_are_known_and_nothing_else_was_promised() {
    run(async {
        let server = Running::start().await;
        let addr = server.addr;
        let mut client = Client::connect(addr).await.unwrap();
        let lines: Vec<String> = (0..20_000).map(|n| format!("VECSET v{n} {n} 1")).collect();
        let mut replies = Vec::new();
        let writing = client.pipeline_into(&lines, &mut replies);
        let stopping = async {
            // Once something is acknowledged.
            let mut other = server.client().await;
            while other.check().await.unwrap().number("vectors") == Some(0) {}
            drop(other);
            server.stop().await
        };
        let (written, disk) = tokio::join!(writing, stopping);
        if let Err(error) = &written {
            assert_eq!(error.kind(), ErrorKind::Unknown, "{error}");
        }
        let acknowledged = replies.iter().filter(|reply| matches!(reply, Reply::Ok(_))).count() as u64;
        let server = Running::start_on(disk, config()).await;
        let there = server.client().await.check().await.unwrap().number("vectors").unwrap();
        assert!(acknowledged >= 1 && there >= acknowledged, "{acknowledged} acknowledged, {there} there");
        server.stop().await;
    });
}

#[test]
fn records_of_a_topic_come_back_as_they_were() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        client.topic_create("orders", &[("partitions", "2"), ("compaction", "key")]).await.unwrap();
        let values = [Some("two \"small\" \\ apples"), Some(""), Some("key=x"), None];
        for (n, value) in values.into_iter().enumerate() {
            let at = client.topic_append("orders", Some(1), Some("k 1"), value).await.unwrap();
            assert_eq!((at.partition, at.offset), (1, n as u64));
        }
        let fetched = client.topic_read("orders", 1, 0, 10).await.unwrap();
        let read: Vec<_> = fetched.records.iter().map(|record| record.value.clone()).collect();
        assert_eq!(read, values.map(|value| value.map(|text| text.as_bytes().to_vec())));
        assert!(fetched.records.iter().all(|record| record.key.as_deref() == Some(b"k 1")));
        assert_eq!((fetched.next_offset, fetched.high_water_mark), (4, 4));
        server.stop().await;
    });
}

#[test]
fn both_dialects_give_the_same_values() {
    run(async {
        for dialect in [Dialect::Documented, Dialect::Nvecd] {
            let mut config = config();
            config.dialect = dialect;
            let server = Running::start_with(config).await;
            let mut client = server.client().await;
            client.vecset("a", &[1.0, 0.0]).await.unwrap();
            client.vecset("b", &[1.0, 0.1]).await.unwrap();
            let using = Sim { using: Some(Using::Vectors), ..Sim::default() };
            assert_eq!(client.sim("a", 1, &using).await.unwrap()[0].id, "b");
            client.dump_save(Some("x.nvec")).await.unwrap();
            client.dump_verify("x.nvec").await.unwrap();
            let info = client.dump_info("x.nvec").await.unwrap();
            assert_eq!(info.number("vector_store_count"), Some(2));
            let missing = client.dump_verify("none.nvec").await.unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound, "{dialect:?}: {missing}");
            client.dump_load("x.nvec").await.unwrap();
            server.stop().await;
        }
    });
}
