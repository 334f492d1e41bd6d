// SPDX-License-Identifier: GPL-2.0

//! The event queue and the queue of abnormal events.

use std::collections::VecDeque;

use crate::bus::Bus;
use crate::bus::Refused;
use crate::context;
use crate::context::Eqc;
use crate::context::Raw;
use crate::readings::Mild;
use crate::readings::Reading;
use crate::ring::Ring;

/// Bytes of an entry.
const ENTRY_SIZE: usize = 4;
/// The phase of an entry.
const PHASE: u32 = 1 << 16;

/// What came of writing events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// The driver was interrupted.
    pub interrupted: bool,
    /// There was no room for an event, for the first time since the queue was started.
    pub overflown: bool,
}

/// A queue that tells the driver of events, and its interrupt.
///
/// An event for which there is no room is lost.
pub struct EventQueue {
    vector: u8,
    raw: Raw,
    ring: Option<Ring<ENTRY_SIZE>>,
    waiting: VecDeque<u32>,
    masked: bool,
    /// The driver was interrupted, and has not said what it has read since.
    pending: bool,
    /// An event was lost. Nothing is written any more, unless the queue recovers from that.
    overflown: bool,
    mild: Mild,
}

impl EventQueue {
    /// A queue that is not configured yet and interrupts by MSI `vector`.
    pub fn new(vector: u8, mild: Mild) -> Self {
        Self {
            vector,
            raw: Raw::default(),
            ring: None,
            waiting: VecDeque::new(),
            masked: true,
            pending: false,
            overflown: false,
            mild,
        }
    }

    /// Starts the queue.
    pub fn start(&mut self, raw: Raw, eqc: Eqc) {
        self.stop();
        self.raw = raw;
        self.ring = Some(Ring::new(eqc.base, eqc.depth, eqc.phase));
    }

    /// Forgets the ring and all events.
    pub fn stop(&mut self) {
        *self = Self {
            masked: self.masked,
            pending: self.pending && !self.mild.has(Reading::InterruptSource),
            ..Self::new(self.vector, self.mild)
        };
    }

    /// The context with the position of now.
    pub fn read_context(&self) -> Raw {
        let mut raw = self.raw;
        if let Some(ring) = &self.ring {
            context::put_position(&mut raw, ring.head(), ring.tail(), ring.wrapped());
        }
        raw
    }

    /// Masks or unmasks the interrupt.
    pub fn set_masked(&mut self, masked: bool) {
        self.masked = masked;
    }

    /// Notes that the driver has read up to `head`, and arms the interrupt.
    ///
    /// False if there is no such entry.
    pub fn consume(&mut self, head: u16) -> bool {
        let Some(ring) = &mut self.ring else {
            return false;
        };
        if !ring.consume(head) {
            return false;
        }
        self.pending = false;
        self.overflown &= !self.mild.has(Reading::EqOverflow);
        true
    }

    /// Will tell the driver of `event`.
    pub fn post(&mut self, event: u32) {
        // No ring has room for more.
        if self.waiting.len() < 1 << 16 {
            self.waiting.push_back(event);
        }
    }

    /// Writes an entry whether or not there is room, and interrupts whether or not it may.
    pub fn force(&mut self, bus: &mut dyn Bus, entry: u32, right_phase: bool) {
        let Some(ring) = &mut self.ring else {
            return;
        };
        let phase = if ring.phase() == right_phase {
            PHASE
        } else {
            0
        };
        // If the IOMMU refuses it, so much the better.
        let _ = ring.push(bus, &(entry | phase).to_le_bytes());
        self.pending = true;
        bus.interrupt(self.vector);
    }

    /// Writes what there is room for, and interrupts if need be and it may.
    pub fn flush(&mut self, bus: &mut dyn Bus, may_interrupt: bool) -> Result<Flushed, Refused> {
        let mut flushed = Flushed::default();
        let Some(ring) = &mut self.ring else {
            return Ok(flushed);
        };
        for event in self.waiting.drain(..) {
            if ring.is_full() || self.overflown {
                flushed.overflown |= !std::mem::replace(&mut self.overflown, true);
                continue;
            }
            let phase = if ring.phase() { PHASE } else { 0 };
            ring.push(bus, &(event | phase).to_le_bytes())?;
        }
        if may_interrupt && !ring.is_empty() && !self.pending && !self.masked {
            self.pending = true;
            flushed.interrupted = true;
            bus.interrupt(self.vector);
        }
        Ok(flushed)
    }
}
