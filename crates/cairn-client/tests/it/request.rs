//! Typed values → request bytes.

use cairn_client::{Op, Request, Sim, Using};

fn line(write: impl FnOnce(&mut Request<'_>) -> cairn_client::Result<()>) -> String {
    let mut buffer = Vec::new();
    write(&mut Request::new(&mut buffer)).unwrap();
    String::from_utf8(buffer).unwrap()
}

#[test]
fn requests_are_written_as_the_protocol_says() {
    assert_eq!(line(|r| r.event("c", Op::Add, "a", 95, None)), "EVENT c ADD a 95\n");
    assert_eq!(line(|r| r.event("c", Op::Set, "a", 0, Some(7))), "EVENT c SET a 0 timestamp=7\n");
    assert_eq!(line(|r| r.event("c", Op::Del, "a", 9, None)), "EVENT c DEL a\n");
    assert_eq!(line(|r| r.vecset("a", &[0.1, -2.0, 1e-7])), "VECSET a 0.1 -2 0.0000001\n");
    assert_eq!(line(|r| r.metaset("a", "t:\"x y\",n:1")), "METASET a t:\"x y\",n:1\n");
    assert_eq!(line(|r| r.sim("a", 10, &Sim::default())), "SIM a 10\n");
    let options = Sim {
        using: Some(Using::Vectors),
        filter: Some("k:v".into()),
        min_score: Some(0.5),
        adaptive: Some(true),
        ..Sim::default()
    };
    assert_eq!(
        line(|r| r.sim("a", 1, &options)),
        "SIM a 1 using=vectors filter=k:v min_score=0.5 adaptive=on\n"
    );
    assert_eq!(line(|r| r.simv(&[1.5], 3, &options)), "SIMV 3 filter=k:v min_score=0.5 1.5\n");
    let paged = Sim { ef: Some(200), exact: Some(false), offset: Some(20), ..Sim::default() };
    assert_eq!(line(|r| r.sim("a", 10, &paged)), "SIM a 10 ef=200 exact=off offset=20\n");
    assert_eq!(line(|r| r.simv(&[1.5], 3, &paged)), "SIMV 3 ef=200 exact=off offset=20 1.5\n");
    assert_eq!(line(|r| r.vecdel("a")), "VECDEL a\n");
    assert_eq!(line(|r| r.use_collection("books")), "USE books\n");
}

#[test]
fn floats_read_back_the_same() {
    for number in [f32::MIN_POSITIVE, f32::MAX, 0.1, 1.0 / 3.0, -0.0, 1e-40] {
        let text = line(|r| r.vecset("a", &[number]));
        let back: f32 = text.trim_end().strip_prefix("VECSET a ").unwrap().parse().unwrap();
        assert_eq!(back.to_bits(), number.to_bits());
    }
}

#[test]
fn what_would_break_the_line_is_refused_and_nothing_is_written() {
    let mut buffer = b"before".to_vec();
    let mut request = Request::new(&mut buffer);
    assert!(request.line("").is_err());
    assert!(request.line("INFO\nINFO").is_err());
    assert!(request.event("a b", Op::Add, "x", 1, None).is_err());
    assert!(request.event("c", Op::Add, "", 1, None).is_err());
    assert!(request.vecset("a\n", &[1.0]).is_err());
    assert!(request.metaset("a", "k:v\nINFO").is_err());
    assert!(request.vecdel("a b").is_err());
    assert!(request.use_collection("a\nINFO").is_err());
    assert!(request.sim("a\tb", 1, &Sim::default()).is_err());
    let filter = Sim { filter: Some("a:b\r\nINFO".into()), ..Sim::default() };
    assert!(request.sim("a", 1, &filter).is_err());
    assert!(request.simv(&[1.0], 1, &filter).is_err());
    assert_eq!(buffer, b"before");
}
