//! Formats by name, by file name and by first bytes.

use crate::support::{engine, input};
use cairn_transfer::{Compression, Content, Fields, Format, OnError};

#[test]
fn every_format_has_a_name_that_leads_back_to_it() {
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()).unwrap(), format);
        assert_eq!(format.to_string().to_uppercase().parse::<Format>().unwrap(), format);
    }
    for content in Content::ALL {
        assert_eq!(Content::from_name(content.name()).unwrap(), content);
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_names_there_are() {
    let message = Format::from_name("xlsx").unwrap_err().to_string();
    assert!(message.contains("expected one of npy, fvecs") && message.ends_with("got \"xlsx\""), "{message}");
    assert!(Content::from_name("rows").unwrap_err().to_string().contains("items, vectors, metadata"));
    assert!(OnError::from_name("ignore").unwrap_err().to_string().contains("expected skip or stop"));
    assert_eq!(OnError::from_name("skip").unwrap(), OnError::Skip);
}

#[test]
fn a_file_name_says_the_format_and_what_wraps_it() {
    let of = |name: &str| (Format::from_file_name(name), Compression::from_file_name(name));
    assert_eq!(of("a/items.jsonl.gz"), (Some(Format::JsonLines), Compression::Gzip));
    assert_eq!(of("VECTORS.F16.NPY"), (Some(Format::Npy), Compression::None));
    assert_eq!(of("events.txt.zst"), (Some(Format::Lines), Compression::Zstd));
    assert_eq!(of("base.fvecs"), (Some(Format::Fvecs), Compression::None));
    assert_eq!(of("table.parquet"), (Some(Format::Parquet), Compression::None));
    assert_eq!(of("README"), (None, Compression::None));
    assert_eq!(of(".csv"), (None, Compression::None));
}

#[test]
fn the_first_bytes_say_the_format() {
    let of = |bytes: &[u8]| Format::from_magic(bytes);
    assert_eq!(of(b"\x93NUMPY\x01\x00"), Some(Format::Npy));
    assert_eq!(of(b"PAR1...."), Some(Format::Parquet));
    assert_eq!(of(b"ARROW1\0\0"), Some(Format::ArrowFile));
    assert_eq!(of(b"\xff\xff\xff\xff\x10"), Some(Format::ArrowStream));
    assert_eq!(of(b"\xef\xbb\xbf \n{\"id\""), Some(Format::JsonLines));
    assert_eq!(of(b"event a ADD b 1"), Some(Format::Lines));
    assert_eq!(of(b"EVENTS,a,b"), None);
    assert_eq!(of(b"id,name\n"), None);
    assert_eq!(of(b""), None);
}

#[test]
fn an_input_is_told_by_its_bytes_before_its_name() {
    assert_eq!(input("VECSET a 1\n").detect().unwrap(), Format::Lines);
    let mut named = cairn_transfer::Input::from_reader("a.csv", &b"id,x\n"[..]).unwrap();
    assert_eq!(named.detect().unwrap(), Format::Csv);
    assert!(input("id,x\n").detect().unwrap_err().to_string().contains("name it"));
}

#[test]
fn fields_are_mapped_by_options_and_no_name_is_two_things() {
    let fields = Fields::from_options(
        Some("name"),
        None,
        &["text=body".to_owned(), "metadata".to_owned()],
        &["rank".to_owned()],
    )
    .unwrap();
    assert_eq!((fields.id.as_str(), fields.vector.as_str()), ("name", "vector"));
    assert_eq!(fields.metadata[0].key.as_deref(), Some("body"));
    assert_eq!(fields.metadata[1].key, None);
    for (id, metadata) in
        [("vector", "metadata"), ("id", "id"), ("score", "metadata"), ("id", "=x"), ("", "x")]
    {
        assert!(
            Fields::from_options(Some(id), None, &[metadata.to_owned()], &[]).is_err(),
            "{id} {metadata}"
        );
    }
}

#[test]
fn what_a_format_cannot_carry_is_said_before_anything_is_written() {
    let view = engine().view().unwrap();
    for (content, format) in [
        (Content::Items, Format::Npy),
        (Content::Events, Format::Fvecs),
        (Content::Pairs, Format::Lines),
        (Content::Vectors, Format::Ivecs),
    ] {
        let message = crate::support::try_export(&view, content, format).unwrap_err().to_string();
        assert_eq!(message, format!("{} cannot carry {}", format.name(), content.name()));
    }
}
