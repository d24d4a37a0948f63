//! Indexes on metadata fields, against looking at every item.

use cairn_engine::field_index::{FieldDemand, FieldIndexes, Learning};
use cairn_engine::{Filter, Metadata, Value};
use roaring::RoaringBitmap;
use std::fmt::Write as _;

/// Numbers that look random and are always the same.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    /// Few values of each kind, so that they meet; numbers that are equal across kinds, and ones that almost are.
    fn scalar(&mut self) -> Value {
        const BIG: i64 = 1 << 53;
        match self.below(12) {
            0 => Value::Bool(self.below(2) == 0),
            1..=3 => Value::Int(self.below(9) as i64 - 4),
            4 | 5 => Value::Float(self.below(17) as f64 / 2.0 - 4.0),
            6 => Value::Int([BIG - 1, BIG, BIG + 1, i64::MAX, i64::MIN, i64::MAX - 1][self.below(6)]),
            7 => Value::Float(
                [BIG as f64, 1e300, -1e300, 9.3e18, -9_223_372_036_854_775_808.0, -0.0][self.below(6)],
            ),
            8 => Value::Float(9_223_372_036_854_775_808.0),
            _ => Value::Text(["", "a", "b", "ab", "c", "true", "1", "ü,|)\"\\"][self.below(8)].to_owned()),
        }
    }

    fn value(&mut self) -> Value {
        match self.below(4) {
            0 => Value::List((0..self.below(5)).map(|_| self.scalar()).collect()),
            _ => self.scalar(),
        }
    }

    fn metadata(&mut self) -> Metadata {
        let mut metadata = Metadata::default();
        for key in KEYS {
            if self.below(3) > 0 {
                metadata.0.insert(key.to_owned(), self.value());
            }
        }
        metadata
    }

    fn filter(&mut self, keys: &[&str]) -> String {
        let mut text = String::new();
        for n in 0..=self.below(3) {
            let comma = if n == 0 { "" } else { "," };
            write!(text, "{comma}{}", keys[self.below(keys.len())]).expect("written");
            match self.below(8) {
                op @ 0..=5 => {
                    write!(text, "{}{}", ["=", "!=", "<", "<=", ">", ">="][op], written(&self.scalar()))
                }
                op => {
                    let values: Vec<_> = (0..=self.below(4)).map(|_| written(&self.scalar())).collect();
                    write!(text, "{}in({})", ["=", "!="][op - 6], values.join("|"))
                }
            }
            .expect("written");
        }
        text
    }
}

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// As a filter writes it.
fn written(value: &Value) -> String {
    match value {
        Value::Bool(bool) => bool.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Float(float) => format!("{float:e}"),
        Value::Text(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Value::List(_) => unreachable!("no filter has one"),
    }
}

fn parse(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// What looking at every item gives.
fn looked_at(items: &[Option<Metadata>], filter: &Filter) -> RoaringBitmap {
    let none = Metadata::default();
    let matches = |metadata: &Option<Metadata>| filter.matches(metadata.as_ref().unwrap_or(&none));
    (0..).zip(items).filter(|(_, metadata)| matches(metadata)).map(|(item, _)| item).collect()
}

#[test]
fn filters_are_answered_as_if_every_item_were_looked_at() {
    let mut random = Random(1);
    let mut items: Vec<Option<Metadata>> = Vec::new();
    let mut indexes = FieldIndexes::new(["a", "b", "c"]);
    let (mut compared, mut found) = (0, 0);
    for step in 0..20_000 {
        // Inserts, replacements and deletions.
        let item =
            if items.len() < 150 || random.below(50) == 0 { items.len() } else { random.below(items.len()) };
        if item == items.len() {
            items.push(None);
        }
        let new = (random.below(4) > 0).then(|| random.metadata());
        indexes.set(item as u32, items[item].as_ref(), new.as_ref());
        items[item] = new;
        let text = random.filter(&KEYS[..3]);
        let filter = parse(&text);
        let matching = indexes.matching(&filter, items.len() as u32).expect("indexed");
        assert!(matching.is_exact);
        let expected = looked_at(&items, &filter);
        assert_eq!(matching.items, expected, "step {step}: {text}");
        compared += items.len();
        found += expected.len();
    }
    assert!(compared > 2_000_000 && found > 100_000, "{found} of {compared}");
    // What was changed step by step is what would be built now, and nothing is left of what was deleted.
    let now = (0..).zip(&items).filter_map(|(item, metadata)| Some((item, metadata.as_ref()?)));
    assert_eq!(format!("{:?}", FieldIndexes::build(["a", "b", "c"], now)), format!("{indexes:?}"));
    for (item, metadata) in (0..).zip(&items) {
        indexes.set(item, metadata.as_ref(), None);
    }
    assert_eq!(format!("{:?}", FieldIndexes::new(["a", "b", "c"])), format!("{indexes:?}"));
}

#[test]
fn conditions_on_other_fields_are_left_to_be_checked() {
    let mut random = Random(2);
    let items: Vec<Option<Metadata>> = (0..300).map(|_| Some(random.metadata())).collect();
    let each = || (0..).zip(items.iter().flatten());
    let indexes = FieldIndexes::build(["a", "c"], each());
    let mut kinds = [0; 3];
    for _ in 0..3_000 {
        let text = random.filter(&KEYS);
        let filter = parse(&text);
        let expected = looked_at(&items, &filter);
        match indexes.matching(&filter, 300) {
            None => {
                assert!(text.split(',').all(|condition| !condition.starts_with(['a', 'c'])), "{text}");
                kinds[0] += 1;
            }
            Some(matching) if matching.is_exact => {
                assert_eq!(matching.items, expected, "{text}");
                kinds[1] += 1;
            }
            Some(matching) => {
                assert!(expected.is_subset(&matching.items), "{text}");
                let checked = matching
                    .items
                    .iter()
                    .filter(|&n| items[n as usize].as_ref().is_some_and(|metadata| filter.matches(metadata)));
                assert_eq!(checked.collect::<RoaringBitmap>(), expected, "{text}");
                kinds[2] += 1;
            }
        }
    }
    assert!(kinds.iter().all(|&n| n > 300), "{kinds:?}");
}

#[test]
fn what_lacks_a_field_differs_from_every_value() {
    let with = Metadata::parse("a:1").expect("metadata");
    let without = Metadata::parse("b:1").expect("metadata");
    let indexes = FieldIndexes::build(["a"], [(1, &with), (2, &without)]);
    let matching = |text: &str| {
        let matching = indexes.matching(&parse(text), 5).expect("indexed");
        matching.items.iter().collect::<Vec<_>>()
    };
    assert_eq!(matching("a!=1"), [0, 2, 3, 4]);
    assert_eq!(matching("a!=2"), [0, 1, 2, 3, 4]);
    assert_eq!(matching("a!=2,a>0"), [1]);
    assert_eq!(indexes.matching(&parse("b!=1"), 5), None);
}

#[test]
fn estimates_are_exact_for_one_value_and_near_for_ranges() {
    let metadata: Vec<Metadata> = (0..10_000)
        .map(|n| {
            Metadata::parse(&format!("size:{n},section:s{},odd:{}", n % 40, n % 2 == 1)).expect("metadata")
        })
        .collect();
    let indexes = FieldIndexes::build(["size", "section", "odd"], (0..).zip(&metadata));
    let estimate = |text: &str| indexes.estimate(&parse(text), 10_000);
    assert_eq!(estimate("section=s3"), Some(250));
    assert_eq!(estimate("section=in(s3|s4|none)"), Some(500));
    assert_eq!(estimate("section!=s3"), Some(9_750));
    assert_eq!(estimate("odd=true,section=s3"), Some(250));
    assert_eq!(estimate("size<100"), Some(100));
    assert_eq!(estimate("size>=9900"), Some(100));
    assert_eq!(estimate("size<=9900"), Some(9_901));
    assert_eq!(estimate("size>abc"), Some(0));
    assert_eq!(estimate("section>=s"), Some(10_000));
    let half = estimate("size>6999").expect("indexed");
    assert!((2_900..=3_100).contains(&half), "{half}");
    assert_eq!(estimate("none=1"), None);
    assert_eq!(estimate("none=1,size<100"), Some(100));
}

#[test]
fn bytes_grow_with_what_is_indexed_and_go_when_it_goes() {
    let metadata: Vec<Metadata> = (0..5_000)
        .map(|n| Metadata::parse(&format!("name:item-{n},kind:k{}", n % 10)).expect("metadata"))
        .collect();
    let of = |field: &str| FieldIndexes::build([field], (0..).zip(&metadata)).bytes();
    let (names, kinds) = (of("name"), of("kind"));
    assert!((5_000 * 40..5_000 * 150).contains(&names), "{names}");
    assert!((5_000 * 2..5_000 * 4).contains(&kinds), "{kinds}");
    let mut indexes = FieldIndexes::build(["name"], (0..).zip(&metadata));
    indexes.merge(FieldIndexes::build(["kind"], (0..).zip(&metadata)));
    assert_eq!(indexes.fields().collect::<Vec<_>>(), ["kind", "name"]);
    assert_eq!(indexes.bytes(), names + kinds);
    assert!(indexes.remove("name") && !indexes.remove("name"));
    assert!(indexes.has("kind") && !indexes.has("name"));
    assert_eq!(indexes.bytes(), kinds);
}

#[test]
fn fields_are_learned_when_they_were_asked_for_often_enough() {
    let demand = FieldDemand::new(Learning { searches: 3, items: 100, fields: 2 });
    let note =
        |text: &str, items: u32, learned: usize| demand.note(&parse(text), items, learned, |f| f == "known");
    for _ in 0..10 {
        assert!(note("a=1", 100, 0).is_empty(), "too few items");
        assert!(note("known=1", 1000, 0).is_empty());
        assert!(note("a=1", 1000, 2).is_empty(), "enough are learned");
    }
    assert!(note("a=1,a>0", 101, 0).is_empty());
    assert!(note("a=1,b=1", 101, 0).is_empty());
    assert_eq!(note("a=1,b=1", 101, 0), ["a"]);
    assert_eq!(note("a=1,b=1", 101, 0), ["a", "b"]);
    assert_eq!(note("a=1,b=1", 101, 1), ["a"], "one more may be learned");
    demand.forget("a");
    assert!(note("a=1", 101, 0).is_empty());
    let off = FieldDemand::new(Learning { fields: 0, ..Learning::default() });
    assert!((0..100).all(|_| off.note(&parse("a=1"), u32::MAX, 0, |_| false).is_empty()));
}

#[test]
fn filters_that_name_ever_other_fields_take_no_memory_and_hide_no_real_demand() {
    let demand = FieldDemand::new(Learning { searches: 5, items: 0, fields: 1 });
    let mut due = 0;
    for n in 0..10_000 {
        assert!(demand.note(&parse(&format!("field-{n}=1")), 10, 0, |_| false).is_empty());
        due += demand.note(&parse("real=1"), 10, 0, |_| false).len();
    }
    assert!(due > 9_000, "{due}");
    assert!(format!("{demand:?}").len() < 1_000);
}
