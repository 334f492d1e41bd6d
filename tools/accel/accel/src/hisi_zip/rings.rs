// SPDX-License-Identifier: GPL-2.0 OR MIT
//! The rings of a queue and its doorbell: a way to the engine without system calls.

use rustix::io::Errno;

use super::job::Revision;
use super::port::{Done, Port};
use super::sqe::{self, Words};
use crate::barrier;
use crate::region::Region;
use crate::submit::JobBuffer;
use crate::uapi;

/// Where doorbells are rung: a register of the device, or a model of one.
pub trait DoorbellPort: Send {
    /// Stores to the doorbell register.
    fn ring(&self, value: u64);
}

/// The doorbell region of a queue.
pub(super) struct DoorbellRegion {
    region: Region,
    /// Offset of the register.
    register: usize,
}

impl DoorbellRegion {
    /// Nothing if the register is not inside `region`.
    pub(super) fn new(region: Region) -> Option<Self> {
        let register = register_in(region.len())?;
        Some(Self { region, register })
    }
}

/// Where the register is in a region of `size` bytes: of revision 0x21, which has but one page of
/// doorbells, it is the first.
fn register_in(size: usize) -> Option<usize> {
    let register = match size {
        0..=uapi::HISI_ZIP_DOORBELL_OFFSET => 0,
        _ => uapi::HISI_ZIP_DOORBELL_OFFSET,
    };
    (register + size_of::<u64>() <= size).then_some(register)
}

impl DoorbellPort for DoorbellRegion {
    fn ring(&self, value: u64) {
        self.region.write(self.register, value.to_le());
    }
}

/// The rings.
pub(super) struct Rings {
    id: u32,
    revision: Revision,
    depth: u16,
    ring: Region,
    doorbell: Box<dyn DoorbellPort>,
    /// Next submission entry to be written.
    tail: u16,
    /// Next completion entry to be read, and the phase it will have.
    head: u16,
    phase: bool,
    /// Completions read since the engine was told the head.
    unreported: u16,
}

impl Rings {
    /// The rings of queue `id`; nothing if `ring` is too small for `depth` entries.
    pub(super) fn new(
        id: u32,
        revision: Revision,
        depth: u16,
        ring: Region,
        doorbell: Box<dyn DoorbellPort>,
    ) -> Option<Self> {
        let entries = usize::from(depth);
        let bytes = uapi::hisi_zip_cq_offset(entries) + entries * uapi::HISI_ZIP_CQE_SIZE;
        (ring.len() >= bytes).then_some(Self {
            id,
            revision,
            depth,
            ring,
            doorbell,
            tail: 0,
            head: 0,
            phase: true,
            unreported: 0,
        })
    }

    /// Takes the oldest completion, which there is, and the entry `slot`; nothing if it is not
    /// about that.
    pub(super) fn take(
        &mut self,
        slot: u16,
    ) -> Option<(Words, [u16; uapi::HISI_ZIP_CQE_SIZE / 2])> {
        barrier::after_device_word();
        let completion = sqe::load_completion(&self.ring, self.depth, self.head);
        let head = sqe::load_sq_head(&self.ring, self.depth, self.head);
        self.advance();
        (head == slot).then(|| (sqe::load(&self.ring, slot), completion))
    }

    /// Tells the engine which completions are read.
    fn report(&mut self, arm: u64) {
        self.unreported = 0;
        self.ring_doorbell(uapi::HISI_ZIP_DB_CQ, self.head, arm);
    }

    fn ring_doorbell(&self, command: u64, index: u16, priority: u64) {
        let value = uapi::hisi_zip_db(self.id, command, index, priority);
        barrier::before_doorbell();
        self.doorbell.ring(value);
    }
}

impl Port for Rings {
    fn capacity(&self) -> u16 {
        self.depth - 1
    }

    fn next_slot(&self) -> u16 {
        self.tail
    }

    fn submit(
        &mut self,
        words: &Words,
        _buffers: &[JobBuffer<'_>],
        in_flight: u16,
    ) -> Result<(), Errno> {
        // The engine counts a completion as unread until it is told, and dies of too many.
        if in_flight + self.unreported >= self.depth - 1 {
            self.report(0);
        }
        sqe::store(&self.ring, self.tail, words);
        self.tail = if self.tail + 1 == self.depth {
            0
        } else {
            self.tail + 1
        };
        self.ring_doorbell(uapi::HISI_ZIP_DB_SQ, self.tail, 0);
        Ok(())
    }

    fn has_completion(&self) -> bool {
        sqe::is_new(&self.ring, self.depth, self.head, self.phase)
    }

    fn completion(&self) -> Option<Done> {
        barrier::after_device_word();
        let slot = sqe::load_sq_head(&self.ring, self.depth, self.head);
        (slot < self.depth).then(|| {
            let (results, tag) = sqe::load_results(&self.ring, slot, self.revision);
            Done {
                slot,
                tag,
                results,
                error: None,
            }
        })
    }

    fn advance(&mut self) {
        self.head += 1;
        if self.head == self.depth {
            self.head = 0;
            self.phase = !self.phase;
        }
        self.unreported += 1;
        if self.unreported >= self.depth / 2 {
            self.report(0);
        }
    }

    fn arm(&mut self) {
        self.report(1);
    }

    fn is_revoked(&self) -> bool {
        self.ring.is_revoked()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_register_is_where_the_region_has_it() {
        assert_eq!(register_in(0x1_0000), Some(0x1000));
        assert_eq!(register_in(0x1008), Some(0x1000));
        assert_eq!(register_in(0x1000), Some(0));
        assert_eq!(register_in(0), None);
    }
}
