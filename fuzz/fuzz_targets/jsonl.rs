//! The reader of JSON Lines: no panic, and the same rows whole, in pieces and resumed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::transfer::check(
    cairn_transfer::Format::JsonLines,
    data
));
