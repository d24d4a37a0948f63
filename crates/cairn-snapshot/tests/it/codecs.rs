//! Stored parts: frames that plain decoders read, one by one.

use crate::support::*;
use cairn_disk::SimDisk;
use cairn_snapshot::{Codec, Compression, FRAME_BYTES, Snapshot, Width, unshuffle};
use sha2::{Digest as _, Sha256};
use std::io::Read as _;

/// A snapshot with a part of several frames, and that part's stored bytes.
fn several_frames(compression: Compression) -> (SimDisk, Snapshot, Vec<Vec<u8>>) {
    let disk = SimDisk::new(1);
    let snapshot = create(&disk, big_state(2_500, 256, 8), &options(compression));
    let stored = snapshot.parts().map(|part| disk.read_file(&repo_path().join(part.stored()))).collect();
    assert!(snapshot.parts().any(|part| part.bytes > 2 * FRAME_BYTES as u64));
    (disk, snapshot, stored)
}

fn check(snapshot: &Snapshot, at: usize, frames: &[Vec<u8>]) {
    let part = snapshot.parts().nth(at).expect("a part");
    let (last, full) = frames.split_last().expect("at least one frame");
    assert!(full.iter().all(|frame| frame.len() == FRAME_BYTES));
    assert!(last.len() <= FRAME_BYTES);
    let plain = frames.concat();
    assert_eq!(plain.len() as u64, part.bytes);
    assert_eq!(Sha256::digest(&plain).as_slice(), part.id.0.0);
}

/// The plain pieces of a MiB of a shuffled part, whose frames are planes.
fn pieces(width: Width, frames: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let back = |piece: &[u8]| {
        let mut plain = Vec::new();
        unshuffle(width, piece, &mut plain);
        plain
    };
    frames.concat().chunks(FRAME_BYTES).map(back).collect()
}

#[test]
fn zstd_frames_decode_one_by_one() {
    let (_, snapshot, stored) = several_frames(Compression::default());
    for (at, bytes) in stored.iter().enumerate() {
        let (mut rest, mut frames) = (bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let size = zstd::zstd_safe::find_frame_compressed_size(rest).expect("a frame");
            frames.push(zstd::bulk::decompress(&rest[..size], FRAME_BYTES).expect("decodes alone"));
            rest = &rest[size..];
        }
        if let Some(width) = snapshot.parts().nth(at).and_then(|part| part.codec.width()) {
            frames = pieces(width, &frames);
        }
        check(&snapshot, at, &frames);
    }
}

#[test]
fn gzip_members_decode_one_by_one() {
    let (_, snapshot, stored) = several_frames(Compression::Gzip { level: 1 });
    for (at, bytes) in stored.iter().enumerate() {
        let (mut rest, mut frames) = (bytes.as_slice(), Vec::new());
        while !rest.is_empty() {
            let mut plain = Vec::new();
            let mut decoder = flate2::bufread::GzDecoder::new(rest);
            decoder.read_to_end(&mut plain).expect("decodes alone");
            rest = decoder.into_inner();
            frames.push(plain);
        }
        check(&snapshot, at, &frames);
    }
}

#[test]
fn raw_parts_are_the_bytes_themselves() {
    let (_, snapshot, stored) = several_frames(Compression::None);
    for (at, bytes) in stored.iter().enumerate() {
        let frames: Vec<Vec<u8>> = bytes.chunks(FRAME_BYTES).map(<[u8]>::to_vec).collect();
        check(&snapshot, at, &frames);
        let part = snapshot.parts().nth(at).expect("a part");
        assert_eq!(part.stored_sha256, part.id.0);
    }
}

#[test]
fn parts_of_several_frames_are_restored() {
    for compression in [Compression::default(), Compression::Gzip { level: 1 }, Compression::None] {
        let (disk, view) = (SimDisk::new(1), big_state(2_500, 256, 8));
        let hash = view.state_hash();
        let snapshot = create(&disk, view, &options(compression));
        assert!(verify(&disk, snapshot.id.as_str()).is_whole());
        assert_eq!(restore(&disk, snapshot.id.as_str()).expect("restores").state_hash, hash);
    }
}

#[test]
fn every_zstd_level_is_read_back() {
    for level in [-7, 3, 12, 22] {
        let (disk, view) = (SimDisk::new(1), big_state(600, 512, 8));
        let snapshot = create(&disk, view, &options(Compression::Zstd { level }));
        assert!(verify(&disk, snapshot.id.as_str()).is_whole(), "level {level}");
    }
}

#[test]
fn levels_that_do_not_exist_are_refused() {
    for compression in
        [Compression::Zstd { level: 23 }, Compression::Gzip { level: 0 }, Compression::Gzip { level: 10 }]
    {
        let disk = SimDisk::new(1);
        let repository = open_or_create(&disk);
        let error = cairn_snapshot::create(&repository, tiny_state(), &options(compression), &one_thread());
        let error = error.expect_err("no such level");
        assert_eq!(error.kind(), cairn_disk::ErrorKind::Input);
        assert!(error.to_string().contains("compression level: expected"), "{error}");
    }
}

#[test]
fn what_hardly_compresses_is_stored_as_it_is() {
    for compression in [Compression::default(), Compression::Gzip { level: 1 }] {
        let (disk, view) = (SimDisk::new(1), noise_state(40_000, 64));
        let hash = view.state_hash();
        let snapshot = create(&disk, view, &options(compression));
        assert_eq!(snapshot.compression, compression.codec());
        let segments = snapshot.files.iter().filter(|file| file.name.starts_with("segments/"));
        let codecs: Vec<Codec> = segments.map(|file| file.part.codec).collect();
        assert!(!codecs.is_empty() && codecs.iter().all(|codec| *codec == Codec::Raw), "{codecs:?}");
        assert_eq!(snapshot.manifest.codec, compression.codec());
        assert!(verify(&disk, snapshot.id.as_str()).is_whole());
        assert_eq!(restore(&disk, snapshot.id.as_str()).expect("restores").state_hash, hash);
    }
}
