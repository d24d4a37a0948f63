//! Pins, prunes and schedules, over the wire.

use crate::running::{Running, config, fill, head, refused, run};
use cairn_client::{Block, Client, Create, Prune};
use cairn_disk::Storage;
use cairn_server::config::ScheduleConfig;
use cairn_server::{Config, Failure};
use std::path::Path;

fn prune(words: &[(&str, &str)], dry_run: bool) -> Prune {
    let policy = words.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Prune { policy, tag: None, dry_run }
}

fn schedules(yaml: &str) -> Vec<ScheduleConfig> {
    Config::parse(yaml, "c.yaml").unwrap().0.snapshot.schedules
}

/// The line of a schedule once it has run so often, or failed.
async fn ran(client: &mut Client, word: &str) -> String {
    loop {
        let block: Block = client.snapshot_schedule().await.unwrap();
        if let Some(line) = block.lines.iter().find(|line| line.contains(word)) {
            return line.clone();
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn pins_keep_snapshots_from_prunes_and_deletes() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        fill(&mut client).await;
        for name in ["one", "two", "three"] {
            client.snapshot_create(&Create { name: Some(name.into()), ..Create::default() }).await.unwrap();
        }
        let pinned = client.snapshot_pin("one", "the \"first\"").await.unwrap();
        assert_eq!(pinned.head, "OK SNAPSHOT_PINNED snap-2025-01-18-120000");
        let info = client.snapshot_info("one").await.unwrap();
        assert_eq!(info.get("pin_note"), Some("the \"first\""));
        assert!(client.snapshot_list().await.unwrap().lines[2].contains(" pinned=on "));
        assert!(refused(&mut client, "SNAPSHOT DELETE one").await.contains("is pinned (the \"first\")"));

        let plan = client.snapshot_prune(&prune(&[("keep_last", "1")], true)).await.unwrap();
        assert_eq!(plan.head, "OK SNAPSHOT_PRUNE_PLAN 1");
        let lines = &plan.lines[plan.lines.len() - 3..];
        assert_eq!(lines[0], "keep id=snap-2025-01-18-120000-3 reasons=newest-good,last");
        assert_eq!(lines[1], "keep id=snap-2025-01-18-120000 reasons=pinned");
        assert_eq!(lines[2], "remove id=snap-2025-01-18-120000-2");
        assert_eq!(client.snapshot_list().await.unwrap().lines.len(), 3);
        let done = client.snapshot_prune(&prune(&[("keep_last", "1")], false)).await.unwrap();
        assert_eq!((done.head.as_str(), done.number("kept")), ("OK SNAPSHOT_PRUNED 1", Some(2)));
        assert_eq!(client.snapshot_list().await.unwrap().lines.len(), 2);

        client.snapshot_unpin("one").await.unwrap();
        assert!(refused(&mut client, "SNAPSHOT UNPIN one").await.contains("is not pinned"));
        client.snapshot_pin("one", "").await.unwrap();
        client.snapshot_delete_pinned("one").await.unwrap();
        assert_eq!(head(client.snapshot_list().await), "OK SNAPSHOTS 1");
        server.stop().await;
    });
}

#[test]
fn without_schedules_there_are_none() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        assert_eq!(head(client.snapshot_schedule().await), "OK SNAPSHOT_SCHEDULES 0");
        assert_eq!(client.info().await.unwrap().get("snapshot_next_run"), None);
        server.stop().await;
    });
}

#[test]
fn a_first_automatic_dump_and_a_first_snapshot_are_made_at_once() {
    run(async {
        let mut config = config();
        (config.snapshot.interval_sec, config.snapshot.retain) = (3600, 2);
        config.snapshot.schedules =
            schedules("snapshot: {schedule: [{name: hourly, every: 2h, keep_last: 3}]}");
        let server = Running::start_with(config).await;
        let mut client = server.client().await;
        let auto = ran(&mut client, "name=auto kind=dump when=\"every 1h\" keeps=retain=2 next=2025").await;
        assert!(auto.contains(" next=2025-01-18T13:00:00Z last_success=2025-01-18T12:00:00Z "), "{auto}");
        let ours = ran(&mut client, "runs=1 failures=0 last_failure=none").await;
        assert!(ours.starts_with("name="), "{ours}");
        let ours = ran(
            &mut client,
            "name=hourly kind=snapshot when=\"every 2h\" keeps=keep_last=3 next=2025-01-18T14",
        )
        .await;
        assert!(ours.contains("runs=1"), "{ours}");
        assert_eq!(
            head(client.dump_verify("auto_20250118_120000.snapshot").await).split(' ').next(),
            Some("OK")
        );
        assert_eq!(client.snapshot_list().await.unwrap().lines.len(), 1);
        let info = client.info().await.unwrap();
        assert_eq!(info.get("snapshot_last_success"), Some("2025-01-18T12:00:00Z"));
        assert_eq!(
            (info.number("snapshot_failures"), info.number("snapshot_age_seconds")),
            (Some(0), Some(0))
        );
        assert_eq!(info.get("snapshot_next_run"), Some("2025-01-18T13:00:00Z"));
        server.stop().await;
    });
}

#[test]
fn schedules_of_a_file_are_taken_over_when_it_is_read_again() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        let mut new = config();
        new.snapshot.schedules = schedules("snapshot: {schedule: [{name: hourly, every: 2h}]}");
        let reloaded = server.live.reload(&new).unwrap();
        assert_eq!((reloaded.changed, reloaded.restart), (vec!["snapshot.schedule"], vec![]));
        ran(&mut client, "name=hourly kind=snapshot when=\"every 2h\" keeps=all next=2025-01-18T14:00:00Z")
            .await;
        // Only the second is other than it was: the first goes on, with what it counted.
        let text = "snapshot: {schedule: [{name: hourly, every: 2h}, {name: daily, cron: \"0 2 * * *\"}]}";
        new.snapshot.schedules = schedules(text);
        assert_eq!(server.live.reload(&new).unwrap().changed, ["snapshot.schedule"]);
        ran(&mut client, "name=daily kind=snapshot when=\"cron 0 2 * * * UTC\" keeps=all next=2025").await;
        assert!(ran(&mut client, "name=hourly").await.contains(" runs=1 failures=0 "));
        assert_eq!(server.live.reload(&new).unwrap().changed, Vec::<&str>::new());
        // What the list of names does not show is a change, too.
        new.snapshot.schedules = schedules(&text.replace("2h", "3h"));
        assert_eq!(server.live.reload(&new).unwrap().changed, ["snapshot.schedule"]);
        ran(&mut client, "name=hourly kind=snapshot when=\"every 3h\" keeps=all next=2025-01-18T15:00:00Z")
            .await;
        server.live.reload(&config()).unwrap();
        while head(client.snapshot_schedule().await) != "OK SNAPSHOT_SCHEDULES 0" {
            tokio::task::yield_now().await;
        }
        assert_eq!(client.snapshot_list().await.unwrap().lines.len(), 1);
        server.stop().await;
    });
}

#[test]
fn automatic_dumps_begin_when_their_interval_is_set() {
    run(async {
        let server = Running::start().await;
        let mut client = server.client().await;
        client.request("SET snapshot.interval_sec 600").await.unwrap();
        ran(&mut client, "name=auto kind=dump when=\"every 10m\" keeps=retain=3 next=2025-01-18T12:10:00Z")
            .await;
        client.request("SET snapshot.retain 5").await.unwrap();
        ran(&mut client, "name=auto kind=dump when=\"every 10m\" keeps=retain=5 ").await;
        let message = refused(&mut client, "SET snapshot.schedule []").await;
        assert_eq!(message, "Variable is immutable: snapshot.schedule (change the file and send SIGHUP)");
        server.stop().await;
    });
}

#[test]
fn a_failed_one_is_shown_and_tried_again() {
    run(async {
        let mut config = config();
        config.snapshot.repository = Some("/taken".into());
        config.snapshot.schedules = schedules("snapshot: {schedule: [{name: hourly, every: 1h}]}");
        let disk = cairn_disk::SimDisk::new(1);
        disk.write_file(Path::new("/taken"), b"a file");
        let server = Running::start_on(disk, config).await;
        let mut client = server.client().await;
        let line = ran(&mut client, "failures=1").await;
        assert!(
            line.contains("last_failure=2025-01-18T12:00:00Z error=") && line.contains("/taken"),
            "{line}"
        );
        assert!(line.contains(" next=2025-01-18T12:00:01Z last_success=none runs=0 "), "{line}");
        let info = client.info().await.unwrap();
        assert!(info.get("snapshot_error").unwrap().contains("/taken"));
        server.stop().await;
    });
}

#[test]
fn automatic_dumps_are_told_from_others_by_their_exact_name() {
    let disk = cairn_disk::SimDisk::new(1);
    let names = [
        "auto_20250118_120000.snapshot",
        "auto_20250118_120000-2.snapshot",
        "auto_20240118_120000.snapshot",
        "auto_20250118_120000-1.snapshot",
        "auto_20250118_120000-02.snapshot",
        "auto_20251318_120000.snapshot",
        "auto_2025118_120000.snapshot",
        "auto_20250118_120000.nvec",
        "auto_notes.snapshot",
        "backup.snapshot",
        ".auto_20250118_120000.snapshot.1.unfinished",
    ];
    disk.create_dir_all(Path::new("/d")).unwrap();
    names.iter().for_each(|name| disk.write_file(&Path::new("/d").join(name), b"x"));
    let found = cairn_snapshot::auto_dumps(&disk, Path::new("/d")).unwrap();
    let found: Vec<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(found, [names[2], names[0], names[1]]);
    assert!(cairn_snapshot::auto_dumps(&disk, Path::new("/none")).unwrap().is_empty());
}

#[test]
fn a_schedule_is_read_or_refused_with_its_line() {
    let text = "snapshot:\n  schedule:\n    - {name: hourly, every: 1h, keep_last: 24, jitter: 5m}\n    - name: nightly\n      cron: \"0 2 * * *\"\n      time_zone: Europe/Berlin\n      keep_daily: 14\n      max_age: 365d\n      compression: gzip\n";
    let found = schedules(text);
    assert_eq!(found.iter().map(|s| s.tag()).collect::<Vec<_>>(), ["schedule:hourly", "schedule:nightly"]);
    assert_eq!((found[0].policy.keep_last, found[0].schedule.jitter.as_secs()), (24, 300));
    assert_eq!((found[1].policy.keep_daily, found[1].policy.time_zone.name()), (14, "Europe/Berlin"));
    for (item, message) in [
        ("{every: 1h}", "expected a name"),
        ("{name: a}", "a: expected one of every and cron"),
        ("{name: a, every: 1h, cron: '* * * * *'}", "a: expected one of every and cron"),
        ("{name: a, every: 1h, keep_lst: 3}", "keep_lst: unknown key; did you mean keep_last?"),
        ("{name: a, every: 1h, incremental: perhaps}", "incremental: expected true or false, got perhaps"),
        ("{name: a b, every: 1h}", "name: expected 1 to 64 letters"),
        ("{name: a, every: soon}", "every: expected a duration"),
        ("{name: a, cron: '0 2 * *'}", "cron: expected five fields"),
        ("{name: a, every: 1h, time_zone: Mars}", "time_zone: time zone: expected a name"),
        ("{name: a, every: 1h, keep_last: many}", "keep_last: Invalid keep_last"),
        ("x", "expected name, every or cron"),
        ("{name: a, every: 1h}\n    - {name: a, every: 2h}", "two are called a"),
    ] {
        let error = Config::parse(&format!("snapshot:\n  schedule:\n    - {item}\n"), "c.yaml").unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("c.yaml:") && text.contains(message), "{item}: {text}");
    }
    assert!(
        Config::parse("snapshot: {schedule: 5}", "c.yaml")
            .unwrap_err()
            .to_string()
            .contains("a list of schedules")
    );
}

#[test]
fn a_policys_words_are_shown_as_they_are_read() {
    let mut policy = cairn_snapshot::RetentionPolicy::default();
    for (name, value) in
        [("keep_last", "7"), ("keep_within", "48h"), ("max_age", "30d"), ("remove_damaged", "on")]
    {
        assert!(cairn_server::take_policy(&mut policy, name, value).unwrap());
    }
    let text = cairn_server::policy_text(&policy);
    assert_eq!(text, "keep_last=7,keep_within=48h,max_age=720h,remove_damaged=on");
    let refused: Failure = cairn_server::take_policy(&mut policy, "keep_within", "3").unwrap_err();
    assert!(refused.message.contains("48h or 30d"), "{refused}");
    assert!(!cairn_server::take_policy(&mut policy, "colour", "red").unwrap());
}
