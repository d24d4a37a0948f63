//! Vectors of a collection: sealed segments, the buffer, and which rows are dead.

use crate::dead::Dead;
use crate::error::{Error, Result};
use crate::places::{Place, Places};
use crate::rows::Buffer;
use crate::vector_segment::{ROWS_MAX, SEGMENT_BYTES, VectorSegment, rows_per_segment};
use std::sync::Arc;

/// The sealed segments, by number; shared with Views and searches.
pub(crate) type Segments = Arc<Vec<Arc<VectorSegment>>>;

/// Everything that holds vectors. Cloning it is a View: pointers only.
#[derive(Clone)]
pub(crate) struct Vectors {
    pub segments: Segments,
    pub buffer: Buffer,
    pub dead: Dead,
    /// The dimension in force; 0: none yet.
    pub dimension: u32,
    /// The number the buffer's segment will have.
    pub next_segment: u32,
    /// Bytes of a sealed segment, about. Not part of the state.
    pub segment_bytes: u32,
}

impl Default for Vectors {
    fn default() -> Self {
        Vectors {
            segments: Segments::default(),
            buffer: Buffer::default(),
            dead: Dead::default(),
            dimension: 0,
            next_segment: 0,
            segment_bytes: SEGMENT_BYTES,
        }
    }
}

impl Vectors {
    /// The vector in a place.
    pub fn get(&self, place: Place) -> &[f32] {
        if place.segment == self.next_segment {
            return self.buffer.vector(place.row, self.dimension);
        }
        self.segment(place.segment).map_or(&[], |segment| segment.vector(place.row))
    }

    fn segment(&self, number: u32) -> Option<&Arc<VectorSegment>> {
        let at = self.segments.binary_search_by_key(&number, |segment| segment.number).ok()?;
        self.segments.get(at)
    }

    /// Sets an item's vector, which has the dimension in force. True when the item had none.
    pub fn set(&mut self, places: &mut Places, item: u32, vector: &[f32]) -> bool {
        if self.buffer.rows >= rows_per_segment(self.segment_bytes, self.dimension) {
            self.seal(places);
        }
        let old = places.get(item);
        if let Some(old) = old {
            self.kill(old);
        }
        self.append(places, item, vector);
        old.is_none()
    }

    /// Takes an item's vector away.
    pub fn delete(&mut self, places: &mut Places, item: u32) {
        if let Some(old) = places.get(item) {
            places.clear(item);
            self.kill(old);
        }
    }

    fn append(&mut self, places: &mut Places, item: u32, vector: &[f32]) {
        let row = self.buffer.push(item, vector);
        places.set(item, Place { segment: self.next_segment, row });
    }

    /// Marks a row dead, and lets a segment go that has no other.
    fn kill(&mut self, place: Place) {
        self.dead.mark(place.segment, place.row);
        let rows = self.segment(place.segment).map(|segment| segment.rows());
        if rows == Some(self.dead.count(place.segment)) {
            self.drop_segment(place.segment);
        }
    }

    fn drop_segment(&mut self, number: u32) {
        Arc::make_mut(&mut self.segments).retain(|segment| segment.number != number);
        self.dead.0.remove(number);
    }

    /// Makes the buffer a segment and starts a new one; then takes back space from mostly dead segments by moving
    /// their living rows to the buffer. At most two a seal and less than a buffer, so that the pause is bounded, and
    /// yet a half-dead segment never stays for long.
    fn seal(&mut self, places: &mut Places) {
        let segment = VectorSegment::seal(self.next_segment, self.dimension, &self.buffer);
        Arc::make_mut(&mut self.segments).push(Arc::new(segment));
        self.buffer.clear();
        self.next_segment += 1;
        let mut room = rows_per_segment(self.segment_bytes, self.dimension) * 3 / 4;
        for _ in 0..2 {
            let living = |s: &Arc<VectorSegment>| s.rows() - self.dead.count(s.number);
            let fewest = self.segments.iter().min_by_key(|s| living(s)).cloned();
            let Some(segment) = fewest else { return };
            let alive = living(&segment);
            if alive > segment.rows() / 2 || alive >= room {
                return;
            }
            room -= alive;
            for (row, &item) in (0u32..).zip(&segment.items) {
                if !self.dead.is_dead(segment.number, row) {
                    self.append(places, item, segment.vector(row));
                }
            }
            self.drop_segment(segment.number);
        }
    }

    /// Checks loaded segments, buffer and dead rows against the places, and counts the buffer's rows.
    pub fn rebuild(&mut self, places: &Places, items: u32) -> Result<()> {
        let bad = |what| Err(Error::Decode(what));
        let numbers = self.segments.iter().map(|s| s.number);
        let ascending = self.segments.windows(2).all(|pair| pair[0].number < pair[1].number);
        if !ascending || numbers.max().is_some_and(|last| last >= self.next_segment) {
            return bad("vectors: segment numbers");
        }
        let fits =
            |s: &Arc<VectorSegment>| s.dimension == self.dimension && s.items.iter().all(|&i| i < items);
        if !self.segments.iter().all(fits) {
            return bad("vectors: a segment of another dimension, or with an item that does not exist");
        }
        self.buffer.rebuild(self.dimension, items, ROWS_MAX)?;
        let mut living = 0u64;
        for (item, place) in places.items() {
            let there = match self.segment(place.segment) {
                Some(segment) => segment.items.get(place.row as usize).copied(),
                None if place.segment == self.next_segment => self.buffer.item(place.row, self.dimension),
                None => None,
            };
            if there != Some(item) || self.dead.is_dead(place.segment, place.row) {
                return bad("vectors: a place and its row disagree");
            }
            living += 1;
        }
        let rows: u64 =
            self.segments.iter().map(|s| u64::from(s.rows() - self.dead.count(s.number).min(s.rows()))).sum();
        let buffered = u64::from(self.buffer.rows - self.dead.count(self.next_segment).min(self.buffer.rows));
        if rows + buffered == living {
            Ok(())
        } else {
            bad("vectors: living rows and places differ in number")
        }
    }
}
