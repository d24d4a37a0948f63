//! A file of vector codes of any content: it opens or it is refused, and scoring never panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::codes_open::check(data));
