//! Which paths a request may name.

use crate::running::{NOW_US, Running, config, fill, refused, run};
use cairn_disk::RealDisk;
use cairn_engine::{Engine, ManualClock, Options};
use cairn_server::{Config, Counters, EngineBackend, Interpreter, Rules};
use std::sync::Arc;

const COMMANDS: [&str; 4] = ["DUMP SAVE", "DUMP LOAD", "DUMP VERIFY", "DUMP INFO"];

#[test]
fn paths_that_lead_out_are_refused_by_every_command() {
    run(async {
        let mut config = config();
        config.snapshot.allowed_dirs = vec!["/backup".into()];
        let server = Running::start_with(config).await;
        let mut client = server.client().await;
        client.dump_save(Some("a.nvec")).await.unwrap();
        server.disk.write_file("/secret".as_ref(), b"secret");
        for command in COMMANDS {
            for path in [
                "../secret",
                "x/../../secret",
                "/secret",
                "/snapshots/../secret",
                "/backup/../secret",
                "..",
                "/",
                "/snapshotsx/a",
            ] {
                let message = refused(&mut client, &format!("{command} {path}")).await;
                assert_eq!(message, "Invalid filepath: path traversal detected", "{command} {path}");
            }
        }
        assert_eq!(server.disk.read_file("/secret".as_ref()), b"secret");
        server.stop().await;
    });
}

#[test]
fn an_allowed_directory_is_allowed() {
    run(async {
        let mut config = config();
        config.snapshot.allowed_dirs = vec!["/backup".into()];
        let server = Running::start_with(config).await;
        server.disk.write_file("/backup/other".as_ref(), b"");
        let mut client = server.client().await;
        let saved = client.dump_save(Some("/backup/a.nvec")).await.unwrap();
        assert_eq!(saved.head, "OK Snapshot saved: /backup/a.nvec");
        client.dump_load("/backup/a.nvec").await.unwrap();
        client.dump_save(Some("/snapshots/b.nvec")).await.unwrap();
        server.stop().await;
    });
}

#[test]
fn files_of_the_database_and_the_repository_are_refused() {
    run(async {
        let mut config = config();
        config.snapshot.allowed_dirs = vec!["/".into()];
        let server = Running::start_with(config).await;
        let mut client = server.client().await;
        fill(&mut client).await;
        client.snapshot_create(&cairn_client::Create::default()).await.unwrap();
        for path in
            ["/db/CURRENT", "/db/x.nvec", "/snapshots/repository/x.nvec", "repository/cairn-repository.json"]
        {
            for command in COMMANDS {
                let message = refused(&mut client, &format!("{command} {path}")).await;
                assert!(message.ends_with("belongs to the database"), "{command} {path}: {message}");
            }
        }
        let listed = client.snapshot_list().await.unwrap();
        assert_eq!(listed.head, "OK SNAPSHOTS 1");
        server.stop().await;
    });
}

#[test]
fn links_that_lead_out_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config { data_dir: dir.path().join("db"), ..config() };
    config.snapshot.dir = dir.path().join("snapshots");
    let disk = Arc::new(RealDisk::new());
    let options = Options { clock: Arc::new(ManualClock::new(NOW_US)), ..Options::default() };
    let engine = Engine::open(Arc::clone(&disk) as _, &config.data_dir, options).unwrap().0;
    let counters = Arc::new(Counters::default());
    let backend = EngineBackend::new(&config, engine, disk, Arc::clone(&counters));
    let mut interpreter = Interpreter::new(Arc::new(Rules::default()), counters);
    let mut ask = |line: &str| {
        let mut out = Vec::new();
        interpreter.handle(format!("{line}\n").as_bytes(), &backend, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert!(ask("DUMP SAVE a.nvec").starts_with("OK Snapshot saved: "));
    let out = dir.path().join("outside");
    std::fs::DirBuilder::new().create(&out).unwrap();
    std::os::unix::fs::symlink(&out, config.snapshot.dir.join("link")).unwrap();
    std::os::unix::fs::symlink(out.join("x.nvec"), config.snapshot.dir.join("file")).unwrap();
    for command in COMMANDS {
        for path in ["link/x.nvec", "file"] {
            let got = ask(&format!("{command} {path}"));
            assert!(
                got.starts_with("(error) Invalid filepath: path traversal detected\r\n"),
                "{command}: {got}"
            );
        }
    }
    assert!(out.read_dir().unwrap().next().is_none());
}
