//! Events: what a context did with an item.

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum EventOp {
    /// Something happened: `ADD`.
    Add = 1,
    /// The value is now this: `SET`.
    Set = 2,
    /// It is gone: `DEL`.
    Del = 3,
}

impl EventOp {
    /// The operation of a stored byte.
    pub fn from_byte(byte: u8) -> Option<EventOp> {
        match byte {
            1 => Some(EventOp::Add),
            2 => Some(EventOp::Set),
            3 => Some(EventOp::Del),
            _ => None,
        }
    }
}

/// One event in a context's ring, the item by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RingEvent {
    pub time_s: i64,
    pub item: u32,
    pub op: EventOp,
    pub score: u8,
}

/// One event in a context's ring, the item by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRow<'a> {
    /// The item.
    pub id: &'a str,
    /// What happened.
    pub op: EventOp,
    /// 0 to 100; 0 for a DEL.
    pub score: u8,
    /// Event time, seconds since the Unix epoch.
    pub time_s: i64,
}
