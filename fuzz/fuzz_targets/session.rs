//! The loop that serves a connection, its stream cut anywhere: a reply each, and nothing held afterwards.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::session::check(data));
