//! What the collections section of a `.nvec` file says: further collections, each with sections of its own, and aliases.

use super::file::NvecFile;
use super::parse::{self, Visitor};
use super::section::{
    self, COLLECTIONS, COUNTS, EVENTS, EXTENSIONS_FROM, ORIGIN, SECTION_HEADER_BYTES, SECTIONS_MAX, SETTINGS,
    SPEC, Section,
};
use super::source::Source;
use crate::error::{Error, Result};
use crate::job::{Job, Meter};
use cairn_engine::{CollectionSpec, Settings};

/// The longest spec, in bytes of JSON.
const SPEC_BYTES_MAX: u32 = 64 << 10;
/// Least bytes of a collection: a name of one byte, settings, a spec, four sections, their end.
const COLLECTION_BYTES_MIN: u64 = 5 + Settings::BYTES as u64 + 4 + 4 * SECTION_HEADER_BYTES + 4;
/// Least bytes of an alias: two names of one byte.
const ALIAS_BYTES_MIN: u64 = 5 + 5;

/// How many collections a file holds, `default` included.
pub(crate) fn count(nvec: &NvecFile<'_>, sections: &[Section], job: &Job<'_>) -> Result<u64> {
    match section::find(sections, COLLECTIONS) {
        None => Ok(1),
        Some(section) => Ok(1 + count_of(&mut nvec.source(*section, job, None), COLLECTION_BYTES_MIN)?),
    }
}

/// Calls the visitor with everything of every further collection, then with the aliases.
pub(crate) fn collections(
    nvec: &NvecFile<'_>,
    section: Section,
    job: &Job<'_>,
    meter: &Meter<'_>,
    visitor: &mut dyn Visitor,
) -> Result<()> {
    // Each section in it has a sum of its own; what is between them was summed up with the whole.
    let mut source = nvec.source(section, job, None);
    let (mut name, mut meant) = (String::new(), String::new());
    for _ in 0..count_of(&mut source, COLLECTION_BYTES_MIN)? {
        source.text(&mut name)?;
        let settings = settings(&mut source)?;
        let spec = spec(&mut source)?;
        if spec.volatile {
            return Err(source.bad("spec", "one of a collection that is not volatile", "volatile"));
        }
        let begun = visitor.collection(&name, settings, spec);
        begun.map_err(|why| source.bad("collection", "what a state can hold", why))?;
        let sections = table(&mut source)?;
        let missing = || Error::Bug("the table of a collection has no counts".to_owned());
        let counts = section::find(&sections, COUNTS).ok_or_else(missing)?;
        let mut counts_source = nvec.source(*counts, job, Some(meter));
        let counts = parse::true_counts(&mut counts_source)?;
        counts_source.finish()?;
        parse::sections(nvec, &sections, &counts, job, meter, visitor)?;
        visitor.counted(&counts);
    }
    let mut before = String::new();
    for _ in 0..count_of(&mut source, ALIAS_BYTES_MIN)? {
        source.text(&mut name)?;
        source.text(&mut meant)?;
        if name <= before {
            return Err(source.bad("alias", "aliases ascending, each once", format!("{name:.80?}")));
        }
        visitor.alias(&name, &meant);
        before.clone_from(&name);
    }
    source.at_end()
}

/// The spec of `default`, when the file has it.
pub(crate) fn default_spec(
    nvec: &NvecFile<'_>,
    sections: &[Section],
    job: &Job<'_>,
) -> Result<Option<CollectionSpec>> {
    let Some(section) = section::find(sections, SPEC) else { return Ok(None) };
    let mut source = nvec.source(*section, job, None);
    let found = spec(&mut source)?;
    if found.volatile {
        return Err(source.bad("spec", "one of a collection that is not volatile", "volatile"));
    }
    source.finish()?;
    Ok(Some(found))
}

/// A u32 count of entries that take so many bytes or more each.
fn count_of(source: &mut Source<'_>, entry_bytes_min: u64) -> Result<u64> {
    let count = u64::from(source.u32()?);
    let most = source.left() / entry_bytes_min;
    if count <= most { Ok(count) } else { Err(source.bad("count", format!("at most {most}"), count)) }
}

fn settings(source: &mut Source<'_>) -> Result<Settings> {
    let decoded = Settings::decode(source.take(Settings::BYTES)?);
    decoded.map_err(|e| source.bad("settings", "settings of docs/format.md", e))
}

fn spec(source: &mut Source<'_>) -> Result<CollectionSpec> {
    let bytes = source.u32()?;
    if bytes > SPEC_BYTES_MAX {
        return Err(source.bad("spec", format!("at most {SPEC_BYTES_MAX} bytes"), bytes));
    }
    let mut encoded = bytes.to_le_bytes().to_vec();
    encoded.extend_from_slice(source.take(bytes as usize)?);
    CollectionSpec::from_bytes(&encoded).map_err(|e| source.bad("spec", "a spec of docs/format.md", e))
}

/// Where a collection's sections are. Reads no payload.
fn table(source: &mut Source<'_>) -> Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    loop {
        let kind = source.u32()?;
        if kind == 0 && section::find(&sections, COUNTS).is_some() {
            return Ok(sections);
        }
        let fits = match sections.len() {
            n @ 0..=2 => kind == EVENTS + n as u32,
            3 => kind == COUNTS,
            _ => kind >= EXTENSIONS_FROM && sections.last().is_some_and(|last| kind > last.kind),
        };
        let known_elsewhere = [SETTINGS, ORIGIN, COLLECTIONS, SPEC].contains(&kind);
        if !fits || known_elsewhere || sections.len() >= SECTIONS_MAX {
            let expected = "1, 2, 3, 16, then sections of a collection ascending, then 0";
            return Err(source.bad("section kind", expected, kind));
        }
        let (crc, bytes) = (source.u32()?, source.u64()?);
        let (at, most) = (source.position(), source.left());
        if bytes > most {
            return Err(source.bad("section length", format!("at most {most}"), bytes));
        }
        sections.push(Section { kind, crc, at, bytes });
        source.skip(bytes)?;
    }
}
