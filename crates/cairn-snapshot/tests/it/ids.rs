//! Snapshot ids and digests as text.

use cairn_snapshot::{Digest, PartId, SnapshotId};

#[test]
fn ids_are_read_only_in_their_one_spelling() {
    for good in ["snap-2024-01-20-103045", "snap-2024-02-29-235959-2", "snap-2024-01-20-103045-4294967295"] {
        assert_eq!(good.parse::<SnapshotId>().expect(good).as_str(), good);
    }
    let bad = [
        "",
        "snap-",
        "snap-2024-01-20-10304",
        "snap-2024-01-20-103045-",
        "snap-2024-01-20-103045-1",
        "snap-2024-01-20-103045-02",
        "snap-2024-01-20-103045-4294967296",
        "snap-2024-01-20-103045x",
        "snap-2023-02-29-000000",
        "snap-2024-13-01-000000",
        "snap-2024-01-20-246060",
        "Snap-2024-01-20-103045",
        "snap-2024-01-20-103045/..",
        "../snap-2024-01-20-103045",
        "snap-2024-1-20-1030450",
        "snap-+024-01-20-103045",
        "snap-2024-01-20-10304é",
        "snap-2024-01-20-103045-٢",
        " snap-2024-01-20-103045",
    ];
    for bad in bad {
        assert!(bad.parse::<SnapshotId>().is_err(), "{bad:?}");
    }
}

#[test]
fn ids_are_ordered_by_time_and_number() {
    let ordered = [
        "snap-2023-12-31-235959",
        "snap-2024-01-20-103045",
        "snap-2024-01-20-103045-2",
        "snap-2024-01-20-103045-10",
        "snap-2024-01-20-103046",
    ];
    let ids: Vec<SnapshotId> = ordered.iter().map(|id| id.parse().expect("an id")).collect();
    assert!(ids.is_sorted());
}

#[test]
fn ids_are_made_from_the_clock() {
    assert_eq!(SnapshotId::at(0, 1).expect("a time").as_str(), "snap-1970-01-01-000000");
    assert_eq!(
        SnapshotId::at(1_705_746_645_999_999, 3).expect("a time").as_str(),
        "snap-2024-01-20-103045-3"
    );
    for impossible in [i64::MAX, i64::MIN] {
        assert!(SnapshotId::at(impossible, 1).is_err());
    }
}

#[test]
fn digests_are_64_lower_case_hex_digits() {
    let digest = Digest::of(b"");
    let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse::<PartId>().expect("a digest"), PartId(digest));
    for bad in ["", &text[1..], &text.to_uppercase(), &text.replace('e', "g"), &format!("{text}0")] {
        assert!(bad.parse::<Digest>().is_err(), "{bad:?}");
    }
}
