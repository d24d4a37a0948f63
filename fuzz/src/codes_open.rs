//! `codes_open`: a file of vector codes of any content.

use cairn_disk::crc32c;
use cairn_engine::ErrorKind;
use cairn_engine::codes::{CodeScorer, Codes, InstructionSet, scan_codes};
use cairn_engine::distance::Metric;
use std::path::Path;
use std::sync::Arc;

/// Where the header ends, and its checksum begins.
const HEADER_BYTES: usize = 128;
/// Rows and elements that are scored at most, so that an input takes no second.
const ELEMENTS_MAX: usize = 1 << 16;

/// Input: a byte that says what is put right (bit 0: the header's checksum, bit 1: the whole one's), then the file's bytes.
pub fn check(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let path = Path::new("00000000000000000007.codes");
    let mut bytes = bytes.to_vec();
    if mode & 1 == 1 && bytes.len() >= HEADER_BYTES {
        put_crc(&mut bytes[..HEADER_BYTES]);
    }
    if mode & 2 == 2 && bytes.len() > HEADER_BYTES {
        put_crc(&mut bytes);
    }
    let codes = match Codes::open(path, Arc::new(bytes.clone())) {
        Ok(codes) => codes,
        Err(e) => return assert!(matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Version), "{e}"),
    };
    assert_eq!(codes.as_bytes(), bytes);
    assert_eq!(codes.parameters().len(), codes.rows() as usize);
    assert_eq!(codes.bytes().len() + codes.halves().len(), codes.rows() as usize * codes.dimension());
    if let Err(e) = codes.verify(path) {
        assert!(matches!(e.kind(), ErrorKind::Corrupt), "{e}");
    }
    if codes.rows() as usize * codes.dimension() > ELEMENTS_MAX {
        return;
    }
    let query: Vec<f32> = (0..codes.dimension()).map(|n| (n as f32 - 3.0) * 1e18).collect();
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        for set in InstructionSet::available() {
            let scorer = CodeScorer::with(metric, &query, codes.kind(), set).expect("available");
            let mut rows = 0;
            scan_codes(&scorer, &codes, None, None, |row, bounds| {
                assert!(bounds.lower <= bounds.upper, "{bounds:?}");
                assert!(!scorer.score_row(&codes, row).is_nan());
                rows += 1;
            });
            assert_eq!(rows, codes.rows());
        }
    }
}

/// Makes the last four bytes the checksum of those before.
fn put_crc(bytes: &mut [u8]) {
    let end = bytes.len() - 4;
    let crc = crc32c(&bytes[..end]);
    bytes[end..].copy_from_slice(&crc.to_le_bytes());
}
