//! One file of a lossy disk: what was synced is in a real file, what was not is here.

use crate::mapped::{InMemory, map};
use crate::real::{check_truncate, check_write, read_at};
use crate::{Bytes, File, Result};
use parking_lot::Mutex;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type IoResult<T> = io::Result<T>;

/// A file without its names.
#[derive(Debug)]
pub(super) struct Inode {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    synced: Synced,
    unsynced: Option<Overlay>,
}

/// The bytes that a crash leaves.
#[derive(Debug)]
enum Synced {
    File(fs::File),
    /// No name of the file is durable, so no real file may show.
    Nameless(Vec<u8>),
}

/// Unsynced changes over the synced bytes.
#[derive(Debug)]
struct Overlay {
    /// How many synced bytes still count.
    kept: u64,
    /// The live length. Between `kept` and it, every byte is in `writes`.
    bytes: u64,
    /// Written bytes by offset; none overlap.
    writes: BTreeMap<u64, Vec<u8>>,
}

impl Inode {
    /// A new, empty file that has no durable name.
    pub(super) fn nameless() -> Self {
        Self { state: Mutex::new(State { synced: Synced::Nameless(Vec::new()), unsynced: None }) }
    }

    /// A real file, with nothing unsynced.
    pub(super) fn real(file: fs::File) -> Self {
        Self { state: Mutex::new(State { synced: Synced::File(file), unsynced: None }) }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.state.lock().unsynced.is_none()
    }

    pub(super) fn bytes(&self) -> IoResult<u64> {
        self.state.lock().bytes()
    }

    /// Reads through another real file handle from now on: one that can write.
    pub(super) fn reopened(&self, file: fs::File) {
        let mut state = self.state.lock();
        if let Synced::File(old) = &mut state.synced {
            *old = file;
        }
    }

    /// Gives the file its first durable name: `create` makes the real file, which gets the synced bytes. For a file that
    /// is real already, `link` makes the name; when that cannot be, the name is for a copy.
    pub(super) fn name(
        &self,
        link: impl FnOnce(&fs::File) -> IoResult<()>,
        create: impl FnOnce() -> IoResult<fs::File>,
    ) -> IoResult<()> {
        let mut state = self.state.lock();
        if let Synced::File(file) = &state.synced {
            match link(file) {
                // Its last name is gone, and a file without one cannot get another.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                linked => return linked,
            }
        }
        let bytes = state.synced.whole()?;
        let file = create()?;
        file.write_all_at(&bytes, 0)?;
        state.synced = Synced::File(file);
        Ok(())
    }

    pub(super) fn whole(&self) -> IoResult<Vec<u8>> {
        let state = self.state.lock();
        let mut bytes = vec![0; to_usize(state.bytes()?)];
        let n = state.read(0, &mut bytes)?;
        bytes.truncate(n);
        Ok(bytes)
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> IoResult<()> {
        let mut state = self.state.lock();
        check_write(offset, state.bytes()?)?;
        state.overlay()?.write(offset, bytes);
        Ok(())
    }

    fn append(&self, bytes: &[u8]) -> IoResult<()> {
        let mut state = self.state.lock();
        let overlay = state.overlay()?;
        overlay.write(overlay.bytes, bytes);
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> IoResult<()> {
        let mut state = self.state.lock();
        check_truncate(bytes, state.bytes()?)?;
        state.overlay()?.truncate(bytes);
        Ok(())
    }

    /// Writes what is unsynced to the real file. The operating system keeps it when this process is killed.
    fn sync(&self) -> IoResult<()> {
        let State { synced, unsynced } = &mut *self.state.lock();
        if let Some(overlay) = unsynced {
            overlay.write_to(synced)?;
            *unsynced = None;
        }
        Ok(())
    }

    fn map(&self, path: &Path) -> Result<Box<dyn Bytes>> {
        if let State { synced: Synced::File(file), unsynced: None } = &*self.state.lock() {
            return map(file, path);
        }
        let whole = self.whole().map_err(|e| crate::Error::io("map", path, e))?;
        Ok(Box::new(InMemory::new(&whole)))
    }
}

impl State {
    fn bytes(&self) -> IoResult<u64> {
        self.unsynced.as_ref().map_or_else(|| self.synced.bytes(), |o| Ok(o.bytes))
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> IoResult<usize> {
        let Some(overlay) = &self.unsynced else { return self.synced.read(offset, buf) };
        let n = to_usize((buf.len() as u64).min(overlay.bytes.saturating_sub(offset)));
        let buf = &mut buf[..n];
        let kept = to_usize(overlay.kept.saturating_sub(offset).min(n as u64));
        let mut done = 0;
        while done < kept {
            match self.synced.read(offset + done as u64, &mut buf[done..kept])? {
                0 => break,
                n => done += n,
            }
        }
        overlay.patch(offset, buf);
        Ok(n)
    }

    fn overlay(&mut self) -> IoResult<&mut Overlay> {
        let bytes = self.bytes()?;
        Ok(self.unsynced.get_or_insert_with(|| Overlay { kept: bytes, bytes, writes: BTreeMap::new() }))
    }
}

impl Synced {
    fn bytes(&self) -> IoResult<u64> {
        match self {
            Synced::File(file) => Ok(file.metadata()?.len()),
            Synced::Nameless(bytes) => Ok(bytes.len() as u64),
        }
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> IoResult<usize> {
        match self {
            Synced::File(file) => read_at(file, offset, buf),
            Synced::Nameless(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
                let n = rest.len().min(buf.len());
                buf[..n].copy_from_slice(&rest[..n]);
                Ok(n)
            }
        }
    }

    fn whole(&self) -> IoResult<Vec<u8>> {
        let mut bytes = vec![0; to_usize(self.bytes()?)];
        let mut done = 0;
        while done < bytes.len() {
            match self.read(done as u64, &mut bytes[done..])? {
                0 => break,
                n => done += n,
            }
        }
        bytes.truncate(done);
        Ok(bytes)
    }

    fn write(&mut self, offset: u64, new: &[u8]) -> IoResult<()> {
        match self {
            Synced::File(file) => file.write_all_at(new, offset),
            Synced::Nameless(bytes) => {
                let (at, end) = (to_usize(offset), to_usize(offset) + new.len());
                bytes.resize(bytes.len().max(end), 0);
                bytes[at..end].copy_from_slice(new);
                Ok(())
            }
        }
    }

    fn truncate(&mut self, to: u64) -> IoResult<()> {
        match self {
            Synced::File(file) => file.set_len(to),
            Synced::Nameless(bytes) => {
                bytes.truncate(to_usize(to));
                Ok(())
            }
        }
    }
}

impl Overlay {
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        // An empty piece would hide one that starts at the same place.
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len() as u64;
        let last = self.writes.range_mut(..=offset).next_back();
        match last {
            // A log's tail: one piece that grows.
            Some((at, old)) if *at + old.len() as u64 == offset && offset == self.bytes => {
                old.extend_from_slice(bytes);
            }
            _ => {
                self.clear(offset, end);
                self.writes.insert(offset, bytes.to_vec());
            }
        }
        self.bytes = self.bytes.max(end);
    }

    fn truncate(&mut self, bytes: u64) {
        self.clear(bytes, self.bytes);
        self.kept = self.kept.min(bytes);
        self.bytes = bytes;
    }

    fn write_to(&self, synced: &mut Synced) -> IoResult<()> {
        if self.kept < synced.bytes()? {
            synced.truncate(self.kept)?;
        }
        self.writes.iter().try_for_each(|(offset, bytes)| synced.write(*offset, bytes))
    }

    /// Forgets the writes between two offsets.
    fn clear(&mut self, from: u64, to: u64) {
        let overlaps = |(at, old): &(&u64, &Vec<u8>)| **at + old.len() as u64 > from;
        let touched: Vec<u64> =
            self.writes.range(..to).rev().take_while(overlaps).map(|(at, _)| *at).collect();
        for at in touched {
            let Some(mut old) = self.writes.remove(&at) else { continue };
            let end = at + old.len() as u64;
            if end > to {
                self.writes.insert(to, old.split_off(to_usize(to - at)));
            }
            if at < from {
                old.truncate(to_usize(from - at));
                self.writes.insert(at, old);
            }
        }
    }

    /// Puts the writes over bytes that were read at `offset`.
    fn patch(&self, offset: u64, buf: &mut [u8]) {
        let end = offset + buf.len() as u64;
        for (at, bytes) in self.writes.range(..end).rev() {
            let stop = *at + bytes.len() as u64;
            if stop <= offset {
                break;
            }
            let (from, to) = ((*at).max(offset), stop.min(end));
            let source = &bytes[to_usize(from - at)..to_usize(to - at)];
            buf[to_usize(from - offset)..to_usize(to - offset)].copy_from_slice(source);
        }
    }
}

/// An open file of a lossy disk.
#[derive(Debug)]
pub(super) struct LossyFile {
    pub(super) path: PathBuf,
    pub(super) inode: Arc<Inode>,
    pub(super) writable: bool,
}

impl LossyFile {
    fn io<T>(&self, what: &'static str, done: IoResult<T>) -> Result<T> {
        done.map_err(|e| crate::Error::io(what, &self.path, e))
    }

    fn writing(&self) -> IoResult<&Inode> {
        if self.writable { Ok(&self.inode) } else { Err(Errno::BADF.into()) }
    }
}

impl File for LossyFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn bytes(&self) -> Result<u64> {
        self.io("stat", self.inode.bytes())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.io("read", self.inode.state.lock().read(offset, buf))
    }

    fn append(&self, bytes: &[u8]) -> Result<()> {
        self.io("append to", self.writing().and_then(|inode| inode.append(bytes)))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.io("write", self.writing().and_then(|inode| inode.write(offset, bytes)))
    }

    fn truncate(&self, bytes: u64) -> Result<()> {
        self.io("truncate", self.writing().and_then(|inode| inode.truncate(bytes)))
    }

    fn sync(&self) -> Result<()> {
        self.io("sync", self.inode.sync())
    }

    fn map(&self) -> Result<Box<dyn Bytes>> {
        self.inode.map(&self.path)
    }
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a file of a lossy disk fits in memory")
}
