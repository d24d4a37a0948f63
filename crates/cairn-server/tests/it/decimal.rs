//! Elements of vectors are the floats nearest to what is written, as the standard library reads them, bit for bit.

use crate::numbers::{Numbers, seeds};
use cairn_engine::{Limits, Write};
use cairn_server::{Command, parse};

/// The elements that a request sets.
fn read(words: &[String]) -> Vec<f32> {
    let line = format!("VECSET a {}", words.join(" "));
    let Ok(Command::Write(Write::VectorSet { vector, .. })) = parse(&line, &Limits::default()) else {
        panic!("{line}")
    };
    vector
}

fn same(words: &[String]) {
    let got = words.chunks(1_000).flat_map(read);
    for (word, got) in words.iter().zip(got) {
        let expected: f32 = word.parse().unwrap();
        assert_eq!(got.to_bits(), expected.to_bits(), "{word}: got {got}, expected {expected}");
    }
}

/// Digits with a point somewhere, perhaps negative.
fn written(numbers: &mut Numbers) -> String {
    let digits = 1 + numbers.below(18) as usize;
    let mut text: String = (0..digits).map(|_| char::from(b'0' + numbers.below(10) as u8)).collect();
    if let point @ 1.. = numbers.below(digits as u64) as usize {
        text.insert(point, '.');
    }
    if numbers.below(2) == 0 { format!("-{text}") } else { text }
}

#[test]
fn any_digits_are_read_exactly() {
    for seed in seeds(20) {
        let mut numbers = Numbers(seed);
        let words: Vec<String> = (0..20_000).map(|_| written(&mut numbers)).collect();
        same(&words);
    }
}

#[test]
fn floats_as_programs_print_them_are_read_exactly() {
    for seed in seeds(20) {
        let mut numbers = Numbers(seed);
        let float = |bits: u64| Some(f32::from_bits(bits as u32)).filter(|x| x.is_finite()).unwrap_or(0.0);
        let small = |bits: u64| (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        let any = (0..5_000).map(|_| float(numbers.next()).to_string()).collect::<Vec<_>>();
        let usual = (0..5_000).map(|_| small(numbers.next()).to_string()).collect::<Vec<_>>();
        let scientific = (0..5_000).map(|_| format!("{:e}", float(numbers.next()))).collect::<Vec<_>>();
        let doubles =
            (0..5_000).map(|_| f64::from(small(numbers.next())).sin().to_string()).collect::<Vec<_>>();
        [any, usual, scientific, doubles].iter().for_each(|words| same(words));
    }
}

#[test]
fn middles_between_two_floats_and_what_is_beside_them_are_read_exactly() {
    let mut numbers = Numbers(1);
    let mut words = Vec::new();
    for _ in 0..20_000 {
        // An integer of 25 to 30 bits: some of its last ones are below a float's last place.
        let (bits, unit) = (24 + numbers.below(6), numbers.below(1 << 24) | 1 << 23);
        let (below, wide) = (bits - 23, unit << (bits - 23));
        let middle = wide + (1 << (below - 1));
        for near in [middle - 1, middle, middle + 1] {
            words.push(near.to_string());
            words.push(format!("{near}.0"));
            words.push(format!("{near}.0001"));
        }
        // With a fraction: the middle itself has few digits there.
        words.push(format!(
            "{}.{}",
            unit,
            ["5", "4999", "5001", "49999999", "50000001"][numbers.below(5) as usize]
        ));
    }
    same(&words);
}

#[test]
fn what_is_no_number_is_refused_as_it_was() {
    for word in ["-", ".", "1..2", "1.2.3", "--1", "1-", "0x1", "1_0", "12345678a", "1.12345678a", "\u{661}"]
    {
        let line = format!("VECSET a 1 {word} 2");
        let Err(failure) = parse(&line, &Limits::default()) else { panic!("{line}") };
        assert_eq!(failure.to_string(), format!("Failed to parse float: {word}"));
    }
    assert_eq!(read(&["-0".into(), "007".into(), "1.".into(), ".5".into()]), [0.0, 7.0, 1.0, 0.5]);
    assert!(read(&["-0.0".into()])[0].is_sign_negative());
}
