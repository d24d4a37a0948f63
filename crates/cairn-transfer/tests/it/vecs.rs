//! Reading fvecs, bvecs and ivecs.

use crate::support::{All, f32_bytes, input, open_error, read, read_bytes, reader, vector};
use cairn_transfer::{Format, IvecsReader};

fn row(dimension: i32, data: &[u8]) -> Vec<u8> {
    [&dimension.to_le_bytes()[..], data].concat()
}

fn fvecs() -> Vec<u8> {
    [row(2, &f32_bytes(&[1.0, 2.5])), row(2, &f32_bytes(&[-3.0, 4.0]))].concat()
}

#[test]
fn fvecs_rows_become_vectors() {
    let writes = vec![vector("0", &[1.0, 2.5]), vector("1", &[-3.0, 4.0])];
    assert_eq!(read_bytes(Format::Fvecs, fvecs()), All { writes, ..All::default() });
    assert_eq!(read_bytes(Format::Fvecs, ""), All::default());
}

#[test]
fn bvecs_rows_become_vectors() {
    let all = read_bytes(Format::Bvecs, [row(3, &[0, 1, 255]), row(3, &[7, 8, 9])].concat());
    assert_eq!(all.writes, [vector("0", &[0.0, 1.0, 255.0]), vector("1", &[7.0, 8.0, 9.0])]);
}

#[test]
fn a_number_that_is_not_finite_makes_a_bad_row() {
    let bytes = [row(2, &f32_bytes(&[1.0, f32::NAN])), fvecs()].concat();
    let all = read_bytes(Format::Fvecs, bytes);
    assert_eq!(all.bad, ["row 0: vector[1]: expected a finite f32 number, got NaN"]);
    assert_eq!(all.writes.len(), 2);
}

#[test]
fn another_dimension_ends_the_reading() {
    for (dimension, message) in [
        (3, "test: row 2: dimension: expected 2, as before, got 3"),
        (0, "test: row 2: dimension: expected 1 to 65536, got 0"),
        (-1, "expected 1 to 65536, got -1"),
        (i32::MAX, "expected 1 to 65536, got 2147483647"),
    ] {
        let all = read_bytes(Format::Fvecs, [fvecs(), row(dimension, &[0; 12])].concat());
        assert_eq!(all.writes.len(), 2);
        assert!(all.error.unwrap().contains(message), "{message}");
    }
}

#[test]
fn another_dimension_after_a_resume_ends_the_reading_too() {
    let bytes = [fvecs(), row(3, &[0; 12])].concat();
    let mut first = reader(Format::Fvecs, &bytes);
    let mut writes = Vec::new();
    first.next(&mut writes).unwrap();
    first.next(&mut writes).unwrap();
    let mut resumed = reader(Format::Fvecs, &bytes);
    resumed.resume(&first.place()).unwrap();
    let all = read(&mut *resumed);
    assert_eq!(all.writes, []);
    assert!(all.error.unwrap().contains("row 2: dimension: expected 2, as before, got 3"));
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_rows_and_says_where_it_ends() {
    let bytes = fvecs();
    for cut in 0..bytes.len() {
        let all = read_bytes(Format::Fvecs, &bytes[..cut]);
        assert_eq!(all.writes.len(), cut / 12);
        assert_eq!(all.error.is_some(), cut % 12 != 0, "{cut}: {:?}", all.error);
    }
}

#[test]
fn ivecs_rows_are_numbers() {
    let data: Vec<u8> = [3u32, u32::MAX].iter().flat_map(|n| n.to_le_bytes()).collect();
    let bytes = [row(2, &data), row(2, &data)].concat();
    let mut reader = IvecsReader::new(input(&bytes));
    let mut numbers = Vec::new();
    for _ in 0..2 {
        assert!(reader.next(&mut numbers).unwrap());
        assert_eq!(numbers, [3, u32::MAX]);
    }
    assert!(!reader.next(&mut numbers).unwrap());
    let mut cut = IvecsReader::new(input(&bytes[..10]));
    assert!(cut.next(&mut numbers).unwrap_err().to_string().contains("expected 8 bytes, got 6 and the end"));
}

#[test]
fn ivecs_are_no_vectors_to_import() {
    assert!(open_error(Format::Ivecs, "").contains("no vectors to import"));
}
