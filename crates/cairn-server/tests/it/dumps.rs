//! DUMP over the wire.

use crate::running::{Running, config, exists, fill, head, refused, run, state_hash};
use cairn_client::Reply;
use cairn_server::{Config, Dialect};
use std::path::Path;

#[test]
fn save_then_load_brings_the_state_back() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let before = state_hash(&mut client).await;
        let saved = client.dump_save(Some("a.nvec")).await.unwrap();
        assert_eq!(saved.head, "OK Snapshot saved: /snapshots/a.nvec");
        assert_eq!(saved.number("event_store_contexts"), Some(4));
        assert_eq!(saved.number("vector_store_vectors"), Some(20));
        assert!(saved.number("co_occurrence_pairs") > Some(0));
        let size = server.disk.read_file(Path::new("/snapshots/a.nvec")).len();
        assert_eq!(saved.get("size"), Some(format!("{size} bytes").as_str()));

        client.vecset("later", &[1.0, 2.0, 3.0]).await.unwrap();
        assert_ne!(state_hash(&mut client).await, before);
        let loaded = client.dump_load("a.nvec").await.unwrap();
        assert_eq!(loaded.head, "OK Snapshot loaded: 20 events, 20 vectors");
        assert_eq!(loaded.get("replaced"), Some("20 events, 21 vectors"));
        assert_eq!(state_hash(&mut client).await, before);
        // The state is writable again.
        client.vecset("later", &[1.0, 2.0, 3.0]).await.unwrap();
        server.stop().await;
    });
}

#[test]
fn names_are_made_from_the_time_and_never_twice() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        assert_eq!(
            head(client.dump_save(None).await),
            "OK Snapshot saved: /snapshots/dump_20250118_120000.nvec"
        );
        assert_eq!(
            head(client.dump_save(None).await),
            "OK Snapshot saved: /snapshots/dump_20250118_120000-2.nvec"
        );
        server.stop().await;
    });
}

#[test]
fn a_configured_name_wins() {
    run(async {
        let mut config = config();
        config.snapshot.default_filename = Some("nvecd.snapshot".into());
        let server = Running::start_with(config).await;
        let mut client = server.client().await;
        for _ in 0..2 {
            assert_eq!(head(client.dump_save(None).await), "OK Snapshot saved: /snapshots/nvecd.snapshot");
        }
        assert_eq!(
            head(client.dump_verify("nvecd.snapshot").await).split(':').next(),
            Some("OK Snapshot is valid (CRC32")
        );
        server.stop().await;
    });
}

#[test]
fn verify_and_info_tell_of_a_good_file() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        client.dump_save(Some("a.nvec")).await.unwrap();
        let valid = client.dump_verify("a.nvec").await.unwrap();
        assert_eq!(valid.lines, ["status: valid", "crc: verified", "size: verified"]);
        let info = client.dump_info("a.nvec").await.unwrap();
        assert_eq!(info.head, "OK INFO");
        assert_eq!((info.number("version"), info.number("event_store_count")), (Some(1), Some(20)));
        assert_eq!(info.number("vector_store_count"), Some(20));
        assert_eq!(info.get("created_at"), Some("2025-01-18T12:00:00"));
        server.stop().await;
    });
}

#[test]
fn a_damaged_file_is_told_and_leaves_the_state_as_it_was() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        client.dump_save(Some("a.nvec")).await.unwrap();
        let path = Path::new("/snapshots/a.nvec");
        server.disk.flip(path, 100, 0x10);
        let before = state_hash(&mut client).await;

        let error = client.dump_verify("a.nvec").await.unwrap_err();
        let refusal = error.refusal().unwrap();
        assert_eq!(refusal.message, "CRC mismatch: file may be corrupted");
        assert_eq!(refusal.details.len(), 2);
        assert!(refusal.details[0].starts_with("expected: 0x"), "{refusal}");
        assert!(refusal.details[1].starts_with("actual: 0x"), "{refusal}");

        let message = refused(&mut client, "DUMP LOAD a.nvec").await;
        assert!(
            message.starts_with("CRC mismatch: file may be corrupted; file: /snapshots/a.nvec;"),
            "{message}"
        );
        assert_eq!(state_hash(&mut client).await, before);
        client.vecset("item1", &[1.0, 1.0, 1.0]).await.unwrap();

        server.disk.flip(path, 100, 0x10);
        server.disk.flip(path, 4, 3);
        let message = refused(&mut client, "DUMP LOAD a.nvec").await;
        assert!(message.starts_with("Version mismatch: expected 1, got 2"), "{message}");
        server.stop().await;
    });
}

#[test]
fn a_missing_file_is_named() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        for verb in ["LOAD", "VERIFY", "INFO"] {
            assert_eq!(
                refused(&mut client, &format!("DUMP {verb} gone.nvec")).await,
                "File not found: gone.nvec"
            );
        }
        server.stop().await;
    });
}

#[test]
fn status_tells_of_the_last_job() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        assert_eq!(client.dump_status().await.unwrap().get("status"), Some("idle"));
        client.dump_save(Some("a.nvec")).await.unwrap();
        let status = client.dump_status().await.unwrap();
        assert_eq!(status.get("status"), Some("completed"));
        assert_eq!(status.get("filepath"), Some("/snapshots/a.nvec"));
        assert_eq!(
            (status.number("start_time"), status.number("end_time")),
            (Some(1_737_201_600), Some(1_737_201_600))
        );
        assert_eq!((status.number("percent"), status.get("error_message")), (Some(100), Some("")));
        assert!(status.number("bytes_written") > Some(0));
        let _ = refused(&mut client, "DUMP LOAD gone.nvec").await;
        let status = client.dump_status().await.unwrap();
        assert_eq!((status.get("status"), status.get("operation")), (Some("failed"), Some("DUMP LOAD")));
        assert_eq!(status.get("error_message"), Some("File not found: gone.nvec"));
        server.stop().await;
    });
}

#[test]
fn a_full_disk_fails_the_save_and_nothing_else() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        client.dump_save(Some("good.nvec")).await.unwrap();
        server.disk.capacity(Some(0));
        let message = refused(&mut client, "DUMP SAVE full.nvec").await;
        assert!(message.contains("full.nvec") && message.contains("No space left"), "{message}");
        server.disk.capacity(None);
        assert!(!exists(&server.disk, "/snapshots/full.nvec"));
        client.dump_verify("good.nvec").await.unwrap();
        client.vecset("more", &[1.0, 1.0, 1.0]).await.unwrap();
        server.stop().await;
    });
}

#[test]
fn all_collections_are_in_a_dump_and_the_counts_are_of_default() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        client.dump_save(Some("one.nvec")).await.unwrap();
        client.collection_create("books", &[]).await.unwrap();
        client.collection_alias("live", "books").await.unwrap();
        client.collection_create("cache", &[("volatile", "on")]).await.unwrap();
        client.use_collection("live").await.unwrap();
        fill(&mut client).await;
        client.vecset("more", &[1.0, 2.0, 3.0]).await.unwrap();
        let before = state_hash(&mut client).await;
        let saved = client.dump_save(Some("two.nvec")).await.unwrap();
        assert_eq!((saved.number("vector_store_vectors"), saved.number("collections")), (Some(20), Some(2)));
        let info = client.dump_info("two.nvec").await.unwrap();
        assert_eq!((info.number("event_store_count"), info.number("collections")), (Some(20), Some(2)));

        let loaded = client.dump_load("one.nvec").await.unwrap();
        assert_eq!(loaded.get("replaced"), Some("20 events, 20 vectors"));
        assert_eq!(
            (loaded.get("collections"), loaded.get("replaced_collections")),
            (None, Some("books,cache"))
        );
        let gone = refused(&mut client, "VECSET x 1 1 1").await;
        assert_eq!(gone, "Collection not found: live (there are: default)");

        let loaded = client.dump_load("two.nvec").await.unwrap();
        assert_eq!((loaded.get("collections"), loaded.get("replaced_collections")), (Some("2"), None));
        assert_eq!(state_hash(&mut client).await, before);
        // The connection still means live, which is there again.
        client.vecdel("more").await.unwrap();
        server.stop().await;
    });
}

#[test]
fn a_load_keeps_the_index_that_default_was_given() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        client.dump_save(Some("flat.nvec")).await.unwrap();
        client.collection_configure("default", &[("index", "graph")]).await.unwrap();
        client.dump_save(Some("graph.nvec")).await.unwrap();
        client.dump_load("flat.nvec").await.unwrap();
        let index = |stats: cairn_client::Block| stats.get("index").unwrap().to_owned();
        assert_eq!(index(client.collection_stats("default").await.unwrap()), "graph");
        client.collection_configure("default", &[("index", "flat")]).await.unwrap();
        client.dump_load("graph.nvec").await.unwrap();
        assert_eq!(index(client.collection_stats("default").await.unwrap()), "graph");
        server.stop().await;
    });
}

#[test]
fn nvecds_dialect_answers_in_one_line() {
    run(async {
        let server = Running::start_with(Config { dialect: Dialect::Nvecd, ..config() }).await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let line = |reply: Reply| match reply {
            Reply::Ok(line) => line.into_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            line(client.request("DUMP SAVE a.nvec").await.unwrap()),
            "OK DUMP_SAVED /snapshots/a.nvec"
        );
        assert_eq!(
            line(client.request("DUMP VERIFY a.nvec").await.unwrap()),
            "OK DUMP_VERIFIED /snapshots/a.nvec"
        );
        assert_eq!(
            line(client.request("DUMP LOAD a.nvec").await.unwrap()),
            "OK DUMP_LOADED /snapshots/a.nvec"
        );
        let info = client.dump_info("a.nvec").await.unwrap();
        assert_eq!(info.head, "OK DUMP_INFO /snapshots/a.nvec");
        assert_eq!(info.number("timestamp"), Some(1_737_201_600));
        assert_eq!(client.dump_status().await.unwrap().head, "OK DUMP_STATUS");
        assert_eq!(refused(&mut client, "DUMP VERIFY gone").await, "File not found: gone");
        server.stop().await;
    });
}
