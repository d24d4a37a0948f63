//! Rings: each context's newest events.

use crate::codec::Decoder;
use crate::error::{Error, Result};
use crate::event::{EventOp, RingEvent};
use crate::named::Named;
use crate::settings::Settings;
use crate::tree::{Page, Tree};

/// Bytes of a stored event.
const EVENT_BYTES: usize = 14;

/// One context's ring, oldest first. A page of its own: an event then dirties one ring, not its neighbours'.
#[derive(Clone, Default)]
pub(crate) struct RingPage(pub Vec<RingEvent>);

impl Page for RingPage {
    const TABLE: u16 = 5;

    fn encode(&self, out: &mut Vec<u8>) {
        let n = u32::try_from(self.0.len()).expect("rings are limited");
        out.extend_from_slice(&n.to_le_bytes());
        for event in &self.0 {
            out.extend_from_slice(&event.item.to_le_bytes());
            out.extend_from_slice(&[event.op as u8, event.score]);
            out.extend_from_slice(&event.time_s.to_le_bytes());
        }
    }

    fn decode(payload: &[u8]) -> Result<Self> {
        let mut d = Decoder::new(payload);
        let n = d.u32()?;
        if n > Settings::CTX_BUFFER_MAX || d.left() != n as usize * EVENT_BYTES {
            return Err(Error::Decode("ring: its length does not fit its bytes"));
        }
        let event = |d: &mut Decoder<'_>| {
            let item = d.u32()?;
            let op = EventOp::from_byte(d.u8()?).ok_or(Error::Decode("ring: unknown operation"))?;
            Ok(RingEvent { item, op, score: d.u8()?, time_s: d.i64()? })
        };
        Ok(RingPage((0..n).map(|_| event(&mut d)).collect::<Result<_>>()?))
    }

    fn encoded_bytes(&self) -> usize {
        4 + EVENT_BYTES * self.0.len()
    }
}

/// Rings by context number.
#[derive(Default, Clone)]
pub(crate) struct Rings(pub Tree<RingPage>);

impl Rings {
    /// A context's events, oldest first.
    pub fn get(&self, context: u32) -> &[RingEvent] {
        self.0.get(context).map_or(&[], |page| &page.0)
    }

    /// Adds the newest event; the oldest make room. Returns how many did.
    pub fn push(&mut self, context: u32, event: RingEvent, capacity: u32, named: &mut Named) -> u64 {
        let ring = &mut self.0.get_mut(context).0;
        let over = (ring.len() + 1).saturating_sub(capacity as usize);
        ring.drain(..over).for_each(|gone| named.remove(gone.item));
        named.add(event.item);
        ring.push(event);
        over as u64
    }

    /// Cuts every ring to its newest `capacity` events. Returns how many events went.
    pub fn shrink(&mut self, capacity: u32, named: &mut Named) -> u64 {
        let over = |ring: &[RingEvent]| ring.len().saturating_sub(capacity as usize);
        let mut gone = 0;
        for context in self.0.numbers() {
            let n = over(self.get(context));
            if n > 0 {
                self.0.get_mut(context).0.drain(..n).for_each(|gone| named.remove(gone.item));
                gone += n as u64;
            }
        }
        gone
    }

    /// Refuses rings of contexts or items there are not.
    pub fn check(&self, contexts: u32, items: u32) -> Result<()> {
        let fits = |(context, ring): (u32, &std::sync::Arc<RingPage>)| {
            context < contexts && ring.0.iter().all(|event| event.item < items)
        };
        if self.0.iter().all(fits) { Ok(()) } else { Err(Error::Decode("ring: names what does not exist")) }
    }
}
