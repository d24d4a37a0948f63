//! The shipped data, as its README describes them.

use std::path::Path;
use xtask::{read, root};

const BYTES_MAX: u64 = 7_000_000;

/// The file's name, the rows column and the form column of each row of the table.
fn table() -> Vec<(String, String, String)> {
    let readme = read("data/debian/README.md");
    let rows = readme.lines().filter(|l| l.starts_with("| `"));
    rows.map(|l| {
        let cells: Vec<&str> = l.trim_matches('|').split('|').map(str::trim).collect();
        (cells[0].trim_matches('`').to_owned(), cells[1].replace(',', ""), cells[2].to_owned())
    })
    .collect()
}

#[test]
fn the_sample_is_small_and_every_file_of_it_documented() {
    let documented: Vec<String> = table().into_iter().map(|(name, ..)| name).collect();
    let mut bytes = 0;
    for entry in std::fs::read_dir(root().join("data/debian")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(name == "README.md" || documented.contains(&name), "{name} is in no table");
        bytes += entry.metadata().unwrap().len();
    }
    assert!(bytes <= BYTES_MAX, "{bytes} bytes, at most {BYTES_MAX}");
    assert_eq!(documented.len(), 8);
}

#[test]
fn arrays_have_the_shape_and_length_their_table_says() {
    let mut seen = 0;
    for (name, rows, form) in table().into_iter().filter(|(name, ..)| name.ends_with(".npy")) {
        let (descr, shape, bytes) = array(&root().join("data/debian").join(&name));
        let columns: u64 = shape.split(", ").nth(1).unwrap().trim_end_matches(')').parse().unwrap();
        assert!(form.contains(&format!("{shape} `{descr}`")), "{name}: {shape} {descr}, table: {form}");
        let item: u64 = descr[2..].parse().unwrap();
        assert_eq!(rows, shape[1..].split(',').next().unwrap(), "{name}");
        assert_eq!(bytes, rows.parse::<u64>().unwrap() * columns * item, "{name}: bytes of values");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

/// The element type, the shape as numpy writes it, and the bytes after the header.
#[allow(clippy::disallowed_methods, reason = "xtask reads the tree itself, not a database's files")]
fn array(path: &Path) -> (String, String, u64) {
    let all = std::fs::read(path).unwrap();
    assert_eq!(&all[..8], b"\x93NUMPY\x01\x00", "{}", path.display());
    let header_bytes = 10 + usize::from(u16::from_le_bytes([all[8], all[9]]));
    let header = std::str::from_utf8(&all[10..header_bytes]).unwrap();
    assert!(header.contains("'fortran_order': False"), "{header}");
    let value = |key: &str| header.split(&format!("'{key}': ")).nth(1).unwrap().to_owned();
    let descr = value("descr").split('\'').nth(1).unwrap().to_owned();
    let shape = value("shape").split(')').next().unwrap().to_owned() + ")";
    (descr, shape, u64::try_from(all.len() - header_bytes).unwrap())
}

#[test]
fn the_script_and_the_readme_name_the_same_counts() {
    let script = read("data/debian/cut.py");
    for (name, rows, _) in table().into_iter().filter(|(name, ..)| name.ends_with(".gz")) {
        let grouped = script.lines().filter_map(|l| l.split_once(" = ")).map(|(_, n)| n.replace('_', ""));
        assert!(grouped.into_iter().any(|n| n == rows), "{name}: {rows} rows are in no constant of cut.py");
    }
}
