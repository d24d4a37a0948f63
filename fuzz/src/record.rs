//! `record`: the decoder of one record.

use cairn_log::record::{HEAD_BYTES, Stamp, decode, encode};
use cairn_log::{Entry, RecordRef};

/// Input: a byte whose lowest bit says to put length and checksum right, then the record's bytes.
pub fn check(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if mode & 1 == 1 {
        seal(&mut bytes);
    }
    let before = bytes.clone();
    let decoded = decode(&mut bytes).map(|record| (record.to_record(), encoded(&record)));
    assert_eq!(bytes, before, "decoding leaves the bytes as they are");
    let Ok((record, mut again)) = decoded else { return };
    let length = again.len();
    assert!(length <= bytes.len());
    assert_eq!(bytes[HEAD_BYTES..length], again[HEAD_BYTES..], "key and value");
    assert_eq!((&bytes[..4], &bytes[8..24]), (&again[..4], &again[8..24]), "length, offset and time");
    assert_eq!(bytes[28..HEAD_BYTES], again[28..HEAD_BYTES], "flags");
    let twice = decode(&mut again).expect("what is encoded decodes");
    assert_eq!(twice.to_record(), record);
}

/// As a record of nothing known durable.
fn encoded(record: &RecordRef<'_>) -> Vec<u8> {
    let RecordRef { offset, timestamp_us, key, value } = *record;
    let mut bytes = Vec::new();
    encode(
        &mut bytes,
        Stamp { offset, timestamp_us, durable_offset: offset },
        &Entry { timestamp_us, key, value },
    );
    bytes
}

/// Makes length and checksum those of the bytes.
pub fn seal(bytes: &mut [u8]) {
    if bytes.len() < HEAD_BYTES {
        return;
    }
    let body = u32::try_from(bytes.len() - 8).expect("the fuzzer's inputs are short");
    bytes[..4].copy_from_slice(&body.to_le_bytes());
    let covered: Vec<u8> = bytes[..4].iter().chain(&bytes[8..]).copied().collect();
    bytes[4..8].copy_from_slice(&cairn_disk::crc32c(&covered).to_le_bytes());
}
