//! What `deploy` ships: configurations that load without a notice, and a unit and an image that agree with them.

use cairn_server::config::Config;
use std::path::Path;
use std::time::Duration;

const UNIT: &str = include_str!("../../../../deploy/cairn.service");
const SERVICE: &str = include_str!("../../../../deploy/cairn.yaml");
const CONTAINER: &str = include_str!("../../../../deploy/container.yaml");
const DOCKERFILE: &str = include_str!("../../../../deploy/Dockerfile");

fn loaded(text: &str, name: &str) -> Config {
    let (config, notices) = Config::parse(text, name).unwrap_or_else(|e| panic!("{e}"));
    assert!(notices.is_empty(), "{name}: {}", notices.iter().map(ToString::to_string).collect::<String>());
    config
}

/// The value of a directive of the unit.
fn directive(name: &str) -> &'static str {
    let line = UNIT.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    line.unwrap_or_else(|| panic!("the unit has no {name}"))
}

#[test]
fn the_service_loads_and_writes_only_where_its_unit_lets_it() {
    let config = loaded(SERVICE, "deploy/cairn.yaml");
    let state = Path::new("/var/lib").join(directive("StateDirectory"));
    assert!(config.data_dir.starts_with(&state));
    assert!(config.snapshot.dir.starts_with(&state));
    let runtime = Path::new("/run").join(directive("RuntimeDirectory"));
    assert!(config.unix.path.as_ref().is_some_and(|socket| socket.starts_with(&runtime)));
    // Others neither reach it nor may they connect.
    assert_eq!(config.unix.mode & 0o007, 0);
    assert_eq!(directive("RuntimeDirectoryMode"), "0750");
    assert_eq!(config.snapshot.schedules.len(), 2);
    assert_eq!(directive("ProtectSystem"), "strict");
    assert!(directive("ExecStart").ends_with("serve -c /etc/cairn/cairn.yaml"));
}

#[test]
fn the_container_loads_and_keeps_its_data_in_its_volume() {
    let config = loaded(CONTAINER, "deploy/container.yaml");
    let volume = DOCKERFILE.lines().find_map(|line| line.strip_prefix("VOLUME ")).expect("a volume");
    assert!(config.data_dir.starts_with(volume) && config.snapshot.dir.starts_with(volume));
    assert!(DOCKERFILE.contains(&format!("\nEXPOSE {}\n", config.tcp.port)));
    assert!(DOCKERFILE.contains("\nUSER 10001\n"));
    assert!(config.stop_timeout < Duration::from_secs(10), "longer than `docker stop` waits by itself");
}

#[test]
fn a_stop_has_the_time_it_needs_before_it_is_killed() {
    let config = loaded(SERVICE, "deploy/cairn.yaml");
    let killed = Duration::from_secs(directive("TimeoutStopSec").parse().expect("seconds"));
    assert!(config.stop_timeout + Duration::from_secs(60) <= killed, "closing takes time after the requests");
}

#[test]
fn neither_lets_everybody_in() {
    for (text, name) in [(SERVICE, "deploy/cairn.yaml"), (CONTAINER, "deploy/container.yaml")] {
        let config = loaded(text, name);
        let outside = "203.0.113.7".parse().expect("an address");
        assert!(!config.allow.iter().any(|cidr| cidr.contains(outside)), "{name}");
    }
}

#[test]
fn the_image_is_given_what_the_build_reads() {
    let ignored = include_str!("../../../../.dockerignore");
    let copied: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for needed in ["Cargo.toml", "Cargo.lock", "crates", "deploy/container.yaml"] {
        assert!(copied.contains(&needed), "{needed} is not sent to the build");
    }
    let manifest = include_str!("../../../../Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).expect("the members");
    for member in members.trim_end_matches(']').split(", ") {
        let directory = member.trim_matches('"').trim_end_matches("/*");
        assert!(copied.contains(&directory), "{directory} is a member of the workspace and not sent");
    }
}

#[test]
fn the_filter_of_calls_has_those_that_the_server_makes() {
    let filters: Vec<&str> = UNIT.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")).collect();
    assert!(filters[0].starts_with("@system-service"));
    // How much of a mapping is in memory: in no group.
    assert!(filters[0].split(' ').any(|call| call == "mincore"));
    // Work in the background is made nice by setpriority.
    assert!(filters.iter().all(|filter| !(filter.starts_with('~') && filter.contains("@resources"))));
}
