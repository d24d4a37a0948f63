//! Clocks, ids and numbers.

use cairn_log::{Clock, DatabaseId, ErrorKind, Lsn, ManualClock, SystemClock, TimelineId};

#[test]
fn a_manual_clock_shows_what_it_is_set_to() {
    let clock = ManualClock::new(5);
    clock.advance(10);
    assert_eq!(clock.now_us(), 15);
    clock.set(-3);
    assert_eq!(clock.now_us(), -3);
}

#[test]
fn the_system_clock_is_in_this_century() {
    let us = SystemClock.now_us();
    assert!((1_600_000_000_000_000..5_000_000_000_000_000).contains(&us), "{us}");
}

#[test]
fn ids_are_32_hex_digits() {
    let id = DatabaseId(*b"\x01\x23\x45\x67\x89\xab\xcd\xef\x00\x00\x00\x00\x00\x00\x00\xff");
    let text = "0123456789abcdef00000000000000ff";
    assert_eq!(id.to_string(), text);
    assert_eq!(text.parse::<DatabaseId>().unwrap(), id);
    assert_eq!("0123456789ABCDEF00000000000000FF".parse::<DatabaseId>().unwrap(), id);
    assert_eq!(TimelineId::ZERO.to_string(), "0".repeat(32));
}

#[test]
fn other_text_is_no_id() {
    for text in [
        "",
        "+123456789abcdef00000000000000ff",
        "0123456789abcdef00000000000000f",
        &"0".repeat(33),
        &"ä".repeat(16),
    ] {
        let error = text.parse::<TimelineId>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    }
}

#[test]
fn random_ids_differ() {
    assert_ne!(DatabaseId::random(), DatabaseId::random());
    assert_ne!(TimelineId::random(), TimelineId::ZERO);
}

#[test]
fn an_lsn_is_shown_as_its_number() {
    assert_eq!(Lsn(1024).to_string(), "1024");
    assert!(Lsn(2) < Lsn(10));
}
