// SPDX-License-Identifier: GPL-2.0

//! Completions that find their CQ full.
//!
//! They wait in a FIFO that all queues share, and the driver is told of each. A queue is not
//! stopped for it: that is left to the driver.

use crate::bus::Bus;
use crate::counters::Entries;
use crate::device::Device;
use crate::errors;
use crate::readings::Reading;
use crate::regs;
use crate::sqe;

/// Completions that can wait.
pub const WAITING: usize = 64;

/// An AEQ entry: a CQ has no room.
const AEQ_CQ_OVERFLOW: u32 = 0 << 17;
/// An AEQ entry: a completion can't be written.
const AEQ_CQE_ERROR: u32 = 2 << 17;

/// A completion.
#[derive(Clone, Copy)]
pub(crate) struct Completion {
    /// The CQ that it is for.
    pub(crate) cq: u16,
    /// The SQ that it is about.
    pub(crate) sq: u16,
    /// The entry that is done.
    pub(crate) index: u16,
}

impl Device {
    /// Writes a completion, or has it wait.
    pub(crate) fn push_completion(&mut self, bus: &mut dyn Bus, completion: Completion) {
        if self.faults.drops_completion(&mut self.stats) {
            return;
        }
        let Completion { cq: number, sq, .. } = completion;
        let Some(cq) = &self.queues[usize::from(number)].cq else {
            self.stats
                .violation(format!("queue {sq}: completion for a CQ never configured"));
            return self.queues[usize::from(sq)].stop();
        };
        let waits = self.overflow.iter().any(|other| other.cq == number);
        if !waits && !cq.ring.is_full() {
            return self.write_completion(bus, completion);
        }
        self.aeq.post(AEQ_CQ_OVERFLOW | u32::from(number));
        if self.overflow.len() < WAITING {
            self.overflow.push_back(completion);
        } else {
            self.raise(regs::QM_ABNORMAL, errors::FIFO_OVERFLOW);
        }
    }

    /// Writes the completions that have room by now. Those of a CQ that is gone are forgotten.
    pub(crate) fn write_overflown(&mut self, bus: &mut dyn Bus) {
        for completion in std::mem::take(&mut self.overflow) {
            let waits = self.overflow.iter().any(|other| other.cq == completion.cq);
            match &self.queues[usize::from(completion.cq)].cq {
                None => {}
                Some(cq) if waits || cq.ring.is_full() => self.overflow.push_back(completion),
                Some(_) => self.write_completion(bus, completion),
            }
        }
    }

    fn write_completion(&mut self, bus: &mut dyn Bus, completion: Completion) {
        let Completion {
            cq: number,
            sq,
            index,
        } = completion;
        let spare = match self.config.mild.has(Reading::CompletionBits) {
            true => 0,
            false => self.nonsense.draw() as u16,
        };
        let Some(cq) = self.queues[usize::from(number)].cq.as_mut() else {
            return;
        };
        let entry = sqe::cqe(index, sq, cq.ring.phase(), spare);
        if cq.ring.push(bus, &entry).is_err() {
            self.aeq.post(AEQ_CQE_ERROR | u32::from(number));
            return self.dead_ring(sq, "CQ");
        }
        if std::mem::take(&mut cq.armed) && !self.faults.drops_event(&mut self.stats) {
            self.eq.post(u32::from(number));
        }
        self.count_entry(number, Entries::Completed);
    }
}
