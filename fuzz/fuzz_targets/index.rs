//! An `.index` of any content: it never changes what is read.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::index::check(data, cairn_fuzz::index::Kind::Offsets));
