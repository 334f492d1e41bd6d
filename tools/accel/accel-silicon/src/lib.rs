// SPDX-License-Identifier: GPL-2.0
//! Questions to the silicon of the HiSilicon ZIP engine.
//!
//! What is known of it was read in the programs that drive it, and leaves things open. The emulated
//! device reads each of these in the harmful way, or in a mild one if it is told so by a name. Here
//! are [`QUESTIONS`] that tell by experiment which of the two an engine does; the emulated one is
//! asked too, so that they are known to tell.
//!
//! There is no way to a device in here: whoever has one gives it as an [`Engine`].

pub mod data;
mod engine;
mod questions;

pub use engine::{
    Algorithm, CARRIED, Direction, Done, Engine, Layout, PATTERN, Queue, Request, Revision, Stream,
    Trouble,
};
pub use questions::QUESTIONS;

/// How an answer is come by.
#[derive(Clone, Copy)]
pub enum Way {
    /// By requests that programs make every day, or that any file of a user can come to.
    Harmless(Experiment),
    /// By requests that no program is known to make. If a queue hangs by one, and does not stop,
    /// the device is reset, and the queues of all end.
    Alone(Experiment),
    /// By requests that programs make every day on revision 0x30, and never on 0x21: there as
    /// [`Alone`](Self::Alone).
    AloneOnV2(Experiment),
    /// By what the driver saw when it started the device.
    Driver(Experiment),
    /// Not at all, for this reason.
    Never(&'static str),
}

impl Way {
    /// Whether that needs the device for itself.
    pub fn needs_alone(self, revision: Revision) -> bool {
        match self {
            Self::Alone(_) => true,
            Self::AloneOnV2(_) => revision == Revision::V2,
            Self::Harmless(_) | Self::Driver(_) | Self::Never(_) => false,
        }
    }
}

/// Asks an engine.
pub type Experiment = fn(&mut dyn Engine) -> Result<Finding, Trouble>;

/// Something that the evidence leaves open, or that is good to be sure of.
pub struct Question {
    /// Its name, for programs.
    pub name: &'static str,
    /// What is asked.
    pub text: &'static str,
    /// Name of the mild reading of the model that it is about; none if the model has but one.
    pub mild: Option<&'static str>,
    /// How it is asked.
    pub way: Way,
}

/// What an experiment comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which reading of the model that is.
    pub reading: Reading,
    /// What was seen.
    pub seen: String,
}

/// A reading of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The one that it has by default.
    Default,
    /// The mild one.
    Mild,
    /// Neither: the model is wrong.
    Neither,
}

impl Reading {
    /// The default if `harmful`, the mild one if `mild`, neither if neither or both.
    fn of(harmful: bool, mild: bool) -> Self {
        match (harmful, mild) {
            (true, false) => Self::Default,
            (false, true) => Self::Mild,
            _ => Self::Neither,
        }
    }

    /// Of something of which the model has but one reading.
    fn only(as_modelled: bool) -> Self {
        Self::of(as_modelled, false)
    }

    fn with(self, seen: impl Into<String>) -> Finding {
        let (reading, seen) = (self, seen.into());
        Finding { reading, seen }
    }
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was answered.
    Found(Finding),
    /// It was not asked, for this reason.
    NotAsked(String),
    /// It was asked, and this came between.
    Failed(String),
}

/// Puts a question; those that need the device for themselves only if it is there for `alone`. One
/// that a reset has ended is put once more.
pub fn ask(question: &Question, engine: &mut dyn Engine, alone: bool) -> Answer {
    let experiment = match question.way {
        Way::Never(reason) => return Answer::NotAsked(reason.into()),
        way if way.needs_alone(engine.revision()) && !alone => {
            return Answer::NotAsked(NOT_ALONE.into());
        }
        Way::Harmless(experiment)
        | Way::Alone(experiment)
        | Way::AloneOnV2(experiment)
        | Way::Driver(experiment) => experiment,
    };
    let found = match experiment(engine) {
        Err(Trouble::Reset(_)) => experiment(engine),
        found => found,
    };
    match found {
        Ok(finding) => Answer::Found(finding),
        Err(Trouble::NotHere(reason)) => Answer::NotAsked(reason),
        Err(Trouble::Failed(reason) | Trouble::Reset(reason)) => Answer::Failed(reason),
    }
}

const NOT_ALONE: &str = "no program is known to do this: a queue that hangs by it may cost the \
                         queues of all; --alone asks";

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// The words that a request leaves in its entry.
    type Says = dyn Fn(&Request) -> [u32; 32];

    /// An engine that leaves in each entry what this says.
    #[derive(Clone)]
    struct Fake {
        revision: Revision,
        says: Rc<Says>,
        /// What is in the context of each stream.
        context: Vec<u8>,
        /// How many requests a reset ends.
        resets: Rc<Cell<usize>>,
    }

    impl Fake {
        fn new(revision: Revision, says: impl Fn(&Request) -> [u32; 32] + 'static) -> Self {
            Self {
                revision,
                says: Rc::new(says),
                context: Vec::new(),
                resets: Rc::default(),
            }
        }
    }

    impl Engine for Fake {
        fn revision(&self) -> Revision {
            self.revision
        }

        fn queue(&mut self, _: Direction) -> Result<Box<dyn Queue>, Trouble> {
            Ok(Box::new(self.clone()))
        }

        fn observed(&self, _: &str) -> Result<Option<u64>, Trouble> {
            Ok(None)
        }
    }

    impl Queue for Fake {
        fn run(&mut self, request: &Request) -> Result<Done, Trouble> {
            if let Some(left) = self.resets.get().checked_sub(1) {
                self.resets.set(left);
                return Err(Trouble::Reset("the queue is dead".into()));
            }
            Ok(Done {
                words: (self.says)(request),
                completion: [1; 8],
                context: self.context.clone(),
                room: vec![PATTERN; request.room],
                spilled: false,
            })
        }
    }

    /// One that says of each request that it is done, and does nothing; it counts them.
    fn idle(revision: Revision, word: u32, requests: &Rc<Cell<usize>>) -> Fake {
        let requests = Rc::clone(requests);
        let says = move |_: &Request| {
            requests.set(requests.get() + 1);
            let mut words = [word; 32];
            words[3] = 0;
            words
        };
        Fake::new(revision, says)
    }

    /// One that takes all input, makes nothing of it, and asks for what `state` says; it counts
    /// requests without input.
    fn greedy(state: u32, empty: &Rc<Cell<usize>>) -> Fake {
        let empty = Rc::clone(empty);
        let says = move |request: &Request| {
            empty.set(empty.get() + usize::from(request.input.is_empty()));
            let mut words = [0; 32];
            (words[0], words[15]) = (request.input.len() as u32, state);
            words[28] = 1;
            words
        };
        Fake::new(Revision::V3, says)
    }

    #[test]
    fn each_question_ends_whatever_the_engine_does() {
        // Nothing is consumed and produced, or more than there is.
        for (revision, word) in [
            (Revision::V2, 0),
            (Revision::V3, 0),
            (Revision::V3, u32::MAX),
        ] {
            for question in QUESTIONS {
                let requests = Rc::<Cell<usize>>::default();
                let mut engine = idle(revision, word, &requests);
                let answer = ask(question, &mut engine, true);
                let (name, count) = (question.name, requests.get());
                assert!(count < 500, "{name}: {count} requests");
                if let Way::Never(_) = question.way {
                    assert!(
                        matches!(answer, Answer::NotAsked(_)) && count == 0,
                        "{name}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_was_not_done_is_no_finding() {
        for name in ["window", "stateless-checksum"] {
            let question = QUESTIONS.iter().find(|question| question.name == name);
            let mut engine = idle(Revision::V3, 0, &Rc::default());
            let Answer::Found(finding) = ask(question.unwrap(), &mut engine, false) else {
                panic!("{name}: not asked");
            };
            assert_eq!(
                finding.reading,
                Reading::Neither,
                "{name}: {}",
                finding.seen
            );
        }
    }

    #[test]
    fn nothing_is_sent_but_to_an_engine_that_asks_for_it() {
        const LAST_BLOCK: u32 = 1 << 7;
        for name in ["stream-end", "input-ahead"] {
            let question = QUESTIONS.iter().find(|question| question.name == name);
            for (state, count) in [
                (0, 0),
                (2, 0),
                (3, 0),
                (LAST_BLOCK, 0),
                (1, 1),
                (4, 1),
                (2 | LAST_BLOCK, 1),
            ] {
                let empty = Rc::<Cell<usize>>::default();
                let mut engine = greedy(state, &empty);
                let answer = ask(question.unwrap(), &mut engine, false);
                assert_eq!(empty.get(), count, "{name} {state:#x}");
                assert!(matches!(answer, Answer::Failed(_)), "{name}: {answer:?}");
            }
        }
    }

    /// Other bits are what any file may leave there: the beginning of a block.
    #[test]
    fn only_a_block_that_is_whole_is_asked_for() {
        const AT: u32 = 0xc00 + 0x20;
        let question = QUESTIONS.iter().find(|known| known.name == "last-block");
        let place = |block: &[u8]| {
            let mut context = vec![0x5a; 0x1_0000];
            context[AT as usize..][..block.len()].copy_from_slice(block);
            context
        };
        for (bits, block, count) in [
            (3, [0x03, 0x00], 0),
            (10, [0x03, 0x00], 1),
            (10, [0x03, 0xfc], 1),
            (10, [0x03, 0x02], 0),
            (10, [0x02, 0x00], 0),
            (16, [0x03, 0x00], 1),
            (40, [0x03, 0x00], 0),
        ] {
            let empty = Rc::<Cell<usize>>::default();
            let says = {
                let empty = Rc::clone(&empty);
                move |request: &Request| {
                    empty.set(empty.get() + usize::from(request.input.is_empty()));
                    let mut words = [0; 32];
                    (words[15], words[29]) = (3 | bits << 10, 0xabcd_0011);
                    words
                }
            };
            let mut engine = Fake {
                context: place(&block),
                ..Fake::new(Revision::V3, says)
            };
            let answer = ask(question.unwrap(), &mut engine, false);
            assert_eq!(empty.get(), count, "{bits} bits of {block:x?}: {answer:?}");
        }
    }

    /// What was asked before may have had the device reset.
    #[test]
    fn a_question_that_a_reset_has_ended_is_put_again() {
        for (times, answered) in [(0, true), (1, true), (2, false)] {
            let requests = Rc::<Cell<usize>>::default();
            let mut engine = idle(Revision::V3, 0, &requests);
            engine.resets.set(times);
            let answer = ask(&QUESTIONS[0], &mut engine, false);
            assert_eq!(matches!(answer, Answer::Found(_)), answered, "{answer:?}");
        }
    }

    #[test]
    fn what_may_cost_others_their_answers_comes_last() {
        for revision in [Revision::V2, Revision::V3] {
            let asked = QUESTIONS
                .iter()
                .filter(|question| !matches!(question.way, Way::Never(_)));
            let alone = asked.map(|question| question.way.needs_alone(revision));
            assert!(alone.is_sorted(), "{revision:?}");
        }
    }

    #[test]
    fn raw_deflate_is_usual_on_the_revision_that_has_it() {
        let raw = QUESTIONS
            .iter()
            .find(|question| question.name == "raw-deflate");
        for (revision, count) in [(Revision::V2, 0), (Revision::V3, 1)] {
            let requests = Rc::<Cell<usize>>::default();
            let mut engine = idle(revision, 0, &requests);
            let answer = ask(raw.unwrap(), &mut engine, false);
            assert_eq!(requests.get(), count, "{revision:?}: {answer:?}");
        }
    }

    #[test]
    fn questions_have_names_of_their_own() {
        for (at, question) in QUESTIONS.iter().enumerate() {
            let others = &QUESTIONS[..at];
            let known = others.iter().any(|other| other.name == question.name);
            assert!(!known, "{}", question.name);
        }
    }
}
