//! Topics: what is appended and read back.

use crate::fake::{run, scripted};
use cairn_client::{Appended, Client, Error, ErrorKind, TopicRecord};

#[test]
fn typed_commands_send_their_lines() {
    run(async {
        let block: &[u8] = b"OK DONE\r\nEND\r\n";
        let appended: &[u8] = b"OK TOPIC_APPENDED t\r\ntopic: t\r\npartition: 2\r\noffset: 41\r\nEND\r\n";
        let mut replies = vec![block, block, block, block, block, block, block];
        replies.extend([appended, appended, appended]);
        let (addr, server) = scripted(replies).await;
        let mut client = Client::connect(addr).await.unwrap();
        client.topic_create("t", &[("partitions", "4")]).await.unwrap();
        client.topic_list().await.unwrap();
        client.topic_info("t").await.unwrap();
        client.topic_delete("t").await.unwrap();
        client.wal_status().await.unwrap();
        client.wal_sync().await.unwrap();
        client.timeline_list().await.unwrap();
        let at = client.topic_append("t", Some(2), Some("k 1"), Some("say \"x\"")).await.unwrap();
        assert_eq!(at, Appended { partition: 2, offset: 41 });
        client.topic_append("t", None, Some("k"), None).await.unwrap();
        client.topic_append("t", None, None, Some("")).await.unwrap();
        let expected = [
            "TOPIC CREATE t partitions=4",
            "TOPIC LIST",
            "TOPIC INFO t",
            "TOPIC DELETE t",
            "WAL STATUS",
            "WAL SYNC",
            "TIMELINE LIST",
            "TOPIC APPEND t partition=2 key=\"k 1\" \"say \\\"x\\\"\"",
            "TOPIC APPEND t key=\"k\"",
            "TOPIC APPEND t \"\"",
        ];
        assert_eq!(server.await.unwrap(), expected);
    });
}

#[test]
fn records_are_read_whatever_their_bytes() {
    run(async {
        let (addr, _server) = scripted(vec![
            b"OK TOPIC_RECORDS 3\r\nnext_offset: 9\r\nhigh_water_mark: 12\r\noffset=0 time=2025-01-18T12:00:00Z key=\"k 1\" value=\"two \\\"small\\\" = apples\"\r\noffset=7 time=2025-01-18T12:00:01Z value_hex=00ff\r\noffset=8 time=2025-01-18T12:00:02Z key_hex=0a\r\nEND\r\n",
        ])
        .await;
        let mut client = Client::connect(addr).await.unwrap();
        let fetched = client.topic_read("t", 0, 0, 100).await.unwrap();
        assert_eq!((fetched.next_offset, fetched.high_water_mark), (9, 12));
        let record = |offset, second, key: Option<&[u8]>, value: Option<&[u8]>| TopicRecord {
            offset,
            time: format!("2025-01-18T12:00:0{second}Z"),
            key: key.map(Into::into),
            value: value.map(Into::into),
        };
        assert_eq!(
            fetched.records,
            [
                record(0, 0, Some(b"k 1"), Some(b"two \"small\" = apples")),
                record(7, 1, None, Some(&[0, 255])),
                record(8, 2, Some(b"\n"), None),
            ]
        );
    });
}

#[test]
fn records_that_are_garbled_are_errors() {
    run(async {
        for line in [
            "offset=x time=1",
            "offset=1 value=\"open",
            "offset=1 value_hex=0",
            "offset=1 value_hex=zz",
            "offset=1 junk",
        ] {
            let reply =
                format!("OK TOPIC_RECORDS 1\r\nnext_offset: 2\r\nhigh_water_mark: 2\r\n{line}\r\nEND\r\n");
            let (addr, _server) = scripted(vec![Box::leak(reply.into_boxed_str()).as_bytes()]).await;
            let mut client = Client::connect(addr).await.unwrap();
            let error = client.topic_read("t", 0, 0, 1).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{line}: {error}");
        }
    });
}

#[test]
fn a_value_with_a_line_end_is_not_sent() {
    run(async {
        let (addr, server) = scripted(vec![b"OK DONE\r\nEND\r\n"]).await;
        let mut client = Client::connect(addr).await.unwrap();
        assert!(matches!(client.topic_append("t", None, None, Some("a\nb")).await, Err(Error::Input(_))));
        client.topic_list().await.unwrap();
        assert_eq!(server.await.unwrap(), ["TOPIC LIST"]);
    });
}
