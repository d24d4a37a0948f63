//! Whatever comes in, each request is answered once, in a form that the client can read.

use crate::double::{Double, answers, interpreter};
use cairn_client::{Decoder, Shape};
use cairn_server::Dialect;
use proptest::prelude::*;

/// Lines that are nearly right, and some that are.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        "[A-Z]{1,8}",
        Just("VECSET".to_owned()),
        Just("EVENT".to_owned()),
        Just("METASET".to_owned()),
        Just("SIM".to_owned()),
        Just("SIMV".to_owned()),
        Just("INFO".to_owned()),
        Just("CHECK".to_owned()),
        Just("DUMP".to_owned()),
        Just("SNAPSHOT".to_owned()),
        Just("VERIFY".to_owned()),
        Just("CREATE".to_owned()),
        Just("SAVE".to_owned()),
        prop::sample::select(vec![
            "AUTH",
            "DEBUG",
            "ON",
            "OFF",
            "SET",
            "GET",
            "SHOW",
            "VARIABLES",
            "LIKE",
            "CONFIG",
            "HELP"
        ])
        .prop_map(str::to_owned),
        Just("ADD".to_owned()),
        "(using|filter|min_score|adaptive|timestamp|name|description)=[a-z:\"\\\\ ]{0,6}",
        "-?[0-9]{1,4}(\\.[0-9])?",
        "[a-z\"\\\\é]{1,4}",
        Just("nan".to_owned()),
        Just("\t".to_owned()),
        Just("\r".to_owned()),
        Just("\0".to_owned()),
    ];
    let text = prop::collection::vec(word, 0..7).prop_map(|words| words.join(" ").into_bytes());
    prop_oneof![
        8 => text,
        1 => prop::collection::vec(any::<u8>(), 0..40),
        1 => (0..3usize).prop_map(|extra| [b"DUMP VERIFY ", vec![b'x'; 988 + extra].as_slice()].concat()),
    ]
}

proptest! {
    #[test]
    fn each_request_has_one_reply_that_the_client_can_read(
        lines in prop::collection::vec(line(), 0..20),
        nvecd in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let dialect = if nvecd { Dialect::Nvecd } else { Dialect::Documented };
        let input: Vec<u8> = lines.iter().flat_map(|line| [line, b"\r\n".as_slice()].concat()).collect();
        let (whole, _) = answers(dialect, &input);
        let cut = cut.index(input.len() + 1);
        let ((mut interpreter, _), mut out) = (interpreter(dialect), Vec::new());
        let double = Double::default();
        interpreter.handle(&input[..cut], &double, &mut out);
        interpreter.handle(&input[cut..], &double, &mut out);
        prop_assert_eq!(whole.as_bytes(), out.as_slice());

        let mut decoder = Decoder::new(1 << 20);
        decoder.feed(&out);
        for line in input.split(|&b| b == b'\n') {
            if let Some(shape) = Shape::of(line) {
                prop_assert!(decoder.next(shape).unwrap().is_some(), "{:?}", String::from_utf8_lossy(line));
            }
        }
        prop_assert!(decoder.pending().is_empty());
    }
}
