//! Byte shuffling: the same byte of all elements of an array beside each other, where what compresses lies together.

use crate::codec::FRAME_BYTES;
use std::io::{self, Read};

/// Bytes of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// Of binary16.
    Two,
    /// Of float32, and of 32-bit numbers.
    Four,
}

impl Width {
    /// All of them.
    pub const ALL: [Width; 2] = [Width::Two, Width::Four];

    /// In bytes.
    pub fn bytes(self) -> usize {
        match self {
            Width::Two => 2,
            Width::Four => 4,
        }
    }

    /// The width of elements of so many bytes, if they are shuffled.
    pub fn of(bytes: usize) -> Option<Width> {
        Width::ALL.into_iter().find(|width| width.bytes() == bytes)
    }
}

/// Shuffles `plain` into `out`: the first byte of every element, then the second of every element, and so on; what is no whole
/// element stays at the end. `out` takes on the length of `plain`.
pub fn shuffle(width: Width, plain: &[u8], out: &mut Vec<u8>) {
    let (elements, body) = sizes(width, plain.len());
    out.resize(plain.len(), 0);
    let (planes, tail) = out.split_at_mut(body);
    tail.copy_from_slice(&plain[body..]);
    if elements == 0 {
        return;
    }
    // One pass for each plane, all within what the cache holds: each is a loop of loads, shifts and packs.
    for (at, plane) in planes.chunks_exact_mut(elements).enumerate() {
        match width {
            Width::Two => take_byte::<2>(at, &plain[..body], plane, |e| u32::from(u16::from_le_bytes(e))),
            Width::Four => take_byte::<4>(at, &plain[..body], plane, u32::from_le_bytes),
        }
    }
}

fn take_byte<const W: usize>(at: usize, body: &[u8], plane: &mut [u8], number: impl Fn([u8; W]) -> u32) {
    let shift = 8 * at as u32;
    for (byte, element) in plane.iter_mut().zip(body.as_chunks::<W>().0) {
        *byte = (number(*element) >> shift) as u8;
    }
}

/// Puts back what [`shuffle`] made. `out` takes on the length of `shuffled`.
pub fn unshuffle(width: Width, shuffled: &[u8], out: &mut Vec<u8>) {
    let (elements, body) = sizes(width, shuffled.len());
    out.resize(shuffled.len(), 0);
    let (whole, tail) = out.split_at_mut(body);
    tail.copy_from_slice(&shuffled[body..]);
    let (first, rest) = shuffled[..body].split_at(elements);
    match width {
        Width::Two => {
            for ((element, a), b) in whole.as_chunks_mut::<2>().0.iter_mut().zip(first).zip(rest) {
                *element = [*a, *b];
            }
        }
        Width::Four => {
            let (second, rest) = rest.split_at(elements);
            let (third, fourth) = rest.split_at(elements);
            let planes = first.iter().zip(second).zip(third.iter().zip(fourth));
            for (element, ((a, b), (c, d))) in whole.as_chunks_mut::<4>().0.iter_mut().zip(planes) {
                *element = [*a, *b, *c, *d];
            }
        }
    }
}

/// Shuffled bytes by planes, one for each byte of an element; what is no whole element goes with the last. One at least.
pub(crate) fn planes(width: Width, shuffled: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (elements, _) = sizes(width, shuffled.len());
    let last = elements * (width.bytes() - 1);
    let (before, last) = shuffled.split_at(last);
    before.chunks(elements.max(1)).chain(std::iter::once(last))
}

/// Whole elements of so many bytes, and their bytes.
fn sizes(width: Width, bytes: usize) -> (usize, usize) {
    let elements = bytes / width.bytes();
    (elements, elements * width.bytes())
}

/// Reads shuffled pieces of [`FRAME_BYTES`], the last of which may be shorter, and gives them put back.
pub(crate) struct Unshuffled<R> {
    inner: R,
    width: Width,
    shuffled: Vec<u8>,
    plain: Vec<u8>,
    /// How much of `plain` was given.
    given: usize,
}

impl<R: Read> Unshuffled<R> {
    pub(crate) fn new(inner: R, width: Width) -> Unshuffled<R> {
        Unshuffled { inner, width, shuffled: Vec::new(), plain: Vec::new(), given: 0 }
    }

    /// The next piece in `plain`; nothing at the end.
    fn next(&mut self) -> io::Result<()> {
        self.shuffled.resize(FRAME_BYTES, 0);
        let mut filled = 0;
        while filled < FRAME_BYTES {
            match self.inner.read(&mut self.shuffled[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        unshuffle(self.width, &self.shuffled[..filled], &mut self.plain);
        self.given = 0;
        Ok(())
    }
}

impl<R: Read> Read for Unshuffled<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.plain.len() {
            self.next()?;
        }
        let n = buffer.len().min(self.plain.len() - self.given);
        buffer[..n].copy_from_slice(&self.plain[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}
