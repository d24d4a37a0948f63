//! Address ranges.

use cairn_server::Cidr;
use std::net::IpAddr;

fn within(range: &str, address: &str) -> bool {
    range.parse::<Cidr>().unwrap().contains(address.parse::<IpAddr>().unwrap())
}

#[test]
fn a_range_holds_its_addresses_and_no_others() {
    assert!(within("192.168.1.0/24", "192.168.1.200"));
    assert!(!within("192.168.1.0/24", "192.168.2.1"));
    assert!(within("10.0.0.0/8", "10.255.0.1"));
    assert!(within("0.0.0.0/0", "8.8.8.8"));
    assert!(within("127.0.0.1", "127.0.0.1"));
    assert!(!within("127.0.0.1/32", "127.0.0.2"));
    assert!(within("fd00::/8", "fd12::1"));
    assert!(!within("fd00::/8", "fe80::1"));
    assert!(within("::/0", "::1"));
    assert!(!within("0.0.0.0/0", "::1"));
}

#[test]
fn an_ipv4_address_that_came_over_ipv6_is_an_ipv4_address() {
    assert!(within("127.0.0.1/32", "::ffff:127.0.0.1"));
}

#[test]
fn what_is_no_range_is_refused() {
    for text in ["", "localhost", "1.2.3", "1.2.3.4/33", "1.2.3.4/-1", "::1/129", "1.2.3.4/x", "1.2.3.4/"] {
        assert!(text.parse::<Cidr>().is_err(), "{text}");
    }
}
