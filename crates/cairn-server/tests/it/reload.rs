//! A configuration that is read again while the server runs.

use crate::running::config;
use cairn_server::{Caller, Config, Live, Password, Role};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn what_may_change_does_and_what_needs_a_restart_is_named() {
    let live = Live::new(config()).unwrap();
    let mut new = config();
    new.idle_timeout = Duration::from_secs(7);
    new.allow = vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
    new.fusion.alpha = 0.25;
    new.tcp.port = 4242;
    new.settings.ctx_buffer_size = 7;
    let reloaded = live.reload(&new).unwrap();
    assert_eq!(
        reloaded.changed,
        ["similarity.fusion_alpha", "performance.connection_timeout_sec", "network.allow_cidrs"]
    );
    assert_eq!(reloaded.restart, ["events.ctx_buffer_size", "api.tcp.port"]);
    let now = live.config();
    assert_eq!((now.idle_timeout, &now.allow, now.fusion.alpha), (Duration::from_secs(7), &new.allow, 0.25));
    assert_eq!((now.tcp.port, now.settings.ctx_buffer_size), (0, 50));
}

#[test]
fn a_file_that_says_the_same_changes_nothing() {
    let text = include_str!("nvecd.yaml");
    let parse = || Config::parse(text, "c.yaml").unwrap().0;
    let live = Live::new(parse()).unwrap();
    let reloaded = live.reload(&parse()).unwrap();
    assert!(reloaded.changed.is_empty() && reloaded.restart.is_empty(), "{reloaded:?}");
}

#[test]
fn every_key_that_set_changes_is_taken_over_as_it_is_written() {
    let live = Live::new(config()).unwrap();
    let other = Config::parse(include_str!("nvecd.yaml"), "c.yaml").unwrap().0;
    live.reload(&other).unwrap();
    let again = live.reload(&other).unwrap();
    assert!(again.changed.is_empty(), "{:?} were not taken over", again.changed);
    assert_eq!(live.config().rate, other.rate);
    assert_eq!(live.config().fusion, other.fusion);
}

#[test]
fn new_passwords_hold_at_once_and_old_ones_no_more() {
    let mut old = config();
    old.security.requirepass = Some(Password::new("old"));
    let live = Live::new(old.clone()).unwrap();
    let before = live.auth();
    assert_eq!(live.auth().check(HERE, "old"), Ok(Role::Admin));
    let mut new = old.clone();
    new.security.requirepass = Some(Password::new("new"));
    assert_eq!(live.reload(&new).unwrap().changed, ["security"]);
    assert_eq!(live.auth().check(HERE, "new"), Ok(Role::Admin));
    assert!(live.auth().check(HERE, "old").is_err());
    assert!(!std::sync::Arc::ptr_eq(&before, &live.auth()));
    live.reload(&config()).unwrap();
    assert_eq!(live.auth().anonymous(), Caller::of(Role::Admin));
}

#[test]
fn a_change_tells_those_who_wait_for_it() {
    let live = Live::new(config()).unwrap();
    let (send, told) = std::sync::mpsc::channel();
    live.on_change(move |config| send.send(config.fusion.alpha).unwrap());
    live.set("similarity.fusion_alpha", "0.125").unwrap();
    assert_eq!(told.try_recv(), Ok(0.125));
    assert!(live.set("similarity.fusion_alpha", "many").is_err());
    assert!(told.try_recv().is_err());
}

#[test]
fn the_level_of_the_log_can_be_set_where_somebody_owns_the_log() {
    let live = Live::new(config()).unwrap();
    assert!(live.set("logging.level", "debug").is_err());
    let (send, told) = std::sync::mpsc::channel();
    live.on_log_change(move |config| send.send(config.logging.level.clone()).unwrap());
    live.set("logging.level", "debug").unwrap();
    assert_eq!(told.try_recv().as_deref(), Ok("debug"));
    assert!(live.set("logging.level", "loud").is_err());
}

#[test]
fn what_is_not_safe_is_said() {
    let warnings = |text: &str| Config::parse(text, "c.yaml").unwrap().0.warnings().join("\n");
    assert_eq!(warnings(""), "");
    assert_eq!(warnings("security: {requirepass: x}"), "");
    for (text, said) in [
        ("api: {tcp: {bind: 0.0.0.0}}", "without a password"),
        ("api: {tcp: {bind: 0.0.0.0}}\nsecurity: {requirepass: x}", "without TLS"),
        (
            "api: {http: {enable: true, bind: 0.0.0.0}}\nsecurity: {requirepass: x}",
            "listening on 0.0.0.0 without TLS",
        ),
        ("network: {allow_cidrs: [0.0.0.0/0]}", "every address"),
        ("network: {allow_cidrs: [\"::/0\"]}", "every address"),
        ("network: {allow_cidrs: []}", "nobody can connect"),
        ("api: {unix_socket: {path: /s, mode: 0666}}", "mode 0666"),
    ] {
        assert!(warnings(text).contains(said), "{text}: {}", warnings(text));
    }
}
