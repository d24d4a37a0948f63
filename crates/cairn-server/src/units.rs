//! Durations and sizes as people write them: `5s`, `24h`, `64MB`.

/// Microseconds of a unit of time, the largest that a duration is shown in first.
const TIME_UNITS: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];
/// Only read: a day is shown as 24 hours.
const DAY_US: u64 = 86_400_000_000;
/// Bytes of a unit of size: `MB` and `MiB` both are 2^20.
const SIZE_UNITS: [(&str, u64); 4] = [("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];

/// Reads a duration: a whole number and its unit (`us`, `ms`, `s`, `m`, `h`, `d`), or 0. Microseconds; `None` when it is
/// none, or has no unit.
pub fn parse_duration(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" => return (number == 0).then_some(0),
        "d" => DAY_US,
        unit => TIME_UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    number.checked_mul(scale)
}

/// Reads a size: a whole number of bytes, or one with its unit (`KB`, `MB`, `GB`, `TB`, also `KiB` or `K`, …), each 1,024
/// times the one before. `None` when it is none.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit = unit.to_ascii_uppercase();
    let scale = match unit.as_str() {
        "" | "B" => 1,
        unit => {
            let prefix = unit.strip_suffix("IB").or(unit.strip_suffix('B')).unwrap_or(unit);
            SIZE_UNITS.iter().find(|(name, _)| name.strip_suffix('B') == Some(prefix))?.1
        }
    };
    number.checked_mul(scale)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

/// A duration in microseconds as [`parse_duration`] reads it back, in the largest unit up to hours that leaves it whole.
pub fn show_duration(us: u64) -> String {
    show(us, &TIME_UNITS)
}

/// A size in bytes as [`parse_size`] reads it back, in the largest unit that leaves it whole.
pub fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS)
}

fn show(value: u64, units: &[(&str, u64)]) -> String {
    match units.iter().find(|(_, scale)| value.is_multiple_of(*scale)) {
        Some((unit, scale)) if value > 0 => format!("{}{unit}", value / scale),
        _ => value.to_string(),
    }
}
