//! Passwords, tokens and what their holders may do.

use cairn_disk::{SimDisk, Storage};
use cairn_server::config::{Config, SecurityConfig, TokenConfig};
use cairn_server::{Auth, Caller, Password, Refused, Role};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn security() -> SecurityConfig {
    let token = |name: &str, role| TokenConfig {
        name: name.to_owned(),
        role,
        token: Some(Password::new(format!("{name}-token"))),
        token_file: None,
    };
    SecurityConfig {
        requirepass: Some(Password::new("secret")),
        tokens: vec![token("r", Role::Read), token("w", Role::Write), token("a", Role::Admin)],
        auth_failures_per_minute: 3,
        ..SecurityConfig::default()
    }
}

fn auth() -> Auth {
    Auth::new(&security()).unwrap()
}

#[test]
fn without_a_password_everybody_is_admin() {
    let auth = Auth::new(&SecurityConfig::default()).unwrap();
    assert!(!auth.required());
    assert_eq!(auth.anonymous(), Caller::of(Role::Admin));
    assert_eq!(auth.check(HERE, "anything"), Ok(Role::Admin));
}

#[test]
fn each_password_has_its_role() {
    let auth = auth();
    assert_eq!(auth.anonymous(), Caller { role: Role::Read, known: false });
    for (password, role) in
        [("secret", Role::Admin), ("r-token", Role::Read), ("w-token", Role::Write), ("a-token", Role::Admin)]
    {
        assert_eq!(auth.check(HERE, password), Ok(role), "{password}");
    }
    let far = "10.0.0.1".parse().unwrap();
    for password in ["", "secre", "secrets"] {
        assert_eq!(auth.check(far, password), Err(Refused::Wrong), "{password}");
    }
}

#[test]
fn a_role_may_what_those_below_it_may() {
    for role in [Role::Read, Role::Write, Role::Admin] {
        for needed in [Role::Read, Role::Write, Role::Admin] {
            assert_eq!(Caller::of(role).may(needed).is_ok(), role >= needed);
        }
    }
    let refused = |caller: Caller, needed| caller.may(needed).unwrap_err().message;
    assert_eq!(
        refused(Caller::of(Role::Read), Role::Admin),
        "NOPERM This needs the role admin, and the token's role is read"
    );
    assert_eq!(refused(auth().anonymous(), Role::Write), "NOAUTH Authentication required");
}

#[test]
fn after_too_many_wrong_passwords_even_the_right_one_waits() {
    let (auth, start) = (auth(), Instant::now());
    for _ in 0..3 {
        assert_eq!(auth.check_at(HERE, "guess", start), Err(Refused::Wrong));
    }
    let after = Duration::from_secs(20);
    assert_eq!(auth.check_at(HERE, "secret", start), Err(Refused::TooMany { retry_after: after }));
    assert_eq!(auth.check_at("10.0.0.1".parse().unwrap(), "secret", start), Ok(Role::Admin));
    assert_eq!(auth.check_at(HERE, "secret", start + after), Ok(Role::Admin));
    assert_eq!(auth.check_at(HERE, "secret", start + after), Ok(Role::Admin));
}

#[test]
fn a_password_is_the_first_line_of_its_file() {
    let disk = SimDisk::new(1);
    for (path, content) in [("/pass", "from-file\r\nmore\n"), ("/token", "t"), ("/empty", "\nx\n")] {
        disk.create(Path::new(path)).unwrap().append(content.as_bytes()).unwrap();
    }
    let text = "security:\n  requirepass_file: /pass\n  tokens:\n    - {name: app, role: write, token_file: /token}\n";
    let mut security = Config::parse(text, "c.yaml").unwrap().0.security;
    assert!(
        Auth::new(&security).is_err(),
        "a file that was not read must not mean that there is no password"
    );
    security.read_files(&disk).unwrap();
    let auth = Auth::new(&security).unwrap();
    assert_eq!(auth.check(HERE, "from-file"), Ok(Role::Admin));
    assert_eq!(auth.check(HERE, "t"), Ok(Role::Write));
    security.requirepass_file = Some(PathBuf::from("/empty"));
    assert_eq!(
        security.read_files(&disk).unwrap_err().message,
        "security.requirepass_file: /empty: expected a password in the first line, got nothing"
    );
    security.requirepass_file = Some(PathBuf::from("/absent"));
    let message = security.read_files(&disk).unwrap_err().message;
    assert!(message.starts_with("security.requirepass_file: ") && message.contains("/absent"), "{message}");
}

#[test]
fn what_is_wrong_with_tokens_is_said_without_showing_them() {
    for (tokens, message) in [
        ("[{name: a, token: hush, role: owner}]", "role: expected read, write or admin, got owner"),
        ("[{name: a, role: read}]", "a: expected one of token and token_file"),
        ("[{name: a, token: hush, token_file: f, role: read}]", "a: expected one of token and token_file"),
        ("[{token: hush, role: read}]", "expected a name"),
        ("[{name: a, token: hush}]", "a: expected a role: read, write or admin"),
        ("[{name: a, tokn: hush, role: read}]", "unknown key tokn; did you mean token?"),
        ("[{name: a, token: hush, role: read}, {name: a, token: x, role: read}]", "two are called a"),
        ("hush", "expected a list of tokens"),
        ("[hush]", "expected name, role and token or token_file"),
    ] {
        let error = Config::parse(&format!("security: {{tokens: {tokens}}}"), "c.yaml").unwrap_err();
        assert_eq!(error.to_string(), format!("c.yaml:1: security.tokens: {message}"));
    }
    let error = Config::parse("security: {requirepass: [hush]}", "c.yaml").unwrap_err().to_string();
    assert!(!error.contains("hush"), "{error}");
    let both = Config::parse("security: {requirepass: a, requirepass_file: b}", "c.yaml").unwrap_err();
    assert!(both.to_string().contains("expected one of them"), "{both}");
}

#[test]
fn no_password_is_ever_printed() {
    let shown = format!("{:?} {:?}", security(), auth());
    assert!(!shown.contains("secret") && !shown.contains("-token\""), "{shown}");
}
