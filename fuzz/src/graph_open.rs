//! `graph_open`: a graph's file of any content. Whatever it holds, a search finds rows that exist, with their right scores.

use cairn_disk::{Bytes, crc32c};
use cairn_engine::distance::{Scorer, inverse_norm};
use cairn_engine::graph::{BuildWork, Columns, Found, Graph, GraphOf, GraphScratch, GraphSettings, Wanted};
use cairn_engine::{ErrorKind, Metric};
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, OnceLock};

const DIMENSION: usize = 5;
const ROWS: usize = 60;
const HEADER_BYTES: usize = 256;

#[derive(Debug)]
struct File(Vec<u8>);

impl Deref for File {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Bytes for File {}

fn vectors() -> (Vec<f32>, Vec<f32>) {
    let element = |n: usize| (n * n % 101) as f32 / 50.0 - 1.0;
    let vectors: Vec<f32> = (0..ROWS * DIMENSION).map(element).collect();
    let norms = vectors.chunks_exact(DIMENSION).map(inverse_norm).collect();
    (vectors, norms)
}

/// A whole file.
pub fn whole() -> &'static [u8] {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let (vectors, norms) = vectors();
        let columns = Columns::new(&vectors, &norms, DIMENSION).expect("they fit");
        let settings = GraphSettings { degree: 6, build_list: 20, ..GraphSettings::default() };
        let of = GraphOf { collection: 1, segment: 2 };
        let graph = Graph::build(columns, Metric::Cosine, of, &settings, &BuildWork::quiet(1));
        graph.expect("valid").expect("not cancelled").bytes().to_vec()
    })
}

/// Input: a byte (bit 0: the rest is the file; else the rest are changes of a whole one, each u16 position and u8 value; bit 1:
/// the header's checksum is put right, bit 2: the file's).
pub fn check(data: &[u8]) {
    let Some((mode, rest)) = data.split_first() else { return };
    let mut file = if mode & 1 == 1 { rest.to_vec() } else { changed(rest) };
    if mode & 2 == 2 && file.len() >= HEADER_BYTES {
        let crc = crc32c(&file[..HEADER_BYTES - 4]);
        file[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    }
    if mode & 4 == 4 && file.len() >= 4 {
        let body = file.len() - 4;
        let crc = crc32c(&file[..body]);
        file[body..].copy_from_slice(&crc.to_le_bytes());
    }
    let path = Path::new("00000000000000000002.graph");
    let untouched = file == whole();
    match Graph::open(path, Arc::new(File(file))) {
        Ok(graph) => {
            let verified = graph.verify(path);
            assert!(verified.is_ok() || !untouched);
            search(&graph);
        }
        Err(e) => assert!(!untouched && matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Version), "{e}"),
    }
}

fn changed(changes: &[u8]) -> Vec<u8> {
    let mut file = whole().to_vec();
    for change in changes.as_chunks::<3>().0 {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        if let Some(byte) = file.get_mut(at) {
            *byte = change[2];
        }
    }
    file
}

fn search(graph: &Graph) {
    let (vectors, norms) = vectors();
    let columns = Columns::new(&vectors, &norms, DIMENSION).expect("they fit");
    let mut scratch = GraphScratch::new();
    let odd = |row: u32| row % 2 == 1;
    for query in vectors.chunks_exact(DIMENSION).step_by(17) {
        let scorer = Scorer::new(graph.header().metric, query);
        let right = |found: &Found<'_>| {
            found.rows.iter().all(|hit| {
                let at = hit.row as usize;
                hit.score == scorer.score(&vectors[at * DIMENSION..][..DIMENSION], norms[at])
            })
        };
        let wanted = Wanted::best(10);
        if let Ok(found) = graph.search(columns, &scorer, wanted, &mut scratch) {
            assert!(right(&found), "{found:?}");
        }
        if let Ok(found) = graph.search_accepting(columns, &scorer, wanted, odd, &mut scratch) {
            assert!(right(&found) && found.rows.iter().all(|hit| odd(hit.row)), "{found:?}");
        }
    }
}
