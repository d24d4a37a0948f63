//! Which requests have replies of several lines.

use cairn_client::Shape;

#[test]
fn the_first_words_decide() {
    for (request, shape) in [
        ("EVENT c ADD a 1", Shape::Line),
        ("vecset a 1 2", Shape::Line),
        ("METASET a k:v", Shape::Line),
        ("SIM a 10", Shape::Results),
        ("SIMV 10 1 2", Shape::Results),
        ("VECDEL a", Shape::Line),
        ("USE books", Shape::Line),
        ("COLLECTION RENAME a b", Shape::Block),
        ("storage compact", Shape::Block),
        ("INFO", Shape::Block),
        ("info\r", Shape::Block),
        ("CHECK", Shape::Block),
        ("CONFIG SHOW", Shape::Block),
        ("DUMP SAVE", Shape::Dump),
        ("dump load x", Shape::Dump),
        ("DUMP VERIFY x", Shape::Verify),
        ("DUMP INFO x", Shape::Block),
        ("DUMP STATUS", Shape::Block),
        ("SNAPSHOT CREATE name=x", Shape::Block),
        ("SNAPSHOT   VERIFY x", Shape::Verify),
        ("WAL VERIFY", Shape::Block),
        ("timeline list", Shape::Block),
        ("TOPIC APPEND t VERIFY", Shape::Block),
        ("CACHE STATS", Shape::Block),
        ("CACHE CLEAR", Shape::Line),
        ("GET a.b", Shape::Bulk),
        ("SET a.b 1", Shape::Line),
        ("SHOW VARIABLES", Shape::Array),
        ("DEBUG ON", Shape::DebugOn),
        ("DEBUG OFF", Shape::DebugOff),
        ("AUTH x", Shape::Line),
        ("FOO", Shape::Line),
        ("   ", Shape::Line),
    ] {
        assert_eq!(Shape::of(request.as_bytes()), Some(shape), "{request}");
    }
}

#[test]
fn an_empty_line_has_no_reply() {
    assert_eq!(Shape::of(b""), None);
    assert_eq!(Shape::of(b"\r"), None);
}
