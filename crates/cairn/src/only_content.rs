//! `OnlyContent`: a reader of rows of which only some content is taken.

use cairn_engine::Write;
use cairn_transfer::{BadRow, Content, Fault, Format, Input, Next, Place, Result, RowReader};

/// Gives on what of each row is of a content; a row without any of it is bad.
pub struct OnlyContent {
    /// Where rows come from.
    pub rows: Box<dyn RowReader>,
    /// What is taken; `None`: everything.
    pub content: Option<Content>,
}

fn is_of(write: &Write, content: Content) -> bool {
    match write {
        Write::VectorSet { .. } => matches!(content, Content::Items | Content::Vectors),
        Write::MetadataSet { .. } => matches!(content, Content::Items | Content::Metadata),
        Write::Event { .. } => content == Content::Events,
        Write::VectorDelete { .. } | Write::Decay { .. } => false,
    }
}

fn name(write: &Write) -> &'static str {
    match write {
        Write::VectorSet { .. } => "a vector",
        Write::MetadataSet { .. } => "metadata",
        Write::Event { .. } => "an event",
        Write::VectorDelete { .. } | Write::Decay { .. } => "something else",
    }
}

impl RowReader for OnlyContent {
    fn next(&mut self, writes: &mut Vec<Write>) -> Result<Next> {
        let before = writes.len();
        let next = self.rows.next(writes)?;
        let (Next::Row(place), Some(content)) = (&next, self.content) else { return Ok(next) };
        let got = writes.get(before..).unwrap_or_default().first().map_or("nothing", name);
        let mut at = 0;
        writes.retain(|write| {
            at += 1;
            at <= before || is_of(write, content)
        });
        if writes.len() > before {
            return Ok(next);
        }
        let (expected, got) = (content.name().to_owned(), got.to_owned());
        Ok(Next::Bad(BadRow { place: *place, fault: Fault { field: "content".to_owned(), expected, got } }))
    }

    fn place(&mut self) -> Place {
        self.rows.place()
    }

    fn resume(&mut self, place: &Place) -> Result<()> {
        self.rows.resume(place)
    }

    fn input(&self) -> &Input {
        self.rows.input()
    }

    fn format(&self) -> Format {
        self.rows.format()
    }
}
