//! SNAPSHOT over the wire: incremental ones, single collections, branches, depths of verification.

use crate::running::{Running, fill, refused, run, state_hash};
use cairn_client::Client;

async fn ok(client: &mut Client, line: &str) -> Vec<String> {
    client.lines(line).await.unwrap_or_else(|e| panic!("{line}: {e}")).lines
}

fn value<'a>(lines: &'a [String], key: &str) -> &'a str {
    let prefix = format!("{key}: ");
    lines.iter().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("{key} in {lines:?}"))
}

#[test]
fn an_incremental_one_says_what_it_goes_on_from_and_comes_back() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let first = ok(&mut client, "SNAPSHOT CREATE incremental=on name=first tags=a,b").await;
        assert_eq!((value(&first, "type"), value(&first, "base")), ("full", "-"));
        assert_eq!(value(&first, "full_because"), "there is no snapshot of it yet to go on from");
        assert_eq!((value(&first, "tags"), value(&first, "covers")), ("a,b", "database"));
        client.vecset("later", &[1.0, 2.0, 3.0]).await.unwrap();
        let second = ok(&mut client, "SNAPSHOT CREATE incremental=on name=second").await;
        assert_eq!((value(&second, "type"), value(&second, "base")), ("incremental", value(&first, "id")));
        assert_eq!((value(&second, "changed_vectors"), value(&second, "log_records")), ("1", "1"));
        let before = state_hash(&mut client).await;
        let diff = ok(&mut client, "SNAPSHOT DIFF first second").await;
        assert_eq!(diff[0], "collection=* vectors=+1 events=+0 metadata=+0 contexts=+0 pairs=+0");
        client.vecset("much-later", &[1.0, 2.0, 3.0]).await.unwrap();
        ok(&mut client, "SNAPSHOT DELETE first").await;
        let plan = ok(&mut client, "SNAPSHOT RESTORE second dry_run=on").await;
        assert_eq!((value(&plan, "log_records"), value(&plan, "fits")), ("1", "true"));
        let restored = ok(&mut client, "SNAPSHOT RESTORE second verify=on").await;
        assert_eq!(value(&restored, "collections_restored"), "default");
        assert_eq!(state_hash(&mut client).await, before);
        let message = refused(&mut client, "SNAPSHOT CREATE base=first").await;
        assert!(message.starts_with("Snapshot not found: first"), "{message}");
        server.stop().await;
    });
}

#[test]
fn a_collection_comes_back_beside_the_others_and_a_branch_beside_the_live_state() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        ok(&mut client, "COLLECTION CREATE books dimension=2").await;
        for line in ["USE books", "VECSET a 1 0", "VECSET b 0 1", "USE default"] {
            client.request(line).await.unwrap();
        }
        let made = ok(&mut client, "SNAPSHOT CREATE name=all").await;
        assert_eq!(value(&made, "collections"), "default,books");
        let made = ok(&mut client, "SNAPSHOT CREATE name=books-only collections=books").await;
        assert_eq!((value(&made, "covers"), value(&made, "vectors")), ("collections", "2"));
        let listed = ok(&mut client, "SNAPSHOT LIST collection=books").await;
        assert_eq!(listed.len(), 2);
        assert_eq!(ok(&mut client, "SNAPSHOT LIST collection=films").await.len(), 0);

        let branch = ok(&mut client, "SNAPSHOT RESTORE all branch=on").await;
        let compared = ok(&mut client, &format!("TIMELINE COMPARE {}", value(&branch, "branch"))).await;
        assert_eq!(value(&compared, "equal"), "true");

        let message = refused(&mut client, "SNAPSHOT RESTORE books-only").await;
        assert!(message.starts_with("Collection exists: books"), "{message}");
        let back = ok(&mut client, "SNAPSHOT RESTORE all collection=books-restored from=books").await;
        assert_eq!(
            (value(&back, "collections_restored"), value(&back, "vectors_restored")),
            ("books-restored", "2")
        );
        ok(&mut client, "COLLECTION DROP books").await;
        let back = ok(&mut client, "SNAPSHOT RESTORE books-only").await;
        assert_eq!(value(&back, "collections_restored"), "books");
        let stats = ok(&mut client, "COLLECTION STATS books").await;
        assert_eq!(value(&stats, "vectors"), "2");
        let message = refused(&mut client, "SNAPSHOT RESTORE all collection=films").await;
        assert_eq!(message, "collection films: from expected, one of default, books");
        server.stop().await;
    });
}

#[test]
fn damage_names_every_snapshot_it_is_in_and_less_can_be_read() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let first = ok(&mut client, "SNAPSHOT CREATE name=first").await;
        client.vecset("later", &[1.0, 2.0, 3.0]).await.unwrap();
        let second = ok(&mut client, "SNAPSHOT CREATE incremental=on name=second").await;
        let whole = ok(&mut client, "SNAPSHOT VERIFY ALL").await;
        assert_eq!((value(&whole, "snapshots"), value(&whole, "status")), ("2", "valid"));
        let sizes = ok(&mut client, "SNAPSHOT VERIFY ALL read=sizes").await;
        assert_eq!((value(&sizes, "parts"), value(&sizes, "parts_read")), (value(&whole, "parts"), "0"));
        let share = ok(&mut client, "SNAPSHOT VERIFY ALL read=1%").await;
        assert!(value(&share, "parts_read").parse::<u64>().unwrap() >= 1);

        // The largest one is of the checkpoint, which both share.
        let parts = server.disk.files().into_iter().filter(|path| path.to_string_lossy().contains("/parts/"));
        let part = parts.max_by_key(|path| server.disk.read_file(path).len()).unwrap();
        server.disk.flip(&part, 12, 1);
        ok(&mut client, "SNAPSHOT VERIFY ALL read=sizes").await;
        let error = client.lines("SNAPSHOT VERIFY first").await.unwrap_err();
        let affected = error
            .refusal()
            .unwrap()
            .details
            .iter()
            .find(|line| line.starts_with("affected: "))
            .unwrap()
            .clone();
        for id in [value(&first, "id"), value(&second, "id")] {
            assert!(affected.contains(id), "{affected}");
        }
        let length = server.disk.read_file(&part).len() as u64;
        server.disk.truncate_file(&part, length - 1);
        let message = refused(&mut client, "SNAPSHOT VERIFY ALL read=sizes").await;
        assert!(message.starts_with("Snapshot ALL is damaged: 1 finding"), "{message}");
        server.stop().await;
    });
}

#[test]
fn repositories_elsewhere_are_within_what_is_allowed() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        let message = refused(&mut client, "SNAPSHOT CREATE path=/etc/backups").await;
        assert!(message.starts_with("Invalid filepath"), "{message}");
        let message = refused(&mut client, "SNAPSHOT CREATE path=../elsewhere").await;
        assert!(message.starts_with("Invalid filepath"), "{message}");
        let made = ok(&mut client, "SNAPSHOT CREATE path=hourly").await;
        assert_eq!(ok(&mut client, "SNAPSHOT LIST").await.len(), 0);
        assert_eq!(ok(&mut client, "SNAPSHOT LIST path=hourly").await.len(), 1);
        let id = value(&made, "id");
        ok(&mut client, &format!("SNAPSHOT VERIFY {id} path=hourly")).await;
        ok(&mut client, &format!("SNAPSHOT RESTORE {id} path=hourly")).await;
        server.stop().await;
    });
}
