// SPDX-License-Identifier: GPL-2.0
//! Keeps what went to an engine and what came back, for who doubts a finding.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use accel_silicon::{Direction, Done, Engine, Queue, Request, Revision, Trouble};
use schemars::JsonSchema;
use serde::Serialize;

/// Requests that are kept, the last of a question.
const KEPT: usize = 64;

/// Words of an entry that are addresses, which are nobody's business.
const ADDRESSES: std::ops::Range<usize> = 18..24;

/// A request, and its answer, in hexadecimal words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exchange {
    direction: &'static str,
    /// Word 7, word 9.
    flags: String,
    method: String,
    input: usize,
    room: usize,
    /// Words 15 and 28 to 31 of a stream.
    carried: Option<String>,
    /// The entry as it came back, without addresses; none if it did not.
    entry: Option<String>,
    /// Half-words of the completion.
    completion: Option<String>,
}

impl Exchange {
    fn new(direction: Direction, request: &Request, done: Option<&Done>) -> Self {
        let mut entry = done.map(|done| done.words);
        if let Some(words) = &mut entry {
            words[ADDRESSES].fill(0);
        }
        let completion = done.map(|done| done.completion.map(u32::from));
        Self {
            direction: match direction {
                Direction::Compress => "compress",
                Direction::Decompress => "decompress",
            },
            flags: hex(&[request.flags()]),
            method: hex(&[request.method()]),
            input: request.input.len(),
            room: request.room,
            carried: request.stream.map(|stream| hex(&stream.carried)),
            entry: entry.map(|words| hex(&words)),
            completion: completion.map(|halves| hex(&halves)),
        }
    }
}

fn hex(words: &[u32]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{word:x}")).collect();
    words.join(" ")
}

type Tape = Rc<RefCell<VecDeque<Exchange>>>;

/// An engine whose exchanges are kept.
pub struct Recorder {
    engine: Box<dyn Engine>,
    tape: Tape,
}

impl Recorder {
    pub fn new(engine: Box<dyn Engine>) -> Self {
        let tape = Tape::default();
        Self { engine, tape }
    }

    /// What was exchanged since the last call.
    pub fn take(&self) -> Vec<Exchange> {
        self.tape.take().into()
    }
}

impl Engine for Recorder {
    fn revision(&self) -> Revision {
        self.engine.revision()
    }

    fn queue(&mut self, direction: Direction) -> Result<Box<dyn Queue>, Trouble> {
        Ok(Box::new(Recorded {
            queue: self.engine.queue(direction)?,
            direction,
            tape: Rc::clone(&self.tape),
        }))
    }

    fn observed(&self, name: &str) -> Result<Option<u64>, Trouble> {
        self.engine.observed(name)
    }
}

struct Recorded {
    queue: Box<dyn Queue>,
    direction: Direction,
    tape: Tape,
}

impl Queue for Recorded {
    fn run(&mut self, request: &Request) -> Result<Done, Trouble> {
        let done = self.queue.run(request);
        let mut tape = self.tape.borrow_mut();
        if tape.len() == KEPT {
            tape.pop_front();
        }
        tape.push_back(Exchange::new(self.direction, request, done.as_ref().ok()));
        done
    }
}
