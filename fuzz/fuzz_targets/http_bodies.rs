//! Requests of HTTP of any content: no panic, no failure of the server, JSON errors, bounded answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::http_bodies::check(data));
