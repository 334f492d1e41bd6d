// SPDX-License-Identifier: GPL-2.0

//! A ring that the device writes: completions and events.

use crate::bus::Bus;
use crate::bus::Refused;

/// A ring of `N`-byte entries, each with a phase bit that flips from pass to pass.
pub struct Ring<const N: usize> {
    base: u64,
    depth: u16,
    tail: u16,
    head: u16,
    phase: bool,
    wrapped: bool,
}

impl<const N: usize> Ring<N> {
    /// An empty ring of `depth` entries at I/O address `base`; `phase` marks the first pass.
    pub fn new(base: u64, depth: u16, phase: bool) -> Self {
        Self {
            base,
            depth,
            tail: 0,
            head: 0,
            phase,
            wrapped: false,
        }
    }

    /// The entry that the guest reads next.
    pub fn head(&self) -> u16 {
        self.head
    }

    /// The entry that the device writes next.
    pub fn tail(&self) -> u16 {
        self.tail
    }

    /// Flips whenever the tail begins anew at entry 0.
    pub fn wrapped(&self) -> bool {
        self.wrapped
    }

    /// The tail `ahead` entries from now, and whether it has begun anew an odd number of times.
    pub fn position(&self, ahead: u16) -> (u16, bool) {
        let depth = u32::from(self.depth);
        let entries = u32::from(self.tail) + u32::from(ahead);
        (
            (entries % depth) as u16,
            self.wrapped ^ (entries / depth % 2 != 0),
        )
    }

    /// Phase bit for the entry at the tail.
    pub fn phase(&self) -> bool {
        self.phase
    }

    /// Entries that the guest has not read.
    pub fn unread(&self) -> u16 {
        if self.tail >= self.head {
            self.tail - self.head
        } else {
            self.depth - self.head + self.tail
        }
    }

    /// Whether the guest has read everything.
    pub fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// Whether there is no room. One entry stays free, to tell full from empty.
    pub fn is_full(&self) -> bool {
        self.next(self.tail) == self.head
    }

    /// Notes that the guest has read up to `head`. False if there is no such entry.
    pub fn consume(&mut self, head: u16) -> bool {
        let valid = head < self.depth;
        if valid {
            self.head = head;
        }
        valid
    }

    /// Writes the entry at the tail.
    pub fn push(&mut self, bus: &mut dyn Bus, entry: &[u8; N]) -> Result<(), Refused> {
        bus.write(
            self.base.wrapping_add(u64::from(self.tail) * N as u64),
            entry,
        )?;
        self.tail = self.next(self.tail);
        if self.tail == 0 {
            self.phase = !self.phase;
            self.wrapped = !self.wrapped;
        }
        Ok(())
    }

    fn next(&self, index: u16) -> u16 {
        if index + 1 == self.depth {
            0
        } else {
            index + 1
        }
    }
}
