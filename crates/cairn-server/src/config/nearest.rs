//! The nearest known name to one that is not known.

/// The candidate that `name` most likely means; `None` when all are far from it.
pub(crate) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let (last, allowed) = (last_part(name), name.len() / 3 + 2);
    candidates
        .map(|candidate| {
            // The right key in the wrong section is nearer than its spelling says.
            let moved = edits(last, last_part(candidate)) + 2;
            (edits(name, candidate).min(moved), candidate)
        })
        .min()
        .filter(|(edits, _)| *edits <= allowed)
        .map(|(_, candidate)| candidate)
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// How many letters must be changed, added or removed.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            *cell = (left + 1).min(above + 1).min(diagonal + usize::from(from != *to));
            (diagonal, left) = (above, *cell);
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
