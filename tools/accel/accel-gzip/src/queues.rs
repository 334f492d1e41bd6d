// SPDX-License-Identifier: GPL-2.0
//! The queues that a run uses, all driven by one thread.
//!
//! The engine does the work; what is left to a processor is to write addresses into rings, and one
//! processor does that for more queues than a device has.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use accel::hisi_zip::{Completion, Direction, Job, Wait, Woken, ZipQueue, wait};
use accel::{AddressMode, AddressSpace};

use crate::buffers::Buffers;
use crate::error::{Error, Result};

/// Where queues come from, and the memory of their jobs.
pub trait Engine {
    /// How it sees memory.
    fn mode(&self) -> AddressMode;

    /// Where it does.
    fn space(&self) -> Result<AddressSpace>;

    /// A new queue.
    fn queue(&self, direction: Direction) -> Result<ZipQueue>;
}

/// How to use an engine.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// Queues at most.
    pub queues: usize,
    /// Jobs in flight in each at most.
    pub in_flight: usize,
    /// How to wait.
    pub wait: Wait,
    /// Whether it is an error that there is no engine.
    pub required: bool,
}

/// How long to wait for a queue that nobody has, in steps.
const PATIENCE: [Duration; 3] = [
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(75),
];

/// How often an engine may fail amid a file before it is left alone.
const FAILURES: u32 = 3;

/// The queues of one direction.
pub struct Queues<'a> {
    engine: &'a dyn Engine,
    direction: Direction,
    how: Use,
    queues: Vec<ZipQueue>,
    /// Where to look first for a completion: no queue is to wait for ever for its turn.
    turn: usize,
    failures: u32,
}

impl<'a> Queues<'a> {
    /// No queues yet; they are made when they are needed.
    pub fn new(engine: &'a dyn Engine, direction: Direction, how: Use) -> Self {
        Self {
            engine,
            direction,
            how,
            queues: Vec::new(),
            turn: 0,
            failures: 0,
        }
    }

    /// How the engine sees memory.
    pub fn mode(&self) -> AddressMode {
        self.engine.mode()
    }

    /// Where the memory of jobs has to be.
    pub fn space(&self) -> Result<AddressSpace> {
        self.engine.space()
    }

    /// Buffers for jobs, none yet.
    pub fn buffers(&self) -> Result<Buffers> {
        self.space().map(Buffers::new)
    }

    /// Makes queues until there are enough for `jobs` at once, or as many as may be.
    pub fn prepare(&mut self, jobs: usize) -> Result<()> {
        let wanted = jobs.div_ceil(self.how.in_flight).clamp(1, self.how.queues);
        while self.queues.len() < wanted {
            match self.engine.queue(self.direction) {
                Ok(queue) => self.queues.push(queue),
                // Fewer will do.
                Err(Error::Device(accel::Error::QueuesBusy { .. })) if !self.queues.is_empty() => {
                    self.how.queues = self.queues.len();
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sees to it that there is a queue, for the next file; false if it has to go without, after
    /// `tell` was told why.
    pub fn begin(&mut self, tell: &dyn Fn(&Error)) -> Result<bool> {
        if self.failures >= FAILURES {
            return Ok(false);
        }
        let mut patience = PATIENCE.iter();
        loop {
            match (self.prepare(1), patience.next()) {
                (Ok(()), _) => return Ok(true),
                // Other processes come to an end.
                (Err(Error::Device(accel::Error::QueuesBusy { .. })), Some(&time)) => {
                    std::thread::sleep(time);
                }
                (Err(error), _) => {
                    self.leave(error, tell)?;
                    self.failures = FAILURES;
                    return Ok(false);
                }
            }
        }
    }

    /// Goes on though the engine has failed by `error`, if that may be; what is left of the file is
    /// done without it.
    pub fn leave(&mut self, error: Error, tell: &dyn Fn(&Error)) -> Result<()> {
        if self.how.required {
            return Err(error);
        }
        tell(&error);
        self.failures += 1;
        self.queues.clear();
        Ok(())
    }

    /// Ends what is in flight, by dropping its queues.
    pub fn abandon(&mut self) {
        self.queues.retain(|queue| queue.in_flight() == 0);
    }

    /// Jobs that the queues made so far can have in flight.
    pub fn capacity(&self) -> usize {
        self.queues.iter().map(|queue| self.share(queue)).sum()
    }

    /// How many queues there are.
    pub fn count(&self) -> usize {
        self.queues.len()
    }

    fn share(&self, queue: &ZipQueue) -> usize {
        queue.capacity().min(self.how.in_flight)
    }

    /// Jobs in flight.
    pub fn in_flight(&self) -> usize {
        self.queues.iter().map(ZipQueue::in_flight).sum()
    }

    /// Whether there is room for a job.
    pub fn has_room(&self) -> bool {
        self.queues
            .iter()
            .any(|queue| queue.has_vacancy() && queue.in_flight() < self.how.in_flight)
    }

    /// Hands `job` to the queue that has least to do; gives it back if none has room.
    pub fn submit(&mut self, job: Job) -> Result<Option<Job>> {
        let limit = self.how.in_flight;
        let vacancy = self
            .queues
            .iter_mut()
            .filter(|queue| queue.has_vacancy() && queue.in_flight() < limit)
            .min_by_key(|queue| queue.in_flight())
            .and_then(ZipQueue::vacancy);
        match vacancy {
            Some(vacancy) => vacancy
                .submit(job)
                .map(|()| None)
                .map_err(|refused| refused.error.into()),
            None => Ok(Some(job)),
        }
    }

    /// A completion, if there is one.
    pub fn poll(&mut self) -> Result<Option<Completion>> {
        for _ in 0..self.queues.len() {
            self.turn = (self.turn + 1) % self.queues.len();
            if let Some(completion) = self.queues[self.turn].poll()? {
                return Ok(Some(completion));
            }
        }
        Ok(None)
    }

    /// Waits for a completion, or until `other` is readable.
    pub fn wait(&mut self, other: Option<BorrowedFd<'_>>) -> Result<Woken> {
        Ok(wait(&mut self.queues, self.how.wait, other, None)?)
    }
}
