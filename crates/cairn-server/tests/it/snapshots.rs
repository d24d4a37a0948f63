//! SNAPSHOT over the wire.

use crate::running::{Running, config, fill, head, refused, run, state_hash};
use cairn_client::{Compression, Create};
use cairn_disk::SimDisk;

fn named(name: &str) -> Create {
    Create { name: Some(name.into()), ..Create::default() }
}

#[test]
fn create_list_info_verify_restore_delete() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let (before, timeline) = {
            let check = client.check().await.unwrap();
            (check.get("state_hash").unwrap().to_owned(), check.get("timeline").unwrap().to_owned())
        };
        let description = Some("before \"it\"".into());
        let made = client.snapshot_create(&Create { description, ..named("daily") }).await.unwrap();
        assert_eq!(made.head, "OK SNAPSHOT_CREATED snap-2025-01-18-120000");
        assert_eq!((made.get("name"), made.get("type")), (Some("daily"), Some("full")));
        assert_eq!((made.number("vectors"), made.number("events")), (Some(20), Some(20)));
        assert_eq!(client.info().await.unwrap().get("last_snapshot"), Some("snap-2025-01-18-120000"));

        let listed = client.snapshot_list().await.unwrap();
        assert_eq!((listed.head.as_str(), listed.lines.len()), ("OK SNAPSHOTS 1", 1));
        assert!(
            listed.lines[0]
                .starts_with("id=snap-2025-01-18-120000 type=full created_at=2025-01-18T12:00:00Z ")
        );
        assert!(listed.lines[0].contains(" compression=zstd path="));
        assert!(listed.lines[0].ends_with("/snapshots/snap-2025-01-18-120000 name=daily"));

        for asked in ["daily", "snap-2025-01-18-120000"] {
            let info = client.snapshot_info(asked).await.unwrap();
            assert_eq!(info.head, "OK SNAPSHOT_INFO snap-2025-01-18-120000");
            assert_eq!(
                (info.lines.len(), info.get("description")),
                (made.lines.len(), Some("before \"it\""))
            );
            assert_eq!(head(client.snapshot_verify(asked).await), "OK SNAPSHOT_VALID snap-2025-01-18-120000");
        }

        client.vecset("later", &[1.0, 2.0, 3.0]).await.unwrap();
        let restored = client.snapshot_restore("daily").await.unwrap();
        assert_eq!(restored.head, "OK SNAPSHOT_RESTORED snap-2025-01-18-120000");
        assert_ne!(restored.get("timeline"), Some(timeline.as_str()));
        assert_eq!(state_hash(&mut client).await, before);
        client.vecset("later", &[1.0, 2.0, 3.0]).await.unwrap();

        let deleted = client.snapshot_delete("daily").await.unwrap();
        assert_eq!(deleted.head, "OK SNAPSHOT_DELETED snap-2025-01-18-120000");
        assert!(deleted.number("parts_removed") > Some(0));
        assert_eq!(head(client.snapshot_list().await), "OK SNAPSHOTS 0");
        assert_eq!(client.info().await.unwrap().get("last_snapshot"), Some("none"));
        server.stop().await;
    });
}

#[test]
fn a_second_one_in_the_same_second_has_its_own_id() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        client.snapshot_create(&Create::default()).await.unwrap();
        let gzip = Create { compression: Some(Compression::Gzip), ..Create::default() };
        let second = client.snapshot_create(&gzip).await.unwrap();
        assert_eq!(second.head, "OK SNAPSHOT_CREATED snap-2025-01-18-120000-2");
        assert_eq!(second.get("compression"), Some("gzip"));
        server.stop().await;
    });
}

#[test]
fn what_does_not_exist_is_named() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        for with_repository in [false, true] {
            for verb in ["INFO", "VERIFY", "RESTORE", "DELETE"] {
                let message = refused(&mut client, &format!("SNAPSHOT {verb} gone")).await;
                assert!(message.starts_with("Snapshot not found: gone"), "{message}");
            }
            if !with_repository {
                client.snapshot_create(&Create::default()).await.unwrap();
            }
        }
        server.stop().await;
    });
}

#[test]
fn damage_is_found_and_a_restore_of_it_changes_nothing() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        client.snapshot_create(&named("x")).await.unwrap();
        let before = state_hash(&mut client).await;
        // The largest one is of the checkpoint.
        let parts = server.disk.files().into_iter().filter(|path| path.to_string_lossy().contains("/parts/"));
        let part = parts.max_by_key(|path| server.disk.read_file(path).len()).unwrap();
        server.disk.flip(&part, 20, 1);
        let error = client.snapshot_verify("x").await.unwrap_err();
        let refusal = error.refusal().unwrap();
        assert!(refusal.message.starts_with("Snapshot x is damaged: "), "{refusal}");
        assert!(refusal.details[0].contains(&part.file_name().unwrap().display().to_string()), "{refusal}");
        let message = refused(&mut client, "SNAPSHOT RESTORE x").await;
        assert!(message.contains("expected: ") && message.contains("actual: "), "{message}");
        assert_eq!(state_hash(&mut client).await, before);
        client.vecset("more", &[1.0, 1.0, 1.0]).await.unwrap();
        server.stop().await;
    });
}

#[test]
fn status_tells_of_the_last_job() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        assert_eq!(client.snapshot_status().await.unwrap().get("status"), Some("idle"));
        client.snapshot_create(&Create::default()).await.unwrap();
        let status = client.snapshot_status().await.unwrap();
        assert_eq!((status.get("status"), status.number("percent")), (Some("completed"), Some(100)));
        assert_eq!(status.get("snapshot"), Some("snap-2025-01-18-120000"));
        server.stop().await;
    });
}

#[test]
fn a_restored_state_is_there_after_a_restart() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        client.snapshot_create(&named("x")).await.unwrap();
        let before = state_hash(&mut client).await;
        client.vecset("later", &[1.0, 2.0, 3.0]).await.unwrap();
        client.snapshot_restore("x").await.unwrap();
        drop(client);
        let disk: SimDisk = server.stop().await;
        let server = Running::start_on(disk, config()).await;
        let mut client = server.client().await;
        assert_eq!(state_hash(&mut client).await, before);
        assert_eq!(client.info().await.unwrap().get("last_snapshot"), Some("snap-2025-01-18-120000"));
        server.stop().await;
    });
}
