// SPDX-License-Identifier: GPL-2.0

//! A queue: its SQ, its CQ, the job under way and the streams.

use std::collections::BTreeMap;

use crate::context;
use crate::context::Cqc;
use crate::context::Raw;
use crate::context::Sqc;
use crate::engine::Stream;
use crate::job::Job;
use crate::ring::Ring;
use crate::sqe::CQE_SIZE;

/// The streams of a queue that no job is working at.
///
/// One that begins in the context of another takes its place. Since a guest can clear a context,
/// and can map one many times, all queues together keep [`STREAMS`] at most.
#[derive(Default)]
pub struct Streams {
    list: BTreeMap<u64, Box<Stream>>,
}

/// Streams that are kept on the host; of more, the one that began first is lost.
pub const STREAMS: usize = 1024;

impl Streams {
    /// Takes stream `id` out.
    pub fn take(&mut self, id: u64) -> Option<Box<Stream>> {
        self.list.remove(&id)
    }

    /// Puts stream `id` in.
    pub fn put(&mut self, id: u64, stream: Box<Stream>) {
        self.list.insert(id, stream);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// The stream that began first: ids are given in order.
    pub fn oldest(&self) -> Option<u64> {
        self.list.keys().next().copied()
    }

    fn clear(&mut self) {
        self.list.clear();
    }
}

/// The submission side of a queue that works.
pub struct Sq {
    /// Its context.
    pub sqc: Sqc,
    /// Entry that is taken next.
    pub head: u16,
    /// First entry that was not submitted.
    pub tail: u16,
    /// Flips whenever the tail begins anew at entry 0.
    pub wrapped: bool,
    /// No more entries are to be taken.
    pub stopping: bool,
}

impl Sq {
    fn new(sqc: Sqc) -> Self {
        Self {
            sqc,
            head: 0,
            tail: 0,
            wrapped: false,
            stopping: false,
        }
    }

    /// Whether entries wait.
    pub fn has_entries(&self) -> bool {
        self.head != self.tail && !self.stopping
    }

    /// Moves the tail to `tail`. False if there is no such entry.
    pub fn submit(&mut self, tail: u16) -> bool {
        if tail >= self.sqc.depth {
            return false;
        }
        self.wrapped ^= tail < self.tail;
        self.tail = tail;
        true
    }

    /// The address and index of the next entry, which counts as taken.
    pub fn take(&mut self) -> (u64, u16) {
        let index = self.head;
        self.head = if index + 1 == self.sqc.depth {
            0
        } else {
            index + 1
        };
        (self.entry(index), index)
    }

    /// I/O address of entry `index`.
    pub fn entry(&self, index: u16) -> u64 {
        self.sqc
            .base
            .wrapping_add(u64::from(index) * crate::sqe::SQE_SIZE as u64)
    }
}

/// The completion side of a queue that works.
pub struct Cq {
    /// The ring.
    pub ring: Ring<CQE_SIZE>,
    /// Whether the next completion raises an event.
    pub armed: bool,
}

/// How long a queue hangs that was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hang {
    /// Until it is stopped, which gives up the job under way.
    UntilStopped,
    /// Until its contexts are forgotten: stopping it never ends.
    UntilReset,
}

/// Entries that were counted since the last reset, or since the count was cleared; modulo 2^32.
#[derive(Default)]
pub struct Counts {
    /// Taken from the SQ.
    pub sqes: u32,
    /// Written to the CQ.
    pub cqes: u32,
}

/// A queue.
#[derive(Default)]
pub struct Queue {
    sqc: Raw,
    cqc: Raw,
    /// The SQ, while it works.
    pub sq: Option<Sq>,
    /// The CQ, while it may be written.
    pub cq: Option<Cq>,
    /// The job under way.
    pub job: Option<Job>,
    /// The streams.
    pub streams: Streams,
    /// Whether the queue stands in line for a turn.
    pub in_line: bool,
    /// Whether the queue hangs.
    pub hang: Option<Hang>,
    /// What went through it.
    pub counts: Counts,
    /// It was stopped with all others, which says nothing of what becomes of its ring.
    pub flushed: bool,
}

impl Queue {
    /// Whether DMA is due: a job was begun, or entries wait.
    pub fn has_work(&self) -> bool {
        let has = self.job.is_some() || self.sq.as_ref().is_some_and(Sq::has_entries);
        has && self.hang.is_none()
    }

    /// Whether the queue can't be stopped now.
    pub fn holds_up_stop(&self) -> bool {
        match self.hang {
            None => self.has_work(),
            Some(hang) => hang == Hang::UntilReset,
        }
    }

    /// Starts the SQ anew.
    pub fn start_sq(&mut self, raw: Raw, sqc: Sqc) {
        self.drop_work();
        self.hang.take_if(|hang| *hang == Hang::UntilStopped);
        self.sqc = raw;
        self.flushed = false;
        self.sq = Some(Sq::new(sqc));
    }

    /// Starts the CQ anew.
    pub fn start_cq(&mut self, raw: Raw, cqc: Cqc) {
        self.cqc = raw;
        let ring = Ring::new(cqc.base, cqc.depth, cqc.phase);
        self.cq = Some(Cq {
            ring,
            armed: cqc.armed,
        });
    }

    /// Ends the queue; its contexts can still be read back.
    pub fn stop(&mut self) {
        self.sqc = self.read_sqc();
        self.cqc = self.read_cqc(0);
        self.drop_work();
        self.hang = None;
        self.cq = None;
    }

    /// Ends the queue, whose SQC is `raw` from now on.
    pub fn close(&mut self, raw: Raw) {
        self.stop();
        self.flushed = false;
        self.sqc = raw;
    }

    /// Its contexts are those of a queue that was never configured.
    pub fn forget(&mut self) {
        self.sqc = Raw::default();
        self.cqc = Raw::default();
        self.flushed = false;
    }

    fn drop_work(&mut self) {
        self.sq = None;
        self.job = None;
        self.streams.clear();
    }

    /// The SQC with the position of now.
    pub fn read_sqc(&self) -> Raw {
        let mut raw = self.sqc;
        if let Some(sq) = &self.sq {
            context::put_position(&mut raw, sq.head, sq.tail, sq.wrapped);
        }
        raw
    }

    /// The CQC with the position of now, or a tail that is too far ahead.
    pub fn read_cqc(&self, ahead: u16) -> Raw {
        let mut raw = self.cqc;
        if let Some(Cq { ring, .. }) = &self.cq {
            let (tail, wrapped) = ring.position(ahead);
            context::put_position(&mut raw, ring.head(), tail, wrapped);
        }
        raw
    }
}
