//! The bytes of a connection, with an engine behind it: no panic, one reply each, and little held.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::conversation::check(data));
