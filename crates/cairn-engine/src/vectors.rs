//! Vectors of a collection: sealed segments, the buffer, and which rows are dead.

use crate::dead::Dead;
use crate::error::{Error, Result};
use crate::heat::Heat;
use crate::hot_rows::HotReader;
use crate::places::{Place, Places};
use crate::rows::Buffer;
use crate::vector_segment::{SEALED_ROWS_MAX, SEGMENT_BYTES, VectorSegment, rows_per_segment};
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
    /// The number by which places name rows of the buffer, and which its segment will have.
    pub buffer_number: u32,
    /// The number that the next segment gets: none is given twice.
    pub next_segment: u32,
    /// The segment that rows are being moved to: it stays although none of its rows may live yet. Not part of the state.
    pub moving_to: Option<u32>,
    /// Bytes of a sealed segment, about. Not part of the state.
    pub segment_bytes: u32,
    /// What is read from memory though its segment is mapped. Not part of the state.
    pub heat: Arc<Heat>,
}

impl Default for Vectors {
    fn default() -> Self {
        Vectors {
            segments: Segments::default(),
            buffer: Buffer::default(),
            dead: Dead::default(),
            dimension: 0,
            buffer_number: 0,
            next_segment: 1,
            moving_to: None,
            segment_bytes: SEGMENT_BYTES,
            heat: Arc::default(),
        }
    }
}

impl Vectors {
    /// The vector in a place.
    pub fn get(&self, place: Place) -> &[f32] {
        if place.segment == self.buffer_number {
            return self.buffer.vector(place.row, self.dimension);
        }
        self.segment(place.segment).map_or(&[], |segment| segment.vector(place.row))
    }

    /// Does something with the vector in a place, as a search reads it: from memory where it is hot.
    pub fn read<T>(&self, place: Place, f: impl FnOnce(&[f32]) -> T) -> T {
        let reader = self.segment(place.segment).and_then(|segment| HotReader::of(segment, &self.heat));
        match reader.as_ref().and_then(|reader| reader.vector(place.row)) {
            Some(vector) => f(vector),
            None => f(self.get(place)),
        }
    }

    /// Says which places a search will read: see [`HotReader::want`].
    pub fn want(&self, places: impl Iterator<Item = Place>) {
        for place in places {
            if let Some(segment) = self.segment(place.segment)
                && let Some(reader) = HotReader::of(segment, &self.heat)
            {
                reader.want(std::iter::once(place.row));
            }
        }
    }

    /// The sealed segment of a number.
    pub fn segment(&self, number: u32) -> Option<&Arc<VectorSegment>> {
        let at = self.segments.binary_search_by_key(&number, |segment| segment.number).ok()?;
        self.segments.get(at)
    }

    /// How many rows of a segment live.
    pub fn living(&self, segment: &VectorSegment) -> u32 {
        segment.rows() - self.dead.count(segment.number)
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
        places.set(item, Place { segment: self.buffer_number, row });
    }

    /// Marks a row dead, and lets a segment go that has no other.
    fn kill(&mut self, place: Place) {
        self.dead.mark(place.segment, place.row);
        self.drop_when_dead(place.segment);
    }

    fn drop_when_dead(&mut self, number: u32) {
        let rows = self.segment(number).map(|segment| segment.rows());
        if rows == Some(self.dead.count(number)) && self.moving_to != Some(number) {
            self.drop_segment(number);
        }
    }

    fn drop_segment(&mut self, number: u32) {
        if let Some(segment) = self.segment(number) {
            self.heat.moved(0, segment.hot().retire());
        }
        Arc::make_mut(&mut self.segments).retain(|segment| segment.number != number);
        self.dead.0.remove(number);
    }

    /// Lets segments go of which no row lives: a move that a crash cut short may leave one.
    pub fn drop_dead_segments(&mut self) {
        let dead: Vec<u32> = self.segments.iter().map(|segment| segment.number).collect();
        dead.into_iter().for_each(|number| self.drop_when_dead(number));
    }

    fn add_segment(&mut self, segment: Arc<VectorSegment>) {
        let at = self.segments.partition_point(|other| other.number < segment.number);
        Arc::make_mut(&mut self.segments).insert(at, segment);
    }

    /// A number for a segment that is about to be made.
    pub fn reserve(&mut self) -> u32 {
        let number = self.next_segment;
        self.next_segment += 1;
        number
    }

    /// Makes the buffer a segment and starts a new one; then takes back space from mostly dead segments by moving
    /// their living rows to the buffer. At most two a seal and less than a buffer, so that the pause is bounded, and
    /// yet a half-dead segment never stays for long.
    fn seal(&mut self, places: &mut Places) {
        let segment = VectorSegment::seal(self.buffer_number, self.dimension, &self.buffer);
        self.add_segment(Arc::new(segment));
        self.buffer.clear();
        self.buffer_number = self.reserve();
        let mut room = rows_per_segment(self.segment_bytes, self.dimension) * 3 / 4;
        for _ in 0..2 {
            let settled = self.segments.iter().filter(|s| self.moving_to != Some(s.number));
            let Some(segment) = settled.min_by_key(|s| self.living(s)).cloned() else { return };
            let alive = self.living(&segment);
            if alive > segment.rows() / 2 || alive >= room {
                return;
            }
            room -= alive;
            for (row, &item) in (0u32..).zip(segment.items()) {
                if !self.dead.is_dead(segment.number, row) {
                    self.append(places, item, segment.vector(row));
                }
            }
            self.drop_segment(segment.number);
        }
    }

    /// Adds a segment whose rows are copies of living ones elsewhere: they are dead until [`Vectors::move_rows`] moves the
    /// items here.
    pub fn begin_move(&mut self, segment: Arc<VectorSegment>) {
        self.dead.mark_all(segment.number, segment.rows());
        self.moving_to = Some(segment.number);
        self.add_segment(segment);
    }

    /// Moves the items of some rows of a segment from where they were copied. One that was replaced, deleted or moved since
    /// stays where it is. `from` are the rows' sources.
    pub fn move_rows(&mut self, places: &mut Places, number: u32, first: u32, from: &[Place]) {
        let Some(segment) = self.segment(number).cloned() else { return };
        for (row, old) in (first..).zip(from) {
            let Some(&item) = segment.items().get(row as usize) else { return };
            if places.get(item) == Some(*old) {
                places.set(item, Place { segment: number, row });
                self.dead.revive(number, row);
                self.kill(*old);
            }
        }
    }

    /// Ends a move.
    pub fn end_move(&mut self, number: u32) {
        self.moving_to = None;
        self.drop_when_dead(number);
    }

    /// Puts an equal segment in a segment's place: the same rows, its columns elsewhere. Nothing when it is gone.
    pub fn swap_columns(&mut self, equal: Arc<VectorSegment>) {
        if let Ok(at) = self.segments.binary_search_by_key(&equal.number, |segment| segment.number) {
            Arc::make_mut(&mut self.segments)[at] = equal;
        }
    }

    /// Checks loaded segments, buffer and dead rows against the places, and counts the buffer's rows.
    pub fn rebuild(&mut self, places: &Places, items: u32) -> Result<()> {
        let bad = |what| Err(Error::Decode(what));
        let numbers = self.segments.iter().map(|s| s.number);
        let ascending = self.segments.windows(2).all(|pair| pair[0].number < pair[1].number);
        let numbered = |number| number < self.next_segment && number != self.buffer_number;
        if !ascending || self.buffer_number >= self.next_segment || !numbers.into_iter().all(numbered) {
            return bad("vectors: segment numbers");
        }
        let fits =
            |s: &Arc<VectorSegment>| s.dimension() == self.dimension && s.items().iter().all(|&i| i < items);
        if !self.segments.iter().all(fits) {
            return bad("vectors: a segment of another dimension, or with an item that does not exist");
        }
        self.buffer.rebuild(self.dimension, items, SEALED_ROWS_MAX)?;
        let mut living = 0u64;
        for (item, place) in places.items() {
            let there = match self.segment(place.segment) {
                Some(segment) => segment.items().get(place.row as usize).copied(),
                None if place.segment == self.buffer_number => self.buffer.item(place.row, self.dimension),
                None => None,
            };
            if there != Some(item) || self.dead.is_dead(place.segment, place.row) {
                return bad("vectors: a place and its row disagree");
            }
            living += 1;
        }
        let dead = |number, rows: u32| self.dead.count(number).min(rows);
        let rows: u64 = self.segments.iter().map(|s| u64::from(s.rows() - dead(s.number, s.rows()))).sum();
        let buffered = u64::from(self.buffer.rows - dead(self.buffer_number, self.buffer.rows));
        if rows + buffered == living {
            Ok(())
        } else {
            bad("vectors: living rows and places differ in number")
        }
    }
}
