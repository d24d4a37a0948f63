//! A log part of any content: an error or a whole state.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::snapshot::log_part(data));
