//! A `.timeindex` of any content: it never changes what is found.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::index::check(data, cairn_fuzz::index::Kind::Times));
