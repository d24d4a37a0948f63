//! Who may connect, and how many at once.

use crate::running::{Running, config, refused, run};
use cairn_client::Client;
use cairn_server::Config;

#[test]
fn one_connection_too_many_is_told_so_and_a_place_that_becomes_free_is_taken() {
    run(async {
        let server = Running::start_with(Config { connections_max: 2, ..config() }).await;
        let mut first = server.client().await;
        let mut second = server.client().await;
        first.info().await.unwrap();
        second.info().await.unwrap();
        let mut third = server.client().await;
        let error = third.info().await.unwrap_err();
        assert_eq!(error.refusal().unwrap().message, "Too many connections: the maximum is 2");
        drop((second, third));
        while Client::connect(server.addr).await.unwrap().info().await.is_err() {}
        let info = first.info().await.unwrap();
        assert!(info.number("total_connections_received") >= Some(4));
        drop(first);
        server.stop().await;
    });
}

#[test]
fn an_address_that_is_not_allowed_is_told_so() {
    run(async {
        let allow = vec!["10.0.0.0/8".parse().unwrap()];
        let server = Running::start_with(Config { allow, ..config() }).await;
        let error = server.client().await.info().await.unwrap_err();
        assert_eq!(
            error.refusal().unwrap().message,
            "Address 127.0.0.1 is not allowed (network.allow_cidrs)"
        );
        server.stop().await;
    });
}

#[test]
fn configured_limits_hold() {
    run(async {
        let mut config = Config { line_bytes_max: 2000, ..config() };
        config.limits.top_k = 5;
        config.limits.id_bytes = 4;
        config.limits.metadata_bytes = 30;
        let server = Running::start_with(config).await;
        let mut client = server.client().await;
        client.vecset("abcd", &[1.0]).await.unwrap();
        assert_eq!(refused(&mut client, "SIM abcd 6").await, "top_k 6 exceeds maximum allowed: 5");
        let message = refused(&mut client, "VECSET abcde 1").await;
        assert!(message.contains("exceeds maximum allowed: 4"), "{message}");
        let long = format!("METASET abcd k:{}", "v".repeat(100));
        let message = refused(&mut client, &long).await;
        assert!(message.contains("exceeds maximum allowed: 30"), "{message}");
        let message = refused(&mut client, &"x".repeat(3000)).await;
        assert_eq!(message, "Request exceeds maximum allowed length: 2000 bytes");
        server.stop().await;
    });
}
