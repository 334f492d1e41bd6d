// SPDX-License-Identifier: GPL-2.0

//! The questions to the silicon tell which reading it is that the device has.

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use accel_silicon::ask;
use accel_silicon::Answer;
use accel_silicon::Direction;
use accel_silicon::Done;
use accel_silicon::Engine;
use accel_silicon::Question;
use accel_silicon::Queue;
use accel_silicon::Reading;
use accel_silicon::Request;
use accel_silicon::Revision;
use accel_silicon::Trouble;
use accel_silicon::Way;
use accel_silicon::CARRIED;
use accel_silicon::PATTERN;
use accel_silicon::QUESTIONS;
use common::*;
use hisi_zip_model::readings::Mild;
use hisi_zip_model::readings::NAMES;
use hisi_zip_model::regs;
use hisi_zip_model::Config;

const INPUT: u64 = 0x100_0000;
const OUTPUT: u64 = 0x200_0000;
const CONTEXT: u64 = 0x300_0000;
const CONTEXT_SIZE: usize = 64 << 10;
const REGION: usize = 1 << 20;
/// Bytes behind the room that must stay as they are.
const BEHIND: usize = 64;

/// The device, and a driver that has seen what the real one sees.
struct Model {
    machine: Rc<RefCell<Machine>>,
    revision: Revision,
    next: u16,
}

impl Model {
    fn new(revision: Revision, mild: Mild) -> Self {
        let config = Config {
            revision: match revision {
                Revision::V2 => 0x21,
                Revision::V3 => 0x30,
            },
            mild,
            ..Machine::CONFIG
        };
        let mut machine = Machine::with(config);
        machine.write(regs::DATA_USER, 1);
        for at in [INPUT, OUTPUT, CONTEXT] {
            machine.memory.map(at, REGION, Page::Present);
        }
        Self {
            machine: Rc::new(RefCell::new(machine)),
            revision,
            next: 0,
        }
    }
}

impl Engine for Model {
    fn revision(&self) -> Revision {
        self.revision
    }

    fn queue(&mut self, direction: Direction) -> Result<Box<dyn Queue>, Trouble> {
        let kind = match direction {
            Direction::Compress => COMPRESS,
            Direction::Decompress => DECOMPRESS,
        };
        let id = self.next;
        self.next += 1;
        self.machine.borrow_mut().start(id, kind);
        Ok(Box::new(ModelQueue {
            machine: self.machine.clone(),
            id,
            requests: 0,
        }))
    }

    fn observed(&self, name: &str) -> Result<Option<u64>, Trouble> {
        let registers = [
            ("power", 0x10_0148),
            ("bus_clocks", 0x30_11a8),
            ("prefetch", 0x30_11b0),
            ("literals", 0x30_1204),
            ("perf", regs::HIGH_PERF),
        ];
        let found = registers.iter().find(|(known, _)| *known == name);
        let mut machine = self.machine.borrow_mut();
        Ok(found.map(|(_, offset)| machine.read(*offset).into()))
    }
}

struct ModelQueue {
    machine: Rc<RefCell<Machine>>,
    id: u16,
    requests: u16,
}

impl Queue for ModelQueue {
    fn run(&mut self, request: &Request) -> Result<Done, Trouble> {
        let mut machine = self.machine.borrow_mut();
        let pattern = vec![PATTERN; request.room + BEHIND];
        machine.memory.set_data(INPUT, &request.input);
        machine.memory.set_data(OUTPUT, &pattern);
        let entry = entry(&mut machine.memory, request);
        let done = machine.run(self.id, &entry);
        let at = Machine::cq_base(self.id) + u64::from(self.requests % DEPTH) * 16;
        self.requests += 1;
        let completion = machine.memory.peek(at, 16);
        let mut room = machine.memory.data(OUTPUT, pattern.len());
        let behind = room.split_off(request.room);
        let context = match request.stream {
            Some(_) => machine.memory.data(CONTEXT, 0x1_0000),
            None => Vec::new(),
        };
        Ok(Done {
            context,
            words: std::array::from_fn(|word| done.word(word)),
            completion: std::array::from_fn(|half| {
                u16::from_le_bytes([completion[half * 2], completion[half * 2 + 1]])
            }),
            room,
            spilled: behind != [PATTERN; BEHIND],
        })
    }
}

/// The entry for a request whose input is there; its context is made.
fn entry(memory: &mut Memory, request: &Request) -> hisi_zip_model::sqe::Sqe {
    let (input, output) = ((INPUT, request.input.len()), (OUTPUT, request.room));
    let mut entry = sqe(request.method(), 0, input, output);
    set_word(&mut entry, 3, request.word_3);
    set_word(&mut entry, 7, request.flags());
    if let Some(stream) = request.stream {
        if stream.begin {
            memory.set_data(CONTEXT, &[0; CONTEXT_SIZE]);
        }
        set_word(&mut entry, 22, CONTEXT as u32);
        for (word, value) in CARRIED.into_iter().zip(stream.carried) {
            set_word(&mut entry, word, value);
        }
    }
    entry
}

/// The reading that a question finds in a device that reads these mildly; none if it is not asked.
fn found(question: &Question, revision: Revision, mild: Mild) -> Option<Reading> {
    match ask(question, &mut Model::new(revision, mild), true) {
        Answer::Found(finding) => {
            println!(
                "{}: {} ({:?})",
                question.name, finding.seen, finding.reading
            );
            Some(finding.reading)
        }
        Answer::NotAsked(_) => None,
        Answer::Failed(why) => panic!("{}: {why}", question.name),
    }
}

/// What is wrong with what a question finds; nothing if it is the reading that the device has.
fn complaint(question: &Question, revision: Revision) -> Option<String> {
    let found = |mild| found(question, revision, mild);
    let known = NAMES.iter().find(|(name, _)| Some(*name) == question.mild);
    let (mild, only) = match known {
        // Its own reading decides, and no other.
        Some((_, reading)) => (Reading::Mild, Mild::NONE.with(*reading)),
        None => (Reading::Default, Mild::ALL),
    };
    let expected = match is_asked(question, revision) {
        true => [Reading::Default, mild, mild].map(Some),
        false => [None; 3],
    };
    let positions = [Mild::NONE, Mild::ALL, only].map(found);
    let (name, as_it_is) = (question.name, positions == expected);
    (!as_it_is).then(|| format!("{name}, {revision:?}: {positions:?}, not {expected:?}"))
}

/// Questions about what revision 0x21 does not have.
const NEWER: [&str; 2] = ["window", "last-block"];

/// Whether a question has an answer here.
fn is_asked(question: &Question, revision: Revision) -> bool {
    let never = matches!(question.way, Way::Never(_));
    !never && (revision == Revision::V3 || !NEWER.contains(&question.name))
}

#[test]
fn each_question_finds_the_reading_that_the_device_has() {
    let mut complaints = Vec::new();
    for revision in [Revision::V2, Revision::V3] {
        let complaint = |question| complaint(question, revision);
        complaints.extend(QUESTIONS.iter().filter_map(complaint));
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn each_reading_has_a_question() {
    for (name, _) in NAMES {
        let asks = |question: &Question| question.mild == Some(*name);
        assert!(QUESTIONS.iter().any(asks), "{name}");
    }
    for mild in QUESTIONS.iter().filter_map(|question| question.mild) {
        assert!(NAMES.iter().any(|(name, _)| *name == mild), "{mild}");
    }
}

#[test]
fn what_may_cost_others_their_queues_is_not_asked_unless_alone() {
    for revision in [Revision::V2, Revision::V3] {
        for question in QUESTIONS {
            if question.way.needs_alone(revision) {
                let answer = ask(question, &mut Model::new(revision, Mild::NONE), false);
                assert!(matches!(answer, Answer::NotAsked(_)), "{}", question.name);
            }
        }
    }
}
