//! A process whose memory, page cache and all, is limited by a control group, and what it measures.

use crate::Result;
use crate::larger::{NAME, Sizes};
use crate::larger_load::{Answers, Load, query};
use crate::load::percentile;
use crate::machine::resident_bytes;
use cairn_engine::Engine;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What one process measured.
#[derive(Default)]
pub struct Report {
    pub p50_us: f64,
    pub p99_us: f64,
    /// A checksum of the results of all measured queries, ids and bits of scores.
    pub answers: u64,
    opened_us: f64,
    recall: f64,
    hit_share: f64,
    hot_bytes: f64,
    hot_vector_bytes: f64,
    mapped_resident: f64,
    process_resident: f64,
    /// The most that the group had, when there was one.
    group_bytes: f64,
}

impl Report {
    /// Warms up with as many queries as are then measured, and checks a sample.
    pub fn measure(
        engine: &Engine,
        opened: Duration,
        load: &Load,
        queries: usize,
        truth: &Answers,
    ) -> Result<Report> {
        for item in load.stretch(1, queries) {
            query(engine, &item, false)?;
        }
        let mut times = Vec::with_capacity(queries);
        let mut answers = 0xCBF2_9CE4_8422_2325u64;
        let mut put = |byte: u8| answers = (answers ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        for item in load.stretch(2, queries) {
            let started = Instant::now();
            let found = query(engine, &item, false)?;
            times.push(started.elapsed());
            for (id, score) in found {
                id.bytes().chain(score.to_bits().to_le_bytes()).for_each(&mut put);
            }
        }
        times.sort_unstable();
        let micros = |share| percentile(&times, share).as_secs_f64() * 1e6;
        let stats = engine.storage_stats(Some(NAME))?.remove(0);
        Ok(Report {
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            answers,
            opened_us: opened.as_secs_f64() * 1e6,
            recall: truth.recall(engine)?,
            hit_share: stats.hit_share(),
            hot_bytes: stats.hot_bytes as f64,
            hot_vector_bytes: stats.hot_vector_bytes as f64,
            mapped_resident: stats.resident_bytes as f64,
            process_resident: resident_bytes(std::process::id()) as f64,
            group_bytes: 0.0,
        })
    }

    fn fields(&mut self) -> [&mut f64; 10] {
        [
            &mut self.p50_us,
            &mut self.p99_us,
            &mut self.opened_us,
            &mut self.recall,
            &mut self.hit_share,
            &mut self.hot_bytes,
            &mut self.hot_vector_bytes,
            &mut self.mapped_resident,
            &mut self.process_resident,
            &mut self.group_bytes,
        ]
    }

    /// One line, for the parent.
    pub fn print(mut self) {
        let fields: Vec<String> = self.fields().iter().map(|field| field.to_string()).collect();
        println!("{} {}", self.answers, fields.join(" "));
    }

    fn read(line: &str) -> Result<Report> {
        let mut words = line.split_whitespace();
        let answers = words.next().ok_or("a process that said nothing")?.parse()?;
        let mut report = Report { answers, ..Report::default() };
        for field in report.fields() {
            *field = words.next().ok_or("a process that said too little")?.parse()?;
        }
        Ok(report)
    }

    /// In words.
    pub fn told(&self) -> String {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        format!(
            "{:.2} ms, {:.2} ms; {:.1} % of {:.0} MiB hot beside graphs of {:.0} MiB; {:.2} s; {:.3}; {:.0} MiB of the columns, {:.0} MiB of the process, {:.0} MiB",
            self.p50_us / 1e3,
            self.p99_us / 1e3,
            self.hit_share * 100.0,
            mib(self.hot_vector_bytes),
            mib(self.hot_bytes),
            self.opened_us / 1e6,
            self.recall,
            mib(self.mapped_resident),
            mib(self.process_resident),
            mib(self.group_bytes),
        )
    }
}

/// Runs this program on a database that no page cache holds, in a group of its own.
pub fn run_limited(dir: &Path, sizes: Sizes, limit_bytes: u64) -> Result<Report> {
    drop_cached(dir)?;
    let group = Group::make(limit_bytes);
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("larger-process").arg(dir).args([
        sizes.rows.to_string(),
        sizes.dimension.to_string(),
        sizes.queries.to_string(),
    ]);
    command.arg(group.as_ref().map_or(Path::new("-"), |group| &group.procs));
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        return Err(format!("a limited process failed: {} {text}", output.status).into());
    }
    let mut report = Report::read(&text)?;
    report.group_bytes = group.map_or(0.0, |group| group.most());
    Ok(report)
}

/// Puts this process into a group, before it has opened anything.
pub fn join(procs: &str) -> Result<()> {
    if procs != "-" {
        std::fs::write(procs, std::process::id().to_string())?;
    }
    Ok(())
}

/// A control group for memory, of version 1 or 2; it is removed with its last process.
struct Group {
    dir: PathBuf,
    procs: PathBuf,
    peak: &'static str,
}

impl Group {
    /// `None`, with a word about it, where none can be made.
    fn make(limit_bytes: u64) -> Option<Group> {
        let root = Path::new("/sys/fs/cgroup");
        let name = format!("cairn-bench-{}", std::process::id());
        let (parent, limit, peak) = match root.join("memory").is_dir() {
            true => (root.join("memory"), "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
            false => (root.to_owned(), "memory.max", "memory.peak"),
        };
        let dir = parent.join(name);
        let made =
            std::fs::create_dir(&dir).and_then(|()| std::fs::write(dir.join(limit), limit_bytes.to_string()));
        if let Err(e) = made {
            eprintln!("{}: {e}: memory is not limited", dir.display());
            return None;
        }
        Some(Group { procs: dir.join("cgroup.procs"), dir, peak })
    }

    fn most(&self) -> f64 {
        let text = std::fs::read_to_string(self.dir.join(self.peak)).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.dir);
    }
}

/// Has the system let go of what it holds of the files below a directory.
fn drop_cached(dir: &Path) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            drop_cached(&entry.path())?;
        } else {
            let of = format!("of={}", entry.path().display());
            let done = Command::new("dd")
                .args([&of, "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"])
                .stdin(std::process::Stdio::null())
                .status()?;
            if !done.success() {
                return Err(format!("dd {of}: {done}").into());
            }
        }
    }
    Ok(())
}
