//! Reading npy.

use crate::support::{All, f32_bytes, fault, input, npy, open_error, read, read_bytes, vector};
use cairn_transfer::{Fields, Format, Ids, NpyReader, ReadOptions, open};

const DICT: &str = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";

fn two_rows() -> Vec<u8> {
    npy(DICT, &f32_bytes(&[1.0, 2.0, 3.0, -4.0, 0.5, 6.0]))
}

fn expected() -> Vec<cairn_engine::Write> {
    vec![vector("0", &[1.0, 2.0, 3.0]), vector("1", &[-4.0, 0.5, 6.0])]
}

fn with_ids(ids: &str) -> All {
    let ids = Ids::from_input(input(ids), &Fields::default()).unwrap();
    read(&mut *open(input(two_rows()), Format::Npy, ReadOptions { ids, ..ReadOptions::default() }).unwrap())
}

#[test]
fn rows_have_their_numbers_for_ids() {
    let all = read_bytes(Format::Npy, two_rows());
    assert_eq!(all, All { writes: expected(), ..All::default() });
}

#[test]
fn halves_and_doubles_become_f32() {
    let dict = |descr| format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2, 3), }}");
    let numbers = [1.0, 2.0, 3.0, -4.0, 0.5, 6.0];
    let halves: Vec<u8> = numbers.iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect();
    let doubles: Vec<u8> = numbers.iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect();
    for (descr, data) in [("<f2", halves), ("<f8", doubles)] {
        assert_eq!(read_bytes(Format::Npy, npy(&dict(descr), &data)).writes, expected(), "{descr}");
    }
}

#[test]
fn versions_two_and_three_have_a_wider_length() {
    for version in [2, 3] {
        let length = u32::try_from(DICT.len()).unwrap().to_le_bytes();
        let data = f32_bytes(&[1.0, 2.0, 3.0, -4.0, 0.5, 6.0]);
        let bytes = [b"\x93NUMPY", &[version, 0][..], &length, DICT.as_bytes(), &data].concat();
        assert_eq!(read_bytes(Format::Npy, bytes).writes, expected());
    }
}

#[test]
fn the_header_is_read_in_any_order_and_spacing() {
    let dict = "{\"shape\":( 2L ,3),'fortran_order':False , \"descr\" : '<f4'}";
    let data = f32_bytes(&[1.0, 2.0, 3.0, -4.0, 0.5, 6.0]);
    assert_eq!(read_bytes(Format::Npy, npy(dict, &data)).writes, expected());
}

#[test]
fn a_header_that_is_no_matrix_of_floats_is_refused() {
    let refused = |dict: &str| open_error(Format::Npy, npy(dict, &[]));
    for (dict, message) in [
        (
            "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }",
            "descr: expected '<f4', '<f2' or '<f8', got \">f4\"",
        ),
        ("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 3), }", "got \"<i8\""),
        ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }", "descr: expected"),
        (
            "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }",
            "fortran_order: expected False (C order), got True",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }",
            "shape: expected 2 dimensions, (rows, elements), got 1: [6]",
        ),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", "got 0: []"),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0), }",
            "shape: expected 1 to 65536 elements a row, got 0",
        ),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999), }", "got 99999999999"),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999999), }",
            "shape: expected a length",
        ),
        ("{'descr': '<f4', 'shape': (2, 3), }", "fortran_order: expected one, got none"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}", "key: expected"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x", "its end after the dict"),
        ("", "header: expected '{'"),
        ("{'descr", "text in quotes"),
    ] {
        let got = refused(dict);
        assert!(got.starts_with("test: header: ") && got.contains(message), "{dict}: {got}");
    }
}

#[test]
fn other_magic_versions_and_lengths_are_refused() {
    for (bytes, message) in [
        (&b""[..], "magic: expected"),
        (b"\x93NUM", "magic: expected \\x93NUMPY, got \\x93NUM"),
        (b"PAR1PAR1", "magic: expected"),
        (b"\x93NUMPY\x04\x00", "version: expected 1.0, 2.0 or 3.0, got 4.0"),
        (b"\x93NUMPY\x01\x00\x10", "length: expected 2 bytes, got the end"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "length: expected at most 65536 bytes, got 4294967295"),
        (b"\x93NUMPY\x01\x00\x10\x00abc", "text: expected 16 bytes, got 3 and the end"),
        (b"\x93NUMPY\x01\x00\x01\x00\xff", "text: expected UTF-8"),
    ] {
        let got = open_error(Format::Npy, bytes);
        assert!(got.contains(message), "{got}");
    }
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_rows_and_says_where_it_ends() {
    let bytes = two_rows();
    let data = bytes.len() - 24;
    for cut in data..bytes.len() {
        let all = read_bytes(Format::Npy, &bytes[..cut]);
        let rows = (cut - data) / 12;
        assert_eq!(all.writes, expected()[..rows]);
        let got = (cut - data) % 12;
        let message = format!("test: row {rows} of 2: data: expected 12 bytes, got {got} and the end");
        assert_eq!(all.error, Some(message));
    }
}

#[test]
fn bytes_after_the_last_row_are_an_error() {
    let all = read_bytes(Format::Npy, [two_rows(), vec![0]].concat());
    assert_eq!(all.writes, expected());
    assert!(all.error.unwrap().contains("expected the end after 2 rows, got more"));
}

#[test]
fn a_number_that_is_not_finite_makes_a_bad_row() {
    for (bad, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let all = read_bytes(Format::Npy, npy(DICT, &f32_bytes(&[1.0, bad, 3.0, -4.0, 0.5, 6.0])));
        assert_eq!(all.bad, [format!("row 0: vector[1]: expected a finite f32 number, got {shown}")]);
        assert_eq!(all.writes, expected()[1..]);
    }
}

#[test]
fn a_double_beyond_f32_makes_a_bad_row() {
    let dict = "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }";
    let bad = fault(Format::Npy, npy(dict, &1e300f64.to_le_bytes()));
    assert_eq!(bad, "row 0: vector[0]: expected a finite f32 number, got inf");
}

#[test]
fn ids_come_with_a_prefix_or_from_a_side_file() {
    let ids = Ids::numbers("doc-");
    let options = ReadOptions { ids, ..ReadOptions::default() };
    let all = read(&mut *open(input(two_rows()), Format::Npy, options).unwrap());
    assert_eq!(all.writes[1], vector("doc-1", &[-4.0, 0.5, 6.0]));
    for ids in [
        "a\r\nb b\r\n",
        "a\n\nb b",
        "{\"id\":\"a\",\"text\":\"x\"}\n{\"metadata\":{\"id\":1},\"id\":\"b b\"}\n",
    ] {
        let all = with_ids(ids);
        assert_eq!(all.error, None);
        assert_eq!(all.writes, [vector("a", &[1.0, 2.0, 3.0]), vector("b b", &[-4.0, 0.5, 6.0])]);
    }
}

#[test]
fn too_few_or_too_many_ids_are_an_error() {
    let few = with_ids("a\n");
    assert_eq!(few.writes.len(), 1);
    assert_eq!(few.error.unwrap(), "test: line 1: ids: expected one for row 1, got 1 in all");
    let many = with_ids("a\nb\nc\n");
    assert_eq!(many.writes.len(), 2);
    assert_eq!(many.error.unwrap(), "test: line 3: ids: expected 2, one a row, got more");
}

#[test]
fn an_id_that_cannot_be_read_makes_its_row_bad() {
    let all = with_ids("{\"id\":\"a\"}\n{\"name\":\"b\"}\n");
    assert_eq!(all.bad, ["row 1: id (test, line 2): id: expected a string, got none"]);
    assert_eq!(all.writes.len(), 1);
}

#[test]
fn what_the_header_says_can_be_asked() {
    let reader = NpyReader::new(input(two_rows()), Ids::numbers("")).unwrap();
    assert_eq!((reader.rows(), reader.dimension(), reader.element().descr()), (2, 3, "<f4"));
}

#[test]
fn an_array_without_rows_is_empty() {
    let dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }";
    assert_eq!(read_bytes(Format::Npy, npy(dict, &[])), All::default());
}
