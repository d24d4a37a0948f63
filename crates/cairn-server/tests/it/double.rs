//! A backend that remembers what it was asked.

use cairn_engine::{Error, Hit, Lsn, Request, Write};
use cairn_server::{
    Ask, Backend, Block, Cost, Counters, Dialect, Interpreter, Reply, Rules, Variables, Written,
};
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub struct Double {
    /// The writes, one list for each submission.
    pub submissions: Mutex<Vec<Vec<Request>>>,
    /// The questions, and how many submissions were made before each.
    pub asked: Mutex<Vec<(String, usize)>>,
}

impl Backend for Double {
    fn submit(&self, writes: Vec<Request>, done: Box<dyn FnOnce(Written) + Send>) {
        done(self.write(writes));
    }

    /// Refuses the item `refused`, takes everything else.
    fn write(&self, writes: Vec<Request>) -> Written {
        let mut submissions = self.submissions.lock().unwrap();
        let first = submissions.iter().flatten().count() as u64;
        let answer = |(i, request): (usize, &Request)| match &request.write {
            Write::VectorSet { id, .. } if id == "refused" => Err(Error::Input("Vector refused".into())),
            _ => Ok(Lsn(first + i as u64)),
        };
        let answers = writes.iter().enumerate().map(answer).collect();
        submissions.push(writes);
        answers
    }

    fn answer(&self, ask: &Ask) -> Reply {
        self.asked.lock().unwrap().push((format!("{ask:?}"), self.submissions.lock().unwrap().len()));
        match ask {
            Ask::Similar { query, .. } => Reply::Results(vec![Hit { id: query.id.clone(), score: 1.0 }]),
            Ask::Near { .. } => Reply::Results(vec![]),
            Ask::Variables(Variables::Set { .. }) => Reply::Plus(""),
            Ask::Variables(Variables::Get(name)) => Reply::Bulk(name.clone()),
            Ask::Variables(Variables::Show(_)) => Reply::Array(vec!["a=1 (mutable)".into(), String::new()]),
            Ask::Config(_) => Reply::Lines(vec!["END".into(), "k: v".into()]),
            _ => Reply::Block(Block::new("ASKED").pair("k", "v")),
        }
    }

    fn cost(&self, ask: &Ask) -> Cost {
        match ask {
            Ask::Near { .. } => Cost::Search,
            Ask::Check => Cost::Files,
            _ => Cost::Small,
        }
    }
}

pub fn interpreter(dialect: Dialect) -> (Interpreter, Arc<Counters>) {
    let rules = Rules { dialect, line_bytes_max: 1000, ..Rules::default() };
    let counters = Arc::new(Counters::default());
    (Interpreter::new(Arc::new(rules), Arc::clone(&counters)), counters)
}

/// Everything that a connection answers to `input`.
pub fn answers(dialect: Dialect, input: &[u8]) -> (String, Double) {
    let (mut interpreter, _) = interpreter(dialect);
    let (double, mut out) = (Double::default(), Vec::new());
    interpreter.handle(input, &double, &mut out);
    (String::from_utf8(out).unwrap(), double)
}
