//! One record: what decodes is encoded to the same again.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::record::check(data));
