// SPDX-License-Identifier: GPL-2.0
//! The engine's thread: doorbells, rings, events.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::sync::mpsc::Receiver;

use accel::hisi_zip::{Direction, Revision};
use accel::{Region, uapi};

use crate::space::Reach;
use crate::streams::{Outcome, Output, Request, STATUS, Streams};
use crate::{Fate, Plan, Watcher};

/// What the bits of a completion's last word are that mean nothing.
const SPARE_BITS: u16 = 0x5a5a;

pub(crate) struct Parts {
    pub(crate) id: u32,
    pub(crate) direction: Direction,
    pub(crate) revision: Revision,
    pub(crate) depth: usize,
    pub(crate) ring: Region,
    pub(crate) status: Region,
    pub(crate) events: OwnedFd,
    pub(crate) reach: Reach,
    pub(crate) watcher: Arc<Watcher>,
    pub(crate) plan: Plan,
}

pub(crate) struct Engine {
    parts: Parts,
    streams: Streams,
    /// Next submission entry to be taken.
    sq_head: usize,
    /// Next completion entry to be written, its phase, and what is read as far as is known.
    cq_tail: usize,
    phase: bool,
    cq_read: usize,
    armed: bool,
    jobs: u64,
    late: Option<usize>,
}

/// Numbers of the words that may have the tag.
const TAGS: [usize; 2] = [13, 26];

/// Numbers of the words that a stream's request brings back.
const CARRIED: [usize; 5] = [15, 28, 29, 30, 31];

/// Whether the engine goes on.
enum Next {
    Go,
    Stop,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            streams: Streams::new(parts.direction, parts.revision),
            parts,
            sq_head: 0,
            cq_tail: 0,
            phase: true,
            cq_read: 0,
            armed: false,
            jobs: 0,
            late: None,
        }
    }

    /// Works until the queue is dropped or the plan says that it ends.
    pub(crate) fn serve(mut self, doorbells: &Receiver<u64>) {
        for value in doorbells {
            if matches!(self.doorbell(value), Next::Stop) {
                // As a device that hangs: doorbells are taken, nothing comes of them.
                doorbells.iter().for_each(drop);
            }
        }
    }

    fn doorbell(&mut self, value: u64) -> Next {
        let (queue, command) = (value & 0xfff, value >> 12 & 0xf);
        let (index, priority) = ((value >> 32 & 0xffff) as usize, value >> 48);
        if queue != u64::from(self.parts.id) || index >= self.parts.depth {
            self.parts.watcher.violation(format!("doorbell {value:#x}"));
            return Next::Go;
        }
        fence(Ordering::SeqCst);
        match command {
            uapi::HISI_ZIP_DB_SQ => self.work_up_to(index),
            _ => {
                self.cq_read = index;
                self.armed = priority != 0;
                self.raise_if(self.cq_tail != index);
                Next::Go
            }
        }
    }

    fn work_up_to(&mut self, tail: usize) -> Next {
        while self.sq_head != tail {
            let entry = self.sq_head;
            self.sq_head = (entry + 1) % self.parts.depth;
            let fate = (self.parts.plan)(self.jobs);
            self.jobs += 1;
            if matches!(self.meet(fate, entry), Next::Stop) {
                return Next::Stop;
            }
        }
        Next::Go
    }

    fn meet(&mut self, fate: Fate, entry: usize) -> Next {
        match fate {
            Fate::Do | Fate::Errno(_) => self.perform(entry, Output::Stored),
            Fate::Lost => self.perform(entry, Output::Lost),
            Fate::Wrong => self.perform(entry, Output::Wrong),
            Fate::Damaged => self.perform(entry, Output::Damaged),
            Fate::Status(status) => self.finish(entry, &Outcome::error(status)),
            Fate::Late => {
                self.late = Some(entry);
                return Next::Go;
            }
            Fate::Hang => return Next::Stop,
            Fate::Die(state) => {
                self.parts.status.write(0, state);
                self.armed = true;
                self.raise_if(true);
                return Next::Stop;
            }
            Fate::WrongEntry => self.complete((entry + 1) % self.parts.depth),
            Fate::WrongTag => {
                for word in TAGS {
                    let place = entry * 128 + word * 4;
                    let tag = self.parts.ring.read::<u32>(place);
                    self.parts.ring.write(place, !tag);
                }
                self.perform(entry, Output::Stored);
            }
        }
        if let Some(late) = self.late.take() {
            self.perform(late, Output::Stored);
        }
        Next::Go
    }

    /// Does the job of `entry`, and completes it.
    fn perform(&mut self, entry: usize, output: Output) {
        let request = self.request(entry);
        let outcome = self.streams.perform(&request, &self.parts.reach, output);
        self.finish(entry, &outcome);
    }

    /// Completes the job of `entry`, of which this became.
    fn finish(&mut self, entry: usize, outcome: &Outcome) {
        // The other bits stay as they were.
        let rest = self.parts.ring.read::<u32>(entry * 128 + 3 * 4) & !STATUS;
        for (word, value) in [
            (0, outcome.consumed),
            (1, outcome.produced),
            (3, rest | outcome.status),
        ]
        .into_iter()
        .chain(CARRIED.into_iter().zip(outcome.carried))
        {
            self.parts.ring.write(entry * 128 + word * 4, value);
        }
        self.complete(entry);
    }

    fn request(&self, entry: usize) -> Request {
        let word = |i: usize| self.parts.ring.read::<u32>(entry * 128 + i * 4);
        let wide = |low: usize| u64::from(word(low + 1)) << 32 | u64::from(word(low));
        Request {
            flags: word(7),
            algorithm: word(9),
            input: wide(18),
            input_len: word(4) as usize,
            output: wide(20),
            output_room: word(14) as usize,
            context: wide(22),
            carried: CARRIED.map(word),
        }
    }

    fn complete(&mut self, entry: usize) {
        let unread = (self.cq_tail + self.parts.depth - self.cq_read) % self.parts.depth;
        if unread + 1 >= self.parts.depth {
            self.parts
                .watcher
                .violation("completion queue overflow".into());
        }
        let cqe = uapi::hisi_zip_cq_offset(self.parts.depth) + self.cq_tail * 16;
        self.parts.ring.write(cqe + 8, entry as u16);
        fence(Ordering::SeqCst);
        self.parts
            .ring
            .write(cqe + 14, SPARE_BITS | u16::from(self.phase));
        self.cq_tail += 1;
        if self.cq_tail == self.parts.depth {
            self.cq_tail = 0;
            self.phase = !self.phase;
        }
        self.parts.watcher.count_job();
        self.raise_if(true);
    }

    fn raise_if(&mut self, something: bool) {
        if self.armed && something {
            self.armed = false;
            rustix::io::write(&self.parts.events, &1u64.to_ne_bytes()).expect("an eventfd");
        }
    }
}
