//! What may be sent twice.

use cairn_client::Effect;

#[test]
fn what_only_reads_is_told_from_writes_and_the_rest() {
    for (line, effect) in [
        ("SIM a 10", Effect::Reads),
        ("simv 3 1 2", Effect::Reads),
        ("INFO", Effect::Reads),
        ("AUTH x", Effect::Reads),
        ("USE books", Effect::Reads),
        ("DUMP VERIFY x", Effect::Reads),
        ("topic read t 0 0", Effect::Reads),
        ("CACHE STATS", Effect::Reads),
        ("VECSET a 1", Effect::Writes),
        ("event c ADD a 1", Effect::Writes),
        ("METASET a k:v", Effect::Writes),
        ("VECDEL a", Effect::Writes),
        ("DUMP SAVE", Effect::Once),
        ("DUMP LOAD x", Effect::Once),
        ("SNAPSHOT CREATE", Effect::Once),
        ("TOPIC APPEND t x", Effect::Once),
        ("TOPIC SNAPSHOT LIST t", Effect::Once),
        ("SET a.b 1", Effect::Once),
        ("CACHE CLEAR", Effect::Once),
        ("COLLECTION DROP x", Effect::Once),
        ("NEW COMMAND", Effect::Once),
    ] {
        assert_eq!(Effect::of(line.as_bytes()), effect, "{line}");
    }
}
