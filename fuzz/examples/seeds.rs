//! `seeds DIR TARGET`: writes the inputs to begin with into a directory.

use cairn_disk::{RealDisk, Storage, crc32c, write_new};
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(dir), Some(target)) = (args.next().map(PathBuf::from), args.next()) else {
        return Err("expected DIR and TARGET".into());
    };
    let seeds = cairn_fuzz::seeds::of(&target).ok_or_else(|| format!("no target {target}"))?;
    let disk = RealDisk::new();
    disk.create_dir_all(&dir)?;
    for seed in seeds {
        let path = dir.join(format!("seed-{:08x}-{}", crc32c(&seed), seed.len()));
        if disk.stat(&path)?.is_none() {
            write_new(&disk, &path, &seed)?;
        }
    }
    Ok(())
}
