//! A graph's file of any content: what is found exists.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cairn_fuzz::graph_open::check(data));
