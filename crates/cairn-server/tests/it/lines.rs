//! Random request lines, right and wrong, each with what a model says to it.

use crate::differential::{Expected, Setting};
use crate::model::{By, Condition, Model, Op, Scalar, Wanted};
use crate::numbers::Numbers;
use crate::running::NOW_US;
use std::collections::BTreeMap;

/// Ids there are; three times the smallest `k` of a fusion that rounds covers them all.
const IDS: u64 = 20;

/// Lines that are refused whatever the state is, and why.
const WRONG: [(&str, &str); 36] = [
    ("FOO", "Unknown command: FOO"),
    ("foo a b c", "Unknown command: foo"),
    ("   ", "Empty command"),
    ("EVENT c ADD i1 101", "Score must be in range [0, 100], got 101"),
    ("EVENT c SET i1 -1", "Score must be in range [0, 100], got -1"),
    ("EVENT c ADD i1 99999999999999999999", "Score must be in range [0, 100], got 99999999999999999999"),
    ("EVENT c ADD i1 x", "Failed to parse integer: x"),
    ("EVENT c ADD i1 1.5", "Failed to parse integer: 1.5"),
    ("EVENT c FOO i1 1", "Invalid EVENT type: FOO (must be ADD, SET, or DEL)"),
    ("EVENT c ADD i1", "EVENT ADD requires 4-5 arguments: <ctx> ADD <id> <score> [timestamp=<value>]"),
    ("EVENT c SET i1", "EVENT SET requires 4-5 arguments: <ctx> SET <id> <score> [timestamp=<value>]"),
    ("EVENT c DEL i1 5", "EVENT DEL requires 3-4 arguments: <ctx> DEL <id> [timestamp=<value>]"),
    ("EVENT c", "EVENT requires at least 3 arguments: <ctx> <type> <id> [<score>]"),
    ("EVENT c ADD i1 1 timestamp=x", "Failed to parse timestamp: x"),
    (
        "EVENT c ADD i1 1 timestamp=1737201600000",
        "Timestamp must be in seconds, in range [0, 253402300799], got 1737201600000",
    ),
    ("VECSET i1", "VECSET requires at least 2 arguments: <id> <floats>"),
    ("VECSET i1 1 nan 2", "Invalid float: nan"),
    ("VECSET i1 inf", "Invalid float: inf"),
    ("VECSET i1 1e39", "Invalid float: 1e39"),
    ("VECSET i1 1 foo", "Failed to parse float: foo"),
    ("METASET i1", "METASET requires 2 arguments: <id> <key:value,...>"),
    ("VECDEL", "VECDEL requires 1 argument: <id>"),
    ("VECDEL i1 i2", "VECDEL requires 1 argument: <id>"),
    ("SIM i1", "SIM requires at least 2 arguments: <id> <top_k>"),
    ("SIM i1 0", "top_k must be positive, got 0"),
    ("SIM i1 -3", "top_k must be positive, got -3"),
    ("SIM i1 1001", "top_k 1001 exceeds maximum allowed: 1000"),
    ("SIM i1 x", "Failed to parse integer: x"),
    ("SIM i1 5 using=foo", "Invalid using value: foo (must be events, vectors, or fusion)"),
    ("SIM i1 5 adaptive=x", "Invalid adaptive value: x (must be on or off)"),
    ("SIM i1 5 limit=3", "Invalid SIM option: limit=3"),
    ("SIM i1 5 min_score=high", "Failed to parse float: high"),
    ("SIMV 5", "SIMV requires at least 2 arguments: <top_k> <floats>"),
    ("SIMV 0 1 1", "top_k must be positive, got 0"),
    ("SIMV 5 1 nan", "Invalid float: nan"),
    ("SIMV 5 limit=3 1", "Invalid SIMV option: limit=3"),
];

/// A stream of them.
pub struct Lines {
    n: Numbers,
    now_s: i64,
    dimension: u64,
    /// The line before was a write, and this one may go with it.
    writing: bool,
}

impl Lines {
    pub fn new(seed: u64, setting: &Setting) -> Lines {
        let dimension =
            if setting.rules.dimension == 0 { 2 + seed % 4 } else { setting.rules.dimension as u64 };
        Lines { n: Numbers(seed), now_s: NOW_US / 1_000_000, dimension, writing: false }
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.n.below(n)
    }

    /// The clock went on.
    pub fn advance(&mut self, seconds: i64) {
        self.now_s += seconds;
    }

    /// What comes next is sent apart from what came.
    pub fn sent(&mut self) {
        self.writing = false;
    }

    /// A line with its end, and what is to be answered.
    pub fn next(&mut self, model: &mut Model, setting: &Setting) -> (String, Expected) {
        let kind = self.below(100);
        match kind {
            // A write; lines that are refused at once do not part it from the one before.
            0..56 if !std::mem::replace(&mut self.writing, true) => model.writes_begin(),
            56..91 => self.writing = false,
            _ => {}
        }
        let (words, expected) = match kind {
            0..32 => self.event(model),
            32..46 => self.vecset(model),
            46..54 => self.metaset(model),
            54..56 => self.vecdel(model),
            56..82 => self.sim(model, setting),
            82..91 => self.simv(model, setting),
            _ => {
                let (line, message) = self.n.one_of(&WRONG);
                (vec![line.to_owned()], Expected::Error(message.to_owned()))
            }
        };
        (self.written(&words), expected)
    }

    /// The words as a line, in one of the ways there are.
    fn written(&mut self, words: &[String]) -> String {
        let before = self.n.one_of(&["", "", "", "", " ", "\n", "\r\n"]);
        let between = self.n.one_of(&[" ", " ", " ", "\t", "   "]);
        let end = self.n.one_of(&["\n", "\r\n", "\r\n", " \n"]);
        format!("{before}{}{end}", words.join(between))
    }

    fn command(&mut self, name: &str) -> String {
        match self.below(6) {
            0 => name.to_lowercase(),
            1 => format!("{}{}", &name[..1], name[1..].to_lowercase()),
            _ => name.to_owned(),
        }
    }

    fn id(&mut self) -> String {
        match self.below(IDS) {
            0 => "é-日本".to_owned(),
            n => format!("i{n}"),
        }
    }

    fn event(&mut self, model: &mut Model) -> (Vec<String>, Expected) {
        let op = self.n.one_of(&[Op::Add, Op::Add, Op::Add, Op::Set, Op::Set, Op::Del]);
        let name = match op {
            Op::Add => self.command("ADD"),
            Op::Set => self.command("SET"),
            Op::Del => self.command("DEL"),
        };
        let (context, id) = (format!("c{}", self.below(9)), self.id());
        let score = match self.below(3) {
            0 => self.below(101) as u8,
            _ => self.n.one_of(&[0, 10, 50, 100]),
        };
        let mut words = vec![self.command("EVENT"), context.clone(), name, id.clone()];
        if op != Op::Del {
            words.push(score.to_string());
        }
        let mut time_s = self.now_s;
        if self.below(2) == 0 {
            time_s -= self.below(400) as i64;
            words.push(format!("timestamp={time_s}"));
        }
        (words, answer("OK EVENT", model.event(&context, &id, op, score, time_s)))
    }

    /// A vector as words, and as numbers; now and then of another dimension.
    fn vector(&mut self) -> (Vec<String>, Vec<f32>) {
        let dimension = if self.below(20) == 0 { 1 + self.below(7) } else { self.dimension };
        let small = self.below(3) == 0;
        let element = |n: &mut Numbers| match (small, n.below(12)) {
            (true, x) => format!("{}", x as i64 % 4 - 1),
            (false, 0) => "1e-1".to_owned(),
            (false, 1) => "-.5".to_owned(),
            (false, _) => format!("{:.2}", n.below(2001) as f64 / 1000.0 - 1.0),
        };
        let words: Vec<String> = (0..dimension).map(|_| element(&mut self.n)).collect();
        let numbers = words.iter().map(|word| word.parse().unwrap()).collect();
        (words, numbers)
    }

    fn vecset(&mut self, model: &mut Model) -> (Vec<String>, Expected) {
        let (id, (floats, vector)) = (self.id(), self.vector());
        let mut words = vec![self.command("VECSET"), id.clone()];
        words.extend(floats);
        (words, answer("OK VECSET", model.vecset(&id, vector)))
    }

    fn vecdel(&mut self, model: &mut Model) -> (Vec<String>, Expected) {
        let id = self.id();
        (vec![self.command("VECDEL"), id.clone()], answer("OK VECDEL", model.vecdel(&id)))
    }

    /// A value, and how it is written.
    fn scalar(&mut self) -> (Scalar, String) {
        match self.below(5) {
            0 => {
                let on = self.below(2) == 0;
                (Scalar::Bool(on), on.to_string())
            }
            1 => {
                let int = self.below(9) as i32 - 4;
                (Scalar::Int(int), int.to_string())
            }
            2 => {
                let text = self.n.one_of(&["0.5", "-1.25", "2.0", "1e1"]);
                (Scalar::Float(text.parse().unwrap()), text.to_owned())
            }
            3 => {
                let text = self.n.one_of(&["web", "x-1", "nan", "True", "日本"]);
                (Scalar::Text(text.to_owned()), text.to_owned())
            }
            _ => {
                let (text, written) = self.n.one_of(&[
                    ("small, fast", "\"small, fast\""),
                    ("a:b", "\"a:b\""),
                    ("1", "\"1\""),
                    ("say \"x\\\"", "\"say \\\"x\\\\\\\"\""),
                ]);
                (Scalar::Text(text.to_owned()), written.to_owned())
            }
        }
    }

    fn metaset(&mut self, model: &mut Model) -> (Vec<String>, Expected) {
        let id = self.id();
        let mut fields = BTreeMap::new();
        let mut written = Vec::new();
        for key in ["a", "b", "c"] {
            if self.below(3) > 0 || (key == "c" && written.is_empty()) {
                let (value, text) = self.scalar();
                fields.insert(key.to_owned(), value);
                written.push(format!("{key}:{text}"));
            }
        }
        let words = vec![self.command("METASET"), id.clone(), written.join(",")];
        (words, answer("OK METASET", model.metaset(&id, fields)))
    }

    /// What a search wants, and its options as words.
    fn wanted(&mut self, setting: &Setting, fuses: bool) -> (Wanted, Vec<String>) {
        let mut k = self.n.one_of(&[1, 2, 3, 7, 10, 1000]);
        if fuses && setting.rounds() {
            // Neither side's list is cut: which of two that are nearly equal is cut off would change the others' scores.
            k = k.max(7);
        }
        let mut options = Vec::new();
        let mut filter = Vec::new();
        if self.below(3) == 0 {
            let conditions: Vec<(Condition, String)> =
                (0..1 + self.below(2)).map(|_| self.condition()).collect();
            let texts: Vec<String> = conditions.iter().map(|(_, text)| text.clone()).collect();
            options.push(format!("filter={}", texts.join(",")));
            filter = conditions.into_iter().map(|(condition, _)| condition).collect();
        }
        let min_score = (self.below(4) == 0).then(|| match setting.rounds() {
            // No score is so near to one of these that rounding would decide.
            true => self.n.one_of(&["0.3712345", "77.1234567", "-0.1234567"]),
            false => self.n.one_of(&["0.5", "0", "-0.25", "2500", "1e2"]),
        });
        options.extend(min_score.map(|text| format!("min_score={text}")));
        let offset = if self.below(6) == 0 { self.below(5) as usize } else { 0 };
        if offset > 0 {
            options.push(format!("offset={offset}"));
        }
        if self.below(8) == 0 {
            options.push(self.n.one_of(&["exact=on", "exact=off", "ef=7"]).to_owned());
        }
        let min_score = min_score.map(|text| text.parse().unwrap());
        (Wanted { k, filter, min_score, offset }, options)
    }

    fn condition(&mut self) -> (Condition, String) {
        let key = self.n.one_of(&["a", "b", "c", "nowhere"]);
        let operator = self.n.one_of(&[":", "=", "!=", ">", ">=", "<", "<="]);
        let several = self.below(4) == 0 && [":", "=", "!="].contains(&operator);
        let values: Vec<(Scalar, String)> = (0..if several { 3 } else { 1 }).map(|_| self.scalar()).collect();
        let texts: Vec<String> = values.iter().map(|(_, text)| text.clone()).collect();
        let text = if several { format!("in({})", texts.join("|")) } else { texts.concat() };
        let values = values.into_iter().map(|(value, _)| value).collect();
        (Condition { key, operator, values }, format!("{key}{operator}{text}"))
    }

    fn shuffled(&mut self, mut words: Vec<String>) -> Vec<String> {
        for i in (1..words.len()).rev() {
            words.swap(i, self.below(i as u64 + 1) as usize);
        }
        words
    }

    fn sim(&mut self, model: &mut Model, setting: &Setting) -> (Vec<String>, Expected) {
        let by = self.n.one_of(&[By::Events, By::Vectors, By::Fusion, By::Fusion]);
        let (wanted, mut options) = self.wanted(setting, by == By::Fusion);
        let adaptive = self.n.one_of(&[None, None, Some(true), Some(false)]);
        options.extend(adaptive.map(|on| format!("adaptive={}", if on { "on" } else { "off" })));
        match by {
            By::Events => options.push("using=events".to_owned()),
            By::Vectors => options.push("using=vectors".to_owned()),
            By::Fusion if self.below(2) == 0 => options.push("using=fusion".to_owned()),
            By::Fusion => {}
        }
        let id = if self.below(30) == 0 { "nobody".to_owned() } else { self.id() };
        let mut words = vec![self.command("SIM"), id.clone(), wanted.k.to_string()];
        words.extend(self.shuffled(options));
        (words, results(model.sim(&id, by, adaptive, &wanted), wanted))
    }

    fn simv(&mut self, model: &mut Model, setting: &Setting) -> (Vec<String>, Expected) {
        let (wanted, options) = self.wanted(setting, false);
        let (floats, vector) = self.vector();
        let mut words = vec![self.command("SIMV"), wanted.k.to_string()];
        words.extend(self.shuffled(options));
        words.extend(floats);
        (words, results(model.simv(&vector, &wanted), wanted))
    }
}

fn answer(done: &str, result: Result<(), String>) -> Expected {
    result.map_or_else(Expected::Error, |()| Expected::Line(done.to_owned()))
}

fn results(result: Result<crate::model::Ranking, String>, wanted: Wanted) -> Expected {
    result.map_or_else(Expected::Error, |all| Expected::Results(all, wanted))
}
