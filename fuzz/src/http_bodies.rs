//! The HTTP bodies: requests of every route, of any content, through the server's router, with an engine behind it.

use crate::scene::{self, Scene};
use crate::session::{PEER, block_on};
use cairn_server::{Answered, Asked};
use serde_json::Value;
use std::sync::OnceLock;

/// Between two requests of an input.
const NEXT: &[u8] = b"\xffNEXT\xff";
/// Requests of an input that are made at most.
const REQUESTS_MAX: usize = 6;
/// No answer is longer: the longest is the document of all routes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
const KINDS: [&[u8]; 8] = [
    b"application/json",
    b"application/json; charset=utf-8",
    b"application/x-ndjson",
    b"application/x-npy",
    b"text/plain",
    b"",
    b"\xe4",
    b"application/jsonl",
];
/// What is there before each input.
const BEFORE: &str = "VECSET a 1 0 0.5\nVECSET b 0 1 0.25\nMETASET a n:1,t:x\nEVENT c ADD a 10\nEVENT c ADD b 20\nCOLLECTION CREATE v dimension=2";

/// Input: up to six requests. Of each two bytes choose the route and how it is sent, a third how its body is cut; then what
/// fills the path and the query, a line; then the body. Each is answered, with JSON when it is refused, and never as if the
/// server had failed.
pub fn check(data: &[u8]) {
    scene::with_data(BEFORE, |scene| {
        for request in split(data) {
            one(scene, request);
        }
        let live = ask(scene, Asked { method: "GET", uri: "/health/live", ..Asked::default() });
        assert_eq!(live.map(|answered| answered.status), Some(200));
    });
}

fn split(data: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut rest) = (Vec::new(), data);
    while let Some(at) = rest.windows(NEXT.len()).position(|window| window == NEXT) {
        parts.push(&rest[..at]);
        rest = &rest[at + NEXT.len()..];
    }
    parts.push(rest);
    parts.truncate(REQUESTS_MAX);
    parts
}

fn one(scene: &Scene, request: &[u8]) {
    let [route, how, cut, rest @ ..] = request else { return };
    let line = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    let (fill, body) = (&rest[..line], rest.get(line + 1..).unwrap_or_default());
    let routes = routes(scene);
    let (method, path) = &routes[usize::from(*route) % routes.len()];
    let method = if how & 16 == 0 { method } else { METHODS[usize::from(*cut) % METHODS.len()] };
    let uri = uri(path, fill, how & 32 != 0);
    let zipped = (how & 8 != 0).then(|| zstd::bulk::compress(body, 1).expect("in memory"));
    let body = zipped.as_deref().unwrap_or(body);
    let pieces = body.chunks(usize::from(*cut) + 1).map(<[u8]>::to_vec).collect();
    let mut headers = vec![("content-type", KINDS[usize::from(how & 7)])];
    if how & 64 != 0 {
        headers.push(("origin", b"http://example.org"));
    }
    if how & 128 != 0 {
        headers.push(("content-length", fill));
    }
    let before = scene.lsn();
    let Some(answered) = ask(scene, Asked { method, uri: &uri, headers, body: pieces }) else { return };
    judge(method, &uri, &answered);
    if matches!(answered.status, 401 | 403 | 405 | 415) {
        assert_eq!(scene.lsn(), before, "{method} {uri}: who is not let in writes nothing");
    }
}

fn ask(scene: &Scene, asked: Asked<'_>) -> Option<Answered> {
    block_on(scene.server().http(asked, PEER))
}

/// What must hold of every answer.
fn judge(method: &str, uri: &str, answered: &Answered) {
    let Answered { status, content_type, body } = answered;
    let shown = || format!("{method} {uri}: {status} {}", String::from_utf8_lossy(body));
    assert!(*status < 500 || *status == 503, "{}", shown());
    assert!(body.len() <= ANSWER_BYTES_MAX, "{method} {uri}: {} bytes", body.len());
    if method == "HEAD" {
        return;
    }
    let json = content_type.starts_with("application/json").then(|| serde_json::from_slice::<Value>(body));
    if *status >= 400 {
        let json = json.unwrap_or_else(|| panic!("a refusal in {content_type:?}: {}", shown()));
        let json = json.unwrap_or_else(|e| panic!("{e}: {}", shown()));
        assert!(json["error"].is_string(), "{}", shown());
    } else if let Some(Err(error)) = json {
        panic!("{error}: {}", shown());
    }
}

/// All routes, as the server's own document lists them.
fn routes(scene: &Scene) -> &'static [(&'static str, String)] {
    static ROUTES: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let asked = Asked { method: "GET", uri: "/openapi.json", ..Asked::default() };
        let document = ask(scene, asked).expect("a sound request");
        let document: Value = serde_json::from_slice(&document.body).expect("JSON");
        let mut routes = vec![("GET", "/openapi.json".to_owned())];
        for (path, methods) in document["paths"].as_object().expect("paths") {
            let takes = |method: &&str| methods.get(method.to_lowercase()).is_some();
            routes.extend(METHODS.into_iter().filter(takes).map(|method| (method, path.clone())));
        }
        routes.sort();
        routes
    })
}

/// A path whose parameters are the words of `fill` before `?`, in order (without words: a collection that is there), and the
/// query after it. `raw`: the words as they are after the path, too.
fn uri(path: &str, fill: &[u8], raw: bool) -> String {
    let mut halves = fill.splitn(2, |b| *b == b'?');
    let (words, query) = (halves.next().unwrap_or_default(), halves.next());
    let mut words = words.split(|b| *b == b' ').map(escaped);
    let mut uri = String::new();
    for (n, part) in path.split(['{', '}']).enumerate() {
        match n % 2 {
            0 => uri.push_str(part),
            _ => {
                uri.push_str(&words.next().filter(|word| !word.is_empty()).unwrap_or_else(|| "v".to_owned()))
            }
        }
    }
    if raw {
        words.for_each(|word| uri.push_str(&word));
    }
    if let Some(query) = query {
        uri.push('?');
        uri.push_str(&escaped(query));
    }
    uri
}

/// What cannot stand in a path is written `%XX`.
fn escaped(bytes: &[u8]) -> String {
    let plain = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&b);
    let one = |b: &u8| if plain(*b) { char::from(*b).to_string() } else { format!("%{b:02X}") };
    bytes.iter().map(one).collect()
}

/// Inputs to begin with: for each route bodies of every kind that is taken somewhere.
pub fn seeds() -> Vec<Vec<u8>> {
    let bodies: [&[u8]; 12] = [
        br#"{"id":"a","vector":[1,0.5,-2e-3],"metadata":{"k":[true,1,"x"]}}"#,
        br#"{"id":"a","metadata":{"n":1}}"#,
        br#"{"ctx":"u","id":"a","type":"ADD","score":100,"timestamp":5}"#,
        br#"{"id":"a","top_k":3,"mode":"fusion","filter":"n>0","min_score":0.1,"adaptive":true}"#,
        br#"{"vector":[1,2,3],"top_k":2}"#,
        br#"{"queries":[{"vector":[1,2]},{"id":"a"}],"top_k":2}"#,
        br#"{"name":"w","dimension":2,"metric":"l2","storage":"mapped"}"#,
        br#"{"filepath":"a.nvec"}"#,
        br#"{"policy":{"keep_last":1},"dry_run":true}"#,
        br#"{"name":"t","partitions":2,"records":[{"key":"k","value":"v"}],"mode":"periodic","interval":"1s"}"#,
        b"{\"id\":\"a\",\"vector\":[1,2]}\n{\"ctx\":\"u\",\"id\":\"a\",\"type\":\"DEL\"}\n",
        b"\x93NUMPY\x01\x00\x3b\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n\0\0\x80\x3f\0\0\0\x40",
    ];
    let mut seeds = Vec::new();
    for (n, body) in (0u8..).zip(bodies) {
        let kind = match n {
            10 => 2,
            11 => 3,
            _ => 0,
        };
        for route in (n % 2..90).step_by(2) {
            let fill: &[u8] = if route % 3 == 0 { b"v a?on_error=skip" } else { b"default a 0" };
            seeds.push([&[route, kind | (n % 3 / 2) << 3, 40 + n], fill, b"\n", body].concat());
        }
    }
    let all = seeds.chunks(5).map(|some| some.join(NEXT)).collect::<Vec<_>>();
    all.into_iter().chain(seeds.into_iter().step_by(4)).collect()
}
