//! Bytes → lines.

use cairn_server::{Framer, Line};

fn lines(framer: &mut Framer) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(line) = framer.next_line() {
        found.push(match line {
            Line::Text(text) => text.to_owned(),
            Line::NotUtf8(_) => "<not utf-8>".to_owned(),
            Line::TooLong(_) => "<too long>".to_owned(),
        });
    }
    found
}

#[test]
fn both_line_ends_are_taken_and_empty_lines_left_out() {
    let mut framer = Framer::new(100);
    framer.feed(b"a\nb b\r\n\n\r\n\r\nc\r\n");
    assert_eq!(lines(&mut framer), ["a", "b b", "c"]);
    assert_eq!(framer.pending_bytes(), 0);
}

#[test]
fn every_split_gives_the_same_lines() {
    let bytes = b"first\r\n\r\nsecond line\nthird \xff\n\nfourth\r\n";
    let mut whole = Framer::new(100);
    whole.feed(bytes);
    let want = lines(&mut whole);
    assert_eq!(want, ["first", "second line", "<not utf-8>", "fourth"]);
    for cut in 0..=bytes.len() {
        let mut framer = Framer::new(100);
        framer.feed(&bytes[..cut]);
        let mut got = lines(&mut framer);
        framer.feed(&bytes[cut..]);
        got.extend(lines(&mut framer));
        assert_eq!(got, want, "cut at {cut}");
    }
}

#[test]
fn a_line_of_exactly_the_limit_is_taken_with_either_end() {
    let mut framer = Framer::new(5);
    framer.feed(b"12345\r\n12345\n");
    assert_eq!(lines(&mut framer), ["12345", "12345"]);
}

#[test]
fn a_longer_line_is_refused_once_and_skipped_to_its_end() {
    for end in ["\n", "\r\n"] {
        let bytes = format!("ok{end}123456{end}ok{end}{}{end}ok{end}", "x".repeat(1000));
        for cut in 0..=bytes.len() {
            let mut framer = Framer::new(5);
            framer.feed(&bytes.as_bytes()[..cut]);
            let mut got = lines(&mut framer);
            framer.feed(&bytes.as_bytes()[cut..]);
            got.extend(lines(&mut framer));
            assert_eq!(got, ["ok", "<too long>", "ok", "<too long>", "ok"], "cut at {cut}");
        }
    }
}

#[test]
fn a_line_that_never_ends_takes_no_memory_beyond_the_limit() {
    let mut framer = Framer::new(1000);
    let mut refused = 0;
    for _ in 0..10_000 {
        framer.feed(&[b'x'; 1000]);
        refused += lines(&mut framer).len();
        assert!(framer.pending_bytes() <= 2001);
    }
    assert_eq!(refused, 1);
    framer.feed(b"\nnext\n");
    assert_eq!(lines(&mut framer), ["next"]);
}

#[test]
fn a_line_of_16_mib_is_taken() {
    let mut framer = Framer::new(16 << 20);
    let line = "y".repeat(16 << 20);
    for chunk in line.as_bytes().chunks(100_000) {
        assert_eq!(lines(&mut framer).len(), 0);
        framer.feed(chunk);
    }
    framer.feed(b"\r\nz\n");
    let got = lines(&mut framer);
    assert_eq!((got[0].len(), got[1].as_str()), (16 << 20, "z"));
}
