//! Sets of vectors with queries and their true neighbours: read from a directory, and one made of clusters.

use crate::Result;
use cairn_engine::Metric;
use cairn_engine::distance::{Scorer, inverse_norm, scan};
use cairn_engine::top_k::TopK;
use std::io::Write as _;
use std::path::Path;

/// Vectors and queries, row-major, and each query's true neighbours by cosine or L2, best first.
pub struct Set {
    pub dimension: usize,
    pub vectors: Vec<f32>,
    pub queries: Vec<f32>,
    pub truth: Vec<Vec<u32>>,
    pub metric: Metric,
}

/// Reads `vectors`, `query_vectors` (each `.f16.npy` or `.f32.npy`) and `gt_top100.npy`. A file `metric` holding `l2` makes it a
/// set for that metric; without one it is for the cosine.
pub fn read(dir: &Path) -> Result<Set> {
    let (dimension, vectors) = floats(dir, "vectors")?;
    let (_, queries) = floats(dir, "query_vectors")?;
    let (_, columns, bytes) = npy(&dir.join("gt_top100.npy"), "<i4")?;
    let numbers: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    let truth = numbers.chunks_exact(columns).map(<[u32]>::to_vec).collect();
    let name = std::fs::read_to_string(dir.join("metric")).unwrap_or_else(|_| "cosine".to_owned());
    let metric = Metric::from_name(name.trim()).ok_or("metric: expected cosine, dot or l2")?;
    Ok(Set { dimension, vectors, queries, truth, metric })
}

/// The dimension and the elements of a `.npy` file of a set.
pub fn floats(dir: &Path, name: &str) -> Result<(usize, Vec<f32>)> {
    let half = dir.join(format!("{name}.f16.npy"));
    if half.exists() {
        let (_, columns, bytes) = npy(&half, "<f2")?;
        let element = |b: &[u8; 2]| half::f16::from_le_bytes(*b).to_f32();
        return Ok((columns, bytes.as_chunks::<2>().0.iter().map(element).collect()));
    }
    let (_, columns, bytes) = npy(&dir.join(format!("{name}.f32.npy")), "<f4")?;
    Ok((columns, bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()))
}

/// Rows, columns and bytes of a `.npy` file of two dimensions and this element type (numpy's format 1.0).
fn npy(path: &Path, kind: &str) -> Result<(usize, usize, Vec<u8>)> {
    let wrong = || format!("{}: expected a .npy of two dimensions and element type {kind}", path.display());
    let mut bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let length = bytes.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))).ok_or_else(wrong)?;
    let header = bytes.get(10..10 + length).map(String::from_utf8_lossy).ok_or_else(wrong)?;
    let shape =
        header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')')).ok_or_else(wrong)?.0;
    let shape: Vec<usize> = shape.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    if !header.contains(&format!("'descr': '{kind}'")) || shape.len() != 2 {
        return Err(wrong().into());
    }
    bytes.drain(..10 + length);
    Ok((shape[0], shape[1], bytes))
}

const DIMENSION: usize = 128;
const QUERIES: usize = 1_000;
const ROWS_A_CLUSTER: usize = 1_000;

/// Writes a set of `rows` vectors of 128 elements for L2: Gaussian clusters, one for every thousand rows, whose centres are a
/// Gaussian too. Queries are of the same clusters. The same on every machine, but for the rounding of `ln` and `cos`.
pub fn write(dir: &Path, rows: usize) -> Result<()> {
    let mut random = Random(0x5EED);
    let clusters = rows.div_ceil(ROWS_A_CLUSTER);
    let centres: Vec<f32> = (0..clusters * DIMENSION).map(|_| random.normal()).collect();
    let mut draw = |count: usize| -> Vec<f32> {
        let mut out = Vec::with_capacity(count * DIMENSION);
        for _ in 0..count {
            let centre = (random.next() % clusters as u64) as usize * DIMENSION;
            out.extend(centres[centre..centre + DIMENSION].iter().map(|c| c + 0.5 * random.normal()));
        }
        out
    };
    let (vectors, queries) = (draw(rows), draw(QUERIES));
    std::fs::create_dir_all(dir)?;
    let write = |name: &str, kind: &str, columns: usize, bytes: Vec<u8>| -> Result<()> {
        let header = format!(
            "{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}, {columns}), }}",
            bytes.len() / 4 / columns
        );
        let padded = (10 + header.len() + 1).next_multiple_of(64) - 11;
        let mut file = std::io::BufWriter::new(std::fs::File::create(dir.join(name))?);
        file.write_all(b"\x93NUMPY\x01\x00")?;
        file.write_all(&(padded as u16 + 1).to_le_bytes())?;
        writeln!(file, "{header:padded$}")?;
        file.write_all(&bytes)?;
        Ok(file.flush()?)
    };
    let bytes = |floats: &[f32]| floats.iter().flat_map(|x| x.to_le_bytes()).collect();
    write("vectors.f32.npy", "<f4", DIMENSION, bytes(&vectors))?;
    write("query_vectors.f32.npy", "<f4", DIMENSION, bytes(&queries))?;
    let truth = truth(&vectors, &queries);
    write("gt_top100.npy", "<i4", 100, truth.iter().flat_map(|row| row.to_le_bytes()).collect())?;
    std::fs::write(dir.join("metric"), "l2\n")?;
    println!("{}", dir.display());
    Ok(())
}

/// The 100 nearest of each query, by a scan.
fn truth(vectors: &[f32], queries: &[f32]) -> Vec<u32> {
    let norms: Vec<f32> = vectors.chunks_exact(DIMENSION).map(inverse_norm).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = (queries.len() / DIMENSION).div_ceil(threads) * DIMENSION;
    std::thread::scope(|scope| {
        let scans: Vec<_> = queries
            .chunks(share)
            .map(|queries| {
                let norms = &norms;
                scope.spawn(move || {
                    let mut out = Vec::new();
                    for query in queries.chunks_exact(DIMENSION) {
                        let mut best = TopK::new(100, None);
                        let scorer = Scorer::new(Metric::L2, query);
                        scan(&scorer, vectors, norms, 0, None, None, |row, score| {
                            best.offer(row, score, |a, b| a.cmp(&b));
                        });
                        out.extend(best.finish(|a, b| a.cmp(&b)).iter().map(|scored| scored.item));
                    }
                    out
                })
            })
            .collect();
        scans.into_iter().flat_map(|scan| scan.join().expect("a scan does not panic")).collect()
    })
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), and Gaussians by Box and Muller.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f32 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.unit()).cos()) as f32
    }
}
