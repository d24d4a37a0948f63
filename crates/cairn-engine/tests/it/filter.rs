//! Filters: what parses, and what matches.

use crate::reference::{self, Condition, Field, Fields, Scalar, Test};
use cairn_engine::{Error, Filter, Metadata, Value};
use proptest::prelude::*;
use serde_json::json;

fn nginx() -> Metadata {
    Metadata::from_json(json!({
        "section": "httpd", "priority": "optional", "size": 1024, "rating": 4.5, "essential": false,
        "tags": ["web", "proxy", 7], "none": [], "a b": "c,d", "version": "1.22",
    }))
    .expect("an object of scalars and lists")
}

#[test]
fn conditions_match() {
    let cases = [
        // Both signs of equality, and quotes.
        ("section:httpd", true),
        ("section=httpd", true),
        ("section=web", false),
        ("section=\"httpd\"", true),
        ("\"a b\"=\"c,d\"", true),
        ("\"a b\":\"c,e\"", false),
        (" section = httpd , size > 1 ", true),
        // Numbers compare across kinds; other kinds never do.
        ("size=1024", true),
        ("size=1024.0", true),
        ("size=1.024e3", true),
        ("size=\"1024\"", false),
        ("rating=4.5", true),
        ("version=\"1.22\"", true),
        ("version=1.22", false),
        ("essential=false", true),
        ("essential=true", false),
        ("essential=0", false),
        ("essential=\"false\"", false),
        // Order.
        ("size>1023", true),
        ("size>1024", false),
        ("size>1023.5", true),
        ("size>=1024", true),
        ("size>=1024.5", false),
        ("size<1024", false),
        ("size<1024.5", true),
        ("size<=1024", true),
        ("size<=-5", false),
        ("rating>4", true),
        ("rating<=4", false),
        ("section>html", true),
        ("section<httpe", true),
        ("section>5", false),
        ("section<5", false),
        ("essential<true", true),
        ("essential>true", false),
        // Difference is the opposite of equality.
        ("section!=web", true),
        ("section!=httpd", false),
        ("size!=1024.0", false),
        ("size!=abc", true),
        // Sets.
        ("section=in(web|httpd)", true),
        ("section:in(web|httpd)", true),
        ("section=in( web | httpd )", true),
        ("section=in(web|mail)", false),
        ("section!=in(web|mail)", true),
        ("section!=in(web|httpd)", false),
        ("size=in(1|1024.0|x)", true),
        ("\"a b\"=in(\"c,d\"|\"x|y\")", true),
        ("section=\"in(httpd)\"", false),
        ("section!=in", true),
        // Lists match by any member.
        ("tags:web", true),
        ("tags:proxy", true),
        ("tags:mail", false),
        ("tags=7.0", true),
        ("tags>6", true),
        ("tags>7", false),
        ("tags=in(mail|proxy)", true),
        ("tags!=web", false),
        ("tags!=mail", true),
        ("none=web", false),
        ("none!=web", true),
        // A missing key.
        ("missing=1", false),
        ("missing>1", false),
        ("missing<1", false),
        ("missing=in(1|2)", false),
        ("missing!=1", true),
        ("missing!=in(1|2)", true),
        // AND.
        ("section:httpd,size>1000,tags:web", true),
        ("section:httpd,size>2000", false),
        ("size>1000,size<2000", true),
        ("section:httpd,section:web", false),
    ];
    for (filter, expected) in cases {
        assert_eq!(Filter::parse(filter).unwrap().matches(&nginx()), expected, "{filter}");
    }
}

#[test]
fn an_item_without_metadata_passes_differences_only() {
    for (filter, passes) in [("a!=1,b!=x", true), ("a!=in(1|2)", true), ("a!=1,b=x", false), ("a<1", false)] {
        let filter = Filter::parse(filter).unwrap();
        assert_eq!(filter.matches(&Metadata::default()), passes, "{filter:?}");
    }
}

#[test]
fn integers_and_floats_compare_exactly() {
    let matches = |value: Value, filter: &str| {
        Filter::parse(filter).unwrap().matches(&Metadata([("n".to_string(), value)].into()))
    };
    let beyond = (1 << 53) + 1;
    assert!(!matches(Value::Int(beyond), "n=9007199254740992.0"));
    assert!(matches(Value::Int(beyond), "n>9007199254740992.0"));
    assert!(matches(Value::Float(9_007_199_254_740_992.0), "n<9007199254740993"));
    assert!(matches(Value::Int(i64::MAX), "n<9223372036854775808"));
    assert!(matches(Value::Int(i64::MIN), "n=-9223372036854775808.0"));
    assert!(matches(Value::Int(i64::MIN), "n>-1e300"));
    assert!(matches(Value::Int(-3), "n<-2.5"));
    assert!(matches(Value::Int(-2), "n>-2.5"));
    assert!(matches(Value::Float(-0.0), "n=0"));
    assert!(matches(Value::Float(-0.0), "n=0.0"));
}

#[test]
fn errors_name_the_position_and_what_was_expected() {
    let operator = "an operator (: = != > >= < <=) after the key";
    let cases = [
        ("", "position 1: expected a key, found the end".to_string()),
        ("=1", "position 1: expected a key, found '='".to_string()),
        ("a", format!("position 2: expected {operator}, found the end")),
        ("a!1", format!("position 2: expected {operator}, found '!'")),
        ("a b", format!("position 3: expected {operator}, found 'b'")),
        ("a=", "position 3: expected a value, found the end".to_string()),
        ("a==1", "position 3: expected a value, found '='".to_string()),
        ("a=>1", "position 3: expected a value, found '>'".to_string()),
        ("a<>1", "position 3: expected a value, found '>'".to_string()),
        ("a>=", "position 4: expected a value, found the end".to_string()),
        ("a=1,", "position 5: expected a key, found the end".to_string()),
        ("a=1;b=2 c", "position 9: expected ',' or the end, found 'c'".to_string()),
        ("a=in()", "position 6: expected a value, found ')'".to_string()),
        ("a=in(1", "position 7: expected '|' or ')', found the end".to_string()),
        ("a=in(1|)", "position 8: expected a value, found ')'".to_string()),
        ("a=in(1,2)", "position 7: expected '|' or ')', found ','".to_string()),
        ("a=in(1)x", "position 8: expected ',' or the end, found 'x'".to_string()),
        ("é=\"x", "position 5: expected a closing '\"', found the end".to_string()),
    ];
    for (wrong, message) in cases {
        match Filter::parse(wrong).unwrap_err() {
            Error::Input(got) => assert_eq!(got, format!("Invalid filter at {message}"), "{wrong}"),
            other => panic!("expected an input error, got {other:?}"),
        }
    }
}

#[test]
fn the_number_of_values_is_limited() {
    let filter = |count: usize| format!("a=in({})", vec!["1"; count].join("|"));
    Filter::parse(&filter(Filter::VALUES_MAX)).unwrap();
    let error = Filter::parse(&filter(Filter::VALUES_MAX + 1)).unwrap_err();
    assert_eq!(error.to_string(), "Filter names more than 1024 values");
    Filter::parse(&vec!["a=1"; Filter::VALUES_MAX + 1].join(",")).unwrap_err();
}

/// Few different values, so that conditions often meet them.
fn any_scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        (-2i64..3).prop_map(Scalar::Int),
        prop::sample::select(vec![-2.0, -0.5, 0.0, 1.0, 1.5]).prop_map(Scalar::Float),
        "[ab\",|)\\\\]{0,2}".prop_map(Scalar::Text),
    ]
}

fn any_fields() -> impl Strategy<Value = Fields> {
    let field = prop_oneof![
        any_scalar().prop_map(Field::One),
        prop::collection::vec(any_scalar(), 0..4).prop_map(Field::Many),
    ];
    prop::collection::btree_map("[ab]", field, 0..3)
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let values = || prop::collection::vec(any_scalar(), 1..4);
    let test = prop_oneof![
        values().prop_map(Test::Equal),
        values().prop_map(Test::Differs),
        any_scalar().prop_map(Test::Greater),
        any_scalar().prop_map(Test::GreaterOrEqual),
        any_scalar().prop_map(Test::Less),
        any_scalar().prop_map(Test::LessOrEqual),
    ];
    ("[ab]", test).prop_map(|(key, test)| Condition { key, test })
}

proptest! {
    #[test]
    fn filters_match_what_the_reference_says(
        filter in prop::collection::vec(any_condition(), 1..3),
        items in prop::collection::vec(any_fields(), 1..6),
    ) {
        let parsed = Filter::parse(&reference::filter_text(&filter)).unwrap();
        for fields in items {
            let metadata = Metadata::from_json(reference::fields_json(&fields)).unwrap();
            prop_assert_eq!(parsed.matches(&metadata), reference::matches(&filter, &fields), "{:?}", fields);
        }
    }

    #[test]
    fn parsing_never_panics(text in r#"[ab=!<>:,|()"\\ in0-9é]{0,24}"#) {
        let _ = Filter::parse(&text);
    }
}
