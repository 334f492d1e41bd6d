// SPDX-License-Identifier: GPL-2.0

//! The event queue and the queue of abnormal events.

use std::collections::HashMap;
use std::collections::VecDeque;

use crate::bus::Bus;
use crate::bus::Refused;
use crate::context;
use crate::context::Eqc;
use crate::context::Raw;
use crate::ring::Ring;

/// Bytes of an entry.
const ENTRY_SIZE: usize = 4;
/// The phase of an entry.
const PHASE: u32 = 1 << 16;

/// A queue that tells the driver of events, and its interrupt.
///
/// No event is lost: one for which there is no room, or one equal to an entry that the driver has
/// not read yet, waits until the driver has read on.
pub struct EventQueue {
    vector: u8,
    raw: Raw,
    ring: Option<Ring<ENTRY_SIZE>>,
    waiting: VecDeque<u32>,
    /// Number of the last entry for each event.
    last: HashMap<u32, u64>,
    written: u64,
    read: u64,
    masked: bool,
    armed: bool,
}

impl EventQueue {
    /// A queue that is not configured yet and interrupts by MSI `vector`.
    pub fn new(vector: u8) -> Self {
        Self {
            vector,
            raw: Raw::default(),
            ring: None,
            waiting: VecDeque::new(),
            last: HashMap::new(),
            written: 0,
            read: 0,
            masked: true,
            armed: true,
        }
    }

    /// Starts the queue.
    pub fn start(&mut self, raw: Raw, eqc: Eqc) {
        let masked = self.masked;
        *self = Self::new(self.vector);
        self.masked = masked;
        self.raw = raw;
        self.ring = Some(Ring::new(eqc.base, eqc.depth, eqc.phase));
    }

    /// Forgets the ring and all events.
    pub fn stop(&mut self) {
        let masked = self.masked;
        *self = Self::new(self.vector);
        self.masked = masked;
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
        // A head that lies ahead of the tail would make more unread than was ever written.
        self.read = self.written.saturating_sub(u64::from(ring.unread()));
        self.armed = true;
        true
    }

    /// Will tell the driver of `event`.
    pub fn post(&mut self, event: u32) {
        if !self.waiting.contains(&event) {
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
        self.written += 1;
        self.armed = false;
        bus.interrupt(self.vector);
    }

    /// Writes what can be written and interrupts if need be. Returns whether it interrupted.
    pub fn flush(&mut self, bus: &mut dyn Bus) -> Result<bool, Refused> {
        let Some(ring) = &mut self.ring else {
            return Ok(false);
        };
        for _ in 0..self.waiting.len() {
            let Some(event) = self.waiting.pop_front() else {
                break;
            };
            let unread = self.last.get(&event).is_some_and(|last| *last >= self.read);
            if unread || ring.is_full() {
                self.waiting.push_back(event);
                continue;
            }
            let phase = if ring.phase() { PHASE } else { 0 };
            ring.push(bus, &(event | phase).to_le_bytes())?;
            self.last.insert(event, self.written);
            self.written += 1;
        }
        let interrupts = !ring.is_empty() && self.armed && !self.masked;
        if interrupts {
            self.armed = false;
            bus.interrupt(self.vector);
        }
        Ok(interrupts)
    }
}
