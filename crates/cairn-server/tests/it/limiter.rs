//! Buckets of requests, one for each client.

use cairn_server::{Limiter, RateConfig, UNIX_PEER};
use std::net::IpAddr;
use std::time::{Duration, Instant};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn config() -> RateConfig {
    RateConfig { enabled: true, capacity: 3, refill_per_s: 2, clients_max: 100 }
}

fn taken(limiter: &Limiter, peer: IpAddr, now: Instant) -> usize {
    (0..10).filter(|_| limiter.take_at(peer, now).is_ok()).count()
}

#[test]
fn a_client_has_its_capacity_at_once_and_the_rate_in_the_long_run() {
    let (limiter, start, peer) = (Limiter::new(&config()), Instant::now(), ip("10.0.0.1"));
    assert_eq!(taken(&limiter, peer, start), 3);
    assert_eq!(limiter.take_at(peer, start), Err(Duration::from_millis(500)));
    assert_eq!(taken(&limiter, peer, start + Duration::from_secs(1)), 2);
    assert_eq!(taken(&limiter, peer, start + Duration::from_secs(60)), 3);
}

#[test]
fn clients_are_apart_and_a_network_of_ipv6_is_one() {
    let (limiter, now) = (Limiter::new(&config()), Instant::now());
    for peer in ["10.0.0.1", "10.0.0.2", "::1", "2001:db8::1", "2001:db8:0:1::1"] {
        assert_eq!(taken(&limiter, ip(peer), now), 3, "{peer}");
    }
    assert_eq!(taken(&limiter, UNIX_PEER, now), 3);
    for same in ["::ffff:10.0.0.1", "2001:db8::ffff:1"] {
        assert_eq!(taken(&limiter, ip(same), now), 0, "{same}");
    }
}

#[test]
fn switched_off_it_takes_everything_and_a_change_holds_at_once() {
    let (limiter, now) = (Limiter::new(&RateConfig::default()), Instant::now());
    assert_eq!(taken(&limiter, ip("10.0.0.1"), now), 10);
    limiter.configure(&config());
    assert_eq!(taken(&limiter, ip("10.0.0.1"), now), 3);
    limiter.configure(&RateConfig { capacity: 5, ..config() });
    assert_eq!(taken(&limiter, ip("10.0.0.1"), now), 0);
    assert_eq!(taken(&limiter, ip("10.0.0.2"), now), 5);
}

#[test]
fn however_many_clients_come_only_so_many_are_remembered() {
    let (limiter, now) = (Limiter::new(&config()), Instant::now());
    let peers = || (0..100_000u32).map(|i| IpAddr::V4(std::net::Ipv4Addr::from_bits(i + 1)));
    for peer in peers() {
        for _ in 0..3 {
            limiter.take_at(peer, now).unwrap();
        }
    }
    let remembered = peers().filter(|peer| limiter.take_at(*peer, now).is_err()).count();
    assert!(remembered <= 100, "{remembered}");
}
