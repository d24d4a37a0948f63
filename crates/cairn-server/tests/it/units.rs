//! Durations and sizes, as people write them.

use cairn_server::{parse_duration, parse_size, show_duration, show_size};

#[test]
fn durations_are_read_with_their_unit() {
    for (text, us) in [
        ("0", Some(0)),
        ("0s", Some(0)),
        ("7us", Some(7)),
        ("250ms", Some(250_000)),
        ("5s", Some(5_000_000)),
        ("5 s", Some(5_000_000)),
        ("10m", Some(600_000_000)),
        ("24h", Some(86_400_000_000)),
        ("168H", Some(604_800_000_000)),
        ("7d", Some(604_800_000_000)),
        ("5", None),
        ("", None),
        ("s", None),
        ("-5s", None),
        ("1.5h", None),
        ("5 sec", None),
        ("5s5", None),
        ("18446744073709551615h", None),
        ("99999999999999999999s", None),
        ("5é", None),
    ] {
        assert_eq!(parse_duration(text), us, "{text}");
    }
}

#[test]
fn sizes_are_read_in_multiples_of_1024() {
    for (text, bytes) in [
        ("0", Some(0)),
        ("67108864", Some(64 << 20)),
        ("64MB", Some(64 << 20)),
        ("64mb", Some(64 << 20)),
        ("64MiB", Some(64 << 20)),
        ("64M", Some(64 << 20)),
        ("64 MB", Some(64 << 20)),
        ("1KB", Some(1024)),
        ("8GB", Some(8 << 30)),
        ("2TB", Some(2 << 40)),
        ("5B", Some(5)),
        ("", None),
        ("MB", None),
        ("1.5GB", None),
        ("-1MB", None),
        ("64XB", None),
        ("64MBB", None),
        ("18446744073709551615KB", None),
    ] {
        assert_eq!(parse_size(text), bytes, "{text}");
    }
}

#[test]
fn what_is_shown_reads_back() {
    for (us, text) in [
        (0, "0"),
        (1, "1us"),
        (250_000, "250ms"),
        (90_000_000, "90s"),
        (86_400_000_000, "24h"),
        (1_001, "1001us"),
    ] {
        assert_eq!(show_duration(us), text);
        assert_eq!(parse_duration(text), Some(us));
    }
    for (bytes, text) in [(0, "0"), (1_000, "1000"), (1 << 10, "1KB"), (64 << 20, "64MB"), (1 << 40, "1TB")] {
        assert_eq!(show_size(bytes), text);
        assert_eq!(parse_size(text), Some(bytes));
    }
}
