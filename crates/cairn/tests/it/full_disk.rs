//! A real server on a disk that fills up: writes are refused with an error, nothing is lost, and it goes on once there is
//! space. Where mounting is not allowed this is skipped, and said: there the simulated disk's tests stand alone.

use crate::run::{Server, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory, unmounted when dropped.
struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    /// `None` when this user may not mount.
    fn mount(dir: &Path, megabytes: u32) -> Option<SmallDisk> {
        std::fs::create_dir(dir).unwrap();
        let options = format!("size={megabytes}m");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "cairn-test"]).arg(dir).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| SmallDisk { dir: dir.to_owned() })
    }

    fn grow(&self, megabytes: u32) {
        let options = format!("remount,size={megabytes}m");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.dir).status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        _ = Command::new("umount").args(["-l"]).arg(&self.dir).status();
    }
}

/// Writes vectors of about 4 KiB, numbered from `from` on, until one is refused; the number of that one, and why.
fn fill(server: &Server, from: usize) -> (usize, String) {
    let zeros = " 0".repeat(1_000);
    for first in (from..from + 20_000).step_by(50) {
        let lines: String = (first..first + 50).map(|n| format!("VECSET v{n} {n}{zeros}\n")).collect();
        for (n, reply) in (first..).zip(server.send(&lines).lines()) {
            if let Some(why) = reply.strip_prefix("(error) ") {
                return (n, why.to_owned());
            }
            assert_eq!(reply, "OK VECSET");
        }
    }
    panic!("the disk is never full");
}

fn fill_topic(server: &Server) -> usize {
    let value = "x".repeat(20_000);
    for n in 0..10_000 {
        let reply = server.send(&format!("TOPIC APPEND t {value}\n"));
        if reply.starts_with("(error) ") {
            assert!(reply.contains("No space left"), "{reply}");
            return n;
        }
    }
    panic!("the disk is never full");
}

fn vectors(data: &str) -> u64 {
    let checked = json(&["check", data]);
    assert_eq!(checked["status"], "whole");
    checked["vectors"].as_u64().unwrap()
}

#[test]
fn a_full_disk_refuses_writes_loses_nothing_and_goes_on_once_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(&dir.path().join("disk"), 12) else {
        println!("SKIPPED: mounting is not allowed here; the tests on SimDisk cover a full disk");
        return;
    };
    let ballast = disk.dir.join("ballast");
    std::fs::write(&ballast, vec![0; 3 << 20]).unwrap();
    let data = disk.dir.join("data");
    let path = data.to_str().unwrap().to_owned();
    let server = Server::start(&data);
    assert!(server.send("TOPIC CREATE t\n").starts_with("OK "));

    let (acknowledged, why) = fill(&server, 0);
    assert!(acknowledged > 500 && why.contains("No space left"), "{acknowledged}, {why}");
    // Reads go on, and it is no failure that only a restart mends.
    let checked = server.send("CHECK\n");
    assert!(checked.contains(&format!("vectors: {acknowledged}\r\n")), "reads go on: {checked}");
    let info = server.send("INFO\n");
    assert!(info.contains("poisoned: none") || !info.contains("poisoned"), "{info}");
    let records = fill_topic(&server);

    std::fs::remove_file(&ballast).unwrap();
    let more = server.send("VECSET after 1\n");
    assert!(more.contains("dimension"), "one of another dimension is refused as ever: {more}");
    let (second, why) = fill(&server, acknowledged);
    assert!(second > acknowledged + 300 && why.contains("No space left"), "{second}, {why}");
    server.kill();

    // Opening needs space, and says so where there is none; afterwards all of it is there.
    disk.grow(20);
    assert_eq!(vectors(&path), second as u64);
    let server = Server::start(&data);
    let info = server.send("TOPIC INFO t\n");
    assert!(info.contains(&format!("high_water_mark={records}")), "{records}: {info}");
    let (third, _) = fill(&server, second);
    assert!(third > second + 300, "{third}");
    // An orderly end without room for a checkpoint: the log has everything.
    server.stop("TERM");
    disk.grow(60);
    assert_eq!(vectors(&path), third as u64);
    let server = Server::start(&data);
    assert!(server.send("TOPIC APPEND t again\n").contains(&format!("offset: {records}\r\n")));
    server.stop("TERM");
    assert_eq!(vectors(&path), third as u64);
    println!(
        "{third} acknowledged writes on a disk that was full three times, all there; {records} records of a topic"
    );
}
