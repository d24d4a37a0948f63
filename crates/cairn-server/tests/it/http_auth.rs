//! Passwords over HTTP: who may do what, and what the others are told.

use crate::http_client::{Answer, Http, http_config, send};
use crate::running::run;
use cairn_server::config::TokenConfig;
use cairn_server::{Config, Password, Role};

/// `admin`, `write` and `read` are the passwords of their roles.
fn config() -> Config {
    let mut config = http_config();
    config.security.requirepass = Some(Password::new("admin"));
    for (name, role) in [("write", Role::Write), ("read", Role::Read)] {
        let token = Some(Password::new(name));
        config.security.tokens.push(TokenConfig { name: name.to_owned(), role, token, token_file: None });
    }
    config
}

async fn ask(http: &Http, method: &str, path: &str, body: &str, password: Option<&str>) -> Answer {
    let bearer = password.map(|password| format!("Bearer {password}")).unwrap_or_default();
    let mut headers = vec![("content-type", "application/json"), ("authorization", bearer.as_str())];
    if password.is_none() {
        headers.pop();
    }
    send(http.addr, method, path, &headers, body).await
}

/// A request of each kind, and the role it needs.
const REQUESTS: &[(&str, &str, &str, Role)] = &[
    ("GET", "/info", "", Role::Read),
    ("GET", "/metrics", "", Role::Read),
    ("GET", "/v1/jobs", "", Role::Read),
    ("GET", "/v1/collections/default/items/a", "", Role::Read),
    ("POST", "/v1/collections/default/search", r#"{"vector":[1,0]}"#, Role::Read),
    ("POST", "/simv", r#"{"vector":[1,0]}"#, Role::Read),
    ("POST", "/vecset", r#"{"id":"a","vector":[1,0]}"#, Role::Write),
    ("POST", "/metaset", r#"{"id":"a","metadata":{}}"#, Role::Write),
    ("POST", "/event", r#"{"ctx":"c","id":"a","type":"DEL"}"#, Role::Write),
    ("DELETE", "/v1/collections/default/items/a", "", Role::Write),
    ("POST", "/vecset", r#"{"id":"a","vector":[1,0]}"#, Role::Write),
    ("PUT", "/v1/collections/default/items/b", r#"{"vector":[1,0]}"#, Role::Write),
    ("POST", "/dump/save", "{}", Role::Admin),
    ("POST", "/cache/clear", "", Role::Admin),
    ("GET", "/config", "", Role::Admin),
    ("POST", "/v1/collections", r#"{"name":"books"}"#, Role::Admin),
    ("DELETE", "/v1/collections/books", "", Role::Admin),
    ("POST", "/v1/snapshots", "{}", Role::Admin),
    ("POST", "/v1/wal/sync", "", Role::Admin),
    ("POST", "/v1/topics", r#"{"name":"orders"}"#, Role::Admin),
    ("GET", "/v1/topics/orders/snapshots", "", Role::Read),
    ("POST", "/v1/topics/orders/snapshots", "", Role::Admin),
    ("POST", "/v1/topics/orders/snapshots:cleanup", "", Role::Admin),
    ("POST", "/v1/topics/orders/snapshots/none/verify", "", Role::Admin),
    ("POST", "/v1/topics/orders/snapshots/none/restore", r#"{"name":"again"}"#, Role::Admin),
    ("DELETE", "/v1/topics/orders/snapshots/none", "", Role::Admin),
    ("GET", "/v1/topics/orders/partitions/0/offset?time=2025-01-18T12:00:00Z", "", Role::Read),
    ("POST", "/v1/topics/none/compact", "", Role::Admin),
    ("GET", "/v1/snapshots/none/diff?to=none", "", Role::Read),
    ("POST", "/v1/snapshots:verify", "", Role::Admin),
    ("POST", "/v1/wal/replay", "", Role::Admin),
    ("GET", "/v1/storage", "", Role::Read),
    ("POST", "/v1/storage/compact", "", Role::Admin),
    ("PUT", "/v1/storage/mmap", "{}", Role::Admin),
    ("GET", "/v1/collections/default/mmap", "", Role::Admin),
    ("PUT", "/v1/collections/default/mmap", "{}", Role::Admin),
];

#[test]
fn every_request_is_for_those_who_have_its_role() {
    run(async {
        let http = Http::start_with(config()).await;
        ask(&http, "POST", "/vecset", r#"{"id":"a","vector":[1,0]}"#, Some("admin")).await.ok();
        for (method, path, body, needed) in REQUESTS {
            for (password, role) in
                [(None, Role::Read), (Some("read"), Role::Read), (Some("write"), Role::Write)]
            {
                let answer = ask(&http, method, path, body, password).await;
                // Whoever came before may have deleted it.
                let gone = *method == "DELETE" || path.contains("none");
                let there = if answer.status == 404 && gone { 404 } else { 200 };
                let expected = match (role >= *needed, password) {
                    (true, _) => there,
                    (false, None) => 401,
                    (false, Some(_)) => 403,
                };
                assert_eq!(answer.status, expected, "{method} {path} {password:?}: {}", answer.text());
                assert_eq!(answer.header("www-authenticate").is_some(), expected == 401);
            }
            let status = ask(&http, method, path, body, Some("admin")).await.status;
            let gone = *method == "DELETE" || path.contains("none");
            assert!(status == 200 || (status == 404 && gone), "{method} {path}: {status}");
        }
        http.stop().await;
    });
}

#[test]
fn a_wrong_password_is_refused_also_for_what_needs_none() {
    run(async {
        let http = Http::start_with(config()).await;
        let answer = ask(&http, "GET", "/info", "", Some("wrong")).await;
        assert_eq!(answer.refused(401), "WRONGPASS Invalid password");
        for header in ["Bearer", "Digest x", "Basic ???"] {
            send(http.addr, "GET", "/info", &[("authorization", header)], "").await.refused(401);
        }
        http.stop().await;
    });
}

#[test]
fn basic_takes_the_same_password_whatever_the_user() {
    run(async {
        let http = Http::start_with(config()).await;
        // anyone:admin
        let headers = [("authorization", "Basic YW55b25lOmFkbWlu")];
        send(http.addr, "POST", "/v1/wal/sync", &headers, "").await.ok();
        http.stop().await;
    });
}

#[test]
fn too_many_wrong_passwords_and_too_many_requests_are_told_when_to_come_back() {
    run(async {
        let mut config = config();
        config.security.auth_failures_per_minute = 2;
        let http = Http::start_with(config.clone()).await;
        for _ in 0..2 {
            ask(&http, "GET", "/info", "", Some("wrong")).await.refused(401);
        }
        let answer = ask(&http, "GET", "/info", "", Some("admin")).await;
        assert!(answer.refused(429).contains("Too many wrong passwords"));
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        http.stop().await;
        (config.rate.enabled, config.rate.capacity, config.rate.refill_per_s) = (true, 2, 1);
        let http = Http::start_with(config).await;
        let mut refused = None;
        for _ in 0..50 {
            let answer = http.get("/health").await;
            if answer.status != 200 {
                refused = Some(answer);
                break;
            }
        }
        let answer = refused.expect("50 requests in a second");
        assert!(answer.refused(429).starts_with("Too many requests"));
        assert!(answer.header("retry-after").is_some());
        http.stop().await;
    });
}
