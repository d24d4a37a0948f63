//! What a configuration may say, and where the times of a log begin.

use crate::common::*;
use cairn_disk::SimDisk;
use cairn_log::{Entry, ErrorKind, LogConfig};

#[test]
fn a_user_may_not_ask_for_segments_below_a_mebibyte() {
    let with = |segment_bytes| LogConfig { segment_bytes, ..config() };
    for bytes in [0, 2000, LogConfig::SEGMENT_BYTES_MIN_USER - 1] {
        let error = with(bytes).check_user().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        let expected = format!("segment size must be at least 1MB (1048576 bytes), got {bytes}");
        assert_eq!(error.to_string(), expected);
    }
    with(LogConfig::SEGMENT_BYTES_MIN_USER).check_user().unwrap();
    let error = with((1 << 40) + 1).check_user().unwrap_err().to_string();
    assert!(error.starts_with("segment_bytes must be in range [128, 1099511627776]"), "{error}");
}

#[test]
fn no_record_is_earlier_than_the_start_time() {
    let sim = SimDisk::new(1);
    let config = LogConfig { start: 7, start_timestamp_us: 500, ..config() };
    let at = |timestamp_us| Entry { timestamp_us, key: None, value: Some(b"v") };
    let (log, recovered) = open_with(&sim, config.clone()).unwrap();
    assert_eq!((recovered.first_timestamp_us, recovered.last_timestamp_us), (None, None));
    // Still empty after a recovery: the floor holds all the same.
    drop(log);
    let (log, _) = open_with(&sim, config.clone()).unwrap();
    log.append(&[at(3), at(499), at(501), at(2)]).unwrap();
    let times: Vec<i64> = read_all(&log).iter().map(|r| r.timestamp_us).collect();
    assert_eq!(times, [500, 500, 501, 501]);
    log.sync().unwrap();
    drop(log);
    let (log, recovered) = open_with(&sim, config).unwrap();
    assert_eq!((recovered.first_timestamp_us, recovered.last_timestamp_us), (Some(500), Some(501)));
    assert_eq!(log.offset_for_time(500).unwrap(), Some(7));
}
