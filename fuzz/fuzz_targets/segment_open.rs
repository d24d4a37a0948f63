//! A log's directory in any state: it opens whole, or is refused and can be repaired.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::segment_open::check(data));
