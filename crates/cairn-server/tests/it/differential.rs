//! The server against the plain model: random lines, right and wrong, and each reply compared as bytes.

use crate::lines::Lines;
use crate::model::{Measure, Model, Ranking, Rules, Wanted};
use crate::numbers::seeds;
use crate::past::{Past, SECOND};
use crate::running::config;
use cairn_engine::Metric;
use cairn_server::{Backend, Config, Counters, Dialect, Interpreter};
use std::sync::Arc;

/// Lines of one run.
const LINES: usize = 5_000;
/// Runs, each with its own settings: half a million lines in all.
const RUNS: u64 = 100;
/// Seconds between two decays.
const DECAY_S: u64 = 10_000;

/// What a line is answered.
pub enum Expected {
    Line(String),
    Error(String),
    /// All that match, best first, and which part of it is shown.
    Results(Ranking, Wanted),
}

/// The settings of a run: each seed has others.
pub struct Setting {
    pub rules: Rules,
    pub decay: f64,
    pub dialect: Dialect,
}

impl Setting {
    fn of(seed: u64) -> Setting {
        let pick = |n: u64, shift: u64| ((seed >> shift) ^ (seed * 7 + shift)) % n;
        let rules = Rules {
            measure: [Measure::Cosine, Measure::Dot, Measure::L2][(seed % 3) as usize],
            dimension: if seed.is_multiple_of(4) { 3 } else { 0 },
            ring: [50, 3, 8, 1][(seed % 4) as usize],
            window_s: [60, 0, 300][pick(3, 1) as usize],
            dedup_entries: [10_000, 10_000, 30][pick(3, 2) as usize],
            contexts: if seed % 5 == 3 { 6 } else { 0 },
            half_life_s: (seed % 5 == 1).then_some(100.0),
            negative: [None, Some(0.5), Some(2.0)][pick(3, 3) as usize],
            neighbours: 0,
            support: 0.0,
            alpha: [0.6, 0.6, 1.0, 3.0][(seed % 4) as usize],
            beta: [0.4, 0.4, 0.0, 1.0][(seed % 4) as usize],
            adaptive: seed % 7 == 2,
            maturity: [50, 5][(seed % 2) as usize],
        };
        let dialect = [Dialect::Documented, Dialect::Nvecd][(seed / 2 % 2) as usize];
        let mut setting = Setting { rules, decay: [0.5, 1.0, 0.9][pick(3, 5) as usize], dialect };
        if !setting.rounds() {
            // Rounding would decide which of two nearly equal neighbours stays.
            setting.rules.neighbours = [0, 2, 5, 3][(seed / 3 % 4) as usize];
            setting.rules.support = [0.0, 700.5, 0.0, 90.25][(seed / 5 % 4) as usize];
        }
        setting
    }

    fn config(&self) -> Config {
        let mut config = config();
        let (rules, settings) = (&self.rules, &mut config.settings);
        settings.metric = match rules.measure {
            Measure::Cosine => Metric::Cosine,
            Measure::Dot => Metric::Dot,
            Measure::L2 => Metric::L2,
        };
        settings.dimension = rules.dimension as u32;
        settings.ctx_buffer_size = rules.ring as u32;
        settings.dedup_window_sec = rules.window_s;
        settings.dedup_cache_size = rules.dedup_entries as u32;
        settings.max_contexts = rules.contexts as u32;
        settings.temporal_cooccurrence = rules.half_life_s.is_some();
        settings.temporal_half_life_sec = rules.half_life_s.unwrap_or(86_400.0);
        settings.negative_signals = rules.negative.is_some();
        settings.negative_weight = rules.negative.unwrap_or(0.5);
        settings.max_neighbors_per_item = rules.neighbours as u32;
        settings.min_support = rules.support;
        config.fusion.alpha = rules.alpha;
        config.fusion.beta = rules.beta;
        config.fusion.adaptive = rules.adaptive;
        config.fusion.adaptive_maturity_threshold = rules.maturity as u32;
        config.decay.interval_sec = DECAY_S;
        config.decay.alpha = self.decay;
        config
    }

    /// Whether the engine's way to a score may round otherwise than the model's: it decays all scores by one factor that is kept
    /// apart, and takes powers of two from a library of its own.
    pub fn rounds(&self) -> bool {
        self.rules.half_life_s.is_some() || self.decay == 0.9
    }

    fn error(&self, message: &str) -> String {
        match self.dialect {
            Dialect::Documented => format!("(error) {message}\r\n"),
            Dialect::Nvecd => format!("ERROR {message}\r\n"),
        }
    }

    fn bytes(&self, expected: &Expected) -> String {
        match expected {
            Expected::Line(line) => format!("{line}\r\n"),
            Expected::Error(message) => self.error(message),
            Expected::Results(all, wanted) => {
                let shown: Vec<_> = all.iter().skip(wanted.offset).take(wanted.k).collect();
                let lines = shown.iter().map(|(id, score)| format!("{id} {:.4}\r\n", score + 0.0));
                format!("OK RESULTS {}\r\n{}", shown.len(), lines.collect::<String>())
            }
        }
    }
}

/// Takes the next reply off the front of `replies`.
fn next_reply<'a>(replies: &mut &'a str) -> &'a str {
    let line_end = |from: usize| replies[from..].find("\r\n").map(|at| from + at + 2);
    let mut end = line_end(0).unwrap_or_else(|| panic!("no whole line: {replies:?}"));
    if let Some(n) = replies[..end].strip_prefix("OK RESULTS ") {
        for _ in 0..n.trim_end().parse::<usize>().unwrap() {
            end = line_end(end).unwrap_or_else(|| panic!("results end early: {replies:?}"));
        }
    }
    let (reply, rest) = replies.split_at(end);
    *replies = rest;
    reply
}

/// Whether results differ from the model's by rounding alone: a score by one in the last place; ids whose scores are the same but for
/// a billionth stand in each other's places.
fn agrees_but_for_rounding(reply: &str, all: &Ranking, wanted: &Wanted) -> bool {
    let shown: Vec<(&str, f64)> = reply
        .lines()
        .skip(1)
        .map(|line| line.split_once(' ').unwrap())
        .map(|(id, s)| (id, s.parse().unwrap()))
        .collect();
    let expected: Vec<_> = all.iter().skip(wanted.offset).take(wanted.k).collect();
    let distinct: std::collections::BTreeSet<&str> = shown.iter().map(|(id, _)| *id).collect();
    let close = |(id, printed): &(&str, f64), place: &(String, f64)| {
        let own = all.iter().find(|(other, _)| other == id).map(|(_, score)| *score);
        own.is_some_and(|own| {
            (own - printed).abs() < 1.5e-4 && (own - place.1).abs() <= 1e-9 * own.abs().max(1.0)
        })
    };
    shown.len() == expected.len()
        && distinct.len() == shown.len()
        && shown.iter().zip(expected).all(|(shown, place)| close(shown, place))
}

/// How many replies were the same only but for rounding.
fn run(seed: u64) -> usize {
    let setting = Setting::of(seed);
    let past = Past::with(setting.config(), setting.dialect);
    let rules = cairn_server::Rules { dialect: setting.dialect, ..cairn_server::Rules::default() };
    let mut interpreter = Interpreter::new(Arc::new(rules), Arc::new(Counters::default()));
    let mut lines = Lines::new(seed, &setting);
    let mut model = Model::new(setting.rules.clone());
    let (mut done, mut rounded) = (0, 0);
    while done < LINES {
        lines.sent();
        let batch: Vec<(String, Expected)> =
            (0..1 + lines.below(30)).map(|_| lines.next(&mut model, &setting)).collect();
        let input: String = batch.iter().map(|(line, _)| line.as_str()).collect();
        let mut out = Vec::new();
        interpreter.handle(input.as_bytes(), &past.backend, &mut out);
        let text = String::from_utf8(out).unwrap();
        let mut replies = text.as_str();
        for (line, expected) in &batch {
            let (reply, bytes) = (next_reply(&mut replies), setting.bytes(expected));
            done += 1;
            if reply == bytes {
                continue;
            }
            let excused = match expected {
                Expected::Results(all, wanted) if setting.rounds() => {
                    agrees_but_for_rounding(reply, all, wanted)
                }
                _ => false,
            };
            assert!(
                excused,
                "seed {seed}, line {done}: {line:?}\nexpected {bytes:?}\n     got {reply:?}\n{:?}",
                setting.rules
            );
            rounded += 1;
        }
        assert_eq!(replies, "", "seed {seed}: replies that nobody asked for");
        if lines.below(40) == 0 {
            past.clock.advance((DECAY_S as i64 + 1) * SECOND);
            lines.advance(DECAY_S as i64 + 1);
            // Decay that is due is done when the sequencer has answered twice.
            for _ in 0..2 {
                past.backend.answer(&cairn_server::Ask::Check);
            }
            model.decay(setting.decay);
        }
    }
    rounded
}

#[test]
fn half_a_million_lines_are_answered_as_the_model_says() {
    let seeds = seeds(RUNS);
    let runs = seeds.clone().count();
    // Two threads: a run is one, and its engine's sequencer waits for it most of the time.
    let (even, odd): (Vec<u64>, Vec<u64>) = seeds.partition(|seed| seed.is_multiple_of(2));
    let rounded = std::thread::scope(|scope| {
        let sum = |seeds: Vec<u64>| seeds.into_iter().map(run).sum::<usize>();
        let other = scope.spawn(move || sum(odd));
        sum(even) + other.join().unwrap()
    });
    println!("{} lines, {rounded} replies alike but for rounding", runs * LINES);
    assert!(rounded * 1000 < runs * LINES, "{rounded} replies are too many to be rounding");
}
